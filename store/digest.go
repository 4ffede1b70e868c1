package store

import "context"

// Digest is a sum of rows in the making, beside whoever asked for it.
type Digest interface {
	// Result waits for the sum.
	Result(ctx context.Context) (Sum, error)
}

// Sum tells rows apart without showing them: two of the same form are equal where the rows are, whatever their order,
// and as good as never (one in 2^64) where they are not.
type Sum struct {
	Rows int64
	Hash string
}
