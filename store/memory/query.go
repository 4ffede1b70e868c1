package memory

import (
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// selection is a query on one ledger table, ready to run.
type selection struct {
	table  *table
	tree   *tree
	conds  []condition
	order  int
	sorted bool // the order is not that of the primary key
	query  *store.Query
}

type condition struct {
	column int
	is     store.Comparison
	values []store.Value
	set    map[store.Value]struct{} // of a long In
}

// selection prepares a query.
func prepare(c *catalog, trees []tree, q *store.Query) (*selection, error) {
	t := c.ledger[q.Table]
	if t == nil {
		return nil, fmt.Errorf("the ledger has no table %s", q.Table)
	}
	s := &selection{table: t, tree: &trees[t.rows], query: q}
	for _, w := range q.Where {
		cond := condition{column: t.column(w.Column), is: w.Is, values: w.Values}
		if cond.column < 0 {
			return nil, fmt.Errorf("ledger table %s has no column %s", q.Table, w.Column)
		}
		if w.Is != store.In && len(w.Values) != 1 {
			return nil, fmt.Errorf("a condition on %s.%s takes one value, not %d", q.Table, w.Column, len(w.Values))
		}
		if w.Is == store.In && len(w.Values) > 8 {
			cond.set = make(map[store.Value]struct{}, len(w.Values))
			for _, v := range w.Values {
				cond.set[v] = struct{}{}
			}
		}
		s.conds = append(s.conds, cond)
	}
	if q.Order != "" {
		if s.order = t.column(q.Order); s.order < 0 {
			return nil, fmt.Errorf("ledger table %s has no column %s", q.Table, q.Order)
		}
		s.sorted = s.order != t.primary[0]
	}
	return s, nil
}

func (c *condition) holds(v store.Value) bool {
	if c.is == store.In {
		if c.set != nil {
			_, in := c.set[v]
			return in
		}
		return slices.Contains(c.values, v)
	}
	if c.is == store.Eq {
		return v == c.values[0]
	}
	n := compare(v, c.values[0])
	switch c.is {
	case store.Gt:
		return n > 0
	case store.Ge:
		return n >= 0
	case store.Lt:
		return n < 0
	case store.Le:
		return n <= 0
	}
	return false
}

func (s *selection) holds(row store.Row) bool {
	for i := range s.conds {
		if !s.conds[i].holds(row[s.conds[i].column]) {
			return false
		}
	}
	return true
}

// each calls yield with the rows that the conditions allow, in the order of the primary key, until it returns false.
func (s *selection) each(yield func(e *entry) bool) {
	for _, r := range s.ranges() {
		for e := range s.tree.from(r.from) {
			if r.to != "" && e.key >= r.to {
				break
			}
			if s.holds(e.row) && !yield(e) {
				return
			}
		}
	}
}

// keyRange is keys from one on and, if to is not empty, below another.
type keyRange struct{ from, to string }

// ranges are the parts of the primary key's order that can hold rows, in that order.
func (s *selection) ranges() []keyRange {
	var prefix []byte
	for depth, column := range s.table.primary {
		if i := s.condOn(column, store.Eq); i >= 0 {
			prefix = appendKey(prefix, s.conds[i].values[0])
			continue
		}
		if i := s.condOn(column, store.In); i >= 0 && depth == 0 {
			return s.points(i)
		}
		return []keyRange{s.bounds(string(prefix), column)}
	}
	return []keyRange{{string(prefix), string(prefix) + above}}
}

func (s *selection) condOn(column int, is store.Comparison) int {
	return slices.IndexFunc(s.conds, func(c condition) bool { return c.column == column && c.is == is })
}

// points are the ranges of an In on the first column of the key.
func (s *selection) points(cond int) []keyRange {
	keys := make([]string, 0, len(s.conds[cond].values))
	for _, v := range s.conds[cond].values {
		keys = append(keys, encode(v))
	}
	slices.Sort(keys)
	out := make([]keyRange, 0, len(keys))
	for _, k := range slices.Compact(keys) {
		out = append(out, keyRange{k, k + above})
	}
	return out
}

// bounds narrows a prefix by comparisons of the column after it.
func (s *selection) bounds(prefix string, column int) keyRange {
	r := keyRange{from: prefix}
	if prefix != "" {
		r.to = prefix + above
	}
	for i := range s.conds {
		c := &s.conds[i]
		if c.column != column || c.is == store.In || c.is == store.Eq {
			continue
		}
		key := prefix + encode(c.values[0])
		switch c.is {
		case store.Gt, store.Ge:
			r.from = max(r.from, key)
		case store.Lt, store.Le:
			if end := key + above; r.to == "" || end < r.to {
				r.to = end
			}
		}
	}
	return r
}

// rows runs the query.
func (s *selection) rows() []store.Row {
	q := s.query
	var out []store.Row
	ascending := !s.sorted && !q.Desc
	skip := q.Offset
	s.each(func(e *entry) bool {
		if ascending && skip > 0 {
			skip--
			return true
		}
		out = append(out, e.row)
		return !ascending || q.Limit == 0 || len(out) < q.Limit
	})
	if ascending {
		return out
	}
	if s.sorted {
		slices.SortStableFunc(out, func(a, b store.Row) int { return compare(a[s.order], b[s.order]) })
	}
	if q.Desc {
		slices.Reverse(out)
	}
	out = out[min(q.Offset, len(out)):]
	if q.Limit > 0 {
		out = out[:min(q.Limit, len(out))]
	}
	return out
}

func (s *selection) count() int64 {
	if len(s.conds) == 0 {
		return int64(s.tree.n)
	}
	var n int64
	s.each(func(*entry) bool { n++; return true })
	return n
}

// keys are the primary keys of the rows, whatever the query's order and limit.
func (s *selection) keys() []string {
	var out []string
	s.each(func(e *entry) bool {
		out = append(out, e.key)
		return true
	})
	return out
}
