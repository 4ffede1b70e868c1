package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Conflicts lists the conflicts of a map, newest first.
func (e *Engine) Conflicts(ctx context.Context, mapName string, limit, offset int) ([]Conflict, error) {
	var lists [2][]Conflict
	for side := range e.Stores {
		var err error
		if lists[side], err = e.conflictsOn(ctx, tablemap.Side(side), mapName, limit, offset); err != nil {
			return nil, err
		}
	}
	merged := []Conflict{}
	for len(lists[0]) > 0 || len(lists[1]) > 0 {
		side := 0
		if len(lists[0]) == 0 || (len(lists[1]) > 0 && lists[1][0].At.After(lists[0][0].At)) {
			side = 1
		}
		merged, lists[side] = append(merged, lists[side][0]), lists[side][1:]
	}
	merged = merged[min(offset, len(merged)):]
	if limit > 0 {
		merged = merged[:min(limit, len(merged))]
	}
	return merged, nil
}

func (e *Engine) conflictsOn(ctx context.Context, side tablemap.Side, mapName string, limit, offset int) ([]Conflict, error) {
	view, err := e.Stores[side].View(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	q := byMap(store.ConflictTable, mapName)
	q.Desc = true
	if limit > 0 {
		q.Limit = limit + offset
	}
	rows, err := view.Select(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read conflicts: %w", err)
	}
	out := make([]Conflict, 0, len(rows))
	runs := make(map[int]*Definition)
	for _, row := range rows {
		c := clashOf(row)
		if runs[c.Run] == nil {
			if runs[c.Run], err = definition(ctx, view, mapName, c.Run); err != nil {
				return nil, err
			}
		}
		one, err := e.conflict(c, runs[c.Run], side)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func (e *Engine) conflict(c clash, def *Definition, side tablemap.Side) (Conflict, error) {
	out := Conflict{ID: c.ID*2 + int64(side), At: time.UnixMilli(c.AtMs).UTC(), Winner: e.Link.Sides[c.Winner]}
	var rows [3]store.Row
	for i, text := range []string{c.Key, c.Winning, c.Losing} {
		var err error
		if rows[i], err = store.DecodeRow(text); err != nil {
			return out, fmt.Errorf("read conflict %d: %w", out.ID, err)
		}
	}
	winner, loser := c.columns(newFlow(def, side.Other(), c.Winner))
	out.Key = values(def.Relations[side].Columns, rows[0])
	if rows[1] != nil {
		out.Winning = values(winner, rows[1])
	}
	if rows[2] != nil {
		out.Losing = values(loser, rows[2])
	}
	return out, nil
}

// columns are those of the two images: both have the columns of the flow into the side that keeps the row.
func (c clash) columns(f *flow) (winner, loser []store.Column) {
	if f.from == c.Winner {
		return f.source.Columns, f.target.Columns
	}
	return f.target.Columns, f.source.Columns
}

// Restore writes the losing image of a conflict back to its side, as a new change of a user there.
func (e *Engine) Restore(ctx context.Context, mapName string, id int64) error {
	side := tablemap.Side(id % 2)
	c, def, err := e.findConflict(ctx, side, mapName, id/2)
	if err != nil {
		return err
	}
	row, err := store.DecodeRow(c.Losing)
	if err != nil {
		return fmt.Errorf("read conflict %d: %w", id, err)
	}
	loser := c.Winner.Other()
	f := newFlow(def, side.Other(), c.Winner)
	relation := &f.target
	if f.from == loser {
		relation = &f.source
	}
	key, err := c.loserKey(f, row, side)
	if err != nil {
		return err
	}
	err = e.ops(ctx, loser, marker{mapName: mapName}, func(tx store.Tx) (body, error) {
		_, err := tx.Apply(ctx, []store.Write{{Relation: relation, Guard: store.Overwrite, Key: key, After: row}})
		return body{User: true}, err
	})
	var refused *store.RowError
	if errors.As(err, &refused) {
		return &Refusal{Message: "the losing row cannot be written back: " + refused.Error(), Hint: "mend the cause and restore again"}
	}
	if err != nil {
		return err
	}
	c.Restored = true
	return e.ops(ctx, side, marker{mapName: mapName}, func(tx store.Tx) (body, error) {
		return body{}, tx.Put(ctx, store.ConflictTable, c.row())
	})
}

// loserKey is the key of the losing row on its own side.
func (c clash) loserKey(f *flow, row store.Row, side tablemap.Side) (store.Row, error) {
	loser := c.Winner.Other()
	if row != nil {
		return f.source.KeyOf(row), nil
	}
	key, err := store.DecodeRow(c.Key)
	if err != nil || side == loser {
		return key, err
	}
	back := change{flow: newFlow(f.def, side, c.Winner)}
	target, _ := back.targetKeys(key, nil)
	return target, nil
}

// findConflict reads a conflict that has not been restored yet, of a map that carries changes.
func (e *Engine) findConflict(ctx context.Context, side tablemap.Side, mapName string, id int64) (clash, *Definition, error) {
	view, err := e.Stores[side].View(ctx)
	if err != nil {
		return clash{}, nil, fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	if _, _, err := attached(ctx, view, mapName); err != nil {
		return clash{}, nil, err
	}
	rows, err := view.Select(ctx, and(byMap(store.ConflictTable, mapName), "id", store.Eq, store.Int(id)))
	if err != nil {
		return clash{}, nil, fmt.Errorf("read conflicts: %w", err)
	}
	number := strconv.FormatInt(id*2+int64(side), 10)
	if len(rows) == 0 {
		return clash{}, nil, &Refusal{Message: "map " + mapName + " has no conflict " + number, Hint: "`dualwrite conflicts " + mapName + "` lists them"}
	}
	c := clashOf(rows[0])
	if c.Restored {
		return clash{}, nil, &Refusal{Message: "conflict " + number + " has been restored already", Hint: "`dualwrite conflicts " + mapName + "` lists the others"}
	}
	def, err := definition(ctx, view, mapName, c.Run)
	return c, def, err
}
