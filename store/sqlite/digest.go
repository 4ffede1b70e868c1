package sqlite

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// Skip returns the key of the n-th row after one.
func (v *View) Skip(ctx context.Context, rel *store.Relation, after store.Row, n int) (store.Row, error) {
	rows, err := v.Scan(ctx, rel, after, n)
	if err != nil {
		return nil, fmt.Errorf("skip rows: %w", err)
	}
	if len(rows) < n {
		return nil, nil
	}
	return rel.KeyOf(rows[n-1]), nil
}

// Digest makes none: SQLite has no function that hashes.
func (v *View) Digest(context.Context, *store.Relation, store.Row, store.Row) (store.Digest, error) {
	return nil, nil
}
