package replication

import (
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// defaults resolves columns that only one side has.
func (r *resolver) defaults() {
	for _, c := range r.config.Columns {
		if c.Default == nil {
			continue
		}
		s := tablemap.Left
		if c.Names[s] == "" {
			s = tablemap.Right
		}
		t := r.tables[s]
		column, ok := columnOf(t, c.Names[s])
		if !ok {
			r.on(s, ruleColumnMissing, tablemap.DidYouMean("column", c.Names[s], columnNames(t)), "table %s has no column %s", t.Name, c.Names[s])
			continue
		}
		value, err := store.Convert(store.Str(*c.Default), column.Type)
		if err != nil {
			r.on(s, ruleDefaultType, "write a default that fits type "+column.Type.Name, "the default of column %s does not fit its type %s", column.Name, column.Type.Name)
			continue
		}
		rel := &r.def.Relations[s]
		rel.Defaults = append(rel.Defaults, store.ColumnDefault{Column: column, Value: value})
	}
}

// values puts value maps into the words that the two databases use.
func (r *resolver) values() {
	for i := range r.def.Columns {
		c := &r.def.Columns[i]
		if len(c.Values) == 0 {
			continue
		}
		words := make(map[string]string, len(c.Values))
		back := make(map[string]string, len(c.Values))
		for _, left := range sortedKeys(c.Values) {
			word, okLeft := r.word(tablemap.Left, i, left)
			other, okRight := r.word(tablemap.Right, i, c.Values[left])
			if !okLeft || !okRight {
				continue
			}
			_, twice := words[word]
			_, again := back[other]
			if twice || again && (c.Direction.Flows(tablemap.Right) || i < r.key) {
				r.both(ruleValueMapTwice, "keep one of the two that mean the same", "the value map of column %s has %q = %q twice, in other words", c.Names[tablemap.Left], word, other)
			}
			words[word], back[other] = other, word
		}
		if len(words) > 0 { // else there are errors enough
			c.Values = words
		}
	}
}

// word is a text of a value map as the column's values are spelled.
func (r *resolver) word(s tablemap.Side, column int, text string) (string, bool) {
	c := r.columns[s][column]
	v, err := store.Convert(store.Str(text), c.Type)
	if err != nil {
		r.on(s, ruleValueMapType, "write values of type "+c.Type.Name, "value %q in the value map of column %s does not fit its type %s", text, c.Name, c.Type.Name)
		return "", false
	}
	return v.S, true
}

// types compares the types of each pair, in each direction in which values flow.
func (r *resolver) types() {
	for i, c := range r.def.Columns {
		for _, from := range sides() {
			if i < r.key && r.config.Flows(from) || i >= r.key && c.Direction.Flows(from) {
				r.typesFrom(from, i)
			}
		}
	}
}

func (r *resolver) typesFrom(from tablemap.Side, i int) {
	to := from.Other()
	a, b := r.columns[from][i], r.columns[to][i]
	if !a.NotNull && b.NotNull && i >= r.key {
		r.on(to, ruleNullable, "declare "+a.Name+" NOT NULL on "+r.link.Sides[from]+", or let "+b.Name+" be null",
			"column %s must not be null, but %s of %s may be: such rows will fail", b.Name, a.Name, r.link.Sides[from])
	}
	if len(r.def.Columns[i].Values) > 0 {
		return
	}
	rule, word := ruleType, "cannot become"
	switch fit(a.Type, b.Type) {
	case fitsExactly:
		return
	case fitsNarrowly:
		rule, word = ruleTypeNarrower, "may not fit into"
	case fitsLossily:
		rule, word = ruleTypeLossy, "may be changed by"
	case fitsNever:
		if !b.Type.Strict {
			rule, word = ruleTypeNarrower, "are stored as they are, not as"
		} else if i < r.key {
			rule = ruleKeyType
		}
	}
	if rule == ruleTypeLossy || rewrites(a.Type, b.Type) {
		r.def.Effects[to] = true
	}
	hint := "map columns of the same type, or give the column a value map"
	if rule == ruleTypeNarrower || rule == ruleTypeLossy {
		hint = "give both columns the same type; otherwise rows that do not fit are listed as errors, and changed values flow back"
	}
	r.on(to, rule, hint, "values of %s (%s, %s) %s %s (%s)", a.Name, r.link.Sides[from], typeName(a), word, b.Name, typeName(b))
}

func typeName(c store.Column) string {
	if c.Type.Name == "" {
		return "no type"
	}
	return c.Type.Name
}

// missing finds columns without which no row can be inserted.
func (r *resolver) missing() {
	for _, s := range sides() {
		if !r.config.Flows(s.Other()) {
			continue
		}
		t := r.tables[s]
		for _, c := range t.Columns {
			if c.NotNull && !c.Default && !c.Auto && !slices.Contains(t.Generated, c.Name) && !r.filled(s, c.Name) {
				r.on(s, ruleNotNullUnmapped, "map it, or give it a value: {"+r.link.Sides[s]+": "+c.Name+", default: …}",
					"column %s of table %s must not be null, has no default and is not written: no row can be inserted", c.Name, t.Name)
			}
		}
	}
}

// filled reports whether our inserts write a column.
func (r *resolver) filled(s tablemap.Side, name string) bool {
	for i, c := range r.columns[s] {
		if c.Name == name && (i < r.key || r.def.Columns[i].Direction.Flows(s.Other())) {
			return true
		}
	}
	return slices.ContainsFunc(r.def.Relations[s].Defaults, func(d store.ColumnDefault) bool { return d.Column.Name == name })
}

// uniques finds mapped columns in which rows must differ on one side only.
func (r *resolver) uniques() {
	for _, s := range sides() {
		here, there := r.def.Relations[s], r.tables[s.Other()]
		for _, index := range here.Unique {
			names, others := make([]string, len(index)), make([]string, len(index))
			for n, i := range index {
				names[n], others[n] = here.Columns[i].Name, r.columns[s.Other()][i].Name
			}
			if r.config.Flows(s.Other()) && !uniqueBy(there, others) {
				r.on(s, ruleUniqueOneSide, "create the unique index on "+r.link.Sides[s.Other()]+" too",
					"%s must be unique here, but not on %s: rows that repeat them there will fail", strings.Join(names, ", "), r.link.Sides[s.Other()])
			}
		}
	}
}
