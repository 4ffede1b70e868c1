package replication

import (
	"context"
	"fmt"

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
	var rows []store.Row
	for _, k := range order {
		if !inserted[k] && !last[k].flow.def.Effects[last[k].flow.from.Other()] {
			continue
		}
		row, err := a.effect(ctx, last[k], k, inserted[k])
		if err != nil {
			return err
		}
		if row != nil {
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

// finalKeys are the keys whose rows the change decides.
func (c *change) finalKeys() []store.Row {
	if c.newKey != nil {
		return []store.Row{c.key, c.newKey}
	}
	return []store.Row{c.key}
}

// effect compares one key's row with what its last change meant; nil when they agree, or when the change did not get
// through (the row then is not what it meant, and that is known already).
func (a *applier) effect(ctx context.Context, c *change, k echoKey, inserted bool) (store.Row, error) {
	if a.resends[k] || a.tokens[token(c.name, c.flow.target.Names()[:c.flow.target.Key], c.keyOf(k))] {
		return nil, nil
	}
	whole := &c.flow.def.Relations[c.flow.from.Other()]
	found, err := a.tx.Lookup(ctx, whole, []store.Row{c.keyOf(k)})
	if err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	stored := found[0]
	var meant store.Row
	if c.after != nil && store.EncodeRow(c.flow.target.KeyOf(c.after)) == k.key {
		meant = c.after
	}
	known := stored
	if inserted {
		known = nil
	}
	before := c.imagine(known, meant, len(whole.Columns))
	if before.Equal(stored) {
		return nil, nil
	}
	return store.Row{store.Int(0), store.Str(c.name), blob(k.key), blob(store.EncodeRow(before)),
		blob(store.EncodeRow(stored))}, nil
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
