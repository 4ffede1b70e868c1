package postgres_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// sampleType is a type with values of it, as constants of SQL.
type sampleType struct {
	name   string
	values []string
}

// sampleTypes are the types that PostgreSQL comes with, and one of each kind that users make.
func sampleTypes() []sampleType {
	return []sampleType{
		{"smallint", []string{"-32768", "0", "32767"}},
		{"integer", []string{"-2147483648", "2147483647"}},
		{"bigint", []string{"-9223372036854775808", "9223372036854775807"}},
		{"oid", []string{"4294967295"}},
		{"numeric", []string{"'NaN'", "'Infinity'", "'-Infinity'", "1.50", "0.000", "-0.10", "1e30", "123456789012345678901234567890.123456789"}},
		{"numeric(10,3)", []string{"1.5", "-0.001", "1234567.891"}},
		{"real", []string{"'NaN'", "'Infinity'", "0.1", "1e-40", "-0.0", "16777216", "3.4028235e38"}},
		{"double precision", []string{"'NaN'", "'-Infinity'", "0.1::float8 + 0.2::float8", "5e-324", "1e21", "-0.0"}},
		{"boolean", []string{"true", "false"}},
		{"text", []string{"''", "' a '", `E'tab\tline\nback\\slash'`, "'日本語 😀'", "'NULL'", `'{"a"}'`}},
		{"character varying(20)", []string{"'abc  '", "'ünï'"}},
		{"character(5)", []string{"'ab'", "'abcde'", "''"}},
		{`"char"`, []string{"'x'"}},
		{"name", []string{"'a_name'"}},
		{"bytea", []string{`'\x'`, `'\x00ff5c'`}},
		{"date", []string{"'infinity'", "'-infinity'", "'0044-03-15 BC'", "'2024-02-29'"}},
		{"time", []string{"'24:00'", "'23:59:59.999999'"}},
		{"time with time zone", []string{"'12:00:00+05:45'", "'24:00-12'"}},
		{"timestamp", []string{"'infinity'", "'294276-12-31 23:59:59'", "'0001-01-01 00:00:00 BC'", "'2024-02-29 12:00:00.000001'"}},
		{"timestamp with time zone", []string{"'-infinity'", "'2024-10-27 02:30:00+02'", "'2024-10-27 02:30:00+01'", "'0044-03-15 12:00:00+00 BC'"}},
		{"interval", []string{"'1 mon -1 day'", "'-00:00:00.000001'", "'1 year 2 mons 3 days 04:05:06'"}},
		{"uuid", []string{"'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'"}},
		{"json", []string{`'{"b": 1,  "a": 1e400, "a": 2}'`, "'null'"}},
		{"jsonb", []string{`'{"b": 1, "a": [1, 2.50, null]}'`}},
		{"inet", []string{"'10.0.0.1/8'", "'::1'"}},
		{"cidr", []string{"'10.0.0.0/8'"}},
		{"macaddr", []string{"'08:00:2b:01:02:03'"}},
		{"bit(3)", []string{"B'101'"}},
		{"bit varying", []string{"B''", "B'1011'"}},
		{"point", []string{"'(1.5,-2)'"}},
		{"polygon", []string{"'((0,0),(1,1),(2,0))'"}},
		{"xml", []string{"'<a b=\"c\"> d </a>'"}},
		{"tsvector", []string{"'a:1 fat:2,4 cat:3A'"}},
		{"int4range", []string{"'empty'", "'[1,5)'", "'(,)'"}},
		{"int4multirange", []string{"'{[1,3), [5,7)}'"}},
		{"tstzrange", []string{"'[2024-01-01 00:00+00, infinity]'"}},
		{"integer[]", []string{"'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'"}},
		{"text[]", []string{`'{"a b","NULL",NULL,"q\"uote","back\\slash",""}'`}},
		{"mood", []string{"'happy'", "'it''s ok'"}},
		{"positive", []string{"5"}},
		{"pair", []string{`ROW(1, 'a "quoted", text')::pair`, "ROW(NULL, NULL)::pair"}},
		{"mood[]", []string{"'{happy}'"}},
	}
}

