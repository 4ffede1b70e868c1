package memory

import (
	"context"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// Preflight finds what the test has put into Options.Remarks.
func (s *Store) Preflight(context.Context, ...store.Use) ([]store.Remark, error) {
	return s.db.options.Remarks, nil
}

// Diagnose lists the captured tables, and those of which it no longer is so.
func (s *Store) Diagnose(context.Context) (store.Condition, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	var out store.Condition
	for _, c := range s.db.captures {
		if c == nil {
			continue
		}
		out.Captured = append(out.Captured, c.table)
		if c.fault != nil {
			out.Remarks = append(out.Remarks, store.Remark{Code: store.RemarkCaptureChanged, Table: c.table, Message: c.fault.Error(),
				Hint: "run the map of this table again"})
		}
	}
	slices.Sort(out.Captured)
	return out, nil
}
