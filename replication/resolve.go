package replication

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// resolver resolves one map against the schemas.
type resolver struct {
	findings
	engine  *Engine
	schemas Schemas
	config  tablemap.Map
	tables  [2]*store.Table
	def     Definition
	columns [2][]store.Column // like def.Columns
	key     int               // how many of them are the key
}

// Resolve makes the definition of a map, and says what is wrong with it or worth knowing. With an error among the
// findings the definition is of no use.
func (e *Engine) Resolve(m tablemap.Map, schemas Schemas) (Definition, []Finding) {
	r := &resolver{findings: findings{link: &e.Link, name: m.Name}, engine: e, schemas: schemas, config: m}
	r.def.Map = m
	if !r.findTables() || !r.findKey() {
		return r.def, r.list
	}
	r.findColumns()
	r.relations()
	r.defaults()
	r.values()
	r.types()
	r.missing()
	r.parents()
	r.effects()
	r.autoKey()
	r.uniques()
	return r.def, r.list
}

// sides lists both.
func sides() []tablemap.Side { return []tablemap.Side{tablemap.Left, tablemap.Right} }

func (r *resolver) findTables() bool {
	tables, found := r.schemas.tables(&r.config)
	for _, s := range sides() {
		name := r.config.Tables[s]
		if !found[s] {
			r.on(s, ruleTableMissing, tableMend(name, r.schemas[s].All), "there is no table %s", name)
			continue
		}
		for _, other := range r.link.Maps {
			t, ok := r.schemas[s].Tables[other.Tables[s]]
			if ok && other.Name != r.name && t.Name == tables[s].Name {
				r.on(s, ruleTableTwice, "a table can be in one map only", "map %s is on table %s too", other.Name, t.Name)
			}
		}
	}
	r.tables = tables
	return found[tablemap.Left] && found[tablemap.Right]
}

// tableMend suggests tables of which there may be very many.
func tableMend(name string, all []string) string {
	if near := tablemap.Closest(name, all); near != "" {
		return "did you mean " + near + "? Tables are named in the config under tables"
	}
	for _, one := range all {
		if _, bare, ok := strings.Cut(one, "."); ok && strings.EqualFold(bare, name) {
			return "did you mean " + one + "? Tables are named in the config under tables"
		}
	}
	return "create it, or name the right one in the config under tables; dualwrite makes no tables"
}

// findKey finds the key's columns and sees that rows can be told apart by them.
func (r *resolver) findKey() bool {
	config := r.config.Key
	if len(config) == 0 {
		names := keyNames(&r.config, r.tables)
		if names == nil {
			r.noKey()
			return false
		}
		for _, n := range names {
			config = append(config, tablemap.Column{Names: n})
		}
	}
	for _, c := range config {
		r.add(c)
	}
	if r.key = len(r.def.Columns); r.key < len(config) {
		return false
	}
	for _, s := range sides() {
		r.keyOn(s)
	}
	return true
}

func (r *resolver) noKey() {
	left, right := r.tables[tablemap.Left].PrimaryKey, r.tables[tablemap.Right].PrimaryKey
	say := func(names []string) string {
		if len(names) == 0 {
			return "none"
		}
		return strings.Join(names, ", ")
	}
	r.both(ruleKeyMissing, "name the columns by which rows pair under key; they need a unique index on both sides",
		"the two tables have no primary key of the same columns (%s: %s; %s: %s)",
		r.link.Sides[tablemap.Left], say(left), r.link.Sides[tablemap.Right], say(right))
}

// keyOn checks the key on one side.
func (r *resolver) keyOn(s tablemap.Side) {
	t := r.tables[s]
	names := make([]string, r.key)
	for i := range names {
		names[i] = r.columns[s][i].Name
	}
	list := strings.Join(names, ", ")
	if !uniqueBy(t, names) {
		r.on(s, ruleKeyNotUnique, fmt.Sprintf("create a unique index on %s (%s), or name another key", t.Name, list),
			"key %s of table %s is not unique there", list, t.Name)
	}
	for i, c := range r.columns[s][:r.key] {
		switch {
		case slices.Contains(t.Generated, c.Name) && r.config.Flows(s.Other()):
			r.on(s, ruleKeyGenerated, "name another key", "key column %s of table %s is computed by the database, so rows cannot be written", names[i], t.Name)
		case !c.NotNull && slices.Contains(t.PrimaryKey, c.Name):
			r.on(s, rulePrimaryNullable, "declare it NOT NULL; rows with null there cannot be paired",
				"primary key column %s of table %s may be null, as this database allows", c.Name, t.Name)
		case !c.NotNull:
			r.on(s, ruleKeyNullable, "declare it NOT NULL, or name another key", "key column %s of table %s may be null", c.Name, t.Name)
		}
	}
}

