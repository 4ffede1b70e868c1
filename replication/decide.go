package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// change is one row's change on its way to the target.
type change struct {
	state  *mapState
	flow   *flow
	name   string    // of the map
	entry  entry     // see full
	insert bool      // the user inserted the row
	retry  bool      // a person asked for it: what is held of the key gives way
	noted  bool      // that it was sent has to be written down: it cannot be told from the log again
	before store.Row // images in the target's columns
	after  store.Row
	fault  *fault // the images could not be translated
	key    store.Row
	newKey store.Row      // differs from key, or nil
	ids    []int64        // of a retry: the held changes that it stands for; nil: all of its key
	held   []string       // their keys
	latest store.Position // of one that stands for several: what the last of them had seen

	rawBefore, rawAfter store.Row // images as the source has them, where the entry has none
}

// full is the entry with its images, which few changes ever need.
func (c *change) full() entry {
	e := c.entry
	if e.Before == "" {
		e.Before = store.EncodeRow(c.rawBefore)
	}
	if e.After == "" {
		e.After = store.EncodeRow(c.rawAfter)
	}
	return e
}

// saw is what the user had seen of the other side who made the change, or the last of several that it stands for.
func (c *change) saw() store.Position { return max(c.entry.Seen, c.latest) }

// sourceKeys are the item's, which the change may have as well.
func (c *change) sourceKeys(it *item) []string {
	if !c.flow.verbatim(it.key()) || it.newKey() != nil {
		return it.keys()
	}
	return []string{c.entry.Key}
}

// newChange prepares a change for the target. Of a resend before is the key alone.
func newChange(f *flow, e entry, before, after store.Row) *change {
	c := &change{flow: f, name: e.Map, entry: e}
	var bad *fault
	if c.before, bad = f.translate(before); bad != nil {
		c.before = nil // the target cannot have had it: to it this is a new row
		if f.translateKey(before) == nil {
			c.fault = bad
		}
	}
	if c.after, bad = f.translate(after); bad != nil {
		c.after, c.fault = nil, bad
	}
	c.key, c.newKey = c.targetKeys(before, after)
	c.entry.Key = store.EncodeRow(c.key)
	if c.newKey != nil {
		c.entry.NewKey = store.EncodeRow(c.newKey)
	}
	return c
}

// targetKeys translates the keys; one that cannot be translated stands in the source's form, so that what waits
// behind it is found all the same.
func (c *change) targetKeys(before, after store.Row) (key, newKey store.Row) {
	of := func(row store.Row) store.Row {
		if row == nil {
			return nil
		}
		if key := c.flow.source.KeyOf(row); c.flow.verbatim(key) {
			return key
		}
		out := make(store.Row, c.flow.source.Key)
		for i := range out {
			v, bad := c.flow.cell(i, row[i])
			if bad != nil {
				return c.flow.source.KeyOf(row)
			}
			out[i] = v
		}
		return out
	}
	old, fresh := of(before), of(after)
	switch {
	case old == nil:
		return fresh, nil
	case fresh == nil || fresh.Equal(old):
		return old, nil
	}
	return old, fresh
}

// decide turns items into changes for the target: echoes and resends that the other side does not need are left out.
// It reads, but writes nothing. sent lists what the echo book has to learn once the changes are durable.
func (s *Stream) decide(ctx context.Context, unit []item) (changes []*change, sent []echoEntry, err error) {
	known, err := s.lookups(ctx, unit)
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.resendRows(ctx, unit, known)
	if err != nil {
		return nil, nil, err
	}
	changes = make([]*change, 0, len(unit))
	overlaid := slices.ContainsFunc(unit, func(it item) bool { return it.kind != itemChange && it.kind <= itemResend })
	for i := range unit {
		it := &unit[i]
		if it.position <= s.reader.cursor {
			s.relearn(it)
			continue
		}
		before, after := it.before, it.after
		switch it.kind {
		case itemChange:
		case itemEcho:
			if known.has(it, true) {
				continue
			}
		case itemResend:
			if !it.state.flow.overwrites() || (it.retry == retryNone && !known.has(it, false)) {
				continue
			}
			after = rows[i]
		case itemWrote:
			if known.has(it, true) {
				continue
			}
			after = rows[i]
		case itemRemove:
			changes = append(changes, s.newChange(it, before, nil))
			continue
		default:
			continue
		}
		c := s.newChange(it, before, after)
		if it.effect && c.fault == nil && s.loops.turns(echoKey{it.state.name, c.entry.Key}, s.engine.nowMs()) {
			c.fault = loopFault()
		}
		changes = append(changes, c)
		if it.state.flow.overwrites() && s.twoWay(it.state) {
			c.noted = it.kind != itemChange
			for _, k := range c.sourceKeys(it) {
				if overlaid {
					known.overlay[echoKey{it.state.name, k}] = it.position
				}
				if !c.noted {
					sent = append(sent, echoEntry{echoKey{it.state.name, k}, it.position, it.restart, it.atMs})
				}
			}
		}
	}
	return changes, sent, nil
}

