package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Orphan is something that a link left on its databases, and that no map of it needs.
type Orphan struct {
	Map   string // a map that is attached, though nothing runs it; "": a table
	Side  string // of the table
	Table string // a table under capture, though no map is attached to it; "": the log that is kept for none
}

// String says what there is to be removed.
func (o Orphan) String() string {
	switch {
	case o.Map != "":
		return "the capture and the queue of map " + o.Map + ", on both sides"
	case o.Table != "":
		return "the capture of table " + o.Table + " on " + o.Side
	}
	return "the log that is kept on " + o.Side
}

// sidePatience bounds the wait for each database, so that one that is silent does not keep the other from being looked at.
const sidePatience = 10 * time.Second

// Diagnose says how both databases stand with what dualwrite has put there. A database that does not answer is a
// finding too.
func (e *Engine) Diagnose(ctx context.Context) []Finding {
	f := findings{link: &e.Link}
	for _, s := range sides() {
		bounded, cancel := context.WithTimeout(ctx, sidePatience)
		condition, err := e.Stores[s].Diagnose(bounded)
		cancel()
		if err != nil {
			f.on(s, ruleDatabaseDown, "see that it is up, that its URL in the config is right, and that this user may connect", "the database does not answer: %s", err)
			continue
		}
		for _, r := range condition.Remarks {
			f.remark(s, r)
		}
	}
	return f.list
}

// Orphans looks for what no map needs. busy are the maps that something runs: all that are not at Not running. A run that
// has just begun makes the log and captures its table before its map is attached.
func (e *Engine) Orphans(ctx context.Context, busy []string) ([]Orphan, error) {
	attached, err := e.Attached(ctx)
	if err != nil {
		return nil, err
	}
	var out []Orphan
	for _, name := range attached {
		if !slices.Contains(busy, name) {
			out = append(out, Orphan{Map: name})
		}
	}
	for _, s := range sides() {
		condition, err := e.Stores[s].Diagnose(ctx)
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", e.Link.Sides[s], err)
		}
		needed, err := e.needed(ctx, s, attached, busy)
		if err != nil {
			return nil, err
		}
		for _, table := range condition.Captured {
			if !needed[table] {
				out = append(out, Orphan{Side: e.Link.Sides[s], Table: table})
			}
		}
		idle := slices.ContainsFunc(condition.Remarks, func(r store.Remark) bool { return r.Code == store.RemarkSlotIdle })
		if idle && len(busy) == 0 {
			out = append(out, Orphan{Side: e.Link.Sides[s]})
		}
	}
	return out, nil
}

// needed are the tables of a side, by catalog name, that attached maps capture or that busy ones are about to.
func (e *Engine) needed(ctx context.Context, side tablemap.Side, attached, busy []string) (map[string]bool, error) {
	var tables []string
	for _, name := range attached {
		def, err := e.Definition(ctx, name)
		if errors.Is(err, ErrNoDefinition) {
			continue // attached on the other side only
		}
		if err != nil {
			return nil, err
		}
		tables = append(tables, def.Relations[side].Table)
	}
	for _, m := range e.Link.Maps {
		if slices.Contains(busy, m.Name) {
			tables = append(tables, m.Tables[side])
		}
	}
	out := make(map[string]bool)
	if len(tables) == 0 {
		return out, nil
	}
	found, err := e.Stores[side].Describe(ctx, tables...)
	if err != nil {
		return nil, fmt.Errorf("describe tables: %w", err)
	}
	for _, table := range tables {
		out[table], out[found[table].Name] = true, true
	}
	return out, nil
}

// Remove removes an orphan.
func (e *Engine) Remove(ctx context.Context, o Orphan) error {
	if o.Map != "" {
		return e.Stop(ctx, o.Map)
	}
	for _, s := range sides() {
		if e.Link.Sides[s] != o.Side {
			continue
		}
		var tables []string
		if o.Table != "" {
			tables = []string{o.Table}
		}
		if err := e.Stores[s].Release(ctx, tables...); err != nil {
			return fmt.Errorf("release %s: %w", o.Table, err)
		}
	}
	return nil
}
