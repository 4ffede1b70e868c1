package e2e_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

const (
	things    = "CREATE TABLE item (id int PRIMARY KEY, value text NOT NULL); CREATE TABLE other (id int PRIMARY KEY, value text NOT NULL)"
	thingMaps = "item: {}\nother: {}"
)

// session is a session of an application that goes on from one statement to the next.
func session(t *testing.T, d *harness.Database) (say func(sql string)) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), d.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return func(sql string) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err, sql)
	}
}

// What was prepared for a two-phase commit comes when that is done, in the order of the commits; what was rolled back, whole or to a
// savepoint, never does. The transactions are larger than what the server decodes in memory.
func TestPreparedAndPartlyRolledBack(t *testing.T) {
	t.Parallel()
	l := postgresLink(t, things, things, thingMaps, "item", "other")
	l.Left.Exec("ALTER DATABASE "+database(t, l.Left)+" SET logical_decoding_work_mem = '64kB'", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "+
		"WHERE datname = current_database() AND backend_type = 'walsender'")
	say, name := session(t, l.Left), database(t, l.Left)
	say("BEGIN; INSERT INTO item SELECT n, 'kept' FROM generate_series(1, 3000) n; PREPARE TRANSACTION '" + name + "_1'")
	say("BEGIN; INSERT INTO item SELECT n, 'undone' FROM generate_series(5001, 8000) n; PREPARE TRANSACTION '" + name + "_2'")
	l.Left.Exec("INSERT INTO other VALUES (1, 'between')")
	l.Right.Becomes("SELECT count(*) FROM other", "1")
	require.Zero(t, l.Right.Int("SELECT count(*) FROM item"), "nothing of what is only prepared")

	l.Left.Exec("COMMIT PREPARED '"+name+"_1'", "UPDATE item SET value = 'changed' WHERE id <= 100", "ROLLBACK PREPARED '"+name+"_2'")
	say("BEGIN; INSERT INTO other SELECT n, 'first' FROM generate_series(2, 2000) n; SAVEPOINT a; DELETE FROM item; SAVEPOINT b; " +
		"UPDATE other SET value = 'undone'; ROLLBACK TO a; SAVEPOINT c; INSERT INTO other SELECT n, 'second' FROM generate_series(2001, 4000) n; RELEASE c; " +
		"SAVEPOINT d; INSERT INTO item SELECT n, 'undone' FROM generate_series(5001, 8000) n; ROLLBACK TO d; UPDATE other SET value = 'last' WHERE id = 1; COMMIT")
	l.Right.Becomes("SELECT value FROM other WHERE id = 1", "last")
	require.Equal(t, 4000, l.Equal("other"))
	require.Equal(t, 3000, l.Equal("item"))
	require.Equal(t, 100, l.Right.Int("SELECT count(*) FROM item WHERE value = 'changed'"))
	require.Equal(t, 2900, l.Right.Int("SELECT count(*) FROM item WHERE value = 'kept'"))
	require.Empty(t, l.Failures("item"))
}

// Where a user's transaction and one of ours wait for each other, ours gives way, and is made again: nothing fails, on either side.
func TestOursGivesWayInADeadlock(t *testing.T) {
	t.Parallel()
	l := postgresLink(t, things, things, thingMaps, "item", "other")
	l.Left.Exec("INSERT INTO item VALUES (1, 'old')", "INSERT INTO other VALUES (1, 'old')")
	l.Right.Becomes("SELECT count(*) FROM item", "1")
	l.Right.Becomes("SELECT count(*) FROM other", "1")

	say := session(t, l.Right)
	say("SET deadlock_timeout = '1min'; BEGIN; UPDATE item SET value = 'theirs' WHERE id = 1")
	l.Left.Exec("BEGIN", "UPDATE other SET value = 'ours' WHERE id = 1", "UPDATE item SET value = 'ours' WHERE id = 1", "COMMIT")
	l.Right.Becomes("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dualwrite' AND wait_event_type = 'Lock'", "t")
	say("UPDATE other SET value = 'theirs' WHERE id = 1")
	say("COMMIT")
	l.Right.Becomes("SELECT value FROM item WHERE id = 1", "ours") // the master's
	l.Right.Becomes("SELECT value FROM other WHERE id = 1", "ours")
	l.Equal("item")
	l.Equal("other")
	require.Empty(t, l.Failures("item"))
	require.Empty(t, l.Failures("other"))
	require.Equal(t, harness.Running, l.Status("item").Status)
}

// A server that has no connection left is one that does not answer: everything waits, and goes on by itself.
func TestNoConnectionLeft(t *testing.T) {
	t.Parallel()
	l := postgresLink(t, things, things, thingMaps, "item")
	l.Right.Exec("ALTER DATABASE " + database(t, l.Right) + " CONNECTION LIMIT 0; SELECT pg_terminate_backend(pid) FROM pg_stat_activity " +
		"WHERE datname = current_database() AND pid <> pg_backend_pid()")
	l.Left.Exec("INSERT INTO item VALUES (1, 'waits')")
	if os.Getenv("DUALWRITE_E2E_SUPERUSER") == "" { // for whom no limit holds
		l.AwaitHealth("item", "retrying")
		require.Equal(t, harness.Running, l.Status("item").Status)
		require.Zero(t, l.Right.Int("SELECT count(*) FROM item"))
	}

	l.Right.Exec("ALTER DATABASE " + database(t, l.Right) + " CONNECTION LIMIT -1")
	l.Right.Becomes("SELECT count(*) FROM item", "1")
	l.AwaitHealth("item", "ok")
	l.Right.Exec("UPDATE item SET value = 'back' WHERE id = 1")
	l.Left.Becomes("SELECT value FROM item WHERE id = 1", "back")
	require.Empty(t, l.Failures("item"))
}
