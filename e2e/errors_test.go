package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// A left side that takes anything and a right side that does not: a name is needed, the limit is a whole number, the
// group must be there, no two rows have one e-mail address. STRICT makes the type count.
const (
	laxLeft = `CREATE TABLE person (id TEXT NOT NULL PRIMARY KEY, name TEXT, credit TEXT, grp TEXT, email TEXT);
		CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT);
		CREATE TRIGGER audit_p AFTER INSERT ON person BEGIN INSERT INTO audit (op) VALUES ('i'); END;
		CREATE TRIGGER audit_q AFTER UPDATE ON person BEGIN INSERT INTO audit (op) VALUES ('u'); END;`
	strictRight = `CREATE TABLE grp (id TEXT NOT NULL PRIMARY KEY) STRICT; INSERT INTO grp VALUES ('10');
		CREATE TABLE person (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, credit INTEGER, grp TEXT REFERENCES grp (id), email TEXT UNIQUE) STRICT;
		CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT);
		CREATE TRIGGER audit_p AFTER INSERT ON person BEGIN INSERT INTO audit (op) VALUES ('i'); END;
		CREATE TRIGGER audit_q AFTER UPDATE ON person BEGIN INSERT INTO audit (op) VALUES ('u'); END;`
	personMap = "person: {}\n"
	badRows   = 37
)

// badLink has 10,000 persons in finops, 37 of which dataverse refuses: 10 without a name, 10 with a word for a limit, 10
// of a group that is not there, 7 with the e-mail address of another.
func badLink(t *testing.T, pair harness.Pair) *harness.Link {
	t.Helper()
	rows := `INSERT INTO person SELECT printf('P-%05d', value), 'name', value, '10', 'e' || value FROM generate_series(1, 10000);
		UPDATE person SET name = NULL WHERE id BETWEEN 'P-01001' AND 'P-01010';
		UPDATE person SET credit = 'much' WHERE id BETWEEN 'P-03001' AND 'P-03010';
		UPDATE person SET grp = 'none' WHERE id BETWEEN 'P-05001' AND 'P-05010';
		UPDATE person SET email = 'e1' WHERE id BETWEEN 'P-09001' AND 'P-09007';`
	l := harness.New(t, harness.Setup{Pair: pair, Left: laxLeft + rows, Right: strictRight, Maps: personMap})
	l.Work()
	return l
}

// Of 10,000 rows 37 are refused for four reasons: exactly these are listed, each with direction, key, column, message,
// values and time; all others are copied; the map is Not running, its initial sync failed.
func TestAcceptance19ErrorsOfInitialSync(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, errorsOfInitialSync, harness.Postgres, harness.PostgresSQLite)
}

func errorsOfInitialSync(t *testing.T, pair harness.Pair) {
	l := badLink(t, pair)
	r := l.Exits(4, "run", "person")
	require.Contains(t, r.Err, "37")
	s := l.Status("person")
	require.Equal(t, harness.NotRunning, s.Status)
	require.Equal(t, "failed", s.InitialSync.State)
	require.Equal(t, badRows, s.InitialSync.Legs[0].Failed)
	require.Equal(t, 10000-badRows, s.InitialSync.Legs[0].Inserted)
	require.Equal(t, 10000-badRows, l.Right.Int("SELECT count(*) FROM person"))
	require.ElementsMatch(t, []string{"run", "skip-sync", "discard"}, s.Actions)

	codes, keys := map[string]int{}, map[any]bool{}
	for _, f := range l.Failures("person", "--phase", "initial") {
		codes[f.Code+" "+f.Column]++
		keys[f.Key["id"]] = true
		require.Equal(t, "finops", f.From)
		require.Equal(t, "dataverse", f.To)
		require.NotEmpty(t, f.Message)
		require.NotEmpty(t, f.At)
		require.Equal(t, f.Key["id"], f.Values["id"])
		require.Contains(t, f.Values, "email")
		require.GreaterOrEqual(t, f.Attempts, 1)
	}
	require.Equal(t, map[string]int{"not_null name": 10, "type credit": 10, "missing_parent grp": 10, "unique email": 7}, byCode(codes))
	require.Len(t, keys, badRows)
	require.Len(t, l.Failures("person", "--code", "not_null"), 10)
	require.Len(t, l.Failures("person", "--limit", "5", "--offset", "35"), 2)
	csv := l.Do("errors", "person", "-o", "csv")
	require.Len(t, strings.Split(strings.TrimSpace(csv), "\n"), badRows+1)
}

