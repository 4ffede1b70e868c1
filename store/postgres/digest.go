package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// digestForm names the sums: hash_record_extended over the columns' values, or their text, hashed once more and added up.
// The hash of a record is a weighted sum of its columns' hashes. Adding those up without another hash would give rows that
// have each other's values the sum of those that have their own.
const digestForm = "postgres-hash-record-2"

// hashed reports whether the hash function of a type tells apart what its text does.
func (t pgType) hashed() bool {
	switch t.base {
	case "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "bool", "text", "varchar", "bpchar", "name", "bytea", "date", "time",
		"timestamp", "timestamptz", "uuid":
		return t.schema == "pg_catalog"
	}
	return false
}

// Skip returns the key of the n-th row after one.
func (v *View) Skip(ctx context.Context, rel *store.Relation, after store.Row, n int) (store.Row, error) {
	if err := v.usable(); err != nil {
		return nil, err
	}
	p, err := v.s.plans.plan(ctx, v.c, rel)
	if err != nil {
		return nil, err
	}
	where, params := p.between(after, nil)
	sql := "SELECT " + quoteAll("", p.names[:p.key]) + " FROM " + p.table + where + " ORDER BY " + quoteAll("", p.names[:p.key]) +
		" OFFSET $" + strconv.Itoa(len(params)+1) + "::bigint LIMIT 1"
	var out store.Row
	err = v.c.query(ctx, sql, append(params, numberParam(int64(n-1))), func(values [][]byte) (err error) {
		out, err = readRow(p.types[:p.key], values)
		return err
	})
	return out, tableFault(rel.Table, ended(ctx, err))
}

// between is the condition on rows after one key and up to another.
func (p *plan) between(after, upTo store.Row) (where string, params []param) {
	var parts []string
	if p.rel.Filter != "" {
		parts = append(parts, "("+p.rel.Filter+"\n)")
	}
	key := "(" + quoteAll("", p.names[:p.key]) + ")"
	for _, end := range []struct {
		row store.Row
		op  string
	}{{after, " > "}, {upTo, " <= "}} {
		if end.row == nil {
			continue
		}
		first := len(params)
		values := p.each(0, p.key, func(i int) string { return "$" + strconv.Itoa(first+i+1) + "::text::" + p.types[i].cast() })
		parts = append(parts, key+end.op+"("+strings.Join(values, ", ")+")")
		for _, k := range end.row {
			params = append(params, valueParam(k))
		}
	}
	if len(parts) > 0 {
		where = " WHERE " + strings.Join(parts, " AND ")
	}
	return where, params
}

// summing is a digest that the server makes meanwhile.
type summing struct {
	done chan struct{}
	sum  store.Sum
	err  error
}

// Digest begins to sum up rows. Text of a collation that takes different texts for equal is not summed up.
func (v *View) Digest(ctx context.Context, rel *store.Relation, after, upTo store.Row) (store.Digest, error) {
	if err := v.usable(); err != nil {
		return nil, err
	}
	p, err := v.s.plans.plan(ctx, v.c, rel)
	if err != nil {
		return nil, err
	}
	vague, err := v.c.number(ctx, sqlVague, textParam(p.info.oid))
	if err != nil || vague > 0 {
		return nil, fault(err)
	}
	columns := p.each(0, len(p.names), func(i int) string {
		if p.types[i].hashed() {
			return quote(p.names[i])
		}
		return quote(p.names[i]) + "::text"
	})
	where, params := p.between(after, upTo)
	sql := "SELECT pg_catalog.count(*), coalesce(pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.hash_record_extended(ROW(" +
		strings.Join(columns, ", ") + "), 0)::text, 0)), 0) FROM " + p.table + where
	s := &summing{done: make(chan struct{})}
	ctx, v.cancel = context.WithCancel(ctx)
	go func() {
		defer close(s.done)
		s.err = tableFault(rel.Table, ended(ctx, v.c.query(ctx, sql, params, func(values [][]byte) (err error) {
			s.sum.Rows, err = strconv.ParseInt(string(values[0]), 10, 64)
			s.sum.Hash = string(values[1])
			return err
		})))
	}()
	v.busy = s.done
	return s, nil
}

// sqlVague counts columns with a collation by which different texts are equal.
const sqlVague = `SELECT count(*) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
	WHERE a.attrelid = $1::oid AND NOT a.attisdropped AND NOT c.collisdeterministic`

// Result waits for the server.
func (s *summing) Result(ctx context.Context) (store.Sum, error) {
	select {
	case <-s.done:
		return s.sum, s.err
	case <-ctx.Done():
		return store.Sum{}, ctx.Err()
	}
}
