package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// errNoLedger says that Capture has never been called.
var errNoLedger = errors.New("database has no ledger: nothing has been captured in it yet")

// ledgerTable is a table of the ledger with the statements on it.
type ledgerTable struct {
	store.LedgerTable
	table string // quoted
	list  string
	types []pgType
	put   string
	add   string // of a serial table: rows that are to be numbered
}

// ledgerTables are all of the ledger, by name.
func ledgerTables() map[string]*ledgerTable {
	out := make(map[string]*ledgerTable)
	for _, def := range store.Ledger() {
		t := &ledgerTable{LedgerTable: def, table: quote(schema) + "." + quote(def.Name)}
		var names, casts, params, sets []string
		for i, c := range def.Columns {
			names = append(names, c.Name)
			t.types = append(t.types, pgType{kind: c.Kind})
			casts = append(casts, "u.c"+strconv.Itoa(i)+"::"+ledgerCast(c.Kind))
			params = append(params, "$"+strconv.Itoa(i+1)+"::text[]")
			if i >= def.Primary {
				sets = append(sets, quote(c.Name)+" = excluded."+quote(c.Name))
			}
		}
		t.list = quoteAll("", names)
		conflict := "DO NOTHING"
		if len(sets) > 0 {
			conflict = "DO UPDATE SET " + strings.Join(sets, ", ")
		}
		t.put = "INSERT INTO " + t.table + " (" + t.list + ") SELECT " + strings.Join(casts, ", ") + " FROM unnest(" +
			strings.Join(params, ", ") + ") AS u(" + unnested(len(names)) + ") ON CONFLICT (" + indexed(def, names[:def.Primary]) + ") " + conflict
		if def.Serial {
			t.add = "INSERT INTO " + t.table + " (" + quoteAll("", names[1:]) + ") SELECT " + strings.Join(casts[1:], ", ") + " FROM unnest(" +
				strings.Join(params[:len(params)-1], ", ") + ") AS u(" + strings.TrimPrefix(unnested(len(names)), "c0, ") + ")"
		}
		out[def.Name] = t
	}
	return out
}

// unnested names n columns c0, c1, ….
func unnested(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = "c" + strconv.Itoa(i)
	}
	return strings.Join(out, ", ")
}

func ledgerCast(k store.Kind) string {
	switch k {
	case store.Integer:
		return "bigint"
	case store.Blob:
		return "bytea"
	}
	return "text"
}

// ledgerWhere is the conditions of a query as SQL, with their parameters.
type ledgerWhere struct {
	table  *ledgerTable
	from   string // the table, or its rows that have one of many hashes
	where  string
	params []param
	only   string // what from restricts, as a condition
}

// conditions checks a query. nil: nothing matches.
func (s *Store) conditions(q *store.Query) (*ledgerWhere, error) {
	t := s.ledger[q.Table]
	if t == nil {
		return nil, fmt.Errorf("the ledger has no table %s", q.Table)
	}
	has := func(name string) int {
		return slices.IndexFunc(t.Columns, func(c store.LedgerColumn) bool { return c.Name == name })
	}
	if q.Order != "" && has(q.Order) < 0 {
		return nil, fmt.Errorf("ledger table %s has no column %s", q.Table, q.Order)
	}
	out := &ledgerWhere{table: t, from: t.table, where: "true"}
	hashes := byHash(t, q)
	for i := range q.Where {
		c := &q.Where[i]
		at := has(c.Column)
		if at < 0 {
			return nil, fmt.Errorf("ledger table %s has no column %s", q.Table, c.Column)
		}
		n := "$" + strconv.Itoa(len(out.params)+1)
		cast := ledgerCast(t.Columns[at].Kind)
		switch c.Is {
		case store.Eq, store.Gt, store.Ge, store.Lt, store.Le:
			if len(c.Values) != 1 {
				return nil, fmt.Errorf("condition on %s.%s takes one value", q.Table, c.Column)
			}
			column := quote(c.Column)
			if hashes && t.Columns[at].Kind == store.Text { // no other index is to be thought of: without statistics it would seem as good
				column = "(" + column + " || '')"
			}
			out.where += " AND " + column + " " + string(c.Is) + " " + n + "::" + cast
			out.params = append(out.params, valueParam(c.Values[0]))
			if c.Is == store.Eq && t.Columns[at].Kind == store.Blob {
				out.params = append(out.params, valueParam(hash(c.Values[0])))
				out.where += " AND pg_catalog.sha256(" + quote(c.Column) + ") = $" + strconv.Itoa(len(out.params)) + "::bytea"
			}
		case store.In:
			if t.Columns[at].Kind == store.Blob {
				out.among(c)
				continue
			}
			out.where += " AND " + quote(c.Column) + " = ANY (" + n + "::text[]::" + cast + "[])"
			out.params = append(out.params, arrayParam(len(c.Values), func(i int) store.Value { return c.Values[i] }))
		default:
			return nil, fmt.Errorf("no comparison %q", c.Is)
		}
	}
	return out, nil
}

// indexed is columns as an index has them: of blobs, which may be longer than an index takes, it has a hash.
// Hashes come first: with one, all other columns hardly matter.
func indexed(t store.LedgerTable, names []string) string {
	var hashes, others []string
	for _, name := range names {
		at := slices.IndexFunc(t.Columns, func(c store.LedgerColumn) bool { return c.Name == name })
		if t.Columns[at].Kind == store.Blob {
			hashes = append(hashes, "pg_catalog.sha256("+quote(name)+")")
		} else {
			others = append(others, quote(name))
		}
	}
	return strings.Join(append(hashes, others...), ", ")
}

