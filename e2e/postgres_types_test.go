package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// Values of every type go both ways as they are: in the initial write, live, through the queue and by a retry.
func TestTypesBothWays(t *testing.T) {
	t.Parallel()
	for _, pair := range []harness.Pair{harness.Postgres, harness.PostgresSQLite} {
		t.Run(string(pair), func(t *testing.T) {
			t.Parallel()
			typesBothWays(t, pair)
		})
	}
}

// The samples are rows 1, 2, …; what happens to them makes rows with an id that is so much more.
const (
	liveRows   = 100 * (1 + iota) // inserted on the left while the map runs
	queuedRows                    // and while it is paused
	heldRows                      // refused by the right side at first
	backRows                      // inserted on the right, from rows that came from the left
	updateRows                    // live rows on the right whose other columns are updated there
)

func typesBothWays(t *testing.T, pair harness.Pair) {
	samples := postgrestest.SampleTypes()
	left, right := "id int PRIMARY KEY, note text", "id INTEGER PRIMARY KEY, note TEXT"
	var columns []string
	for i, s := range samples {
		name := fmt.Sprintf("c%d", i)
		columns = append(columns, name)
		left += ", " + name + " " + s.Name
		right += ", " + name + " " + map[bool]string{true: "BLOB", false: "TEXT"}[s.Name == "bytea"]
	}
	refuse := `CREATE TRIGGER refuse BEFORE INSERT ON sample WHEN NEW.id > 300 AND NEW.id < 400 BEGIN SELECT raise(ABORT, 'not yet'); END;`
	makeRight := "CREATE TABLE sample (" + right + ");" + refuse
	allow := "DROP TRIGGER refuse"
	if pair == harness.Postgres {
		makeRight = postgrestest.OwnTypes + "CREATE TABLE sample (" + left + "); ALTER TABLE sample ADD CONSTRAINT refuse CHECK (id NOT BETWEEN 300 AND 399)"
		allow = "ALTER TABLE sample DROP CONSTRAINT refuse"
	}
	l := harness.New(t, harness.Setup{Pair: pair, Left: postgrestest.OwnTypes + "CREATE TABLE sample (" + left + ")", Right: makeRight,
		Maps: "sample: {}", Master: "finops"})
	rows := 0
	for i, s := range samples {
		for n, v := range s.Values {
			l.Left.Exec(fmt.Sprintf("INSERT INTO sample (id, c%[1]d) VALUES (%[2]d, %[3]s) ON CONFLICT (id) DO UPDATE SET c%[1]d = excluded.c%[1]d", i, n+1, v))
			rows = max(rows, n+1)
		}
	}
	list := strings.Join(columns, ", ")
	again := func(from, to int) string {
		return fmt.Sprintf("INSERT INTO sample (id, %[1]s) SELECT id - %[2]d + %[3]d, %[1]s FROM sample WHERE id > %[2]d AND id <= %[2]d + %[4]d",
			list, from, to, rows)
	}
	l.Work()
	l.Do("run", "sample", "--yes")
	require.Equal(t, rows, l.Equal("sample"))
	l.Left.Exec(again(0, liveRows))
	l.Right.Becomes("SELECT count(*) FROM sample", fmt.Sprint(2*rows))
	l.Do("pause", "sample")
	l.Left.Exec(again(0, queuedRows))
	l.Do("resume", "sample")
	l.Right.Becomes("SELECT count(*) FROM sample", fmt.Sprint(3*rows))
	l.Left.Exec(again(0, heldRows))
	l.Until("the rows that the right side refuses are held", func() bool { return len(l.Failures("sample")) == rows })
	l.Right.Exec(allow)
	l.Do("retry", "sample")
	l.Right.Becomes("SELECT count(*) FROM sample", fmt.Sprint(4*rows))
	l.Right.Exec(again(liveRows, backRows), again(queuedRows, updateRows))
	l.Left.Becomes("SELECT count(*) FROM sample", fmt.Sprint(6*rows))
	l.Right.Exec(fmt.Sprintf("UPDATE sample SET note = 'theirs' WHERE id > %d", updateRows))
	l.Left.Becomes("SELECT count(*) FROM sample WHERE note = 'theirs'", fmt.Sprint(rows))
	require.Equal(t, 6*rows, l.Equal("sample"))
	require.Empty(t, l.Failures("sample"))

	for i, s := range samples {
		form := "::text"
		if s.Name == "numeric" || s.Name == "real" || s.Name == "double precision" { // zeros at the end, the sign of zero: docs/postgresql.md
			form = ""
		}
		differing := fmt.Sprintf("SELECT count(*) FROM sample s JOIN sample t ON t.id %% 100 = s.id WHERE s.id < 100 AND s.c%[1]d%[2]s IS DISTINCT FROM t.c%[1]d%[2]s", i, form)
		require.Equal(t, 0, l.Left.Int(differing), s.Name)
		if pair == harness.Postgres {
			require.Equal(t, 0, l.Right.Int(differing), s.Name)
		}
	}
}
