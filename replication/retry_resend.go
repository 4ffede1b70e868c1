package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// resendRetry asks the source's log to send held rows as they are, and waits for what becomes of them.
type resendRetry struct {
	engine *Engine
	flow   *flow
	only   string // the one key to try; "" tries all
	asked  bool
	open   map[string]int64 // attempts so far, by the held key
	result RetryResult
}

func (r *resendRetry) counts() RetryResult { return r.result }

// Step asks once, then looks whether the stream has come by.
func (r *resendRetry) Step(ctx context.Context) (Outcome, error) {
	if r.asked && len(r.open) == 0 {
		return Done, nil
	}
	all, err := r.read(ctx)
	if err != nil {
		return Moved, err
	}
	if !r.asked {
		return Moved, r.ask(ctx, all)
	}
	first := make(map[string]int64)
	for _, h := range all {
		if _, known := first[h.Key]; !known {
			first[h.Key] = h.Attempts
		}
	}
	for _, key := range sortedKeys(r.open) {
		attempts, still := first[key]
		switch {
		case !still:
			r.result.Applied++
		case attempts > r.open[key]:
			r.result.Left++
		default:
			continue
		}
		delete(r.open, key)
	}
	if len(r.open) == 0 {
		return Done, nil
	}
	return Idle, nil
}

func (r *resendRetry) read(ctx context.Context) ([]held, error) {
	view, err := r.engine.Stores[r.flow.from.Other()].View(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	return heldRows(ctx, view, byMap(store.HeldTable, r.flow.def.Map.Name))
}

// ask writes resends for every key of every held row, in the order they were held.
func (r *resendRetry) ask(ctx context.Context, all []held) error {
	r.asked, r.open = true, make(map[string]int64)
	kinds := make(map[string]retryKind)
	var order []string
	for _, h := range all {
		if r.only != "" && h.Key != r.only && h.NewKey != r.only {
			continue
		}
		if _, known := r.open[h.Key]; !known {
			r.open[h.Key] = h.Attempts
			r.result.Tried++
		}
		keys, err := r.flow.sourceKeys(h)
		if err != nil {
			return err
		}
		for _, key := range keys {
			enc := store.EncodeRow(key)
			if kinds[enc] == retryNone {
				order = append(order, enc)
				kinds[enc] = retryRow
			}
			if h.Code == store.CodeGeneratedKey {
				kinds[enc] = retryInsert
			}
		}
	}
	if len(order) == 0 {
		return nil
	}
	name := r.flow.def.Map.Name
	rows := make([]store.Row, len(order))
	for i, key := range order {
		rows[i] = resendRow(name, key, kinds[key])
	}
	return r.engine.ops(ctx, r.flow.from, marker{mapName: name}, func(tx store.Tx) (body, error) {
		return body{}, tx.Put(ctx, store.ResendTable, rows...)
	})
}

// sweep deals with what is held where the source overwrites, while the map is in its queue and is about to be compared
// again: the target's row becomes what the source's is now. What changes there afterwards is in the queue.
type sweep struct {
	engine *Engine
	flow   *flow
	writer *writer
	after  int64 // id of the last held change dealt with
}

const sweepLimit = 200

// Step deals with some keys in one transaction.
func (s *sweep) Step(ctx context.Context) (Outcome, error) {
	name, to := s.flow.def.Map.Name, s.engine.Stores[s.flow.from.Other()]
	if s.writer == nil {
		var err error
		if s.writer, err = fence(ctx, to, writerRetry+name, s.engine.nowMs); err != nil {
			return Moved, err
		}
	}
	view, err := s.engine.Stores[s.flow.from].View(ctx)
	if err != nil {
		return Moved, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	n := 0
	err = s.writer.do(ctx, marker{mapName: name, lock: true}, func(tx store.Tx) (body, error) {
		q := and(heldChanges(name), "id", store.Gt, store.Int(s.after))
		q.Limit = sweepLimit
		rows, err := tx.Select(ctx, q)
		if err != nil {
			return body{}, fmt.Errorf("read held changes: %w", err)
		}
		n = len(rows)
		for _, row := range rows {
			if err := s.one(ctx, tx, view, heldOf(row)); err != nil {
				return body{}, err
			}
		}
		return body{}, nil
	})
	if err != nil || n == sweepLimit {
		return Moved, err
	}
	return Done, nil
}

func (s *sweep) one(ctx context.Context, tx store.Tx, source store.View, h held) error {
	s.after = h.ID
	keys, err := s.flow.sourceKeys(h)
	if err != nil {
		return err
	}
	found, err := source.Lookup(ctx, &s.flow.source, keys)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.flow.source.Table, err)
	}
	a := newApplier(s.engine, tx, phaseReplay, nil)
	c := &change{flow: s.flow, name: h.Map, entry: h.entry, retry: true, ids: []int64{h.ID}, held: []string{h.Key}}
	for i, key := range keys {
		row, bad := s.flow.translate(found[i])
		if bad != nil {
			return a.failedAgain(ctx, &h, reason{bad.code, bad.column, bad.text})
		}
		c.after = row
		target, _ := c.targetKeys(key, nil)
		write := store.Write{Relation: &s.flow.target, Guard: store.Overwrite, Key: target, After: row}
		results, err := tx.ApplyEach(ctx, []store.Write{write})
		if err != nil {
			return err
		}
		if results[0].Outcome == store.Failed {
			return a.failedAgain(ctx, &h, explain(c, results[0].Err))
		}
	}
	return a.release(ctx, c)
}
