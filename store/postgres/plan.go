package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dualwrite/dualwrite/store"
)

// plan is how a relation is read and written.
type plan struct {
	info     *tableInfo
	rel      *store.Relation // of the call that made it; others have the same content
	table    string          // quoted
	key      int
	types    []pgType // of the columns
	names    []string
	compared []int // columns that a guard compares, the key's left out
	late     bool  // constraints that may be checked at the end of the transaction

	lookup  string
	locked  string // rows by their keys, locked
	upsert  string
	add     string // insert unless the key is there
	remove  string // by key
	put     string // update by key, where something differs
	update  string // by key and expected values
	removeX string // likewise
	one     string // a row by its key, locked
	updates map[string]string
}

// plans keeps plans by the content of their relations. A plan is made anew when the table has changed.
type plans struct {
	mu  sync.Mutex
	all map[string]*plan
}

func newPlans() *plans { return &plans{all: make(map[string]*plan)} }

const planLimit = 10_000

// plan returns that of a relation.
func (ps *plans) plan(ctx context.Context, c *session, rel *store.Relation) (*plan, error) {
	content := contentOf(rel)
	ps.mu.Lock()
	p := ps.all[content]
	ps.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := newPlan(ctx, c, rel)
	if err != nil {
		return nil, err
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.all) >= planLimit {
		clear(ps.all)
	}
	ps.all[content] = p
	return p, nil
}

// forget drops the plans, after a statement has failed in a way that tells of a changed table.
func (ps *plans) forget() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	clear(ps.all)
}

func contentOf(rel *store.Relation) string {
	var b strings.Builder
	b.WriteString(rel.Table)
	for _, c := range rel.Columns {
		b.WriteByte(0)
		b.WriteString(c.Name)
	}
	fmt.Fprint(&b, "\x00", rel.Key, rel.Free, "\x00", rel.Filter)
	for _, d := range rel.Defaults {
		b.WriteString("\x00" + d.Column.Name)
	}
	return b.String()
}

func newPlan(ctx context.Context, c *session, rel *store.Relation) (*plan, error) {
	info, err := describeOne(ctx, c, rel.Table)
	if err != nil {
		return nil, err
	}
	if info == nil {
		return nil, missing(rel.Table, "there is no such table")
	}
	p := &plan{info: info, rel: rel, table: info.quoted(), key: rel.Key, names: rel.Names(), updates: make(map[string]string)}
	for _, col := range rel.Columns {
		t, ok := info.types[col.Name]
		if !ok {
			return nil, missing(rel.Table, "column %s is gone", col.Name)
		}
		p.types = append(p.types, t)
	}
	for _, d := range rel.Defaults {
		if _, ok := info.types[d.Column.Name]; !ok {
			return nil, missing(rel.Table, "column %s is gone", d.Column.Name)
		}
	}
	for i := rel.Key; i < len(rel.Columns); i++ {
		if !slices.Contains(rel.Free, i) {
			p.compared = append(p.compared, i)
		}
	}
	late, err := c.number(ctx, sqlLate, textParam(info.oid))
	if err != nil {
		return nil, fault(err)
	}
	p.late = late > 0
	p.write(rel)
	return p, nil
}

const sqlLate = `SELECT pg_catalog.count(*) FROM pg_catalog.pg_constraint k WHERE $1::oid IN (k.conrelid, k.confrelid) AND k.condeferrable`

