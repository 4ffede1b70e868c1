package replication

import (
	"context"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Live is what the ledgers say about all maps that have ever been run.
func (e *Engine) Live(ctx context.Context) (map[string]MapLive, error) {
	out := make(map[string]MapLive)
	for side := range e.Stores {
		if err := e.liveSide(ctx, tablemap.Side(side), out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// liveSide adds what one side's ledger says: it counts the stream into that side.
func (e *Engine) liveSide(ctx context.Context, side tablemap.Side, out map[string]MapLive) error {
	view, err := e.Stores[side].View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	all, err := modes(ctx, view)
	if err != nil {
		return err
	}
	stats, err := selectAll(ctx, view, store.StatTable, statOf)
	if err != nil {
		return err
	}
	alarms, err := selectAll(ctx, view, store.AlarmTable, func(r store.Row) store.Row { return r })
	if err != nil {
		return err
	}
	waits, err := anything(ctx, view, store.QueueTable, store.HeldTable)
	if err != nil {
		return err
	}
	from := side.Other()
	for _, name := range sortedKeys(all) {
		live := out[name]
		live.Modes[side] = all[name].Mode
		s := &live.Streams[from]
		s.From, s.To = e.Link.Sides[from], e.Link.Sides[side]
		live.Streams[side].From, live.Streams[side].To = s.To, s.From
		if waits {
			if err := pending(ctx, view, name, s); err != nil {
				return err
			}
		}
		out[name] = live
	}
	for _, n := range stats {
		if live, ok := out[n.Map]; ok {
			s := &live.Streams[from]
			s.Applied, s.Conflicts, s.LagMs = n.Applied, n.Conflicts, n.LagMs
			out[n.Map] = live
		}
	}
	for _, row := range alarms {
		if live, ok := out[row[0].S]; ok {
			live.Alarm = worse(live.Alarm, tablemap.Alarm{Kind: tablemap.AlarmKind(row[1].S), Message: row[2].S})
			out[row[0].S] = live
		}
	}
	return nil
}

func selectAll[T any](ctx context.Context, r store.Reader, table string, of func(store.Row) T) ([]T, error) {
	rows, err := r.Select(ctx, store.Query{Table: table})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	out := make([]T, len(rows))
	for i, row := range rows {
		out[i] = of(row)
	}
	return out, nil
}

// anything reports whether one of the tables has a row.
func anything(ctx context.Context, r store.Reader, tables ...string) (bool, error) {
	for _, table := range tables {
		rows, err := r.Select(ctx, store.Query{Table: table, Limit: 1})
		if err != nil {
			return false, fmt.Errorf("read %s: %w", table, err)
		}
		if len(rows) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// pending counts what waits for one map on the side that it is to be written to.
func pending(ctx context.Context, r store.Reader, name string, s *tablemap.StreamStats) error {
	var err error
	queue := and(byMap(store.QueueTable, name), "kind", store.Eq, store.Str(kindChange))
	if s.Queued, err = r.Count(ctx, queue); err != nil {
		return fmt.Errorf("count queue: %w", err)
	}
	if s.Held, err = r.Count(ctx, heldChanges(name)); err != nil {
		return fmt.Errorf("count held changes: %w", err)
	}
	return nil
}

// worse picks the alarm that takes a map further from Running.
func worse(a, b tablemap.Alarm) tablemap.Alarm {
	rank := map[tablemap.AlarmKind]int{tablemap.AlarmNone: 0, tablemap.AlarmBreaker: 1, tablemap.AlarmFault: 2, tablemap.AlarmGap: 3}
	if rank[b.Kind] > rank[a.Kind] {
		return b
	}
	return a
}

// Definition returns the definition of a map's last run; ErrNoDefinition when there has been none.
func (e *Engine) Definition(ctx context.Context, mapName string) (Definition, error) {
	view, err := e.Stores[tablemap.Left].View(ctx)
	if err != nil {
		return Definition{}, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	_, def, err := lastRun(ctx, view, mapName)
	if err != nil {
		return Definition{}, err
	}
	return *def, nil
}

// lastRun reads a map's mode and the definition that goes with it, whether it is off or not.
func lastRun(ctx context.Context, r store.Reader, mapName string) (mode, *Definition, error) {
	found, err := modes(ctx, r, mapName)
	if err != nil {
		return mode{}, nil, err
	}
	m, ok := found[mapName]
	if !ok {
		return mode{}, nil, ErrNoDefinition
	}
	def, err := definition(ctx, r, mapName, m.Run)
	return m, def, err
}