func (s *Stream) newChange(it *item, before, after store.Row) *change {
	e := entry{Map: it.state.name, Position: it.position, Seen: it.seen, Kind: kindChange, AtMs: it.atMs}
	if it.kind == itemRemove {
		e.Position = it.restart // who has applied some of the rows of a TRUNCATE has not seen it
	}
	if it.kind != itemChange {
		e.Kind = kindResend
		e.Seen = ""
	}
	switch it.retry {
	case retryRow:
		e.Kind, e.Seen = kindRetry, it.seen
	case retryInsert:
		e.Kind, e.Seen = kindRetryInsert, it.seen
	}
	c := newChange(it.state.flow, e, before, after)
	c.state, c.retry, c.latest = it.state, it.retry != retryNone, it.latest
	c.insert = it.retry == retryInsert || (it.kind == itemChange && it.change.Op == store.Insert)
	if it.kind == itemChange || it.kind == itemEcho {
		c.rawBefore = before
	}
	c.rawAfter = after
	return c
}

// relearn rebuilds the echo book from what an earlier attempt has sent. What it sent for another reason than that a user
// made a change is in the table sent.
func (s *Stream) relearn(it *item) {
	if it.kind != itemChange || it.position < it.state.Since || !it.state.flow.overwrites() || !s.twoWay(it.state) {
		return
	}
	for _, k := range it.keys() {
		s.reader.echoes.sent(echoEntry{echoKey{it.state.name, k}, it.position, it.restart, it.atMs})
	}
}

func (s *Stream) twoWay(m *mapState) bool { return m.def.Map.Flows(s.from.Other()) }

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
	s.backlog[m.name] = false
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
		return fmt.Errorf("read replayed changes: %w", err)
	}
	for _, row := range rows {
		s := sentOf(row)
		note(s.Key, s.Position)
	}
	return nil
}

// resendRows reads the source rows that resends ask for, and of those written quietly that the other side may lack, as
// they are now; by index of the item.
func (s *Stream) resendRows(ctx context.Context, unit []item, known *lookup) (map[int]store.Row, error) {
	wanted := make(map[*mapState][]int)
	var order []*mapState
	earlier := make(map[echoKey]bool) // keys that the echo book learns of meanwhile
	wrote := slices.ContainsFunc(unit, func(it item) bool { return it.kind == itemWrote })
	for i := range unit {
		it := &unit[i]
		asked := it.kind == itemResend
		if it.kind == itemWrote {
			asked = !known.has(it, true) || earlier[echoKey{it.state.name, it.keys()[0]}]
		}
		if wrote && it.kind <= itemResend {
			for _, k := range it.keys() {
				earlier[echoKey{it.state.name, k}] = true
			}
		}
		if !asked || it.position <= s.reader.cursor {
			continue
		}
		if wanted[it.state] == nil {
			order = append(order, it.state)
		}
		wanted[it.state] = append(wanted[it.state], i)
	}
	if len(order) == 0 {
		return nil, nil
	}
	view, err := s.source.View(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	out := make(map[int]store.Row)
	for _, m := range order {
		for places := range slices.Chunk(wanted[m], readLimit) {
			keys := make([]store.Row, len(places))
			for n, i := range places {
				keys[n] = unit[i].key()
			}
			rows, err := view.Lookup(ctx, &m.flow.source, keys)
			if err != nil {
				return nil, fmt.Errorf("read row to resend: %w", err)
			}
			for n, i := range places {
				out[i] = rows[n]
			}
		}
	}
	return out, nil
}
