package memory

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/dualwrite/dualwrite/store"
)

// Skip returns the key of the n-th row after one.
func (v *View) Skip(ctx context.Context, rel *store.Relation, after store.Row, n int) (store.Row, error) {
	rows, err := v.Scan(ctx, rel, after, n)
	if err != nil || len(rows) < n {
		return nil, err
	}
	return rel.KeyOf(rows[n-1]), nil
}

// sum is a digest that is made when its result is asked for.
type sum struct {
	view        *View
	rel         *store.Relation
	after, upTo store.Row
}

// Digest remembers what to sum up.
func (v *View) Digest(_ context.Context, rel *store.Relation, after, upTo store.Row) (store.Digest, error) {
	return &sum{v, rel, after, upTo}, nil
}

// Result adds up hashes of the rows.
func (s *sum) Result(ctx context.Context) (store.Sum, error) {
	rows, err := s.view.Scan(ctx, s.rel, s.after, math.MaxInt)
	if err != nil {
		return store.Sum{}, err
	}
	var out store.Sum
	total := uint64(0)
	for _, row := range rows {
		if s.upTo != nil && encode(s.rel.KeyOf(row)...) > encode(s.upTo...) {
			break
		}
		h := sha256.Sum256([]byte(store.EncodeRow(row))) // a weaker one has sums that are equal where rows are not
		total += binary.BigEndian.Uint64(h[:])
		out.Rows++
	}
	out.Hash = strconv.FormatUint(total, 16)
	return out, nil
}
