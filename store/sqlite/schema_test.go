package sqlite_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// next reads the log and returns its error.
func (r *replica) next() error {
	for {
		batch, err := r.log.Next(context.Background(), 100)
		if err != nil || len(batch.Changes) == 0 {
			return err
		}
	}
}

func TestChangesOfUnmappedPartsOfATableChangeNothing(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	u.shell(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER, other TEXT, more TEXT); CREATE TABLE elsewhere (x);")
	r := u.replicate(t, u.relation(t, "t", 1, "id", "a", "n"))
	for i, change := range []string{
		"ALTER TABLE t ADD COLUMN late TEXT DEFAULT 'x'",
		"ALTER TABLE t DROP COLUMN more",
		"ALTER TABLE t RENAME COLUMN other TO another",
		"CREATE INDEX i ON t (n)",
		"DROP INDEX i",
		"ALTER TABLE elsewhere RENAME TO nowhere",
		"DROP TABLE nowhere",
		"CREATE VIEW v AS SELECT * FROM t",
		"CREATE TRIGGER late AFTER INSERT ON t BEGIN UPDATE t SET another = 'y' WHERE id = NEW.id; END",
		"VACUUM",
		"ANALYZE",
		"REINDEX",
	} {
		u.shell(t, change+";")
		u.shell(t, "INSERT INTO t (a, n) VALUES ('a', 1), ('b', 2); UPDATE t SET a = 'c' WHERE n = 1; UPDATE t SET n = n; REPLACE INTO t (id) VALUES (1);")
		r.follow(t, 3)
		r.equal(t, change)
		if i%3 == 0 {
			require.NoError(t, u.store.Capture(context.Background(), r.rel))
		}
	}
}

func TestChangesOfMappedColumnsAreTheMapsFault(t *testing.T) {
	t.Parallel()
	for change, reason := range map[string]string{
		"ALTER TABLE t RENAME COLUMN a TO b": "column a is gone",
		"ALTER TABLE t RENAME TO u":          "the table is gone",
		"DROP TABLE t":                       "the table is gone",
		"PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = replace(sql, 'n INTEGER', 'n TEXT') WHERE name = 't'; PRAGMA schema_version=4711": "column n was INTEGER and is TEXT now",
	} {
		u, r := plain(t)
		u.shell(t, "INSERT INTO t VALUES (1, 'a', 1);")
		u.shell(t, ".dbconfig defensive off\n"+change+";")
		var fault *store.MapError
		require.ErrorAs(t, r.next(), &fault, change)
		require.Equal(t, "t", fault.Table)
		require.Equal(t, reason, fault.Reason)
		require.NoError(t, r.log.Close())
		_, err := u.store.Open(context.Background(), "")
		require.ErrorAs(t, err, &fault, change)
		require.NoError(t, u.store.Release(context.Background(), "t"))
		log, err := u.store.Open(context.Background(), "")
		require.NoError(t, err)
		require.NoError(t, log.Close())
	}
}

// rebuild is how tools change a table that SQLite cannot alter: the triggers go with the old one.
const rebuild = `BEGIN; CREATE TABLE t_new (id INTEGER PRIMARY KEY, a TEXT, n INTEGER NOT NULL DEFAULT 0);
	INSERT INTO t_new SELECT id, a, coalesce(n, 0) FROM t; DROP TABLE t; ALTER TABLE t_new RENAME TO t; COMMIT;`

func TestRebuiltTableIsAGapUntilItIsReleased(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	ctx := context.Background()
	u.shell(t, "INSERT INTO t VALUES (1, 'a', NULL);")
	r.follow(t, 100)
	u.shell(t, rebuild)
	var gap *store.GapError
	require.ErrorAs(t, r.next(), &gap)
	require.Equal(t, "t", gap.Table)
	require.NoError(t, u.store.Capture(ctx, r.rel), "capture does not hide the gap")
	require.ErrorAs(t, r.next(), &gap)
	require.Equal(t, "t", gap.Table)
	require.NoError(t, u.store.Release(ctx, "t"))
	require.NoError(t, u.store.Capture(ctx, u.relation(t, "t", 1, "id", "a", "n")))
	require.NoError(t, r.next())
}

func TestOneTriggerGoneIsAGap(t *testing.T) {
	t.Parallel()
	for _, event := range []string{"insert", "update", "delete"} {
		u, r := plain(t)
		u.shell(t, "DROP TRIGGER dualwrite_1_"+event+";")
		var gap *store.GapError
		require.ErrorAs(t, r.next(), &gap)
		require.Equal(t, "t", gap.Table)
	}
}

