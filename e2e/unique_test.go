package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Two rows that take the same unique value, one on each side, are both refused on the other, and both are listed. Nobody is overwritten.
// Once one of them gives way, and they are tried again, both are on both sides.
func TestUniqueValueTakenOnBothSides(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, uniqueValueTaken, harness.Postgres, harness.PostgresSQLite)
}

func uniqueValueTaken(t *testing.T, pair harness.Pair) {
	const person = "CREATE TABLE person (id TEXT NOT NULL PRIMARY KEY, email TEXT UNIQUE); INSERT INTO person VALUES ('A', 'a@contoso')"
	l := harness.New(t, harness.Setup{Pair: pair, Left: person, Right: person, Maps: "person: {}\n"})
	l.Work()
	l.Do("run", "person")
	l.Do("pause", "person")
	l.Left.Exec("INSERT INTO person VALUES ('L', 'x@contoso')")
	l.Right.Exec("INSERT INTO person VALUES ('R', 'x@contoso')")
	l.Do("resume", "person")

	held := map[string]string{}
	l.Until("both rows are listed", func() bool {
		clear(held)
		for _, f := range l.Failures("person") {
			held[f.Key["id"].(string)] = f.Code
		}
		return len(held) == 2
	})
	require.Equal(t, map[string]string{"L": "unique", "R": "unique"}, held)
	l.Left.Exec("INSERT INTO person VALUES ('N', 'n@contoso')")
	l.Right.Becomes("SELECT count(*) FROM person WHERE id = 'N'", "1") // others go on
	require.Equal(t, []string{"A|a@contoso", "N|n@contoso", "R|x@contoso"}, l.Right.Rows("SELECT id, email FROM person ORDER BY id"))

	l.Right.Exec("UPDATE person SET email = 'y@contoso' WHERE id = 'R'")
	l.Until("nothing is held", func() bool {
		l.Try("retry", "person")
		return len(l.Failures("person")) == 0
	})
	const all = "SELECT id || ' ' || email FROM person ORDER BY id"
	want := []string{"A a@contoso", "L x@contoso", "N n@contoso", "R y@contoso"}
	require.Equal(t, want, l.Left.Rows(all))
	require.Equal(t, want, l.Right.Rows(all))
	require.Equal(t, 4, l.Equal("person"))
}

// A transaction may swap unique values where the constraint is looked at as it ends, as it is on the other side.
func TestUniqueValuesSwapped(t *testing.T) {
	t.Parallel()
	const seat = "CREATE TABLE seat (id int PRIMARY KEY, place text UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO seat VALUES (1, 'a'), (2, 'b'), (3, 'c')"
	l := postgresLink(t, seat, seat, "seat: {}", "seat")
	const all = "SELECT string_agg(id || place, ' ' ORDER BY id) FROM seat"
	for _, c := range []struct{ does, want string }{
		{"BEGIN; UPDATE seat SET place = 'b' WHERE id = 1; UPDATE seat SET place = 'a' WHERE id = 2; COMMIT", "1b 2a 3c"},
		{"BEGIN; UPDATE seat SET place = 'c' WHERE id = 1; UPDATE seat SET place = 'b' WHERE id = 2; UPDATE seat SET place = 'a' WHERE id = 3; COMMIT", "1c 2b 3a"},
		{"BEGIN; UPDATE seat SET place = 'a' WHERE id = 1; DELETE FROM seat WHERE id = 3; COMMIT", "1a 2b"},
	} {
		l.Left.Exec(c.does)
		l.Right.Becomes(all, c.want)
	}
	l.Do("pause", "seat")
	l.Right.Exec("BEGIN; UPDATE seat SET place = 'b' WHERE id = 1; UPDATE seat SET place = 'a' WHERE id = 2; COMMIT")
	l.Do("resume", "seat")
	l.Left.Becomes(all, "1b 2a")
	require.Empty(t, l.Failures("seat"))
	require.Equal(t, 2, l.Equal("seat"))
}
