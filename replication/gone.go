package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// goneLimit is how many queue entries are looked at in one stretch.
const goneLimit = 5000

// gone reads the queue of a leg whose changes are compared and set for rows that the scan cannot have met, because
// users of the source deleted or renamed them before it came by. Where the target never had such a row, its queued
// updates have to be inserts, just as for the rows that the scan found on the source alone.
func (l *leg) gone(ctx context.Context, c *Copy) (*stretch, error) {
	source, target, done, err := l.views(ctx, c)
	if err != nil {
		return nil, err
	}
	defer done()
	_ = source
	q := and(byMap(store.QueueTable, c.name), "id", store.Gt, store.Int(l.state.GoneTo))
	q.Limit = goneLimit
	entries, err := target.Select(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read queue: %w", err)
	}
	w := &stretch{kind: stretchGone, ended: len(entries) < goneLimit, last: l.state.GoneTo}
	known := make(map[string]bool)
	for _, row := range entries {
		e := entryOf(row)
		w.last = e.ID
		before, err := store.DecodeRow(e.Before)
		if err != nil {
			return nil, err
		}
		if before == nil || known[e.Key] {
			continue
		}
		known[e.Key] = true
		key, err := store.DecodeRow(e.Key)
		if err != nil {
			return nil, err
		}
		w.rows = append(w.rows, copyRow{gone: key, key: store.EncodeRow(l.flow.source.KeyOf(before))})
	}
	keys := make([]store.Row, len(w.rows))
	for i, r := range w.rows {
		keys[i] = r.gone
	}
	whole := l.flow.target
	whole.Filter = ""
	found, err := target.Lookup(ctx, &whole, keys)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", whole.Table, err)
	}
	for i := range w.rows {
		w.rows[i].target = found[i]
	}
	return w, nil
}
