package replication

import (
	"context"
	"fmt"
	"slices"

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
	vacant bool      // there was no row at its key before this transaction's writes
	idle   bool      // it deletes a row that was not there: another that is there by now is a user's
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
// It reads, but writes nothing. sent lists what is sent of which keys: what the echo book has to learn once the changes are durable.
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
				sent = append(sent, echoEntry{echoKey: echoKey{it.state.name, k}, position: it.position, before: it.restart, atMs: it.atMs, noted: c.noted})
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
		s.reader.echoes.sent(echoEntry{echoKey: echoKey{it.state.name, k}, position: it.position, before: it.restart, atMs: it.atMs})
	}
}

func (s *Stream) twoWay(m *mapState) bool { return m.def.Map.Flows(s.from.Other()) }

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
