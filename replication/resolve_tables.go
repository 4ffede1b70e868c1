package replication

import (
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// parents resolves the foreign keys of each side.
func (r *resolver) parents() {
	for _, s := range sides() {
		for _, fk := range r.tables[s].ForeignKeys {
			parent, ok := r.engine.mapOn(&r.config, &r.schemas, s, fk.Table)
			places := placesIn(r.def.Relations[s].Names(), fk.Columns)
			switch {
			case ok:
				r.parent(s, fk, parent, places)
			case places != nil && r.config.Flows(s.Other()):
				r.on(s, ruleParentUnmapped, "map table "+fk.Table+" too; or see that its rows are the same on both sides",
					"%s refers to table %s, which no map covers: rows fail whose parent is missing there", strings.Join(fk.Columns, ", "), fk.Table)
			}
		}
	}
}

// parent adds a foreign key whose parent is mapped. References come in the order in which the engine names the parent's
// key or unique values.
func (r *resolver) parent(s tablemap.Side, fk store.ForeignKey, parent tablemap.Map, places []int) {
	p := Parent{Map: parent.Name, Table: fk.Table, Columns: places, References: fk.References, Circle: r.circle(parent.Name)}
	tables, found := r.schemas.tables(&parent)
	if found[tablemap.Left] && found[tablemap.Right] {
		key := namesOn(s, keyNames(&parent, tables))
		order := key
		if p.Key = len(key) > 0 && sameSet(key, fk.References); !p.Key {
			i := slices.IndexFunc(tables[s].Unique, func(u []string) bool { return sameSet(u, fk.References) })
			order = fk.References
			if i >= 0 {
				order = tables[s].Unique[i]
			}
		}
		p.References, p.Columns = order, reorder(order, fk.References, places)
	}
	r.def.Parents[s] = append(r.def.Parents[s], p)
	if carried := carriedNames(&parent, tables, s); places != nil && !p.Key && r.config.Flows(s.Other()) && !within(fk.References, carried) {
		r.on(s, ruleReference, "leave "+strings.Join(fk.Columns, ", ")+" out, or map "+strings.Join(fk.References, ", ")+" in "+parent.Name+" too",
			"%s refers to %s of table %s, which map %s does not carry: if the two sides have other values there, rows refer to others than they should, or fail",
			strings.Join(fk.Columns, ", "), together(fk.References), fk.Table, parent.Name)
	}
	if parent.Name == r.name {
		r.on(s, ruleSelfReference, "", "%s refers to the table itself: its rows are loaded all the same", strings.Join(fk.Columns, ", "))
	}
}

// carriedNames are the columns of a side that a map carries.
func carriedNames(m *tablemap.Map, t [2]*store.Table, s tablemap.Side) []string {
	names := namesOn(s, keyNames(m, t))
	for _, c := range m.Columns {
		if found, ok := columnOf(t[s], c.Names[s]); ok && c.Default == nil {
			names = append(names, found.Name)
		}
	}
	if m.Columns != nil {
		return names
	}
	for _, c := range t[s].Columns {
		if other, ok := columnOf(t[s.Other()], c.Name); ok && !(c.Auto && other.Auto) {
			names = append(names, c.Name)
		}
	}
	return names
}

// circle reports whether a map that this one depends on depends on this one in its turn, or is this one.
func (r *resolver) circle(parent string) bool {
	if parent == r.name {
		return true
	}
	g := tablemap.Graph{Edges: r.engine.edges(&r.schemas)}
	for _, m := range r.link.Maps {
		g.Names = append(g.Names, m.Name)
	}
	return slices.Contains(g.Dependencies(parent), r.name)
}

// reorder puts the places of references into another order of the references.
func reorder(order, references []string, places []int) []int {
	if places == nil {
		return nil
	}
	out := make([]int, len(order))
	for i, name := range order {
		out[i] = places[slices.Index(references, name)]
	}
	return out
}

// mapOn finds the map that covers a table of a side: the given one, or one of the link.
func (e *Engine) mapOn(own *tablemap.Map, schemas *Schemas, s tablemap.Side, table string) (tablemap.Map, bool) {
	for _, m := range append([]tablemap.Map{*own}, e.Link.Maps...) {
		if t, ok := schemas[s].Tables[m.Tables[s]]; ok && t.Name == table {
			return m, true
		}
	}
	return tablemap.Map{}, false
}

// effects finds out where our writes may have effects of their own.
func (r *resolver) effects() {
	var triggers [2][]string
	for _, s := range sides() {
		t := r.tables[s]
		skips := r.skips(s)
		r.def.Relations[s].SkipTriggers = skips
		if !skips {
			triggers[s] = t.Triggers
		}
		if len(triggers[s]) > 0 || r.computes(s) || r.cascades(s) || (!skips && r.othersTrigger(s)) {
			r.def.Effects[s] = true
		}
		r.def.Fills[s] = slices.ContainsFunc(r.def.Columns, func(c tablemap.Column) bool {
			return c.Direction.Flows(s) && !c.Direction.Flows(s.Other())
		})
	}
	for _, s := range sides() {
		if len(triggers[s]) > 0 && len(triggers[s.Other()]) == 0 {
			r.on(s, ruleTrigger, "", "table %s has triggers (%s): what they change in rows that we write flows back", r.tables[s].Name, strings.Join(triggers[s], ", "))
		}
	}
	if len(triggers[tablemap.Left]) > 0 && len(triggers[tablemap.Right]) > 0 && r.config.Flows(tablemap.Left) && r.config.Flows(tablemap.Right) {
		r.both(ruleTriggerLoop, r.loopMend(), "both tables have triggers (%s: %s; %s: %s): if those of both change a mapped column at each write, rows never settle, and are held as a loop",
			r.link.Sides[tablemap.Left], strings.Join(triggers[tablemap.Left], ", "),
			r.link.Sides[tablemap.Right], strings.Join(triggers[tablemap.Right], ", "))
	}
	if s := r.link.Master.Other(); r.config.Truncate == tablemap.TruncateApply && r.config.Flows(s) && r.config.Flows(s.Other()) {
		r.on(s, ruleTruncateApply, "run the map again after such a TRUNCATE", "a TRUNCATE of %s stops the map: only those of the master are carried across", r.tables[s].Name)
	}
	r.cascading()
}

// skips reports whether our writes to a side leave its triggers out.
func (r *resolver) skips(s tablemap.Side) bool {
	if r.config.Triggers != tablemap.TriggersSkip {
		return false
	}
	if r.engine.Stores[s] != nil && r.engine.Stores[s].Limits().SkipTriggers {
		return true
	}
	if len(r.tables[s].Triggers) > 0 && r.config.Flows(s.Other()) {
		r.on(s, ruleTriggerSkip, "take `triggers: skip` out of the map, and columns that triggers change", "this database cannot leave out triggers, and table %s has some (%s)",
			r.tables[s].Name, strings.Join(r.tables[s].Triggers, ", "))
	}
	return false
}

// computes reports whether a mapped column of the side is one that the database computes.
func (r *resolver) computes(s tablemap.Side) bool {
	return slices.ContainsFunc(r.columns[s], func(c store.Column) bool { return slices.Contains(r.tables[s].Generated, c.Name) })
}

// cascades reports whether a write of ours to a mapped table can change rows of this one.
func (r *resolver) cascades(s tablemap.Side) bool {
	return slices.ContainsFunc(r.tables[s].ForeignKeys, func(fk store.ForeignKey) bool { return r.cascadesFrom(s, fk) })
}

func (r *resolver) cascadesFrom(s tablemap.Side, fk store.ForeignKey) bool {
	_, mapped := r.engine.mapOn(&r.config, &r.schemas, s, fk.Table)
	return fk.Cascades && mapped
}

// othersTrigger reports whether another mapped table of the side has triggers, which may write to this one.
func (r *resolver) othersTrigger(s tablemap.Side) bool {
	return slices.ContainsFunc(r.link.Maps, func(m tablemap.Map) bool {
		t, ok := r.schemas[s].Tables[m.Tables[s]]
		return ok && m.Name != r.name && m.Triggers == tablemap.TriggersFire && len(t.Triggers) > 0
	})
}

// loopMend names the columns that triggers are likely to change at each write.
func (r *resolver) loopMend() string {
	var likely []string
	for _, c := range r.def.Columns[r.key:] {
		name := strings.ToLower(c.Names[tablemap.Left])
		for _, word := range []string{"updated", "modified", "changed", "version"} {
			if c.Direction == tablemap.Both && strings.Contains(name, word) && !slices.Contains(likely, c.Names[tablemap.Left]) {
				likely = append(likely, c.Names[tablemap.Left])
			}
		}
	}
	if len(likely) > 0 {
		return "leave " + strings.Join(likely, ", ") + " out of the map (or, on PostgreSQL, say `triggers: skip`)"
	}
	return "leave the columns that both change out of the map (or, on PostgreSQL, say `triggers: skip`)"
}

// cascading tells where deletes or updates of parents change rows of this table.
func (r *resolver) cascading() {
	var fks [2][]string
	for _, s := range sides() {
		for _, fk := range r.tables[s].ForeignKeys {
			if r.cascadesFrom(s, fk) {
				fks[s] = append(fks[s], strings.Join(fk.Columns, ", "))
			}
		}
	}
	for _, s := range sides() {
		if len(fks[s]) == 0 {
			continue
		}
		rule, hint := ruleCascade, ""
		if len(fks[s.Other()]) == 0 {
			rule, hint = ruleCascadeOneSide, "give the foreign key of both sides the same ON DELETE and ON UPDATE"
		}
		r.on(s, rule, hint, "writes to the parent change rows of this table (foreign key on %s), which flows to the other side", strings.Join(fks[s], "; "))
	}
}

// autoKey finds keys that the databases give out.
func (r *resolver) autoKey() {
	for _, s := range sides() {
		r.def.AutoKey[s] = r.key == 1 && r.columns[s][0].Auto
	}
	if r.def.AutoKey[tablemap.Left] && r.def.AutoKey[tablemap.Right] && r.config.Flows(tablemap.Left) && r.config.Flows(tablemap.Right) {
		r.both(ruleGeneratedKey, "name an alternate key that the applications give, or let the two databases number apart (odd and even, or different ranges)",
			"both databases number %s by themselves: rows inserted on both sides under the same number are different rows, and will be held", r.columns[tablemap.Left][0].Name)
	}
}
