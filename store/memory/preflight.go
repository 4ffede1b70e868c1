package memory

import (
	"context"

	"github.com/dualwrite/dualwrite/store"
)

// Preflight finds what the test has put into Options.Remarks.
func (s *Store) Preflight(context.Context, ...store.Use) ([]store.Remark, error) {
	return s.db.options.Remarks, nil
}
