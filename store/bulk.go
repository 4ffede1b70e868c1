package store

import "context"

// Export is a relation's rows, read from first to last without being decoded. It is released by Close.
type Export interface {
	// Next returns the next rows, about so many bytes of them; nil when there are none left.
	Next(ctx context.Context, bytes int) (Block, error)
	Close() error
}

// Block is rows of a relation in the form that Limits.Bulk names. Stores of the same form take each other's blocks,
// where the relations' columns have the same types.
type Block interface {
	Rows() int
	// Keys returns the keys of the rows, in their order.
	Keys() ([]Row, error)
	// Without returns the rows but those at these places, which ascend.
	Without(places []int) Block
}
