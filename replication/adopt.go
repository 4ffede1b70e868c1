package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// adopt turns updates of rows that the master lacks into inserts, where that is known to be no conflict: as long as no
// initial sync is complete, and for keys that the initial write saw on the other side alone. It looks at the first
// change of each key; those after it find what it has left.
func (a *applier) adopt(ctx context.Context, changes []*change) error {
	first := make(map[echoKey]*change)
	var order []*change
	for _, c := range changes {
		if c.flow.overwrites() || c.fault != nil {
			continue
		}
		k := echoKey{c.name, c.entry.Key}
		if _, known := first[k]; !known && c.before != nil && c.after != nil {
			order = append(order, c)
		}
		first[k] = c
		if c.entry.NewKey != "" {
			first[echoKey{c.name, c.entry.NewKey}] = c
		}
	}
	for _, c := range order {
		adoptable, err := a.adoptable(ctx, c)
		if err != nil {
			return err
		}
		if !adoptable {
			continue
		}
		whole := c.flow.target
		whole.Filter = ""
		found, err := a.tx.Lookup(ctx, &whole, []store.Row{c.key})
		if err != nil {
			return fmt.Errorf("read %s: %w", whole.Table, err)
		}
		if found[0] != nil {
			continue
		}
		c.before = nil
		if c.newKey != nil {
			c.key, c.newKey = c.newKey, nil
		}
	}
	return nil
}

func (a *applier) adoptable(ctx context.Context, c *change) (bool, error) {
	if !a.modes[c.name].Synced {
		return true, nil
	}
	some, known := a.orphans[c.name]
	if !known {
		n, err := a.tx.Count(ctx, byMap(store.BOnlyTable, c.name))
		if err != nil {
			return false, fmt.Errorf("read keys of one side: %w", err)
		}
		some = n > 0
		a.orphans[c.name] = some
	}
	if !some {
		return false, nil
	}
	n, err := a.tx.Count(ctx, and(byMap(store.BOnlyTable, c.name), "key", store.Eq, blob(c.entry.Key)))
	if err != nil {
		return false, fmt.Errorf("read keys of one side: %w", err)
	}
	return n > 0, nil
}
