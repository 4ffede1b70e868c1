package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// swapRetry tries what is held where changes are compared and set: one write per row, from the first held image to
// the last, stamped as the last was.
type swapRetry struct {
	engine *Engine
	flow   *flow
	only   string
	writer *writer
	tried  map[int64]bool  // by the id of a chain's first held change
	stuck  map[string]bool // keys of chains that have failed: what came later on them has to wait
	result RetryResult
}

// swapLimit is how many rows share a transaction.
const swapLimit = 200

// chain is all that is held of one row, oldest first, through changes of its key.
type chain []held

func (r *swapRetry) counts() RetryResult { return r.result }

// chains sorts held changes by the row that they belong to.
func chains(all []held) []chain {
	var out []chain
	at := make(map[string]int) // the chain whose row has this key now
	for _, h := range all {
		i, known := at[h.Key]
		if !known {
			i = len(out)
			out = append(out, nil)
		}
		out[i] = append(out[i], h)
		delete(at, h.Key)
		key := h.Key
		if h.NewKey != "" {
			key = h.NewKey
		}
		at[key] = i
	}
	return out
}

func (c chain) touches(key string) bool {
	for _, h := range c {
		if h.Key == key || h.NewKey == key {
			return true
		}
	}
	return false
}

// Step tries some rows in one transaction, into which the stream cannot write.
func (r *swapRetry) Step(ctx context.Context) (Outcome, error) {
	name := r.flow.def.Map.Name
	if r.writer == nil {
		var err error
		r.writer, err = fence(ctx, r.engine.Stores[r.flow.from.Other()], writerRetry+name, r.engine.nowMs)
		return Moved, err
	}
	var part []chain
	var counts RetryResult
	err := r.writer.do(ctx, marker{mapName: name, lock: true}, func(tx store.Tx) (body, error) {
		all, err := heldRows(ctx, tx, heldChanges(name))
		if err != nil {
			return body{}, err
		}
		part = r.choose(chains(all))
		counts = RetryResult{}
		return r.try(ctx, tx, part, &counts)
	})
	if err != nil {
		return Moved, err
	}
	for _, c := range part {
		r.tried[c[0].ID] = true
	}
	r.result.Tried += counts.Tried
	r.result.Applied += counts.Applied
	r.result.Left += counts.Left
	if len(part) == 0 {
		return Done, nil
	}
	return Moved, nil
}

// choose picks rows that have not been tried and that share a stamp.
func (r *swapRetry) choose(all []chain) []chain {
	var part []chain
	for _, c := range all {
		if r.tried[c[0].ID] || (r.only != "" && !c.touches(r.only)) {
			continue
		}
		if len(part) > 0 && part[0].last().Seen != c.last().Seen {
			break
		}
		if part = append(part, c); len(part) == swapLimit {
			break
		}
	}
	return part
}

func (c chain) last() held { return c[len(c)-1] }

// try applies chains one by one.
func (r *swapRetry) try(ctx context.Context, tx store.Tx, part []chain, counts *RetryResult) (body, error) {
	if len(part) == 0 {
		return body{}, nil
	}
	name := r.flow.def.Map.Name
	found, err := modes(ctx, tx, name)
	if err != nil {
		return body{}, err
	}
	a := newApplier(r.engine, tx, phaseLive, found)
	a.careful = true
	var done []*change
	for _, c := range part {
		one, err := r.changeOf(c)
		if err != nil {
			return body{}, err
		}
		counts.Tried++
		if r.isStuck(c) {
			counts.Left++
			continue
		}
		before := a.tally(name).failures()
		if err := a.applyOne(ctx, one, false); err != nil {
			return body{}, err
		}
		if a.tally(name).failures() > before {
			counts.Left++
			r.stick(c)
			continue
		}
		counts.Applied++
		done = append(done, one)
		if err := a.askBetween(ctx, c, one); err != nil {
			return body{}, err
		}
	}
	if err := a.finish(ctx, done); err != nil {
		return body{}, err
	}
	if err := writeStats(ctx, tx, a.tallies, r.engine.nowMs()); err != nil {
		return body{}, err
	}
	return body{Seen: map[string]store.Position{name: part[0].last().Seen}, Keys: writtenKeys(done)}, nil
}

// askBetween asks for the rows that the other side has at keys which a row had on its way from the first of its held changes
// to the last, and which the one change that stands for them does not touch: this side has given those keys up, or has lost
// them to what the other side wrote there. Where it has no row, what this side may have there by now is its users'.
func (a *applier) askBetween(ctx context.Context, c chain, one *change) error {
	var keys []store.Row
	known := map[string]bool{"": true, one.entry.Key: true, one.entry.NewKey: true}
	for _, h := range c {
		for _, text := range []string{h.Key, h.NewKey} {
			if known[text] {
				continue
			}
			known[text] = true
			key, err := store.DecodeRow(text)
			if err != nil {
				return fmt.Errorf("read held change: %w", err)
			}
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	whole := one.flow.target
	whole.Filter = ""
	found, err := a.tx.Lookup(ctx, &whole, keys)
	if err != nil {
		return fmt.Errorf("read %s: %w", whole.Table, err)
	}
	for i, row := range found {
		if row != nil {
			a.resend(echoKey{one.name, store.EncodeRow(keys[i])}, c.last().Seen)
		}
	}
	return nil
}

func (t *tally) failures() int {
	n := 0
	for _, failed := range t.failed {
		if failed {
			n++
		}
	}
	return n
}

func (r *swapRetry) isStuck(c chain) bool {
	for _, h := range c {
		if r.stuck[h.Key] || (h.NewKey != "" && r.stuck[h.NewKey]) {
			return true
		}
	}
	return false
}

func (r *swapRetry) stick(c chain) {
	for _, h := range c {
		r.stuck[h.Key] = true
		if h.NewKey != "" {
			r.stuck[h.NewKey] = true
		}
	}
}

// changeOf makes one change of a chain.
func (r *swapRetry) changeOf(c chain) (*change, error) {
	before, err := store.DecodeRow(c[0].Before)
	if err != nil {
		return nil, fmt.Errorf("read held change: %w", err)
	}
	after, err := store.DecodeRow(c.last().After)
	if err != nil {
		return nil, fmt.Errorf("read held change: %w", err)
	}
	e := c.last().entry
	e.Before, e.NewKey = c[0].Before, ""
	one := newChange(r.flow, e, before, after)
	one.retry, one.insert = true, c[0].Kind == kindChange && before == nil && after != nil
	if one.key == nil { // the row came and went meanwhile: the other side must not have one either
		if one.key, err = store.DecodeRow(c.last().Key); err != nil {
			return nil, fmt.Errorf("read held change: %w", err)
		}
		one.entry.Key = c.last().Key
	}
	for _, h := range c {
		one.ids = append(one.ids, h.ID)
		one.held = append(one.held, h.Key)
	}
	return one, nil
}
