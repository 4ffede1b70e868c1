package config

import (
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/dualwrite/dualwrite/tablemap"
)

// maps reads all table maps.
func (r *reader) maps(n *yaml.Node) {
	m := r.mapping(n, "maps", nil)
	if m == nil {
		return
	}
	for _, e := range m.entries {
		if shown(e.name) == hidden {
			r.fail(e.key.Line, "use lower-case letters, digits and hyphens; the tables' own names go under tables", "a map has a name that cannot be one")
			continue
		}
		r.mark(e.key, "maps", e.name)
		if one, ok := r.tableMap(e); ok {
			r.file.Link.Maps = append(r.file.Link.Maps, one)
		}
	}
}

func (r *reader) tableMap(e entry) (tablemap.Map, bool) {
	out := tablemap.Map{Name: e.name, Tables: [2]string{e.name, e.name}}
	what := "map " + e.name
	m := r.mapping(e.value, what, []string{"tables", "key", "columns", "filter", "related", "coalesce", "triggers", "truncate"})
	if m == nil {
		return out, false
	}
	isKey := func(one entry) bool { return one.name == "key" }
	first := slices.IndexFunc(m.entries, isKey) // columns may repeat it
	if first >= 0 {
		r.setting(&out, m.entries[first], what)
	}
	for _, one := range slices.DeleteFunc(m.entries, isKey) {
		r.setting(&out, one, what)
	}
	return out, true
}

// setting reads one key of a map.
func (r *reader) setting(out *tablemap.Map, e entry, what string) {
	path := []string{"maps", out.Name, e.name}
	r.mark(e.key, path...)
	what = e.name + " of " + what
	switch e.name {
	case "tables":
		out.Tables = r.bothSides(e.value, what, path)
	case "key":
		out.Key = r.columns(e.value, what, path, nil)
	case "columns":
		out.Columns = r.columns(e.value, what, path, out.Key)
	case "filter":
		out.Filter = r.perSide(e.value, what, path)
	case "related":
		for i, n := range r.list(e.value, what) {
			r.mark(n, append(slices.Clone(path), strconv.Itoa(i))...)
			out.Related = append(out.Related, r.text(n, "an element of "+what))
		}
	case "coalesce":
		out.Coalesce = r.boolean(e.value, what)
	case "triggers":
		if r.choice(e.value, what, []string{"fire", "skip"}) == "skip" {
			out.Triggers = tablemap.TriggersSkip
		}
	case "truncate":
		if r.choice(e.value, what, []string{"refuse", "apply"}) == "apply" {
			out.Truncate = tablemap.TruncateApply
		}
	}
}

// perSide reads texts by side; a side may be left out.
func (r *reader) perSide(n *yaml.Node, what string, path []string) [2]string {
	var out [2]string
	sides := r.file.Link.Sides
	m := r.mapping(n, what, sides[:])
	if m == nil {
		return out
	}
	for _, e := range m.entries {
		r.mark(e.value, append(slices.Clone(path), e.name)...)
		side, _ := r.file.Link.Side(e.name)
		out[side] = r.text(e.value, what+" on "+e.name)
	}
	return out
}

// bothSides reads texts by side; each must be there.
func (r *reader) bothSides(n *yaml.Node, what string, path []string) [2]string {
	before := len(r.errors)
	out := r.perSide(n, what, path)
	for side, name := range r.file.Link.Sides {
		if out[side] == "" && len(r.errors) == before {
			r.fail(n.Line, "name the one of "+name+" too", "%s lacks %s", what, name)
		}
	}
	return out
}

// columns reads a list of column pairs, less those that only repeat the key. It is not nil, so that an empty list
// stays one.
func (r *reader) columns(n *yaml.Node, what string, path []string, key []tablemap.Column) []tablemap.Column {
	columns := []tablemap.Column{}
	for i, one := range r.list(n, what) {
		here := append(slices.Clone(path), strconv.Itoa(len(columns)))
		r.mark(one, here...)
		c, ok := r.column(one, "column "+strconv.Itoa(i+1)+" in "+what, here)
		if ok && !repeats(key, c) {
			columns = append(columns, c)
		}
	}
	return columns
}

func (r *reader) column(n *yaml.Node, what string, path []string) (tablemap.Column, bool) {
	var out tablemap.Column
	link := &r.file.Link
	m := r.mapping(n, what, append(link.Sides[:], tablemap.ColumnWords()...))
	if m == nil {
		return out, false
	}
	for _, e := range m.entries {
		r.mark(e.value, append(slices.Clone(path), e.name)...)
		switch e.name {
		case "direction":
			out.Direction = r.direction(e.value, what)
		case "values":
			out.Values = r.values(e.value, what)
		case "default":
			if text, ok := r.scalar(e.value, "default of "+what); ok {
				out.Default = &text
			}
		default:
			side, _ := link.Side(e.name)
			out.Names[side] = r.text(e.value, what+" on "+e.name)
		}
	}
	return out, true
}

func (r *reader) direction(n *yaml.Node, what string) tablemap.Direction {
	link := &r.file.Link
	right, left := link.ArrowWord(tablemap.Left), link.ArrowWord(tablemap.Right)
	switch r.choice(n, "direction of "+what, []string{"both", right, left}) {
	case right:
		return tablemap.LeftToRight
	case left:
		return tablemap.RightToLeft
	}
	return tablemap.Both
}

// values reads a value map, texts of the left side to texts of the right one.
func (r *reader) values(n *yaml.Node, what string) map[string]string {
	what = "values of " + what
	m := r.mapping(n, what, nil)
	if m == nil || len(m.entries) == 0 {
		return nil
	}
	out := make(map[string]string, len(m.entries))
	for _, e := range m.entries {
		if isNull(follow(e.key)) {
			r.fail(e.key.Line, "quote it if it is meant to be the word; nulls pass unchanged", "a key of %s is null", what)
			continue
		}
		out[e.name] = r.text(e.value, "a value in "+what)
	}
	return out
}

// repeats reports whether a column says nothing but that the key's column is there.
func repeats(key []tablemap.Column, c tablemap.Column) bool {
	return c.Direction == tablemap.Both && len(c.Values) == 0 && c.Default == nil &&
		slices.ContainsFunc(key, func(k tablemap.Column) bool { return k.Names == c.Names })
}
