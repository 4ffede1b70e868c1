package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Schemas are the tables of both sides that maps are resolved against.
type Schemas [2]Schema

// Schema is the tables of one side.
type Schema struct {
	Tables map[string]store.Table // by the name that the config has for them
	All    []string               // names of all tables, for hints; only where one was not found
}

// Describe reads the schemas for maps, together with those of all maps of the link, to which foreign keys may point.
func (e *Engine) Describe(ctx context.Context, maps []tablemap.Map) (Schemas, error) {
	var out Schemas
	for side, s := range e.Stores {
		var names []string
		for _, m := range append(slices.Clone(maps), e.Link.Maps...) {
			if !slices.Contains(names, m.Tables[side]) {
				names = append(names, m.Tables[side])
			}
		}
		if len(names) == 0 {
			continue
		}
		found, err := s.Describe(ctx, names...)
		if err != nil {
			return out, fmt.Errorf("describe tables of %s: %w", e.Link.Sides[side], err)
		}
		out[side].Tables = found
		if len(found) == len(names) {
			continue
		}
		all, err := s.Describe(ctx)
		if err != nil {
			return out, fmt.Errorf("describe tables of %s: %w", e.Link.Sides[side], err)
		}
		out[side].All = sortedKeys(all)
	}
	return out, nil
}

// tables are a map's tables, or what is missing of them.
func (s *Schemas) tables(m *tablemap.Map) ([2]*store.Table, [2]bool) {
	var out [2]*store.Table
	var found [2]bool
	for side := range out {
		t, ok := s[side].Tables[m.Tables[side]]
		out[side], found[side] = &t, ok
	}
	return out, found
}

// columnOf finds a column by its name, in the catalog's spelling or, where that is clear, in another case.
func columnOf(t *store.Table, name string) (store.Column, bool) {
	var like []store.Column
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
		if strings.EqualFold(c.Name, name) {
			like = append(like, c)
		}
	}
	if len(like) == 1 {
		return like[0], true
	}
	return store.Column{}, false
}

func columnNames(t *store.Table) []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// sameSet reports whether two lists have the same names, in whatever order.
func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	return within(a, b)
}

// within reports whether all names of a are in b.
func within(a, b []string) bool {
	return !slices.ContainsFunc(a, func(name string) bool { return !slices.Contains(b, name) })
}

// uniqueBy reports whether rows differ in the columns: some unique index has no others.
func uniqueBy(t *store.Table, columns []string) bool {
	if len(t.PrimaryKey) > 0 && within(t.PrimaryKey, columns) {
		return true
	}
	return slices.ContainsFunc(t.Unique, func(u []string) bool { return within(u, columns) })
}

// keyNames are the names of a map's key on both sides, in the catalogs' spelling: as configured, or else the primary
// key. nil where there is none.
func keyNames(m *tablemap.Map, t [2]*store.Table) [][2]string {
	if len(m.Key) > 0 {
		names := make([][2]string, len(m.Key))
		for i, c := range m.Key {
			for side := range t {
				found, ok := columnOf(t[side], c.Names[side])
				if !ok {
					return nil
				}
				names[i][side] = found.Name
			}
		}
		return names
	}
	for side := range t {
		if names := sameNames(t[side].PrimaryKey, t, tablemap.Side(side)); names != nil {
			return names
		}
	}
	return nil
}

// sameNames pairs columns of one side with those of the same name on the other, if the rows of both differ in them.
func sameNames(columns []string, t [2]*store.Table, side tablemap.Side) [][2]string {
	other := side.Other()
	names := make([][2]string, len(columns))
	there := make([]string, len(columns))
	for i, name := range columns {
		c, ok := columnOf(t[other], name)
		if !ok {
			return nil
		}
		names[i][side], names[i][other], there[i] = name, c.Name, c.Name
	}
	if len(columns) == 0 || !uniqueBy(t[other], there) {
		return nil
	}
	return names
}

// namesOn are the names that pairs have on one side.
func namesOn(side tablemap.Side, pairs [][2]string) []string {
	names := make([]string, len(pairs))
	for i, p := range pairs {
		names[i] = p[side]
	}
	return names
}
