package memory

import (
	"context"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// blockRows makes blocks so small that simulations have many.
const blockRows = 3

// export reads a relation a few rows at a time.
type export struct {
	view *View
	rel  *store.Relation
	last store.Row
}

// Export begins to read a relation.
func (v *View) Export(_ context.Context, rel *store.Relation) (store.Export, error) {
	return &export{view: v, rel: rel}, nil
}

// Next returns the next rows.
func (e *export) Next(ctx context.Context, _ int) (store.Block, error) {
	rows, err := e.view.Scan(ctx, e.rel, e.last, blockRows)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	e.last = e.rel.KeyOf(rows[len(rows)-1])
	return block{key: e.rel.Key, rows: rows}, nil
}

// Close has nothing to release.
func (e *export) Close() error { return nil }

// block is rows, as they are.
type block struct {
	key  int
	rows []store.Row
}

// Rows is their number.
func (b block) Rows() int { return len(b.rows) }

// Keys returns their keys.
func (b block) Keys() ([]store.Row, error) {
	out := make([]store.Row, len(b.rows))
	for i, r := range b.rows {
		out[i] = r[:b.key:b.key]
	}
	return out, nil
}

// Without leaves out rows.
func (b block) Without(places []int) store.Block {
	out := block{key: b.key}
	for i, r := range b.rows {
		if !slices.Contains(places, i) {
			out.rows = append(out.rows, r)
		}
	}
	return out
}

// Import inserts rows.
func (tx *Tx) Import(ctx context.Context, rel *store.Relation, b store.Block) error {
	rows := b.(block).rows
	writes := make([]store.Write, len(rows))
	for i, r := range rows {
		writes[i] = store.Write{Relation: rel, Guard: store.Expect, Key: r[:rel.Key], After: r}
	}
	results, err := tx.Apply(ctx, writes)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Outcome != store.Applied {
			tx.failed = true
			return &store.RowError{Table: rel.Table, Code: store.CodeUnique}
		}
	}
	return nil
}
