package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// retryKind is what a person asked of a resend.
type retryKind int64

const (
	retryNone   retryKind = iota
	retryRow              // the row as it is overwrites the target's, and what is held of its key gives way
	retryInsert           // likewise, but never over another row: the key is a number that both databases give out
)

// Retry tries held changes of a live map again, in both directions. Where the source overwrites, its log is asked to
// send the row as it is; where it compares and sets, one write goes from the first held image to the last.
type Retry struct {
	engine  *Engine
	mapName string
	parts   []retryPart
	done    []bool
}

// retryPart is one direction of a retry.
type retryPart interface {
	Stepper
	counts() RetryResult
}

// NewRetry begins to try the held rows of a map again; key, by column names of either side, chooses one row.
func (e *Engine) NewRetry(ctx context.Context, mapName string, key map[string]string) (*Retry, error) {
	r := &Retry{engine: e, mapName: mapName}
	for side := range e.Stores {
		from := tablemap.Side(side)
		parts, err := e.newRetryParts(ctx, mapName, from, key)
		if err != nil {
			return nil, err
		}
		r.parts = append(r.parts, parts...)
	}
	r.done = make([]bool, len(r.parts))
	return r, nil
}

func (e *Engine) newRetryParts(ctx context.Context, mapName string, from tablemap.Side, key map[string]string) ([]retryPart, error) {
	m, def, err := e.liveOn(ctx, from.Other(), mapName)
	if err != nil {
		return nil, err
	}
	f := newFlow(def, from, m.Master)
	if !f.flows() {
		return nil, nil
	}
	var only string
	if len(key) > 0 {
		if only, err = f.wantedKey(key); err != nil {
			return nil, err
		}
	}
	if f.overwrites() {
		return []retryPart{&resendRetry{engine: e, flow: f, only: only}}, nil
	}
	swap := &swapRetry{engine: e, flow: f, only: only, tried: make(map[int64]bool), stuck: make(map[string]bool)}
	return []retryPart{swap, &bringRetry{engine: e, flow: f, only: only}}, nil
}

// liveOn is a map on a side, where it must be live. A *Refusal says that it is not.
func (e *Engine) liveOn(ctx context.Context, side tablemap.Side, mapName string) (m mode, def *Definition, err error) {
	view, err := e.Stores[side].View(ctx)
	if err != nil {
		return m, nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	if m, def, err = attached(ctx, view, mapName); err != nil {
		return m, nil, err
	}
	if m.Mode != modeLive {
		return m, nil, &Refusal{Message: "map " + mapName + " is not live: held rows are tried again only while it is Running, and not catching up",
			Hint: "run or resume it, or wait until it has caught up"}
	}
	return m, def, nil
}

// rerun is what the rerun of an initial sync does in one direction before it compares the tables again: held rows are
// asked for, the kept queue is played back, and where changes are compared and set, what that has held is tried again.
type rerun struct {
	engine *Engine
	flow   *flow
	replay *Replay
	swap   *swapRetry
}

// Step does the next piece.
func (r *rerun) Step(ctx context.Context) (Outcome, error) {
	switch {
	case r.replay == nil:
		var err error
		r.replay, err = r.engine.newReplay(ctx, r.flow.def.Map.Name, r.flow.from, keepQueue)
		return Moved, err
	case r.swap == nil:
		outcome, err := r.replay.Step(ctx)
		if outcome == Done && err == nil {
			r.swap = &swapRetry{engine: r.engine, flow: r.flow, tried: make(map[int64]bool), stuck: make(map[string]bool)}
			return Moved, nil
		}
		return outcome, err
	case r.flow.overwrites():
		return Done, nil
	}
	return r.swap.Step(ctx)
}

// wantedKey makes the target's encoded key of what a person typed.
func (f *flow) wantedKey(typed map[string]string) (string, error) {
	row := make(store.Row, f.source.Key)
	for i := range row {
		source, target := f.source.Columns[i], f.target.Columns[i]
		text, bySource := typed[source.Name]
		if !bySource {
			var ok bool
			if text, ok = typed[target.Name]; !ok {
				return "", &Refusal{Message: "the key lacks a value for column " + source.Name,
					Hint: "name every key column: --key col=value,col=value"}
			}
		}
		var err error
		if row[i], err = f.typedValue(i, text, bySource); err != nil {
			return "", err
		}
	}
	if len(typed) > len(row) {
		return "", &Refusal{Message: "the key names a column that is not a key column of the map", Hint: "`dualwrite errors` shows the keys"}
	}
	return store.EncodeRow(row), nil
}

func (f *flow) typedValue(i int, text string, bySource bool) (store.Value, error) {
	column := f.target.Columns[i]
	if bySource {
		column = f.source.Columns[i]
	}
	v, err := store.Convert(store.Str(text), column.Type)
	if err != nil {
		return v, &Refusal{Message: "value " + quote(store.Str(text)) + " does not fit column " + column.Name, Hint: "`dualwrite errors` shows the keys"}
	}
	if !bySource {
		return v, nil
	}
	if w, bad := f.cell(i, v); bad == nil {
		return w, nil
	}
	return v, nil
}

// Step does the next piece. A *Refusal says that the map is live no more: what is still held stays so.
func (r *Retry) Step(ctx context.Context) (Outcome, error) {
	waiting := false
	for i, p := range r.parts {
		if r.done[i] {
			continue
		}
		outcome, err := p.Step(ctx)
		if err != nil || outcome == Moved {
			return Moved, err
		}
		r.done[i] = outcome == Done
		waiting = waiting || outcome == Idle
	}
	if !waiting {
		return Done, nil
	}
	for side := range r.engine.Stores { // what it waits for comes while the map is live
		if _, _, err := r.engine.liveOn(ctx, tablemap.Side(side), r.mapName); err != nil {
			return Moved, err
		}
	}
	return Idle, nil
}

// Result counts rows: those tried so far, those of them that are no longer held, those that still are.
func (r *Retry) Result() RetryResult {
	var sum RetryResult
	for _, p := range r.parts {
		n := p.counts()
		sum.Tried += n.Tried
		sum.Applied += n.Applied
		sum.Left += n.Left
	}
	return sum
}

// heldChanges are what is held of a map, less the errors of an initial write.
func heldChanges(mapName string) store.Query {
	return and(byMap(store.HeldTable, mapName), "phase", store.Gt, store.Str(phaseInitial))
}

// heldRows reads held rows, oldest first.
func heldRows(ctx context.Context, r store.Reader, q store.Query) ([]held, error) {
	rows, err := r.Select(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read held changes: %w", err)
	}
	out := make([]held, len(rows))
	for i, row := range rows {
		out[i] = heldOf(row)
	}
	return out, nil
}

// sourceKeys are the keys of the source's rows that a held change touched.
func (f *flow) sourceKeys(h held) ([]store.Row, error) {
	var keys []store.Row
	for _, image := range []string{h.Before, h.After} {
		row, err := store.DecodeRow(image)
		if err != nil {
			return nil, err
		}
		if row != nil {
			keys = append(keys, f.source.KeyOf(row))
		}
	}
	if len(keys) > 0 {
		return keys, nil
	}
	row, err := store.DecodeRow(h.Key)
	if err != nil {
		return nil, err
	}
	back := newFlow(f.def, f.from.Other(), f.master)
	key := make(store.Row, len(row))
	for i, v := range row {
		key[i] = v
		if w, bad := back.cell(i, v); bad == nil {
			key[i] = w
		}
	}
	return []store.Row{key}, nil
}
