package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// bring writes rows of a side whose changes are compared and set to the other side, where it lacks them: as a user
// there would, so that they flow back if the first side has lost them meanwhile. It returns one result per key; where
// the target has some row at the key, Refused.
func (f *flow) bring(ctx context.Context, tx store.Tx, source store.View, keys []store.Row) ([]store.Result, []*fault, error) {
	rows, err := source.Lookup(ctx, &f.source, keys)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", f.source.Table, err)
	}
	results, faults := make([]store.Result, len(keys)), make([]*fault, len(keys))
	var writes []store.Write
	var places []int
	for i, row := range rows {
		if row == nil {
			results[i].Outcome = store.Unchanged
			continue
		}
		meant, bad := f.translate(row)
		if bad != nil {
			results[i].Outcome, faults[i] = store.Failed, bad
			continue
		}
		writes = append(writes, store.Write{Relation: &f.target, Guard: store.Expect, Key: f.target.KeyOf(meant), After: meant})
		places = append(places, i)
	}
	if len(writes) == 0 {
		return results, faults, nil
	}
	made, err := tx.ApplyEach(ctx, writes)
	if err != nil {
		return nil, nil, err
	}
	for n, i := range places {
		results[i] = made[n]
	}
	return results, faults, nil
}

// bringRetry tries the errors of an initial write again, of a map that went live in spite of them, where changes are
// compared and set.
type bringRetry struct {
	engine *Engine
	flow   *flow
	only   string
	after  int64 // id of the last error tried
	result RetryResult
}

func (r *bringRetry) counts() RetryResult { return r.result }

// Step tries some rows in one transaction.
func (r *bringRetry) Step(ctx context.Context) (Outcome, error) {
	view, err := r.engine.Stores[r.flow.from].View(ctx)
	if err != nil {
		return Moved, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	var last int64
	var counts RetryResult
	name := r.flow.def.Map.Name
	err = r.engine.ops(ctx, r.flow.from.Other(), marker{mapName: name, lock: true}, func(tx store.Tx) (body, error) {
		counts = RetryResult{}
		last, err = r.try(ctx, tx, view, &counts)
		return body{User: true}, err
	})
	if err != nil {
		return Moved, err
	}
	r.result.Tried += counts.Tried
	r.result.Applied += counts.Applied
	r.result.Left += counts.Left
	if last == 0 {
		return Done, nil
	}
	r.after = last
	return Moved, nil
}

// try returns the id of the last error tried, 0 when there was none.
func (r *bringRetry) try(ctx context.Context, tx store.Tx, source store.View, counts *RetryResult) (int64, error) {
	q := and(byMap(store.HeldTable, r.flow.def.Map.Name), "phase", store.Eq, store.Str(phaseInitial))
	if r.only != "" {
		q = and(q, "key", store.Eq, blob(r.only))
	}
	q = and(q, "id", store.Gt, store.Int(r.after))
	q.Limit = swapLimit
	rows, err := tx.Select(ctx, q)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	list := make([]held, len(rows))
	keys := make([]store.Row, len(rows))
	for i, row := range rows {
		list[i] = heldOf(row)
		found, err := r.flow.sourceKeys(list[i])
		if err != nil {
			return 0, err
		}
		keys[i] = found[len(found)-1]
	}
	results, faults, err := r.flow.bring(ctx, tx, source, keys)
	if err != nil {
		return 0, err
	}
	for i := range list {
		counts.Tried++
		if err := r.settle(ctx, tx, &list[i], results[i], faults[i]); err != nil {
			return 0, err
		}
		if results[i].Outcome == store.Failed {
			counts.Left++
			continue
		}
		counts.Applied++
	}
	return list[len(list)-1].ID, nil
}

func (r *bringRetry) settle(ctx context.Context, tx store.Tx, h *held, result store.Result, bad *fault) error {
	a := newApplier(r.engine, tx, phaseInitial, nil)
	c := &change{flow: r.flow, name: h.Map, entry: h.entry, retry: true, ids: []int64{h.ID}, held: []string{h.Key}}
	switch {
	case bad != nil:
		return a.failedAgain(ctx, h, reason{bad.code, bad.column, bad.text})
	case result.Outcome == store.Failed:
		return a.failedAgain(ctx, h, explain(c, result.Err))
	}
	return a.release(ctx, c)
}
