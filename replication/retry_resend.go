package replication

import (
	"context"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// resendRetry asks the source's log to send held rows as they are, and waits for what becomes of them.
type resendRetry struct {
	engine *Engine
	flow   *flow
	only   string // the one key to try; "" tries all
	asked  bool
	open   map[string]held // the first held change of each key, as it was
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
	first := make(map[string]held)
	for _, h := range all {
		if _, known := first[h.Key]; !known {
			first[h.Key] = h
		}
	}
	for _, key := range sortedKeys(r.open) {
		now, still := first[key]
		switch {
		case !still || now.ID != r.open[key].ID:
			r.result.Applied++
		case now.Attempts > r.open[key].Attempts:
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
	r.asked, r.open = true, make(map[string]held)
	kinds := make(map[string]retryKind)
	var order []string
	var last store.Position
	for _, h := range all {
		last = max(last, h.Position)
	}
	for _, h := range r.chosen(all) {
		if _, known := r.open[h.Key]; !known {
			r.open[h.Key] = h
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
		rows[i] = resendRow(name, key, kinds[key], last)
	}
	return r.engine.ops(ctx, r.flow.from, marker{mapName: name}, func(tx store.Tx) (body, error) {
		return body{}, tx.Put(ctx, store.ResendTable, rows...)
	})
}

// chosen are the held changes to be tried: all, or those of one row, through changes of its key.
func (r *resendRetry) chosen(all []held) []held {
	if r.only == "" {
		return all
	}
	keys, n := map[string]bool{r.only: true}, 0
	for len(keys) > n {
		n = len(keys)
		for _, h := range all {
			if h.NewKey != "" && (keys[h.Key] || keys[h.NewKey]) {
				keys[h.Key], keys[h.NewKey] = true, true
			}
		}
	}
	return slices.DeleteFunc(all, func(h held) bool { return !keys[h.Key] })
}

// rerunRetry asks for held rows where the source overwrites, while the map is in its queue, and waits until the queue
// has them: the replay that follows tries them in their turn.
type rerunRetry struct {
	resendRetry
	note int64 // sequence number of a note behind the resends; 0: not written yet
}

// Step asks, notes, and waits for the note to be met.
func (r *rerunRetry) Step(ctx context.Context) (Outcome, error) {
	name, to := r.flow.def.Map.Name, r.flow.from.Other()
	if r.note == 0 {
		all, err := r.read(ctx)
		if err != nil || len(all) == 0 {
			return Done, err
		}
		if err := r.ask(ctx, all); err != nil {
			return Moved, err
		}
		r.note, err = r.engine.note(ctx, r.flow.from, name)
		return Moved, err
	}
	view, err := r.engine.Stores[to].View(ctx)
	if err != nil {
		return Moved, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	at, err := metAt(ctx, view, writerOps, r.note)
	if err != nil {
		return Moved, err
	}
	if at == "" {
		return Idle, nil
	}
	return Done, r.engine.forgetNotes(ctx, to, name, store.Int(r.note))
}
