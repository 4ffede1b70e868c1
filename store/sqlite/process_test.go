package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// session is a sqlite3 process that takes one statement after another.
type session struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (u *users) session(t *testing.T) *session {
	t.Helper()
	s := &session{cmd: u.command(t, "")}
	s.cmd.Stdin = nil
	in, err := s.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	s.in, s.out = in, bufio.NewScanner(out)
	t.Cleanup(s.kill)
	s.run(t, ".timeout 5000")
	return s
}

// run returns when the statements have been executed.
func (s *session) run(t *testing.T, script string) {
	t.Helper()
	_, err := io.WriteString(s.in, script+"\n.print done\n")
	require.NoError(t, err)
	for s.out.Scan() {
		if s.out.Text() == "done" {
			return
		}
	}
	t.Fatalf("sqlite3 ended in %s", script)
}

// kill ends the process at once, as a crash would.
func (s *session) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

const plainTable = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER);"

// plain is a database with one captured table, and its replica.
func plain(t *testing.T) (*users, *replica) {
	t.Helper()
	u := newUsers(t, "")
	u.shell(t, plainTable)
	return u, u.replicate(t, u.relation(t, "t", 1, "id", "a", "n"))
}

func TestTransactionOfAnotherProcessComesWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	s := u.session(t)
	s.run(t, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2); SAVEPOINT x; DELETE FROM t; ROLLBACK TO x;")
	r.follow(t, 1000)
	require.Empty(t, r.seen, "an open transaction is read")
	s.run(t, "UPDATE t SET n = 5 WHERE id = 1; COMMIT;")
	r.wait(t)
	require.Equal(t, "insert insert update", r.ops())
	r.equal(t, "after the commit")
}

func TestCrashedProcessLeavesNothing(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	s := u.session(t)
	s.run(t, "PRAGMA cache_spill=1; PRAGMA cache_size=5; BEGIN; INSERT INTO t VALUES (1, 'kept', 1); COMMIT; BEGIN;")
	s.run(t, "WITH RECURSIVE s(i) AS (VALUES (2) UNION ALL SELECT i + 1 FROM s WHERE i < 5000) INSERT INTO t SELECT i, 'lost', i FROM s;")
	s.kill()
	u.shell(t, "INSERT INTO t VALUES (3, 'later', 3);")
	r.follow(t, 100)
	require.Equal(t, "insert insert", r.ops())
	r.equal(t, "after a crash")
}

func TestLockHeldByAnotherProcessIsBusy(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	ctx := context.Background()
	c, err := u.store.Fence(ctx, "stream")
	require.NoError(t, err)
	s := u.session(t)
	s.run(t, "BEGIN IMMEDIATE; INSERT INTO t VALUES (1, 'a', 1);")
	_, err = u.store.Fence(ctx, "stream")
	require.ErrorIs(t, err, store.ErrBusy)
	require.ErrorIs(t, err, store.ErrTransient)
	require.ErrorIs(t, u.store.Capture(ctx, r.rel), store.ErrBusy)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = u.store.Begin(short, store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	begun := make(chan error, 1)
	go func() {
		tx, err := u.store.Begin(ctx, store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: 1})
		if err == nil {
			err = tx.Commit(ctx, "")
		}
		begun <- err
	}()
	s.run(t, "COMMIT;")
	require.NoError(t, <-begun)
}

func TestDeletingAllRowsDeletesEach(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	u.shell(t, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, NULL, NULL);")
	r.follow(t, 100)
	r.seen = nil
	u.shell(t, "DELETE FROM t;")
	r.follow(t, 100)
	require.Equal(t, "delete delete delete", r.ops())
}

func TestCascadesOfAnotherProcessAreInTheLog(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{"CASCADE": "delete delete", "SET NULL": "update update", "SET DEFAULT": "update update"} {
		u := newUsers(t, "")
		u.shell(t, `CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY,
			p INT DEFAULT NULL REFERENCES p (id) ON DELETE `+action+` ON UPDATE CASCADE);`)
		r := u.replicate(t, u.relation(t, "c", 1, "id", "p"))
		u.shell(t, "INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 1), (3, 2);")
		r.follow(t, 100)
		r.seen = nil
		u.shell(t, "PRAGMA foreign_keys=ON; DELETE FROM p WHERE id = 1;")
		r.follow(t, 100)
		require.Equal(t, want, r.ops(), action)
		u.shell(t, "PRAGMA foreign_keys=ON; UPDATE p SET id = 7; REPLACE INTO p VALUES (7);")
		r.follow(t, 100)
		r.equal(t, action)
	}
}

// TestCommitOfAnotherProcessIsSeenSoon measures from the end of the statement in the other process.
func TestCommitOfAnotherProcessIsSeenSoon(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	s := u.session(t)
	ctx := context.Background()
	best := time.Hour
	for i := range 20 {
		r.follow(t, 100)
		require.NoError(t, r.log.Wait(ctx)) // idle for a while: looks seldom now
		seen := make(chan time.Time, 1)
		go func() {
			for {
				if err := r.log.Wait(ctx); err != nil {
					break
				}
				if batch, err := r.log.Next(ctx, 10); err != nil || len(batch.Changes) > 0 {
					break
				}
			}
			seen <- time.Now()
		}()
		s.run(t, "INSERT OR REPLACE INTO t VALUES ("+string(rune('0'+i%10))+", 'x', 1);")
		committed := time.Now()
		best = min(best, (<-seen).Sub(committed))
		if i >= 4 && best < 100*time.Millisecond {
			return
		}
	}
	require.Less(t, best, 100*time.Millisecond)
}

// TestWritersOfManyProcessesBesideOurs lets processes without patience beyond SQLite's own write while we copy.
func TestWritersOfManyProcessesBesideOurs(t *testing.T) {
	t.Parallel()
	u, r := plain(t)
	ctx := context.Background()
	c, err := u.store.Fence(ctx, "initial/t/1")
	require.NoError(t, err)
	var group sync.WaitGroup
	stop := make(chan struct{})
	group.Add(1)
	go func() {
		defer group.Done()
		for seq := int64(1); ; seq++ {
			select {
			case <-stop:
				return
			default:
			}
			tx, err := u.store.Begin(ctx, store.Marker{Writer: "initial/t/1", Epoch: c.Epoch, Seq: seq, Position: "p"})
			if err != nil {
				t.Error(err)
				return
			}
			var writes []store.Write
			for i := range int64(300) {
				row := store.Row{store.Int(1000 + (seq*300+i)%5000), store.Str("copied"), store.Int(seq)}
				writes = append(writes, store.Write{Relation: &r.rel, Key: row[:1], After: row})
			}
			_, err = tx.Apply(ctx, writes)
			if err == nil {
				err = tx.Commit(ctx, "")
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	s := u.session(t)
	slowest := time.Duration(0)
	for i := range 50 {
		begun := time.Now()
		s.run(t, fmt.Sprintf("UPDATE t SET n = n + 1 WHERE id = 1; INSERT INTO t VALUES (%d, 'user', 1);", -1-i))
		slowest = max(slowest, time.Since(begun))
	}
	close(stop)
	group.Wait()
	t.Logf("the slowest of 50 writes of another process took %v", slowest)
	r.follow(t, 1000)
	r.equal(t, "after writes of two processes")
	n := 0
	for _, row := range r.rows {
		if row[1] == store.Str("user") {
			n++
		}
	}
	require.Equal(t, 50, n)
}