// add resolves one pair of columns; false when one of them is not there.
func (r *resolver) add(c tablemap.Column) bool {
	var pair [2]store.Column
	found := true
	for _, s := range sides() {
		t := r.tables[s]
		one, ok := columnOf(t, c.Names[s])
		if !ok {
			r.on(s, ruleColumnMissing, tablemap.DidYouMean("column", c.Names[s], columnNames(t)), "table %s has no column %s", t.Name, c.Names[s])
			found = false
			continue
		}
		if slices.ContainsFunc(r.columns[s], func(o store.Column) bool { return o.Name == one.Name }) {
			r.on(s, ruleColumnTwice, "name each column once", "column %s of table %s is in the map twice", one.Name, t.Name)
			found = false
			continue
		}
		pair[s] = one
	}
	if !found {
		return false
	}
	c.Names = [2]string{pair[tablemap.Left].Name, pair[tablemap.Right].Name}
	for _, s := range sides() {
		r.columns[s] = append(r.columns[s], pair[s])
	}
	r.def.Columns = append(r.def.Columns, c)
	return true
}

// findColumns resolves the columns that are not the key's.
func (r *resolver) findColumns() {
	if r.config.Columns == nil {
		r.columnsByName()
		return
	}
	for _, c := range r.config.Columns {
		if c.Default != nil || r.repeatsKey(c) || !r.add(c) {
			continue
		}
		last := len(r.def.Columns) - 1
		for _, s := range sides() {
			t, name := r.tables[s], r.columns[s][last].Name
			if c.Direction.Flows(s.Other()) && slices.Contains(t.Generated, name) {
				r.on(s, ruleColumnGenerated, "give it the direction "+r.link.ArrowWord(s)+", or leave it out",
					"column %s of table %s is computed by the database, so nothing can be written to it", name, t.Name)
			}
		}
	}
}

// repeatsKey reports whether a configured column says no more than that the key's column is there.
func (r *resolver) repeatsKey(c tablemap.Column) bool {
	return c.Direction == tablemap.Both && len(c.Values) == 0 &&
		slices.ContainsFunc(r.config.Key, func(k tablemap.Column) bool { return k.Names == c.Names })
}

// columnsByName maps every column that both sides have and that both can write. They flow as the key does.
func (r *resolver) columnsByName() {
	left, right := r.tables[tablemap.Left], r.tables[tablemap.Right]
	direction := tablemap.Both
	if len(r.config.Key) > 0 {
		direction = r.config.Key[0].Direction
	}
	var out [2][]string
	for _, c := range left.Columns {
		other, ok := columnOf(right, c.Name)
		switch {
		case slices.ContainsFunc(r.columns[tablemap.Left], func(o store.Column) bool { return o.Name == c.Name }):
		case !ok:
			out[tablemap.Left] = append(out[tablemap.Left], c.Name)
		case slices.ContainsFunc(r.columns[tablemap.Right], func(o store.Column) bool { return o.Name == other.Name }):
		case c.Auto && other.Auto, slices.Contains(left.Generated, c.Name), slices.Contains(right.Generated, other.Name):
			r.both(ruleColumnLeftOut, "name it under columns to map it all the same", "column %s is left out: the databases fill it in themselves", c.Name)
		default:
			r.add(tablemap.Column{Names: [2]string{c.Name, other.Name}, Direction: direction})
		}
	}
	for _, c := range right.Columns {
		if _, ok := columnOf(left, c.Name); !ok && !slices.ContainsFunc(r.columns[tablemap.Right], func(o store.Column) bool { return o.Name == c.Name }) {
			out[tablemap.Right] = append(out[tablemap.Right], c.Name)
		}
	}
	for _, s := range sides() {
		if len(out[s]) > 0 {
			r.on(s, ruleColumnLeftOut, "name them under columns, with what they are called on the other side, to map them",
				"left out, since only this side has them: %s", strings.Join(out[s], ", "))
		}
	}
	if len(r.def.Columns) == r.key {
		r.both(ruleNoColumns, "name columns that are called differently under columns", "only the key is mapped: no other column has the same name on both sides")
	}
}

// relations fills in the two tables, but for defaults.
func (r *resolver) relations() {
	for _, s := range sides() {
		t := r.tables[s]
		rel := store.Relation{Table: t.Name, Columns: r.columns[s], Key: r.key, Filter: r.config.Filter[s]}
		for i, c := range r.def.Columns[r.key:] {
			if c.Direction != tablemap.Both {
				rel.Free = append(rel.Free, r.key+i)
			}
		}
		keyNames := rel.Names()[:r.key]
		for _, index := range t.Unique {
			if places := placesIn(rel.Names(), index); places != nil && !sameSet(index, keyNames) {
				rel.Unique = append(rel.Unique, places)
			}
		}
		r.def.Relations[s] = rel
		if rel.Filter != "" {
			r.filter(s)
		}
	}
}

// placesIn are the positions of names in a list, nil when one is not there.
func placesIn(list, names []string) []int {
	places := make([]int, len(names))
	for i, name := range names {
		if places[i] = slices.Index(list, name); places[i] < 0 {
			return nil
		}
	}
	return places
}

// filter finds the further columns that a filter reads.
func (r *resolver) filter(s tablemap.Side) {
	rel := &r.def.Relations[s]
	columns, unknown := conditionColumns(r.tables[s], rel.Filter)
	for _, c := range columns {
		if !slices.Contains(rel.Names(), c.Name) {
			rel.Extra = append(rel.Extra, c)
		}
	}
	if len(unknown) > 0 {
		r.on(s, ruleFilterColumn, "texts stand in single quotes", "the filter names %s, which is no column of table %s", strings.Join(unknown, ", "), rel.Table)
	}
}