// TestTriggersOfUsersThatComeLater checks that what a trigger does to the row that fired it comes after it in the log.
func TestTriggersOfUsersThatComeLater(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	u.shell(t, `CREATE TRIGGER twice AFTER INSERT ON t BEGIN UPDATE t SET n = NEW.n * 2 WHERE id = NEW.id; END;
		CREATE TRIGGER more AFTER UPDATE OF a ON t BEGIN UPDATE t SET n = n + 1 WHERE id = NEW.id; INSERT INTO t (a, n) VALUES ('by trigger', 0); END;`)
	r.follow(t, 100)
	u.shell(t, "INSERT INTO t VALUES (1, 'a', 1); UPDATE t SET a = 'b'; REPLACE INTO t VALUES (1, 'c', 3);")
	r.follow(t, 100)
	r.equal(t, "triggers that came later")
	u.shell(t, "DROP TRIGGER twice; CREATE TRIGGER twice AFTER INSERT ON t WHEN NEW.n < 9 BEGIN DELETE FROM t WHERE id = NEW.id; END;")
	r.follow(t, 100)
	u.shell(t, "INSERT INTO t VALUES (7, 'gone at once', 1), (8, 'stays', 9);")
	r.follow(t, 100)
	r.equal(t, "a trigger that deletes")
}

func TestUniqueIndexThatComesLater(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	u.shell(t, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2);")
	r.follow(t, 100)
	u.shell(t, "CREATE UNIQUE INDEX u ON t (a);")
	r.follow(t, 100)
	u.shell(t, "REPLACE INTO t VALUES (3, 'a', 3);")
	r.follow(t, 100)
	r.equal(t, "a REPLACE by an index that had been seen")
	u.shell(t, "CREATE UNIQUE INDEX w ON t (n); REPLACE INTO t VALUES (4, 'x', 3);")
	var gap *store.GapError
	require.ErrorAs(t, r.next(), &gap, "a REPLACE by an index that had not been seen")
	require.Equal(t, "t", gap.Table)
}

func TestEntriesOfAnOlderLayoutKeepTheirColumns(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	u.shell(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER, b BLOB);")
	ctx := context.Background()
	wide, narrow := u.relation(t, "t", 1, "id", "b", "n", "a"), u.relation(t, "t", 1, "id", "n")
	narrow.Filter = "n > 1"
	require.NoError(t, u.store.Capture(ctx, wide))
	u.shell(t, "INSERT INTO t VALUES (1, 'a', 1, x'00');")
	require.NoError(t, u.store.Capture(ctx, narrow))
	u.shell(t, "UPDATE t SET n = 2, a = 'z';")
	require.NoError(t, u.store.Release(ctx, "t"))
	u.shell(t, "ALTER TABLE t DROP COLUMN b; ALTER TABLE t DROP COLUMN a; UPDATE t SET n = 7;")
	log, err := u.store.Open(ctx, "")
	require.NoError(t, err)
	batch, err := log.Next(ctx, 100)
	require.NoError(t, err)
	require.Len(t, batch.Changes, 2)
	require.Equal(t, []string{"id", "b", "n", "a"}, batch.Changes[0].Columns)
	require.Equal(t, store.Row{store.Int(1), store.Bytes([]byte{0}), store.Int(1), store.Str("a")}, batch.Changes[0].After)
	require.Equal(t, store.Insert, batch.Changes[1].Op, "the row enters the filter")
	require.Equal(t, store.Row{store.Int(1), store.Int(2)}, batch.Changes[1].After)
}

// TestFilterComparesAsTheColumnDoes needs affinity, collation and the table's name in the log's evaluation.
func TestFilterComparesAsTheColumnDoes(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	u.shell(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, n INTEGER, b);")
	rel := u.relation(t, "t", 1, "id", "a", "n", "b")
	rel.Filter = "a = 'YES' AND n = '5' OR t.a = 7 -- and a comment"
	r := u.replicate(t, rel)
	u.shell(t, `INSERT INTO t VALUES (1, 'yes', 5, 1), (2, 'Yes', '5', 1), (3, 'no', 5, 1), (4, 7, 0, 1), (5, 'yes', 'x', 1), (6, NULL, NULL, 1);
		UPDATE t SET a = 'YES', n = 5 WHERE id IN (3, 5); UPDATE t SET b = 2; UPDATE t SET a = 'no' WHERE id = 1; REPLACE INTO t VALUES (2, 'no', 1, 1);
		REPLACE INTO t VALUES (4, 'yes', 5, 3); DELETE FROM t WHERE id = 5;`)
	for _, limit := range []int{1, 4, 100} {
		r.follow(t, limit)
	}
	r.equal(t, "filtered")
	require.Len(t, r.rows, 2)
}
