package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

func requireGap(t *testing.T, err error, what string) *store.GapError {
	t.Helper()
	var gap *store.GapError
	require.ErrorAs(t, err, &gap, what)
	require.Empty(t, gap.Table, what)
	require.NotEmpty(t, gap.Reason)
	return gap
}

// TestRestoredCopyIsAGapEvenWhenItHasGoneOn: the numbers have come to where they were, but they are of other changes.
func TestRestoredCopyIsAGapEvenWhenItHasGoneOn(t *testing.T) {
	t.Parallel()
	for _, confirm := range []bool{false, true} {
		u, r := plain(t)
		ctx := context.Background()
		u.shell(t, "INSERT INTO t VALUES (1, 'a', 1);")
		r.follow(t, 100)
		restore, err := u.backup()
		require.NoError(t, err)
		u.shell(t, "INSERT INTO t VALUES (2, 'b', 2), (3, 'c', 3);")
		r.follow(t, 100)
		cursor := r.last
		if confirm {
			require.NoError(t, r.log.Confirm(ctx, cursor))
		}
		_, err = restore()
		require.NoError(t, err)
		_, err = u.store.Open(ctx, cursor)
		requireGap(t, err, "the log ends before the cursor")
		u.shell(t, "INSERT INTO t VALUES (4, 'd', 2), (5, 'e', 3), (6, 'f', 6);")
		_, err = u.store.Open(ctx, cursor)
		gap := requireGap(t, err, "the log has gone on")
		log, err := u.store.Open(ctx, gap.Next)
		require.NoError(t, err)
		require.NoError(t, log.Close())
	}
}

func TestFileReplacedUnderAnOpenLogIsAGap(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600))
		},
	} {
		u, r := plain(t)
		u.shell(t, "INSERT INTO t VALUES (1, 'a', 1);")
		r.follow(t, 100)
		require.NoError(t, replace(u.path))
		requireGap(t, r.next(), name)
		_, err := u.store.Open(context.Background(), "")
		requireGap(t, err, name)
	}
}

// TestRestoreIntoTheOpenFileIsAGap uses the backup API of another process, which keeps the file.
func TestRestoreIntoTheOpenFileIsAGap(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	u.shell(t, "INSERT INTO t VALUES (1, 'a', 1);")
	r.follow(t, 100)
	u.shell(t, ".backup '"+u.path+".copy'")
	u.shell(t, "INSERT INTO t VALUES (2, 'b', 2);")
	r.follow(t, 100)
	u.shell(t, ".restore '"+u.path+".copy'\nINSERT INTO t VALUES (3, 'c', 3), (4, 'd', 4);")
	requireGap(t, r.next(), "restored in place")
}

func TestRemovedEntriesAreAGap(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	ctx := context.Background()
	u.shell(t, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4); DELETE FROM dualwrite_outbox WHERE seq = 3;")
	requireGap(t, r.next(), "a hole")
	u.shell(t, "DELETE FROM dualwrite_outbox;")
	_, err := u.store.Open(ctx, "")
	gap := requireGap(t, err, "everything removed")
	log, err := u.store.Open(ctx, gap.Next)
	require.NoError(t, err)
	u.shell(t, "INSERT INTO t VALUES (5, 'e', 5);")
	batch, err := log.Next(ctx, 10)
	require.NoError(t, err)
	require.Len(t, batch.Changes, 1)
	u.shell(t, "DROP TABLE dualwrite_outbox; DROP TABLE dualwrite_log;")
	_, err = u.store.Open(ctx, batch.Changes[0].Position)
	requireGap(t, err, "no log")
}

// TestNumbersHaveNoHoles: what is rolled back gives its numbers back, so that a hole always is a loss.
func TestNumbersHaveNoHoles(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	u.shell(t, "CREATE UNIQUE INDEX u ON t (a);")
	r.follow(t, 100)
	u.try(t, `.bail off
		BEGIN; INSERT INTO t VALUES (1, 'a', 1); ROLLBACK;
		BEGIN; INSERT INTO t VALUES (2, 'b', 1); SAVEPOINT s; INSERT INTO t VALUES (3, 'c', 1); ROLLBACK TO s; INSERT INTO t VALUES (4, 'd', 1); COMMIT;
		INSERT INTO t VALUES (5, 'e', 1), (6, 'e', 1);
		INSERT OR FAIL INTO t VALUES (7, 'f', 1), (8, 'f', 1), (9, 'g', 1);
		BEGIN; INSERT INTO t VALUES (19, 'h', 1); INSERT OR ROLLBACK INTO t VALUES (20, 'h', 1);
		INSERT OR IGNORE INTO t VALUES (10, 'a', 1), (11, 'b', 1);
		UPDATE OR FAIL t SET a = 'z';
		INSERT INTO t VALUES (12, 'y', 1);`)
	r.follow(t, 2)
	r.equal(t, "after failures")
	require.NoError(t, r.log.Confirm(context.Background(), r.last))
	u.shell(t, "INSERT INTO t VALUES (30, 'last', 1);")
	r.follow(t, 2)
	r.equal(t, "after everything was removed")
}