// TestTypes: a value of every type is the same read by a query and from the log, in sessions of users with other formats,
// and written by us it is stored as it was: compared by the database, and found equal by a guard.
func TestTypes(t *testing.T) {
	t.Parallel()
	u := newUsers(t)
	require.NoError(t, u.exec(`CREATE TYPE mood AS ENUM ('happy', 'it''s ok'); CREATE DOMAIN positive AS int CHECK (value > 0);
		CREATE TYPE pair AS (n int, "odd name" text);
		ALTER DATABASE `+u.name()+` SET datestyle = 'SQL, DMY'; ALTER DATABASE `+u.name()+` SET timezone = 'Asia/Kolkata';
		ALTER DATABASE `+u.name()+` SET intervalstyle = 'iso_8601'; ALTER DATABASE `+u.name()+` SET bytea_output = 'escape';
		ALTER DATABASE `+u.name()+` SET extra_float_digits = 0`))
	columns, names := "id int PRIMARY KEY", []string{"id"}
	for i, s := range sampleTypes() {
		columns += fmt.Sprintf(", c%d %s", i, s.name)
		names = append(names, fmt.Sprintf("c%d", i))
	}
	require.NoError(t, u.exec("CREATE TABLE source ("+columns+"); CREATE TABLE target ("+columns+")"))
	_, err := u.reopen() // the database's settings are those of new sessions
	require.NoError(t, err)
	found, err := u.store.Describe(t.Context(), "source", "target")
	require.NoError(t, err)
	source := &store.Relation{Table: found["source"].Name, Columns: found["source"].Columns, Key: 1}
	target := &store.Relation{Table: found["target"].Name, Columns: found["target"].Columns, Key: 1}
	require.NoError(t, u.store.Capture(t.Context(), *source, *target))
	rows := 0
	for i, s := range sampleTypes() {
		for n, v := range s.values {
			require.NoError(t, u.exec(fmt.Sprintf("INSERT INTO source (id, c%d) VALUES (%d, %s) ON CONFLICT (id) DO UPDATE SET c%d = excluded.c%d",
				i, n, v, i, i)), "%s %s", s.name, v)
			rows = max(rows, n+1)
		}
	}
	scanned := u.scan(t, source)
	require.Len(t, scanned, rows)
	last := make(map[store.Value]store.Row)
	for _, c := range u.logged(t, "source") {
		require.Equal(t, names, c.Columns)
		last[c.After[0]] = c.After
	}
	var writes []store.Write
	for _, row := range scanned {
		require.Equal(t, row, last[row[0]], "by a query and from the log")
		writes = append(writes, store.Write{Relation: target, Guard: store.Expect, Key: target.KeyOf(row), After: row})
	}
	for _, o := range u.write(t, writes) {
		require.Equal(t, store.Applied, o.Outcome)
	}
	require.Equal(t, scanned, u.scan(t, target))
	for i, s := range sampleTypes() {
		form := "::text"
		if s.name == "numeric" || s.name == "real" || s.name == "double precision" { // zeros at the end, the sign of zero: docs/postgresql.md
			form = ""
		}
		different := fmt.Sprintf("SELECT count(*) FROM source s JOIN target t USING (id) WHERE s.c%[1]d%[2]s IS DISTINCT FROM t.c%[1]d%[2]s", i, form)
		require.Equal(t, "0", u.text(t, different), s.name)
	}
	var again []store.Write
	for _, row := range scanned {
		again = append(again, store.Write{Relation: target, Key: target.KeyOf(row), After: row},
			store.Write{Relation: target, Guard: store.Expect, Key: target.KeyOf(row), Before: row})
	}
	for i, o := range u.write(t, again) {
		require.Equal(t, []store.Outcome{store.Unchanged, store.Applied}[i%2], o.Outcome, "write %d", i)
	}
	require.Empty(t, u.scan(t, target))
}

func (u *users) scan(t *testing.T, rel *store.Relation) []store.Row {
	t.Helper()
	v, err := u.store.View(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	rows, err := v.Scan(t.Context(), rel, nil, 1000)
	require.NoError(t, err)
	return rows
}

// write makes writes in one transaction of the writer `stream`.
func (u *users) write(t *testing.T, writes []store.Write) []store.Result {
	t.Helper()
	cursor, err := u.store.Fence(t.Context(), "stream")
	require.NoError(t, err)
	tx, err := u.store.Begin(t.Context(), store.Marker{Writer: "stream", Epoch: cursor.Epoch, Seq: cursor.Seq + 1, Position: "p"})
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	out, err := tx.Apply(t.Context(), writes)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context(), ""))
	return out
}

// logged reads the changes of a table up to now.
func (u *users) logged(t *testing.T, table string) []store.Change {
	t.Helper()
	u.write(t, nil)
	log, err := u.store.Open(t.Context(), "")
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	var out []store.Change
	for {
		batch, err := log.Next(t.Context(), 1000)
		require.NoError(t, err)
		for _, c := range batch.Changes {
			_, _, err := c.Images()
			require.NoError(t, err)
			if c.Table == "public."+table {
				out = append(out, c)
			}
			if c.Ledger && c.Table == store.MarkerTable && c.After[2].S == store.MarkerEnd {
				return out
			}
		}
		if len(batch.Changes) == 0 {
			require.NoError(t, log.Wait(t.Context()))
		}
	}
}
