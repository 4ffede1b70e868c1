package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The types that applications of SQLite use for those of PostgreSQL. What PostgreSQL writes in its own way flows back, once; a decimal
// that SQLite would round is an error of its row.
func TestTypesAsSQLiteHasThem(t *testing.T) {
	t.Parallel()
	l := harness.New(t, harness.Setup{Pair: harness.PostgresSQLite, Maps: "sample: {}", Master: "finops",
		Left:  "CREATE TABLE sample (id int PRIMARY KEY, nu numeric, de numeric(12,2), r float8, bo boolean, d date, ts timestamptz, u uuid, js jsonb, ra int4range)",
		Right: "CREATE TABLE sample (id INTEGER PRIMARY KEY, nu NUMERIC, de DECIMAL(12,2), r REAL, bo BOOLEAN, d DATE, ts DATETIME, u TEXT, js TEXT, ra TEXT)"})
	const left = `INSERT INTO sample VALUES
		(1, 5, 1.50, 0.1, true, '2024-02-29', '2024-02-29 12:00:00.5+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b": 1, "a": [1, 2]}', '[1,5)'),
		(2, 0.1, -0.01, 'NaN', false, 'infinity', '-infinity', NULL, 'null', 'empty'),
		(3, -100000000000000000000, 9999999999.99, 'Infinity', NULL, '0044-03-15 BC', '0044-03-15 00:00:00+00 BC', NULL, '1.5e3', NULL),
		(4, 'NaN', 0, -0.0, NULL, NULL, NULL, NULL, '"x"', '(,)')`
	l.Left.Exec(left)
	l.Work()
	l.Do("run", "sample", "--yes")
	require.Equal(t, 4, l.Equal("sample"))
	l.Left.Exec("UPDATE sample SET id = id + 10", "INSERT INTO sample SELECT id - 10, nu, de, r, bo, d, ts, u, js, ra FROM sample")
	l.Right.Becomes("SELECT count(*) FROM sample", "8")
	require.Equal(t, 8, l.Equal("sample"))

	l.Right.Exec(`INSERT INTO sample VALUES (20, 1e300, 12.5, 1e300, 1, '2024-02-29', '2024-02-29T12:00:00Z', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"b":1,  "b":2}', '[1,5]')`,
		"UPDATE sample SET nu = nu + 1, ts = '2024-03-01 00:00:00' WHERE id = 1")
	l.Right.Becomes("SELECT ts || ' ' || u || ' ' || js || ' ' || ra FROM sample WHERE id = 20", `2024-02-29 12:00:00Z a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 {"b": 2} [1,6)`)
	l.Right.Becomes("SELECT ts FROM sample WHERE id = 1", "2024-03-01 00:00:00Z")
	l.Left.Becomes("SELECT nu FROM sample WHERE id = 1", "6")
	require.Equal(t, 9, l.Equal("sample"))
	require.Empty(t, l.Failures("sample"))

	l.Left.Exec("INSERT INTO sample (id, nu) VALUES (30, 0.1234567890123456789), (31, 7)")
	l.Right.Becomes("SELECT nu FROM sample WHERE id = 31", "7")
	failures := l.Failures("sample")
	require.Len(t, failures, 1)
	require.Equal(t, "type", failures[0].Code)
	require.Contains(t, failures[0].Message, "does not fit type NUMERIC of column nu")
}