func TestConfirmRemovesALongBacklogInBites(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	u.shell(t, "WITH RECURSIVE s(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM s WHERE i < 3500) INSERT INTO t SELECT i, 'x', i FROM s;")
	r.follow(t, 500)
	require.NoError(t, r.log.Confirm(context.Background(), r.last))
	require.Equal(t, "0", strings.TrimSpace(u.shell(t, "SELECT count(*) FROM dualwrite_outbox;")))
}

// TestTouchesStayUntilWhatTheyExplainIsConfirmed confirms every position in turn and reads again each time.
func TestTouchesStayUntilWhatTheyExplainIsConfirmed(t *testing.T) {
	t.Parallel()
	script := `PRAGMA foreign_keys=ON; REPLACE INTO t VALUES (1, 'z', 9); INSERT OR IGNORE INTO t VALUES (2, 'q', 1); REPLACE INTO t VALUES (7, 'b', 3);
		UPDATE OR REPLACE t SET a = 'z' WHERE id = 7; REPLACE INTO t VALUES (8, 'c', 5);`
	for cut := 0; ; cut++ {
		u := newUsers(t, "")
		u.shell(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, n INTEGER UNIQUE); CREATE TABLE c (id INTEGER PRIMARY KEY, t INT REFERENCES t ON DELETE CASCADE);")
		ctx := context.Background()
		u.shell(t, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4), (5, 'e', 5); INSERT INTO c VALUES (1, 2), (2, 3), (3, 5);")
		r := u.replicate(t, u.relation(t, "t", 1, "id", "a", "n"))
		require.NoError(t, u.store.Capture(ctx, u.relation(t, "c", 1, "id", "t")))
		u.shell(t, script)
		var all []store.Change
		for {
			batch, err := r.log.Next(ctx, 2)
			require.NoError(t, err)
			if len(batch.Changes) == 0 {
				break
			}
			all = append(all, batch.Changes...)
		}
		if cut == len(all) {
			require.Greater(t, cut, 9)
			return
		}
		require.NoError(t, r.log.Confirm(ctx, all[cut].Position))
		log, err := u.store.Open(ctx, all[cut].Position)
		require.NoError(t, err)
		var again []store.Change
		for {
			batch, err := log.Next(ctx, 1)
			require.NoError(t, err)
			if len(batch.Changes) == 0 {
				break
			}
			for _, c := range batch.Changes {
				if c.Position > all[cut].Position {
					again = append(again, c)
				}
			}
		}
		require.Equal(t, all[cut+1:], append([]store.Change{}, again...), fmt.Sprint("confirmed at ", all[cut].Position))
	}
}

// TestEntriesOutsideTheFilterAreRemovedToo: no change stands for them, so none confirms them.
func TestEntriesOutsideTheFilterAreRemovedToo(t *testing.T) {
	t.Parallel()
	u := newUsers(t, "")
	u.shell(t, plainTable)
	rel := u.relation(t, "t", 1, "id", "a", "n")
	rel.Filter = "n > 5"
	r := u.replicate(t, rel)
	u.shell(t, "INSERT INTO t VALUES (1, 'a', 9), (2, 'b', 1), (3, 'c', 2);")
	r.follow(t, 100)
	ctx := context.Background()
	require.NoError(t, r.log.Confirm(ctx, r.last))
	require.Equal(t, "0", strings.TrimSpace(u.shell(t, "SELECT count(*) FROM dualwrite_outbox;")))
	u.shell(t, "WITH RECURSIVE s(i) AS (VALUES (11) UNION ALL SELECT i + 1 FROM s WHERE i < 12000) INSERT INTO t SELECT i, 'x', 1 FROM s;")
	r.follow(t, 1000)
	require.Equal(t, "0", strings.TrimSpace(u.shell(t, "SELECT count(*) FROM dualwrite_outbox;")), "without being confirmed")
	u.shell(t, "INSERT INTO t VALUES (4, 'd', 8);")
	log, err := u.store.Open(ctx, r.last)
	require.NoError(t, err)
	batch, err := log.Next(ctx, 10)
	require.NoError(t, err)
	require.Len(t, batch.Changes, 1)
}

// TestConfirmThatWasCutShortIsNotReadAgain: a crash between two bites leaves entries that were confirmed, the first of
// them in the middle of a transaction.
func TestConfirmThatWasCutShortIsNotReadAgain(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	u.shell(t, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4);")
	r.follow(t, 100)
	u.shell(t, "UPDATE dualwrite_log SET confirmed = 4, purged = 2; DELETE FROM dualwrite_outbox WHERE seq <= 2;")
	var err error
	r.log, err = u.store.Open(context.Background(), r.last)
	require.NoError(t, err)
	r.seen = nil
	u.shell(t, "INSERT INTO t VALUES (5, 'e', 5);")
	r.follow(t, 100)
	require.Equal(t, "insert", r.ops())
	require.NoError(t, r.log.Confirm(context.Background(), r.last))
	require.Equal(t, []string{"0"}, strings.Fields(u.shell(t, "SELECT count(*) FROM dualwrite_outbox;")))
}
