package replication

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Errors lists failed rows: those of the stream from left to right first, oldest first.
func (e *Engine) Errors(ctx context.Context, q ErrorQuery) ([]RowFailure, error) {
	out := []RowFailure{}
	skip, left := q.Offset, q.Limit
	for _, side := range []tablemap.Side{tablemap.Right, tablemap.Left} {
		part, total, err := e.errorsOn(ctx, side, q, skip, left)
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
		skip = max(0, skip-int(total))
		if left -= len(part); q.Limit > 0 && left <= 0 {
			break
		}
	}
	return out, nil
}

func (e *Engine) errorsOn(ctx context.Context, side tablemap.Side, q ErrorQuery, skip, limit int) ([]RowFailure, int64, error) {
	view, err := e.Stores[side].View(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	query := q.held()
	total, err := view.Count(ctx, query)
	if err != nil {
		return nil, 0, fmt.Errorf("count errors: %w", err)
	}
	query.Offset, query.Limit = skip, limit
	rows, err := view.Select(ctx, query)
	if err != nil {
		return nil, 0, fmt.Errorf("read errors: %w", err)
	}
	flows := make(map[string]*flow)
	out := make([]RowFailure, len(rows))
	for i, row := range rows {
		h := heldOf(row)
		f, known := flows[h.Map]
		if !known {
			if f, err = flowInto(ctx, view, h.Map, side); err != nil {
				return nil, 0, err
			}
			flows[h.Map] = f
		}
		if out[i], err = e.failure(h, f, side); err != nil {
			return nil, 0, err
		}
	}
	return out, total, nil
}

// flowInto is the last run's flow into a side.
func flowInto(ctx context.Context, r store.Reader, mapName string, side tablemap.Side) (*flow, error) {
	m, def, err := lastRun(ctx, r, mapName)
	if err != nil {
		return nil, err
	}
	return newFlow(def, side.Other(), m.Master), nil
}

func (q ErrorQuery) held() store.Query {
	query := store.Query{Table: store.HeldTable}
	for column, text := range map[string]string{"map": q.Map, "phase": q.Phase, "code": q.Code} {
		if text != "" {
			query = and(query, column, store.Eq, store.Str(text))
		}
	}
	return query
}

// failure makes a held change readable.
func (e *Engine) failure(h held, f *flow, side tablemap.Side) (RowFailure, error) {
	out := RowFailure{ID: h.ID*2 + int64(side), Phase: h.Phase, From: e.Link.Sides[side.Other()], To: e.Link.Sides[side],
		Column: h.Column, Code: string(h.Code), Message: h.Message, Attempts: h.Attempts, At: time.UnixMilli(h.AtMs).UTC()}
	image := h.After
	if image == "" {
		image = h.Before
	}
	row, err := store.DecodeRow(image)
	if err != nil {
		return out, fmt.Errorf("read held change %d: %w", h.ID, err)
	}
	keys, err := f.sourceKeys(h)
	if err != nil {
		return out, fmt.Errorf("read held change %d: %w", h.ID, err)
	}
	out.Values = values(f.source.Columns, row)
	out.Key = values(f.source.Columns, keys[len(keys)-1])
	return out, nil
}

// CountErrors counts what Errors would list without limit and offset.
func (e *Engine) CountErrors(ctx context.Context, q ErrorQuery) (int64, error) {
	var sum int64
	for _, s := range e.Stores {
		view, err := s.View(ctx)
		if err != nil {
			return 0, fmt.Errorf("open view: %w", err)
		}
		n, err := view.Count(ctx, q.held())
		_ = view.Close()
		if err != nil {
			return 0, fmt.Errorf("count errors: %w", err)
		}
		sum += n
	}
	return sum, nil
}

// values shows a row, or the first columns of one, as JSON does.
func values(columns []store.Column, row store.Row) map[string]any {
	out := make(map[string]any, len(row))
	for i, v := range row {
		if i < len(columns) {
			out[columns[i].Name] = shown(v)
		}
	}
	return out
}

func shown(v store.Value) any {
	switch v.Kind {
	case store.Null:
		return nil
	case store.Bool:
		return v.S == "true"
	case store.Blob:
		return base64.StdEncoding.EncodeToString([]byte(v.S))
	case store.Integer, store.Real, store.Numeric:
		if json.Valid([]byte(v.S)) {
			return json.Number(v.S)
		}
	}
	return v.S
}
