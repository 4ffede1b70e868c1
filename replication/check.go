package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Check looks for what is wrong with maps of the link, or with all of them when none is named.
func (e *Engine) Check(ctx context.Context, maps ...string) ([]Finding, error) {
	schemas, err := e.Describe(ctx, nil)
	if err != nil {
		return nil, err
	}
	all := []Finding{}
	var defs []*Definition
	for _, m := range e.Link.Maps {
		if len(maps) > 0 && !slices.Contains(maps, m.Name) {
			continue
		}
		def, found := e.Resolve(m, schemas)
		all = append(all, found...)
		if slices.ContainsFunc(found, func(f Finding) bool { return f.Severity == SeverityError }) {
			continue
		}
		filters, err := e.checkFilters(ctx, &def)
		if err != nil {
			return nil, err
		}
		all = append(all, filters...)
		defs = append(defs, &def)
	}
	all = append(all, e.checkCycles(&schemas, maps)...)
	found, err := e.preflight(ctx, defs...)
	return append(found, all...), err
}

// preflight asks both databases what is in the way of maps. What concerns a database as a whole names no map.
func (e *Engine) preflight(ctx context.Context, defs ...*Definition) ([]Finding, error) {
	all := []Finding{}
	for _, s := range sides() {
		var uses []store.Use
		maps := make(map[string]string)
		for _, def := range defs {
			rel := &def.Relations[s]
			maps[rel.Table] = def.Map.Name
			uses = append(uses, store.Use{Relation: rel, Captured: def.Map.Flows(s), Written: def.Map.Flows(s.Other())})
		}
		remarks, err := e.Stores[s].Preflight(ctx, uses...)
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", e.Link.Sides[s], err)
		}
		for _, r := range remarks {
			f := findings{link: &e.Link, name: maps[r.Table]}
			f.remark(s, r)
			all = append(all, f.list...)
		}
		found, err := e.checkOwner(ctx, s)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// checkFilters has each database try the map's filter.
func (e *Engine) checkFilters(ctx context.Context, def *Definition) ([]Finding, error) {
	f := findings{link: &e.Link, name: def.Map.Name}
	for _, s := range sides() {
		rel := &def.Relations[s]
		if rel.Filter == "" {
			continue
		}
		err := e.tryFilter(ctx, s, rel)
		if errors.Is(err, store.ErrTransient) {
			return nil, err
		}
		if err != nil {
			reason := err.Error()
			var wrong *store.MapError
			if errors.As(err, &wrong) {
				reason = wrong.Reason
			}
			f.on(s, ruleFilterInvalid, "write a condition on the table's columns, as after WHERE", "the filter of table %s does not work: %s", rel.Table, reason)
		}
	}
	return f.list, nil
}

func (e *Engine) tryFilter(ctx context.Context, s tablemap.Side, rel *store.Relation) error {
	view, err := e.Stores[s].View(ctx)
	if err != nil {
		return fmt.Errorf("open view: %w", err)
	}
	defer func() { _ = view.Close() }()
	_, err = view.Scan(ctx, rel, nil, 1)
	return err
}

// checkCycles tells which maps depend on each other in a circle.
func (e *Engine) checkCycles(schemas *Schemas, maps []string) []Finding {
	g := tablemap.Graph{Names: make([]string, len(e.Link.Maps)), Edges: e.edges(schemas)}
	for i, m := range e.Link.Maps {
		g.Names[i] = m.Name
	}
	var all []Finding
	for _, cycle := range g.Cycles() {
		f := findings{link: &e.Link, name: cycle[0]}
		if i := slices.IndexFunc(cycle, func(m string) bool { return slices.Contains(maps, m) }); i >= 0 {
			f.name = cycle[i]
		} else if len(maps) > 0 {
			continue
		}
		f.both(ruleCycle, "run them together", "%s depend on each other in a circle", strings.Join(cycle, ", "))
		all = append(all, f.list...)
	}
	return all
}

// Dependencies are the foreign keys between mapped tables of either side, and what the config declares, in the order of
// the config.
func (e *Engine) Dependencies(ctx context.Context) ([]tablemap.Edge, error) {
	schemas, err := e.Describe(ctx, nil)
	if err != nil {
		return nil, err
	}
	return e.edges(&schemas), nil
}

// edges reads the dependencies out of the schemas. Tables that are not there have none.
func (e *Engine) edges(schemas *Schemas) []tablemap.Edge {
	edges := []tablemap.Edge{}
	declared := e.Link.Declared()
	for _, m := range e.Link.Maps {
		for _, s := range sides() {
			t := schemas[s].Tables[m.Tables[s]]
			for _, fk := range t.ForeignKeys {
				parent, ok := e.mapOn(&m, schemas, s, fk.Table)
				if !ok {
					continue
				}
				edge := tablemap.Edge{Child: m.Name, Parent: parent.Name, Reason: fmt.Sprintf("foreign key %s.%s → %s.%s on %s",
					t.Name, together(fk.Columns), fk.Table, together(fk.References), e.Link.Sides[s])}
				if !slices.Contains(edges, edge) {
					edges = append(edges, edge)
				}
			}
		}
		for _, edge := range declared {
			if edge.Child == m.Name {
				edges = append(edges, edge)
			}
		}
	}
	return edges
}

// together writes the columns of a key as one.
func together(columns []string) string {
	if len(columns) == 1 {
		return columns[0]
	}
	return "(" + strings.Join(columns, ", ") + ")"
}
