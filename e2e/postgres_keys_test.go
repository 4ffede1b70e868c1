package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Numbers that a database always gives out itself are written all the same, and go on after those of copied rows.
func TestGeneratedNumbers(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, value text NOT NULL)"
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Left: table, Right: table, Maps: "item: {}", Master: "finops"})
	l.Left.Exec("INSERT INTO item (value) SELECT 'before ' || value FROM generate_series(1, 25)")
	l.Work()
	l.Do("run", "item", "--yes")
	require.Equal(t, 25, l.Equal("item"))
	l.Right.Exec("INSERT INTO item (value) VALUES ('right')")
	l.Left.Becomes("SELECT id FROM item WHERE value = 'right'", "26")
	l.Right.Exec("UPDATE item SET value = 'changed' WHERE id = 3")
	l.Left.Becomes("SELECT value FROM item WHERE id = 3", "changed")
	require.Equal(t, 26, l.Equal("item"))
}

// Sides that sort keys differently, and tell upper from lower case where the other ignores it in its order, have the same rows.
func TestKeysOfOtherCollations(t *testing.T) {
	t.Parallel()
	table := func(collation string) string {
		return `CREATE TABLE item (id text COLLATE "` + collation + `" PRIMARY KEY, value text NOT NULL)`
	}
	const keys = `SELECT p || chr(c) || s AS id, p, s FROM unnest(ARRAY['', 'a', 'A', 'é', '_', '10', '9', ' ']) p,
		(SELECT generate_series(33, 126) UNION SELECT generate_series(192, 255)) AS of (c), unnest(ARRAY['', 'b', 'B', '-']) s`
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Left: table("C"), Right: table("en-x-icu"), Maps: "item: {}", Master: "dataverse"})
	l.Left.Exec("INSERT INTO item SELECT DISTINCT id, 'left' FROM (" + keys + ") k WHERE p < 'b'")
	l.Right.Exec("INSERT INTO item SELECT DISTINCT id, 'right' FROM (" + keys + ") k WHERE s <> 'B'")
	all := l.Left.Int("SELECT count(DISTINCT id) FROM (" + keys + ") k WHERE p < 'b' OR s <> 'B'")
	l.Work()
	l.Do("run", "item", "--yes")
	require.Equal(t, all, l.Equal("item"))
	require.Equal(t, l.Right.Int("SELECT count(DISTINCT id) FROM ("+keys+") k WHERE s <> 'B'"), l.Left.Int("SELECT count(*) FROM item WHERE value = 'right'"))
	require.Empty(t, l.Failures("item"))
	l.Left.Exec("UPDATE item SET value = 'live' WHERE id ILIKE 'a%'", "DELETE FROM item WHERE id LIKE '\\_%'")
	l.Right.Becomes("SELECT count(*) FROM item WHERE id LIKE '\\_%'", "0")
	l.Equal("item")
}

// A key that the database always gives cannot be changed to another one: that row is held, its map goes on.
func TestKeysThatTheDatabaseAlwaysGives(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE item (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, value text NOT NULL)"
	l := postgresLink(t, table, table, "item: {}", "item")
	l.Left.Exec("INSERT INTO item (value) VALUES ('one'), ('two')")
	l.Right.Becomes("SELECT count(*) FROM item", "2")
	l.Left.Exec("UPDATE item SET id = DEFAULT WHERE id = 1", "UPDATE item SET value = 'second' WHERE id = 2")
	l.Right.Becomes("SELECT value FROM item WHERE id = 2", "second")
	failures := l.Failures("item")
	require.Len(t, failures, 1)
	require.Contains(t, failures[0].Message, "can only be updated to DEFAULT")
	require.Equal(t, harness.Running, l.Status("item").Status)
}
