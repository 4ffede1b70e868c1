package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

const (
	heldTooMuch = 1_000_000 // captured changes that wait to be read
	hintAfresh  = "stop the map of this table and run it again: its initial sync finds what was missed"
	sqlWaiting  = "SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM main." + outboxTable
)

// Diagnose looks at the triggers of captured tables, and at what they have written that nobody has read.
func (s *Store) Diagnose(ctx context.Context) (store.Condition, error) {
	var out store.Condition
	err := s.reading(ctx, func(c *conn) error {
		all, err := layouts(ctx, c)
		if err != nil || len(all) == 0 {
			return err
		}
		for _, l := range all {
			if !l.active {
				continue
			}
			out.Captured = append(out.Captured, l.Table)
			why, err := l.changed(ctx, c)
			if err != nil {
				return err
			}
			if why != "" {
				out.Remarks = append(out.Remarks, store.Remark{Code: store.RemarkCaptureChanged, Table: l.Table, Message: why, Hint: hintAfresh})
			}
		}
		slices.Sort(out.Captured)
		waiting, err := c.number(ctx, sqlWaiting)
		if err == nil && waiting > heldTooMuch {
			out.Remarks = append(out.Remarks, store.Remark{Code: store.RemarkLogHeld,
				Message: fmt.Sprintf("%d captured changes wait in the file to be read and applied", waiting),
				Hint:    "see that a worker runs, and whether the other side is slow, locked or down"})
		}
		return err
	})
	if err != nil {
		return store.Condition{}, fmt.Errorf("diagnose: %w", err)
	}
	return out, nil
}

// changed says why a captured table is no longer captured as it was; "" when it is.
func (l *layout) changed(ctx context.Context, c *conn) (string, error) {
	_, err := l.look(ctx, c)
	var gap *store.GapError
	var gone *store.MapError
	switch {
	case errors.As(err, &gap):
		return gap.Reason, nil
	case errors.As(err, &gone):
		return gone.Reason, nil
	}
	return "", err
}