// write makes the statements.
func (p *plan) write(rel *store.Relation) {
	key := p.names[:p.key]
	match := p.each(0, p.key, func(i int) string {
		return "t." + quote(p.names[i]) + " = u.c" + strconv.Itoa(i) + "::" + p.types[i].cast()
	})
	rows := func(n int) string {
		params := make([]string, n)
		for i := range params {
			params[i] = "$" + strconv.Itoa(i+1) + "::text[]"
		}
		return "unnest(" + strings.Join(params, ", ") + ") WITH ORDINALITY AS u(" + unnested(n) + ", ord)"
	}
	n := len(p.names)
	p.lookup = "SELECT u.ord, " + quoteAll("t.", p.names) + " FROM " + rows(p.key) + " JOIN " + p.table + " AS t ON " + strings.Join(match, " AND ")
	if rel.Filter != "" { // its names are those of the table
		p.lookup = "SELECT u.ord, " + quoteAll("t.", p.names) + " FROM " + rows(p.key) + " JOIN (SELECT * FROM " + p.table + " WHERE (" + rel.Filter +
			"\n)) AS t ON " + strings.Join(match, " AND ")
	}
	p.locked = "SELECT u.ord, " + quoteAll("t.", p.names) + " FROM " + rows(p.key) + " JOIN " + p.table + " AS t ON " +
		strings.Join(match, " AND ") + " FOR UPDATE OF t"
	lock := p.each(0, p.key, func(i int) string {
		return quote(p.names[i]) + " = $" + strconv.Itoa(i+1) + "::text::" + p.types[i].cast()
	})
	p.one = "SELECT " + quoteAll("", p.names) + " FROM " + p.table + " WHERE " + strings.Join(lock, " AND ") + " FOR UPDATE"

	insert := p.insert(rel, rows(n))
	p.add = insert + " ON CONFLICT (" + quoteAll("", key) + ") DO NOTHING RETURNING " + quoteAll("t.", key)
	p.upsert = p.add
	if n > p.key {
		set := p.each(p.key, n, func(i int) string { return quote(p.names[i]) + " = excluded." + quote(p.names[i]) })
		differ := p.each(p.key, n, func(i int) string {
			return p.differ(i, "t."+quote(p.names[i]), "excluded."+quote(p.names[i]))
		})
		p.upsert = insert + " ON CONFLICT (" + quoteAll("", key) + ") DO UPDATE SET " + strings.Join(set, ", ") +
			" WHERE " + strings.Join(differ, " OR ") + " RETURNING " + quoteAll("t.", key)
	}
	if n > p.key {
		p.put = "UPDATE " + p.table + " AS t SET " + strings.Join(p.each(p.key, n, func(i int) string {
			return quote(p.names[i]) + " = u.c" + strconv.Itoa(i) + "::" + p.types[i].cast()
		}), ", ") + " FROM " + rows(n) + " WHERE " + strings.Join(match, " AND ") + " AND (" + strings.Join(p.each(p.key, n, func(i int) string {
			return p.differ(i, "t."+quote(p.names[i]), "u.c"+strconv.Itoa(i)+"::"+p.types[i].cast())
		}), " OR ") + ") RETURNING u.ord"
	}
	p.remove = "DELETE FROM " + p.table + " AS t USING " + rows(p.key) + " WHERE " + strings.Join(match, " AND ") + " RETURNING u.ord"
	p.writeExpecting(match, rows)
}

// mostColumns is how many the server lets a function in FROM return, the number of the row among them: rows of a table that is wider
// than about half of it are updated one by one.
const mostColumns = 1664

// writeExpecting makes the statements whose parameters are the key, the values expected and the new values.
func (p *plan) writeExpecting(match []string, rows func(int) string) {
	where := slices.Clone(match)
	at := p.key
	for _, i := range p.compared {
		where = append(where, "NOT ("+p.differ(i, "t."+quote(p.names[i]), "u.c"+strconv.Itoa(at)+"::"+p.types[i].cast())+")")
		at++
	}
	p.removeX = "DELETE FROM " + p.table + " AS t USING " + rows(at) + " WHERE " + strings.Join(where, " AND ") + " RETURNING u.ord"
	if len(p.names) == p.key || at+len(p.names)-p.key >= mostColumns {
		return
	}
	var set []string
	for i := p.key; i < len(p.names); i++ {
		set = append(set, quote(p.names[i])+" = u.c"+strconv.Itoa(at)+"::"+p.types[i].cast())
		at++
	}
	p.update = "UPDATE " + p.table + " AS t SET " + strings.Join(set, ", ") + " FROM " + rows(at) + " WHERE " + strings.Join(where, " AND ") +
		" RETURNING u.ord"
}

func (p *plan) insert(rel *store.Relation, rows string) string {
	names := slices.Clone(p.names)
	values := p.each(0, len(p.names), func(i int) string { return "u.c" + strconv.Itoa(i) + "::" + p.types[i].cast() })
	over := ""
	for i, d := range rel.Defaults {
		names = append(names, d.Column.Name)
		t := p.info.types[d.Column.Name]
		values = append(values, "$"+strconv.Itoa(len(p.names)+i+1)+"::text::"+t.cast())
	}
	for _, name := range names {
		if p.info.always[name] {
			over = " OVERRIDING SYSTEM VALUE"
		}
	}
	return "INSERT INTO " + p.table + " AS t (" + quoteAll("", names) + ")" + over + " SELECT " + strings.Join(values, ", ") + " FROM " + rows
}

// differ compares two values of a column, null being equal to null.
func (p *plan) differ(i int, a, b string) string {
	if p.types[i].comparable {
		return a + " IS DISTINCT FROM " + b
	}
	return a + "::text IS DISTINCT FROM " + b + "::text"
}

func (p *plan) each(from, to int, form func(i int) string) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, form(i))
	}
	return out
}

// scan is the statement that reads a page.
func (p *plan) scan(after bool) string {
	var where []string
	if p.rel.Filter != "" {
		where = append(where, "("+p.rel.Filter+"\n)")
	}
	key := quoteAll("", p.names[:p.key])
	limit := 1
	if after {
		values := p.each(0, p.key, func(i int) string { return "$" + strconv.Itoa(i+1) + "::text::" + p.types[i].cast() })
		where = append(where, "("+key+") > ("+strings.Join(values, ", ")+")")
		limit += p.key
	}
	sql := "SELECT " + quoteAll("", p.names) + " FROM " + p.table
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	return sql + " ORDER BY " + key + " LIMIT $" + strconv.Itoa(limit) + "::bigint"
}