// byHash reports whether a query is answered by an index on hashes.
func byHash(t *ledgerTable, q *store.Query) bool {
	return slices.ContainsFunc(q.Where, func(c store.Cond) bool {
		at := slices.IndexFunc(t.Columns, func(col store.LedgerColumn) bool { return col.Name == c.Column })
		return at >= 0 && t.Columns[at].Kind == store.Blob && (c.Is == store.Eq || c.Is == store.In)
	})
}

// among restricts a column of blobs to many values, by their hashes: one look into the index for each. A condition with IN
// would leave it to statistics, which are of another moment, to read the whole table instead.
func (w *ledgerWhere) among(c *store.Cond) {
	seen := make(map[string]bool)
	var values []store.Value
	for _, v := range c.Values {
		if !seen[v.S] {
			seen[v.S] = true
			values = append(values, hash(v))
		}
	}
	w.params = append(w.params, arrayParam(len(values), func(i int) store.Value { return values[i] }))
	list := "unnest($" + strconv.Itoa(len(w.params)) + "::text[]::bytea[])"
	hashed := "pg_catalog.sha256(" + quote(c.Column) + ")"
	if w.only != "" {
		w.where += " AND " + hashed + " IN (SELECT " + list + ")"
		return
	}
	w.from = list + " AS h (x) CROSS JOIN LATERAL (SELECT * FROM " + w.table.table + " WHERE " + hashed + " = h.x OFFSET 0) AS t"
	w.only = " AND " + hashed + " IN (SELECT " + list + ")"
}

// hash is what an index has of a blob.
func hash(v store.Value) store.Value {
	sum := sha256.Sum256([]byte(v.S))
	return store.Bytes(sum[:])
}

// selection is a query as a statement; its rows are of the table's types.
func (s *Store) selection(q *store.Query) (statement, *ledgerTable, error) {
	w, err := s.conditions(q)
	if err != nil {
		return statement{}, nil, err
	}
	order := make([]string, 0, w.table.Primary+1)
	down := ""
	if q.Desc {
		down = " DESC"
	}
	if q.Order != "" {
		order = append(order, quote(q.Order)+down)
	}
	for _, col := range w.table.Columns[:w.table.Primary] {
		order = append(order, quote(col.Name)+down)
	}
	sql := "SELECT " + w.table.list + " FROM " + w.from + " WHERE " + w.where
	if byHash(w.table, q) { // apart from the order, lest an index that has the order be read to its end
		sql = "WITH found AS MATERIALIZED (" + sql + ") SELECT " + w.table.list + " FROM found"
	}
	sql += " ORDER BY " + strings.Join(order, ", ")
	if q.Limit > 0 {
		sql += " LIMIT " + strconv.Itoa(q.Limit)
	}
	if q.Offset > 0 {
		sql += " OFFSET $" + strconv.Itoa(len(w.params)+1) + "::bigint"
		w.params = append(w.params, numberParam(int64(q.Offset)))
	}
	return statement{sql, w.params}, w.table, nil
}

// selectLedger reads rows.
func (s *Store) selectLedger(ctx context.Context, c *session, q *store.Query) ([]store.Row, error) {
	st, t, err := s.selection(q)
	if err != nil {
		return nil, err
	}
	statements := []statement{st}
	if t.walked(q) {
		statements = []statement{{sql: sqlNoSort}, st, {sql: sqlSort}}
	}
	var out []store.Row
	_, err = c.run(ctx, func(_ int, values [][]byte) error {
		row, err := readRow(t.types, values)
		out = append(out, row)
		return err
	}, statements...)
	return out, fault(err)
}

// A ledger table may have grown since it was last analyzed, if it ever was: the server then takes the rows of a map for few,
// and sorts all of them, each time, to return the first.
const (
	sqlNoSort = "SET LOCAL enable_sort = off"
	sqlSort   = "SET LOCAL enable_sort = on"
	walkRows  = 1000
)

// walked reports whether an index has the rows in order, of which many are wanted.
func (t *ledgerTable) walked(q *store.Query) bool {
	if q.Limit < walkRows || len(q.Where) == 0 || q.Where[0].Is != store.Eq {
		return false
	}
	order := cmp.Or(q.Order, t.Columns[0].Name)
	return slices.ContainsFunc(t.Indexes, func(columns []string) bool {
		return slices.Equal(columns, []string{q.Where[0].Column, order})
	})
}

func (s *Store) countLedger(ctx context.Context, c *session, q *store.Query) (int64, error) {
	w, err := s.conditions(q)
	if err != nil {
		return 0, err
	}
	n, err := c.number(ctx, "SELECT pg_catalog.count(*) FROM "+w.from+" WHERE "+w.where, w.params...)
	return n, fault(err)
}

// readRow makes a row of texts.
func readRow(types []pgType, values [][]byte) (store.Row, error) {
	row := make(store.Row, len(values))
	for i, v := range values {
		if v == nil {
			continue
		}
		var err error
		if row[i], err = types[i].read(string(v)); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// absent reports whether an error says that there is no ledger.
func absent(err error) bool {
	s := state(err)
	return s == stateUndefinedTable || s == stateUndefinedSchema
}
