package replication

import (
	"context"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// emptying carries a TRUNCATE of the side that wins across: every row that the other side has in the map, or has in its
// queue, is deleted there as if a user had deleted it. That takes several transactions, and begins anew where an attempt has
// ended before the last. The map may turn to its queue or from it meanwhile: nothing but the stream adds to a queue, and
// what is played back before its turn has come is found in the table, which is read last.
//
// Which rows were deleted is not remembered. Instead the map's floor is raised to the TRUNCATE: a row of the other side's
// that had not seen it when it came here is sent back there.
type emptying struct {
	item   item
	rows   int // of one transaction
	begun  bool
	queued int64     // the last entry of the queue that has been dealt with …
	newest int64     // … of those that were there
	after  store.Row // the last key of the target's table that has been dealt with
	done   bool
}

// empties reports whether a change is a TRUNCATE that is carried across.
func (r *reader) empties(c *store.Change) bool {
	if c.Op != store.Truncate || c.Ledger || r.open != nil {
		return false
	}
	m := r.tables[c.Table]
	return m != nil && m.attached() && m.flow.overwrites() && m.def.Map.Truncate == tablemap.TruncateApply
}

// beginEmptying takes over TRUNCATEs, those of children first.
func (s *Stream) beginEmptying(items []item) {
	s.reached = max(s.reached, items[0].restart) // what was read before them is done
	for _, it := range items {
		m := it.state
		if it.position >= m.Since {
			m.Floor, m.dirty = max(m.Floor, it.position), true
		}
		if it.position > s.reader.cursor {
			s.emptying = append(s.emptying, &emptying{item: it, rows: s.target.Limits().CopyRows})
		}
	}
	for n := range s.emptying {
		parent := func(e *emptying) bool {
			return slices.ContainsFunc(s.emptying[n:], func(child *emptying) bool { return child != e && child.item.state.refersTo(e.item.state) })
		}
		if i := slices.IndexFunc(s.emptying[n:], func(e *emptying) bool { return !parent(e) }); i > 0 {
			s.emptying[n], s.emptying[n+i] = s.emptying[n+i], s.emptying[n]
		}
	}
}

// refersTo reports whether rows of one map are children of another's on the target.
func (m *mapState) refersTo(parent *mapState) bool {
	return slices.ContainsFunc(m.def.Parents[m.flow.from.Other()], func(p Parent) bool { return p.Map == parent.name })
}

// empty deletes the next rows.
func (s *Stream) empty(ctx context.Context) error {
	e := s.emptying[0]
	view, err := s.target.View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	m := e.item.state
	all, err := modes(ctx, view, m.name)
	if err != nil {
		return err
	}
	now := all[m.name]
	if now.Run != m.Run || now.Mode == modeOff {
		return s.emptied(ctx)
	}
	if now.Mode == modeQueue && !now.Synced { // rows that an initial write has read are neither in the table nor in the queue
		e.item.kind = itemLost
		if err := s.flush(ctx, []item{e.item}, e.item.position, prepared{}); err != nil {
			return err
		}
		return s.emptied(ctx)
	}
	if !e.begun {
		if err := e.begin(ctx, view); err != nil {
			return err
		}
	}
	unit, err := e.next(ctx, view)
	switch {
	case err != nil:
		return err
	case e.done:
		return s.emptied(ctx)
	}
	return s.flush(ctx, unit, "", prepared{})
}

// emptied goes on to the next TRUNCATE, or writes down that all are done.
func (s *Stream) emptied(ctx context.Context) error {
	if s.emptying = s.emptying[1:]; len(s.emptying) > 0 {
		return nil
	}
	s.reached = max(s.reached, s.reader.read)
	return s.persist(ctx)
}

// begin notes the newest entry of the queue, which will grow.
func (e *emptying) begin(ctx context.Context, view store.View) error {
	q := byMap(store.QueueTable, e.item.state.name)
	q.Desc, q.Limit = true, 1
	rows, err := view.Select(ctx, q)
	if err != nil {
		return fmt.Errorf("read queue: %w", err)
	}
	if len(rows) > 0 {
		e.newest = rows[0][0].Int64()
	}
	e.begun = true
	return nil
}

// next is the next rows to delete.
func (e *emptying) next(ctx context.Context, view store.View) ([]item, error) {
	if e.queued < e.newest {
		keys, err := e.nextQueued(ctx, view)
		return e.deletes(keys), err
	}
	rel := &e.item.state.flow.target
	rows, err := view.Scan(ctx, rel, e.after, e.rows)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", rel.Table, err)
	}
	keys := make([]store.Row, len(rows))
	for i, row := range rows {
		keys[i] = rel.KeyOf(row)
	}
	if e.done = len(rows) == 0; !e.done {
		e.after = keys[len(keys)-1]
	}
	return e.deletes(keys), nil
}

func (e *emptying) nextQueued(ctx context.Context, view store.View) ([]store.Row, error) {
	q := byMap(store.QueueTable, e.item.state.name)
	q = and(and(q, "id", store.Gt, store.Int(e.queued)), "id", store.Le, store.Int(e.newest))
	q.Limit = e.rows
	rows, err := view.Select(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	if e.queued = e.newest; len(rows) == e.rows {
		e.queued = rows[len(rows)-1][0].Int64()
	}
	// What deletes a row need not be followed by another delete: the queue would double with each TRUNCATE.
	return keysOf(slices.DeleteFunc(rows, func(row store.Row) bool { return entryOf(row).After == "" }))
}

// keysOf are the keys of entries of the queue, each once.
func keysOf(rows []store.Row) ([]store.Row, error) {
	var out []store.Row
	known := map[string]bool{"": true}
	for _, row := range rows {
		e := entryOf(row)
		for _, text := range []string{e.Key, e.NewKey} {
			if known[text] {
				continue
			}
			known[text] = true
			key, err := store.DecodeRow(text)
			if err != nil {
				return nil, err
			}
			out = append(out, key)
		}
	}
	return out, nil
}

// deletes are items that delete rows of the target.
func (e *emptying) deletes(keys []store.Row) []item {
	f := e.item.state.flow
	back := newFlow(f.def, f.from.Other(), f.master)
	out := make([]item, len(keys))
	for i, key := range keys {
		it := e.item
		it.kind, it.before = itemRemove, key
		if translated := back.translateKey(key); translated != nil {
			it.before = translated
		}
		out[i] = it
	}
	return out
}
