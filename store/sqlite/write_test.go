package sqlite_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// way is Apply or ApplyEach.
type way func(store.Tx, context.Context, []store.Write) ([]store.Result, error)

// apply makes writes in a transaction of ours, which commits unless they fail.
func (u *users) apply(t *testing.T, apply way, writes ...store.Write) ([]store.Result, error) {
	t.Helper()
	ctx := context.Background()
	c, err := u.store.Fence(ctx, "stream")
	require.NoError(t, err)
	tx, err := u.store.Begin(ctx, store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: c.Seq + 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	out, err := apply(tx, ctx, writes)
	if err != nil {
		return nil, err
	}
	require.NoError(t, tx.Commit(ctx, ""))
	return out, nil
}

func put(rel *store.Relation, values ...store.Value) store.Write {
	return store.Write{Relation: rel, Key: values[:rel.Key], After: values}
}

func outcomes(results []store.Result) []store.Outcome {
	var out []store.Outcome
	for _, r := range results {
		out = append(out, r.Outcome)
	}
	return out
}

func (u *users) captured(t *testing.T, create, table string, columns ...string) *store.Relation {
	t.Helper()
	u.shell(t, create)
	rel := u.relation(t, table, 1, columns...)
	require.NoError(t, u.store.Capture(context.Background(), rel))
	return &rel
}

// TestForeignKeysThatAreCheckedLate: the fault is the write's, not the commit's, and a parent may come after its child.
func TestForeignKeysThatAreCheckedLate(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	p := u.captured(t, "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p DEFERRABLE INITIALLY DEFERRED);", "p", "id")
	c := u.captured(t, "", "c", "id", "p")
	_, err := u.apply(t, store.Tx.Apply, put(c, store.Int(1), store.Int(1)), put(p, store.Int(1)))
	require.NoError(t, err)
	var fault *store.RowError
	_, err = u.apply(t, store.Tx.Apply, put(p, store.Int(2)), put(c, store.Int(2), store.Int(9)), put(c, store.Int(3), store.Int(2)))
	require.ErrorAs(t, err, &fault)
	require.Equal(t, []any{1, store.CodeMissingParent, "p", "p"}, []any{fault.Index, fault.Code, fault.Column, fault.Key.Table})
	results, err := u.apply(t, store.Tx.ApplyEach, put(c, store.Int(2), store.Int(9)), put(c, store.Int(3), store.Int(2)), put(p, store.Int(2)), put(c, store.Int(4), store.Int(8)))
	require.NoError(t, err)
	require.Equal(t, []store.Outcome{store.Failed, store.Applied, store.Applied, store.Failed}, outcomes(results))
	require.Equal(t, 3, results[3].Err.Index)
	_, err = u.apply(t, store.Tx.Apply, store.Write{Relation: p, Key: store.Row{store.Int(1)}})
	require.ErrorAs(t, err, &fault)
	require.Equal(t, store.CodeForeignKey, fault.Code)
	_, err = u.apply(t, store.Tx.Apply, store.Write{Relation: p, Key: store.Row{store.Int(1)}}, store.Write{Relation: c, Key: store.Row{store.Int(1)}})
	require.NoError(t, err)
	require.Equal(t, "3|2", strings.TrimSpace(u.shell(t, "SELECT * FROM c;")))
}

func TestForeignKeyOfSeveralColumnsOneOutsideTheMap(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	c := u.captured(t, `CREATE TABLE p (a TEXT COLLATE NOCASE, b INT, PRIMARY KEY (a, b)); INSERT INTO p VALUES ('x', 1);
		CREATE TABLE c (id INTEGER PRIMARY KEY, a TEXT, b INT, n INT, FOREIGN KEY (a, b) REFERENCES p); INSERT INTO c VALUES (1, 'X', 1, 0);`, "c", "id", "a", "n")
	_, err := u.apply(t, store.Tx.Apply, put(c, store.Int(1), store.Str("x"), store.Int(5)), put(c, store.Int(2), store.Str("new"), store.Int(5)))
	require.NoError(t, err, "the column that is left out is null")
	var fault *store.RowError
	_, err = u.apply(t, store.Tx.Apply, put(c, store.Int(1), store.Str("y"), store.Int(5)))
	require.ErrorAs(t, err, &fault)
	require.Equal(t, store.CodeMissingParent, fault.Code)
	require.Equal(t, []string{"a", "b"}, fault.Key.Columns)
	require.Equal(t, "a, b", fault.Column)
}

// TestTriggersThatEndMoreThanTheStatement: RAISE in its forms, by Apply and by ApplyEach.
func TestTriggersThatEndMoreThanTheStatement(t *testing.T) {
	t.Parallel()
	for form, check := range map[string]func(t *testing.T, each, all error, results []store.Result){
		"ABORT": func(t *testing.T, each, all error, results []store.Result) {
			require.NoError(t, each)
			require.Equal(t, []store.Outcome{store.Applied, store.Failed, store.Applied}, outcomes(results))
			require.Equal(t, store.CodeRaised, results[1].Err.Code)
		},
		"FAIL": func(t *testing.T, each, all error, results []store.Result) {
			require.NoError(t, each)
			require.Equal(t, []store.Outcome{store.Applied, store.Failed, store.Applied}, outcomes(results))
		},
		"ROLLBACK": func(t *testing.T, each, all error, _ []store.Result) {
			var fault *store.MapError
			require.ErrorAs(t, each, &fault)
		},
	} {
		u := newUsers(t, "")
		rel := u.captured(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE effects (x);
			CREATE TRIGGER no AFTER INSERT ON t WHEN NEW.a = 'bad' BEGIN INSERT INTO effects VALUES (1); SELECT RAISE(`+form+`, 'canary 42'); END;`, "t", "id", "a")
		writes := []store.Write{put(rel, store.Int(1), store.Str("good")), put(rel, store.Int(2), store.Str("bad")), put(rel, store.Int(3), store.Str("good"))}
		_, all := u.apply(t, store.Tx.Apply, writes...)
		var fault *store.RowError
		require.ErrorAs(t, all, &fault, form)
		require.Equal(t, []any{1, store.CodeRaised}, []any{fault.Index, fault.Code})
		require.NotContains(t, all.Error(), "canary")
		require.Equal(t, "0", strings.TrimSpace(u.shell(t, "SELECT count(*) FROM t;")), form)
		results, each := u.apply(t, store.Tx.ApplyEach, writes...)
		check(t, each, all, results)
		require.Equal(t, "0", strings.TrimSpace(u.shell(t, "SELECT count(*) FROM effects;")), form)
	}
}

func TestIgnoredWriteChangesNothing(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	rel := u.captured(t, `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
		CREATE TRIGGER no BEFORE INSERT ON t WHEN NEW.a = 'bad' BEGIN SELECT RAISE(IGNORE); END;`, "t", "id", "a")
	results, err := u.apply(t, store.Tx.Apply, put(rel, store.Int(2), store.Str("bad")), put(rel, store.Int(3), store.Str("good")))
	require.NoError(t, err)
	require.Equal(t, []store.Outcome{store.Unchanged, store.Applied}, outcomes(results))
}

// TestConflictClausesOfTheTableDoNotHideFaults: a table may say that a duplicate replaces, is ignored or rolls back.
func TestConflictClausesOfTheTableDoNotHideFaults(t *testing.T) {
	t.Parallel()
	for _, clause := range []string{"ROLLBACK", "FAIL", "IGNORE", "REPLACE"} {
		u := newUsers(t, "")
		rel := u.captured(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL ON CONFLICT "+clause+" DEFAULT 'd' UNIQUE ON CONFLICT "+clause+");", "t", "id", "a")
		results, err := u.apply(t, store.Tx.ApplyEach, put(rel, store.Int(1), store.Str("x")), put(rel, store.Int(2), store.Str("x")), put(rel, store.Int(3), store.Value{}))
		require.NoError(t, err)
		require.Equal(t, []store.Outcome{store.Applied, store.Failed, store.Failed}, outcomes(results), clause)
		require.Equal(t, []store.Code{store.CodeUnique, store.CodeNotNull}, []store.Code{results[1].Err.Code, results[2].Err.Code})
	}
}

func TestStrictTablesAndRowNumbersRefuseOtherTypes(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	rel := u.captured(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, b BLOB, x ANY) STRICT;", "t", "id", "n", "b", "x")
	results, err := u.apply(t, store.Tx.ApplyEach, put(rel, store.Int(1), store.Str("word"), store.Value{}, store.Value{}), put(rel, store.Str("word"), store.Int(1), store.Value{}, store.Value{}),
		put(rel, store.Int(2), store.Int(1), store.Str("text"), store.Value{}), put(rel, store.Int(3), store.Str("7"), store.Bytes(nil), store.Float(1)))
	require.NoError(t, err)
	require.Equal(t, []store.Outcome{store.Failed, store.Failed, store.Failed, store.Applied}, outcomes(results))
	for i, column := range []string{"n", "id", "b"} {
		require.Equal(t, []string{string(store.CodeType), column}, []string{string(results[i].Err.Code), results[i].Err.Column})
	}
	require.Equal(t, "3|7||real", strings.TrimSpace(u.shell(t, "SELECT id, n, b, typeof(x) FROM t;")))
}

// TestKeysThatTheCollationDoesNotTellApart are one row to the database, and so to us.
func TestKeysThatTheCollationDoesNotTellApart(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	rel := u.captured(t, "CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, n INT);", "t", "id", "n")
	results, err := u.apply(t, store.Tx.Apply, put(rel, store.Str("a"), store.Int(1)), put(rel, store.Str("A"), store.Int(2)),
		store.Write{Relation: rel, Guard: store.Expect, Key: store.Row{store.Str("A")}, Before: store.Row{store.Str("A"), store.Int(2)}, After: store.Row{store.Str("a"), store.Int(3)}})
	require.NoError(t, err)
	require.Equal(t, []store.Outcome{store.Applied, store.Applied, store.Applied}, outcomes(results))
	require.Equal(t, "a|3", strings.TrimSpace(u.shell(t, "SELECT * FROM t;")))
}

// TestColumnsDeclaredAsDates hold whatever is stored; the driver would make times of their texts.
func TestColumnsDeclaredAsDates(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	rel := u.captured(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, d DATE, ts TIMESTAMP, dt DATETIME, b BOOLEAN);", "t", "id", "d", "ts", "dt", "b")
	row := store.Row{store.Int(1), store.Str("2024-02-29"), store.Str("2024-02-29 10:11:12"), store.Int(1700000000), store.Int(1)}
	_, err := u.apply(t, store.Tx.Apply, put(rel, row...))
	require.NoError(t, err)
	ctx := context.Background()
	v, err := u.store.View(ctx)
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	found, err := v.Lookup(ctx, rel, []store.Row{row[:1], row[:1]})
	require.NoError(t, err)
	scanned, err := v.Scan(ctx, rel, nil, 10)
	require.NoError(t, err)
	require.Equal(t, []store.Row{row, row, row}, append(found, scanned...))
	log, err := u.store.Open(ctx, "")
	require.NoError(t, err)
	batch, err := log.Next(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, row, batch.Changes[1].After)
}

func TestGeneratedColumnsAreReadAndNotWritten(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	rel := u.captured(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, g INT GENERATED ALWAYS AS (n * 2));", "t", "id", "n", "g")
	found, err := u.store.Describe(context.Background(), "t")
	require.NoError(t, err)
	require.Equal(t, []string{"g"}, found["t"].Generated)
	_, err = u.apply(t, store.Tx.Apply, put(rel, store.Int(1), store.Int(2), store.Int(4)))
	var fault *store.MapError
	require.ErrorAs(t, err, &fault)
	part := u.relation(t, "t", 1, "id", "n")
	_, err = u.apply(t, store.Tx.Apply, put(&part, store.Int(1), store.Int(2)))
	require.NoError(t, err)
}
