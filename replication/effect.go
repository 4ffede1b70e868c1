package replication

import (
	"context"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// effects compares what the database has stored with what was meant, where writes have effects of their own, and
// records each difference: that is a user's change, and flows back once.
func (a *applier) effects(ctx context.Context, changes []*change) error {
	last := make(map[echoKey]*change)
	inserted := make(map[echoKey]bool)
	var order []echoKey
	for _, c := range changes {
		to := c.flow.from.Other()
		if c.fault != nil || (!c.flow.def.Effects[to] && !c.flow.def.Fills[to]) {
			continue
		}
		for _, key := range c.finalKeys() {
			k := echoKey{c.name, store.EncodeRow(key)}
			if last[k] == nil {
				order = append(order, k)
			}
			last[k], inserted[k] = c, c.insert || (inserted[k] && c.after != nil)
		}
	}
	order = slices.DeleteFunc(order, func(k echoKey) bool {
		c := last[k]
		// The row is not what a change meant that did not get through, and that is known already.
		_, lost := a.resends[k]
		failed := lost || c.idle || a.tokens[token(c.name, c.flow.target.Names()[:c.flow.target.Key], c.keyOf(k))]
		return failed || !inserted[k] && !c.flow.def.Effects[c.flow.from.Other()]
	})
	stored, err := a.readBack(ctx, order, last)
	if err != nil {
		return err
	}
	var rows []store.Row
	for i, k := range order {
		if row := last[k].effect(k, stored[i], inserted[k]); row != nil {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := a.tx.Put(ctx, store.EffectTable, rows...); err != nil {
		return fmt.Errorf("write effects: %w", err)
	}
	return nil
}

// findVacant finds out which rows that are to be deleted are not there, where a delete that changes nothing may be a trigger's
// work: a database cannot lock what is not there, so a user may insert the row before the effects are looked at.
func (a *applier) findVacant(ctx context.Context, changes []*change) error {
	last := make(map[echoKey]*change)
	var order []echoKey
	for _, c := range changes {
		if c.after == nil && c.fault == nil && c.flow.overwrites() && c.flow.def.Effects[c.flow.from.Other()] {
			k := echoKey{c.name, c.entry.Key}
			if last[k] == nil {
				order = append(order, k)
			}
			last[k] = c
		}
	}
	if len(order) == 0 {
		return nil
	}
	found, err := a.readBack(ctx, order, last)
	for i, row := range found {
		last[order[i]].vacant = row == nil
	}
	return err
}

// finalKeys are the keys whose rows the change decides.
func (c *change) finalKeys() []store.Row {
	if c.newKey != nil {
		return []store.Row{c.key, c.newKey}
	}
	return []store.Row{c.key}
}

// readBack reads the rows of keys, each as its side has it, map by map.
func (a *applier) readBack(ctx context.Context, order []echoKey, last map[echoKey]*change) ([]store.Row, error) {
	places := make(map[string][]int)
	for i, k := range order {
		places[k.mapName] = append(places[k.mapName], i)
	}
	out := make([]store.Row, len(order))
	for _, name := range sortedKeys(places) {
		keys := make([]store.Row, len(places[name]))
		for n, i := range places[name] {
			keys[n] = last[order[i]].keyOf(order[i])
		}
		f := last[order[places[name][0]]].flow
		found, err := a.tx.Lookup(ctx, &f.def.Relations[f.from.Other()], keys)
		if err != nil {
			return nil, fmt.Errorf("read back: %w", err)
		}
		for n, i := range places[name] {
			out[i] = found[n]
		}
	}
	return out, nil
}

// effect compares one key's row with what its last change meant; nil when they agree.
func (c *change) effect(k echoKey, stored store.Row, inserted bool) store.Row {
	var meant store.Row
	if c.after != nil && store.EncodeRow(c.flow.target.KeyOf(c.after)) == k.key {
		meant = c.after
	}
	known := stored
	if inserted {
		known = nil
	}
	before := c.imagine(known, meant, len(c.flow.def.Relations[c.flow.from.Other()].Columns))
	if before.Equal(stored) {
		return nil
	}
	return store.Row{store.Int(0), store.Str(c.name), blob(k.key), blob(store.EncodeRow(before)), blob(store.EncodeRow(stored))}
}

// imagine is the whole row as the source thinks that it is now: what was meant, and what is known of columns that do not
// flow this way.
func (c *change) imagine(known, meant store.Row, columns int) store.Row {
	if meant == nil {
		return nil
	}
	row := make(store.Row, columns)
	copy(row, known)
	for n, i := range c.flow.cols {
		row[i] = meant[n]
	}
	return row
}

func (c *change) keyOf(k echoKey) store.Row {
	if c.newKey != nil && store.EncodeRow(c.newKey) == k.key {
		return c.newKey
	}
	return c.key
}

// writtenKeys lists the keys written, per map whose writes have effects, for the end row.
func writtenKeys(changes []*change) map[string][]uint64 {
	var out map[string][]uint64
	for _, c := range changes {
		if !c.flow.def.Effects[c.flow.from.Other()] {
			continue
		}
		if out == nil {
			out = make(map[string][]uint64)
		}
		for _, key := range c.finalKeys() {
			out[c.name] = append(out[c.name], keyHash(key))
		}
	}
	return out
}
