package replication

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// lookup answers which changes of a key the other side may not know of.
type lookup struct {
	book    *echoBook
	overlay map[echoKey]store.Position // of this unit, and of the target's queue and sent tables
}

// last is the position of the last change of any of the item's keys that was sent.
func (l *lookup) last(it *item) store.Position {
	var last store.Position
	for _, k := range it.keys() {
		key := echoKey{it.state.name, k}
		last = max(last, l.book.last[key], l.overlay[key])
	}
	return last
}

// has reports whether what was sent of the item's keys was known (seen) to whoever wrote the item. For an echo, what
// has been forgotten counts as not known: below the floor, and for a retry, the one writer whose stamps are older than
// those of others before it, below what has been pruned, even where an older change of the key is remembered.
func (l *lookup) has(it *item, forgotten bool) bool {
	last := l.last(it)
	if forgotten {
		last = max(last, it.state.Floor)
		if it.seen < it.state.Pruned && strings.HasPrefix(it.writer, writerRetry) {
			return false
		}
	}
	return last <= it.seen
}

// lookups reads, for maps that may have rows in the target's queue, what was last queued or replayed of the keys of
// the unit's echoes and resends.
func (s *Stream) lookups(ctx context.Context, unit []item) (*lookup, error) {
	l := &lookup{book: s.reader.echoes, overlay: make(map[echoKey]store.Position)}
	if s.long != nil {
		maps.Copy(l.overlay, s.long.told)
	}
	wanted := make(map[*mapState][]*item)
	var order []*mapState
	for i := range unit {
		it := &unit[i]
		if (it.kind != itemEcho && it.kind != itemWrote && it.kind != itemResend) || it.position <= s.reader.cursor || !s.backlog[it.state.name] {
			continue
		}
		if wanted[it.state] == nil {
			order = append(order, it.state)
		}
		wanted[it.state] = append(wanted[it.state], it)
	}
	if len(order) == 0 {
		return l, nil
	}
	view, err := s.target.View(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	for _, m := range order {
		some, err := s.hasBacklog(ctx, view, m)
		if err != nil {
			return nil, err
		}
		if !some {
			continue
		}
		if err := s.lookupMap(ctx, view, l, wanted[m]); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// hasBacklog reports whether the target's tables queue and sent have rows of the map that say anything: those of sent up to
// what the other side has been seen to know are as good as forgotten.
func (s *Stream) hasBacklog(ctx context.Context, r store.Reader, m *mapState) (bool, error) {
	for _, table := range []string{store.QueueTable, store.SentTable} {
		q := byMap(table, m.name)
		q.Order, q.Desc, q.Limit = "id", true, 1
		rows, err := r.Select(ctx, q)
		switch {
		case err != nil:
			return false, fmt.Errorf("read %s: %w", table, err)
		case len(rows) == 0:
			continue
		case table == store.QueueTable || sentOf(rows[0]).Position > m.decided:
			return true, nil
		}
		if m.Pruned < m.decided {
			m.Pruned, m.dirty = m.decided, true
		}
		return false, nil
	}
	if s.long == nil { // else there may be what nobody sees yet
		s.backlog[m.name] = false
	}
	return false, nil
}

// lookupMap fills the overlay for one map. Keys there are the target's; the overlay's are the source's.
func (s *Stream) lookupMap(ctx context.Context, view store.View, l *lookup, items []*item) error {
	bySource := make(map[string][]string)
	var keys []store.Value
	for _, it := range items {
		for _, k := range [][2]store.Row{{it.key(), nil}, {it.newKey(), nil}} {
			if k[0] == nil {
				continue
			}
			c := change{flow: it.state.flow}
			target, _ := c.targetKeys(k[0], nil)
			enc := store.EncodeRow(target)
			bySource[enc] = append(bySource[enc], store.EncodeRow(k[0]))
			keys = append(keys, blob(enc))
		}
	}
	note := func(target string, p store.Position) {
		for _, k := range bySource[target] {
			key := echoKey{items[0].state.name, k}
			l.overlay[key] = max(l.overlay[key], p)
		}
	}
	name := items[0].state.name
	for _, column := range []string{"key", "new_key"} {
		rows, err := view.Select(ctx, in(byMap(store.QueueTable, name), column, keys))
		if err != nil {
			return fmt.Errorf("read queue: %w", err)
		}
		for _, row := range rows {
			e := entryOf(row)
			note(e.Key, e.Position)
			note(e.NewKey, e.Position)
		}
	}
	rows, err := view.Select(ctx, in(byMap(store.SentTable, name), "key", keys))
	if err != nil {
		return fmt.Errorf("read what was sent: %w", err)
	}
	for _, row := range rows {
		s := sentOf(row)
		note(s.Key, s.Position)
	}
	replays, err := s.recall(ctx, view, items[0].state)
	if err != nil {
		return err
	}
	for target := range bySource {
		note(target, lastReplay(replays, target))
	}
	return nil
}