// byCode takes a foreign key's failure by either of its names.
func byCode(codes map[string]int) map[string]int {
	if n, ok := codes["foreign_key grp"]; ok {
		delete(codes, "foreign_key grp")
		codes["missing_parent grp"] += n
	}
	return codes
}

// With 50,000 bad rows the count is exact and every one can be paged to.
func TestAcceptance19ManyErrors(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, manyErrors, harness.Postgres)
}

func manyErrors(t *testing.T, pair harness.Pair) {
	bad := harness.Scale(20000, 50000)
	l := harness.New(t, harness.Setup{Pair: pair, Right: strictRight, Maps: personMap,
		Left: laxLeft + fmt.Sprintf("INSERT INTO person SELECT printf('P-%%05d', value), NULL, 1, '10', 'e' || value FROM generate_series(1, %d);", bad)})
	l.Work()
	l.Exits(4, "run", "person")
	require.Equal(t, bad, l.Status("person").InitialSync.Legs[0].Failed)
	ids := map[any]bool{}
	for offset := 0; offset < bad; offset += 10000 {
		page := l.Failures("person", "--limit", "10000", "--offset", fmt.Sprint(offset))
		require.Len(t, page, 10000)
		for _, f := range page {
			ids[f.Key["id"]] = true
		}
	}
	require.Len(t, ids, bad)
	require.Empty(t, l.Failures("person", "--limit", "10", "--offset", fmt.Sprint(bad)))
}

// After a failed initial sync skip-sync goes live without the failed rows: what was changed since the run began is
// delivered, and the list of errors can still be read.
func TestAcceptance21SkipSync(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, skipSync, harness.Postgres, harness.PostgresSQLite)
}

func skipSync(t *testing.T, pair harness.Pair) {
	l := badLink(t, pair)
	l.Exits(4, "run", "person")
	l.Left.Exec("UPDATE person SET name = 'later' WHERE id = 'P-00001'", "INSERT INTO person VALUES ('X-1', 'later', 1, '10', 'x1')")
	l.Right.Exec("DELETE FROM person WHERE id = 'P-00002'")
	l.Do("skip-sync", "person")
	s := l.Status("person")
	require.Equal(t, harness.Running, s.Status)
	require.Equal(t, [2]int{0, 0}, s.Queued())
	l.Right.Becomes("SELECT count(*) FROM person WHERE name = 'later' AND id IN ('P-00001', 'X-1')", "2") // one may still be on its way
	l.Left.Becomes("SELECT count(*) FROM person WHERE id = 'P-00002'", "0")
	require.Len(t, l.Failures("person", "--phase", "initial"), badRows)
	l.Left.Exec("UPDATE person SET name = 'live' WHERE id = 'P-00003'")
	l.Right.Becomes("SELECT name FROM person WHERE id = 'P-00003'", "live")
}

// One row that the other side refuses is held, and what comes after it for the same key; other keys go on. Mended and
// retried, the row ends as its last change.
func TestAcceptance28PoisonedRow(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, poisonedRow, harness.Postgres, harness.PostgresSQLite)
}

func poisonedRow(t *testing.T, pair harness.Pair) {
	l := harness.New(t, harness.Setup{Pair: pair, Left: laxLeft, Right: strictRight, Maps: personMap})
	l.Work()
	l.Do("run", "person")
	l.Left.Exec("INSERT INTO person VALUES ('A', 'a', 1, '10', 'a'), ('B', 'b', 1, '10', 'b')")
	l.Right.Becomes("SELECT count(*) FROM person", "2")
	l.Left.Exec("UPDATE person SET grp = '20', name = 'poisoned' WHERE id = 'A'", "UPDATE person SET name = 'behind' WHERE id = 'A'",
		"UPDATE person SET name = 'on' WHERE id = 'B'", "UPDATE person SET name = 'last' WHERE id = 'A'")
	l.Right.Becomes("SELECT name FROM person WHERE id = 'B'", "on")
	l.Until("the change is held", func() bool { return l.Status("person").Streams[0].Held > 0 })
	require.Equal(t, "a", l.Right.Text("SELECT name FROM person WHERE id = 'A'"))
	require.Equal(t, harness.Running, l.Status("person").Status)
	require.True(t, slices.ContainsFunc(l.Failures("person"), func(f harness.Failure) bool { return f.Phase == "live" && f.Key["id"] == "A" }))
	l.Exits(4, "retry", "person")
	l.Right.Exec("INSERT INTO grp VALUES ('20')")
	l.Do("retry", "person", "--key", "id=A")
	l.Right.Becomes("SELECT name || grp FROM person WHERE id = 'A'", "last20")
	require.Empty(t, l.Failures("person"))
	require.Equal(t, 2, l.Equal("person"))
}
