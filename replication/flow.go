package replication

import (
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// flow is one direction of a map: the columns that flow that way, as the two sides have them.
type flow struct {
	def    *Definition
	from   tablemap.Side
	master tablemap.Side // of the run
	cols   []int         // positions in def.Columns
	source store.Relation
	target store.Relation
	mapped bool // some column has a value map
}

// newFlow projects a definition on one direction.
func newFlow(def *Definition, from, master tablemap.Side) *flow {
	f := &flow{def: def, from: from, master: master}
	place := make(map[int]int)
	for i, c := range def.Columns {
		if i < def.Relations[from].Key || c.Direction.Flows(from) {
			place[i] = len(f.cols)
			f.cols = append(f.cols, i)
			f.mapped = f.mapped || len(c.Values) > 0
		}
	}
	f.source = project(def.Relations[from], f.cols, place)
	f.target = project(def.Relations[from.Other()], f.cols, place)
	for n, i := range f.cols {
		if i >= f.source.Key && !def.Columns[i].Direction.Flows(from.Other()) {
			f.source.Free = append(f.source.Free, n)
			f.target.Free = append(f.target.Free, n)
		}
	}
	return f
}

func project(rel store.Relation, cols []int, place map[int]int) store.Relation {
	out := rel
	out.Columns, out.Unique, out.Free = make([]store.Column, len(cols)), nil, nil
	for n, i := range cols {
		out.Columns[n] = rel.Columns[i]
	}
	for _, index := range rel.Unique {
		var mapped []int
		for _, i := range index {
			if n, ok := place[i]; ok {
				mapped = append(mapped, n)
			}
		}
		if len(mapped) == len(index) {
			out.Unique = append(out.Unique, mapped)
		}
	}
	return out
}

// flows reports whether anything goes this way at all.
func (f *flow) flows() bool { return f.def.Map.Flows(f.from) }

// overwrites reports whether changes of this direction win: its source is the master, or nothing flows back.
func (f *flow) overwrites() bool {
	return f.from == f.master || !f.def.Map.Flows(f.from.Other())
}

// pick takes this direction's columns out of a row of the whole relation.
func (f *flow) pick(row store.Row) store.Row {
	if row == nil {
		return nil
	}
	out := make(store.Row, len(f.cols))
	for n, i := range f.cols {
		out[n] = row[i]
	}
	return out
}

// fault is a row's fault that was found before the database saw the row.
type fault struct {
	code   store.Code
	column string // as the target has it
	text   string // for people; may hold values
}

// verbatim reports whether the values of a row, or of its key, are the same on both sides.
func (f *flow) verbatim(row store.Row) bool {
	if f.mapped {
		return false
	}
	for n := range row {
		if !f.target.Columns[n].Type.Keeps(row[n]) {
			return false
		}
	}
	return true
}

// translate makes a row of the target out of one of the source: value maps, then types. It may be the same one.
func (f *flow) translate(row store.Row) (store.Row, *fault) {
	if row == nil || f.verbatim(row) {
		return row, nil
	}
	out := make(store.Row, len(row))
	for n, v := range row {
		w, bad := f.cell(n, v)
		if bad != nil {
			return nil, bad
		}
		out[n] = w
	}
	return out, nil
}

func (f *flow) cell(n int, v store.Value) (store.Value, *fault) {
	to := f.target.Columns[n]
	if c := f.def.Columns[f.cols[n]]; len(c.Values) > 0 && !v.IsNull() {
		text, ok := c.Translate(f.from, v.S)
		if !ok {
			return v, &fault{store.CodeType, to.Name, "value " + quote(v) + " is not in the value map of column " + to.Name}
		}
		v = store.Str(text)
	}
	w, err := store.Convert(v, to.Type)
	if err != nil {
		return v, &fault{store.CodeType, to.Name, "value " + quote(v) + " does not fit type " + to.Type.Name + " of column " + to.Name}
	}
	if n < f.target.Key && v.Kind == store.Text && !written(w) {
		return v, &fault{store.CodeType, to.Name, "value " + quote(v) + " of the key is written differently in column " + to.Name + " of type " + to.Type.Name}
	}
	return w, nil
}

// equal compares two images in the columns that a guard compares.
func equal(rel *store.Relation, a, b store.Row) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	free := 0
	for i := range a {
		if free < len(rel.Free) && rel.Free[free] == i {
			free++
			continue
		}
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// quote shows a value to people, shortened.
func quote(v store.Value) string {
	s := v.S
	if v.IsNull() {
		return "null"
	}
	if v.Kind == store.Blob {
		return "(binary)"
	}
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return `"` + s + `"`
}
