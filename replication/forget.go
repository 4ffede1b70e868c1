package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// noteSent keeps what was sent of keys for another reason than that a user made a change. The log does not tell it again:
// whether such a row is sent goes by what was sent before, which may be forgotten sooner. What users have changed is kept as well,
// not in the echo book, where there is much of it: as of a replay, the other side has seen all of the transaction or nothing.
func (f *flushing) noteSent(ctx context.Context, tx store.Tx) error {
	f.kept = make(map[string]bool)
	var rows []store.Row
	of, latest := make(map[string][]entry), make(map[string]store.Position)
	for _, c := range f.live {
		if !c.noted {
			if f.cut || f.long != nil || !c.flow.overwrites() || !f.twoWay(c.state) {
				continue
			}
			of[c.name] = append(of[c.name], entry{Key: c.entry.Key, NewKey: c.entry.NewKey, Position: c.entry.Position})
			continue
		}
		for _, k := range []string{c.entry.Key, c.entry.NewKey} {
			if k != "" {
				rows = append(rows, sent{Map: c.name, Key: k, Position: c.entry.Position}.row())
				latest[c.name] = c.entry.Position
			}
		}
	}
	for _, name := range sortedKeys(of) {
		entries := of[name]
		if len(entries) < f.engine.keep() {
			continue
		}
		f.kept[name] = true
		if err := putReplayed(ctx, tx, name, entries); err != nil {
			return err
		}
		if last := entries[len(entries)-1].Position; latest[name] < last && latest[name] != "" {
			rows = append(rows, sent{Map: name, Position: last}.row())
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := tx.Put(ctx, store.SentTable, rows...); err != nil {
		return fmt.Errorf("remember what was sent: %w", err)
	}
	return nil
}

// forgetSent drops what is kept of what was sent once the other side has been seen to know them.
func (f *flushing) forgetSent(ctx context.Context, tx store.Tx) error {
	for _, name := range sortedKeys(f.modes) {
		m := f.reader.maps[name]
		if !f.backlog[name] || m == nil || f.queued[name] {
			continue
		}
		if err := f.forgetKnown(ctx, tx, name, m); err != nil {
			return err
		}
		if f.modes[name].Mode == modeQueue {
			continue
		}
		left := 0
		for _, table := range []string{store.SentTable, store.QueueTable} {
			q := byMap(table, name)
			q.Limit = 1
			rows, err := tx.Select(ctx, q)
			if err != nil {
				return fmt.Errorf("read queue: %w", err)
			}
			left += len(rows)
		}
		if left == 0 {
			delete(f.backlog, name)
		}
	}
	return nil
}

// forgetRows is how many rows of the table sent one transaction forgets at most.
const forgetRows = 10_000

// forgetKnown drops what is kept of what was sent of a map up to its horizon.
func (f *flushing) forgetKnown(ctx context.Context, tx store.Tx, name string, m *mapState) error {
	q := byMap(store.SentTable, name)
	q.Order, q.Limit = "id", 1
	rows, err := tx.Select(ctx, q)
	if err != nil {
		return fmt.Errorf("read what was sent: %w", err)
	}
	if len(rows) == 0 || sentOf(rows[0]).Position > m.horizon {
		return nil
	}
	m.Pruned, m.dirty = max(m.Pruned, m.horizon), true
	q = and(byMap(store.SentTable, name), "position", store.Le, store.Str(string(m.horizon)))
	if err := tx.Delete(ctx, and(q, "id", store.Lt, store.Int(sentOf(rows[0]).ID+forgetRows))); err != nil {
		return fmt.Errorf("forget what was sent: %w", err)
	}
	if err := tx.Delete(ctx, and(byMap(store.ReplayedTable, name), "position", store.Le, store.Str(string(m.horizon)))); err != nil {
		return fmt.Errorf("forget replayed changes: %w", err)
	}
	return nil
}
