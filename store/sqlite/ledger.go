package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

const (
	outboxWidth = 32     // columns for values that the outbox is made with
	maxBound    = 30_000 // values bound to one statement; SQLite's limit is 32,766
	putRows     = 50     // rows that one statement puts
)

// ledgerTable is a table of the ledger with the statements on it.
type ledgerTable struct {
	store.LedgerTable
	table   string // quoted
	columns []string
	list    string
	putOne  string
	putMany string // putRows rows
	exists  string
	log     string // into the outbox
}

// ledgerTables are all of the ledger, by name.
func ledgerTables() map[string]*ledgerTable {
	out := make(map[string]*ledgerTable)
	for _, def := range store.Ledger() {
		t := &ledgerTable{LedgerTable: def, table: "main." + quote(prefix+def.Name)}
		var match []string
		for i, c := range def.Columns {
			t.columns = append(t.columns, c.Name)
			if i < def.Primary {
				match = append(match, quote(c.Name)+" = ?")
			}
		}
		t.list = quoteAll("", t.columns)
		group := "(" + marks(len(t.columns)) + ")"
		put := "INSERT OR REPLACE INTO " + t.table + " (" + t.list + ") VALUES "
		t.putOne, t.putMany = put+group, put+strings.Repeat(group+", ", putRows-1)+group
		t.exists = "SELECT count(*) FROM " + t.table + " WHERE " + strings.Join(match, " AND ")
		t.log = sqlLogged(0, len(t.columns)+1)
		out[def.Name] = t
	}
	return out
}

// sqlLogged inserts a row of the outbox with n values, of a layout.
func sqlLogged(layout int64, n int) string {
	return "INSERT INTO " + outboxTable + " (layout, op, at, " + valueColumns(0, n) + ") VALUES (" +
		strconv.FormatInt(layout, 10) + ", ?, ?, " + marks(n) + ")"
}

// valueColumns lists columns of the outbox.
func valueColumns(from, n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = "v" + strconv.Itoa(from+i)
	}
	return strings.Join(out, ", ")
}

// install creates what is missing of the ledger and of the log.
func install(ctx context.Context, c *conn) error {
	var statements []string
	for _, t := range store.Ledger() {
		statements = append(statements, createLedger(t)...)
	}
	statements = append(statements,
		"CREATE TABLE IF NOT EXISTS main."+outboxTable+" (seq INTEGER PRIMARY KEY AUTOINCREMENT, layout, op, at, "+
			valueColumns(0, outboxWidth)+")",
		"CREATE TABLE IF NOT EXISTS main."+layoutTable+" (id INTEGER PRIMARY KEY AUTOINCREMENT, tbl TEXT NOT NULL, "+
			"active INTEGER NOT NULL, lost INTEGER NOT NULL, body TEXT NOT NULL)",
		"CREATE TABLE IF NOT EXISTS main."+logTable+" (id INTEGER PRIMARY KEY CHECK (id = 1), confirmed INTEGER NOT NULL, "+
			"confirmed_at INTEGER NOT NULL, purged INTEGER NOT NULL)",
		"INSERT OR IGNORE INTO main."+logTable+" VALUES (1, 0, 0, 0)")
	for _, s := range statements {
		if err := c.exec(ctx, s); err != nil {
			return fault(err)
		}
	}
	return nil
}

func createLedger(t store.LedgerTable) []string {
	var parts, primary []string
	for i, c := range t.Columns {
		part := quote(c.Name) + " " + strings.ToUpper(c.Kind.String()) + " NOT NULL"
		if i == 0 && t.Serial {
			part = quote(c.Name) + " INTEGER PRIMARY KEY AUTOINCREMENT"
		}
		parts = append(parts, part)
		if i < t.Primary {
			primary = append(primary, c.Name)
		}
	}
	end := ")"
	if !t.Serial {
		end = ", PRIMARY KEY (" + quoteAll("", primary) + ")) WITHOUT ROWID"
	}
	out := []string{"CREATE TABLE IF NOT EXISTS main." + quote(prefix+t.Name) + " (" + strings.Join(parts, ", ") + end}
	for i, columns := range t.Indexes {
		out = append(out, fmt.Sprintf("CREATE INDEX IF NOT EXISTS main.%s ON %s (%s)",
			quote(prefix+t.Name+"_"+strconv.Itoa(i)), quote(prefix+t.Name), quoteAll("", columns)))
	}
	return out
}

// ledgerQuery is a query as SQL. A long list of values makes it several, each with a part of the list.
type ledgerQuery struct {
	table *ledgerTable
	where string
	args  []driver.Value
}

// ledgerQueries checks a query and returns its conditions as SQL.
func (s *Store) ledgerQueries(q *store.Query) ([]ledgerQuery, error) {
	t := s.ledger[q.Table]
	if t == nil {
		return nil, fmt.Errorf("the ledger has no table %s", q.Table)
	}
	if q.Order != "" && !slices.Contains(t.columns, q.Order) {
		return nil, fmt.Errorf("ledger table %s has no column %s", q.Table, q.Order)
	}
	out := []ledgerQuery{{table: t, where: "1"}}
	for i := range q.Where {
		var err error
		if out, err = restrict(out, &q.Where[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// restrict adds a condition to queries.
func restrict(queries []ledgerQuery, cond *store.Cond) ([]ledgerQuery, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	t := queries[0].table
	if !slices.Contains(t.columns, cond.Column) {
		return nil, fmt.Errorf("ledger table %s has no column %s", t.Name, cond.Column)
	}
	var parts [][]store.Value
	switch cond.Is {
	case store.Eq, store.Gt, store.Ge, store.Lt, store.Le:
		if len(cond.Values) != 1 {
			return nil, fmt.Errorf("condition on %s.%s takes one value", t.Name, cond.Column)
		}
		parts = [][]store.Value{cond.Values}
	case store.In:
		values := slices.Clone(cond.Values)
		slices.SortFunc(values, func(a, b store.Value) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.S, b.S)) })
		parts = slices.Collect(slices.Chunk(slices.Compact(values), maxBound/2))
	default:
		return nil, fmt.Errorf("no comparison %q", cond.Is)
	}
	var out []ledgerQuery
	for _, q := range queries {
		for _, part := range parts {
			more := ledgerQuery{table: t, where: q.where + " AND " + quote(cond.Column) + " " + string(cond.Is) + " (" + marks(len(part)) + ")"}
			more.args = append(slices.Clone(q.args), bindRow(part)...)
			out = append(out, more)
		}
	}
	return out, nil
}

// order is the columns to order by.
func (t *ledgerTable) order(q *store.Query) []string {
	if q.Order != "" {
		return []string{q.Order}
	}
	return t.columns[:t.Primary]
}

// selectLedger reads rows of the ledger; without one there are none.
func (s *Store) selectLedger(ctx context.Context, c *conn, q *store.Query) ([]store.Row, error) {
	queries, err := s.ledgerQueries(q)
	if err != nil {
		return nil, err
	}
	var out []store.Row
	for i := range queries {
		statement, args := queries[i].rows(q, len(queries) > 1)
		err := c.query(ctx, statement, args, func(values []driver.Value) error {
			row, err := rowFromSQL(values)
			out = append(out, row)
			return err
		})
		if err != nil {
			return nil, noLedger(ctx, c, err)
		}
	}
	if len(queries) > 1 {
		out = merge(queries[0].table, q, out)
	}
	return out, nil
}

// rows is the SQL of a query; if it is one of several, without what concerns all of them.
func (l *ledgerQuery) rows(q *store.Query, several bool) (string, []driver.Value) {
	direction := ""
	if q.Desc {
		direction = " DESC"
	}
	var by []string
	for _, c := range l.table.order(q) {
		by = append(by, quote(c)+direction)
	}
	statement := "SELECT " + l.table.list + " FROM " + l.table.table + " WHERE " + l.where + " ORDER BY " + strings.Join(by, ", ")
	if several || q.Limit <= 0 && q.Offset <= 0 {
		return statement, l.args
	}
	limit := int64(-1)
	if q.Limit > 0 {
		limit = int64(q.Limit)
	}
	return statement + " LIMIT ? OFFSET ?", append(slices.Clone(l.args), limit, int64(q.Offset))
}

// merge orders and cuts the rows of several queries.
func merge(t *ledgerTable, q *store.Query, rows []store.Row) []store.Row {
	slices.SortStableFunc(rows, func(a, b store.Row) int {
		for _, name := range t.order(q) {
			i := slices.Index(t.columns, name)
			order := cmp.Compare(a[i].S, b[i].S)
			if t.Columns[i].Kind == store.Integer {
				order = cmp.Compare(a[i].Int64(), b[i].Int64())
			}
			if q.Desc {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	rows = rows[min(q.Offset, len(rows)):]
	if q.Limit > 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	return rows
}

func (s *Store) countLedger(ctx context.Context, c *conn, q *store.Query) (int64, error) {
	queries, err := s.ledgerQueries(q)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, l := range queries {
		n, err := c.number(ctx, "SELECT count(*) FROM "+l.table.table+" WHERE "+l.where, l.args...)
		if err != nil {
			return 0, noLedger(ctx, c, err)
		}
		sum += n
	}
	return sum, nil
}

// noLedger takes an error away that comes from there being no ledger.
func noLedger(ctx context.Context, c *conn, err error) error {
	if code(err)&0xff == codeError {
		if n, countErr := c.number(ctx, sqlLedgerExists); countErr == nil && n == 0 {
			return nil
		}
	}
	return fault(err)
}
