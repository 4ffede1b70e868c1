package e2e_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Pausing while transactions of 3,000 rows are on their way: whoever reads the other side finds each of them wholly or
// not at all, while the pause is carried out and after it.
func TestAcceptance06PauseIsWhole(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, pauseIsWhole, harness.Postgres)
}

func pauseIsWhole(t *testing.T, pair harness.Pair) {
	const rows, rounds = 3000, 4
	l := customersLink(t, pair, "", "")
	l.Work()
	l.Do("run", "customers")
	for i := range rounds {
		l.Left.Exec(leftRange(i*rows+1, (i+1)*rows, "whole"))
		pause := l.Start("pause", "customers")
		for pause.Alive() {
			require.Zero(t, l.Right.Int("SELECT count(*) FROM account")%rows, "part of a transaction is to be seen")
		}
		pause.Wait()
		s := l.Status("customers")
		require.Equal(t, harness.Paused, s.Status)
		arrived := l.Right.Int("SELECT count(*) FROM account")
		require.Zero(t, arrived%rows)
		l.Until("what has not arrived is queued", func() bool {
			return l.Status("customers").Queued() == [2]int{(i+1)*rows - arrived, 0}
		})
		l.Do("resume", "customers")
		l.Right.Becomes("SELECT count(*) FROM account", strconv.Itoa((i+1)*rows))
	}
	require.Equal(t, rows*rounds, l.Equal("customers"))
}

// While paused, 10,000 inserts, updates and deletes and a transaction of 5,000 rows on each side: nothing arrives, the
// queue is exact each way, also after worker and Temporal were killed; the source's log is emptied; the application
// does not wait, not even while the other side's file is locked. After resume both sides are equal.
func TestAcceptance07QueueWhilePaused(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, queueWhilePaused, harness.Postgres, harness.PostgresSQLite)
}

func queueWhilePaused(t *testing.T, pair harness.Pair) {
	server := harness.StartTemporal(t)
	l := harness.New(t, harness.Setup{Pair: pair, Server: server, Maps: customers,
		Left: leftCustomers + leftRange(1, 4000, "old"), Right: rightCustomers + rightRange(4001, 8000, "old")})
	w := l.Work()
	l.Do("run", "customers")
	l.Do("pause", "customers")
	require.Equal(t, harness.Paused, l.Status("customers").Status)

	l.Left.Exec(whilePaused(names{"custtable", "account", "name", "L", 1})...)
	l.Right.Exec(whilePaused(names{"account", "accountnumber", "fullname", "R", 4001})...)
	quickly(t, l)
	wantLeft, wantRight := 15001, 15000
	l.Until("the queue is exact", func() bool {
		queued := l.Status("customers").Queued()
		require.LessOrEqual(t, queued[0], wantLeft)
		require.LessOrEqual(t, queued[1], wantRight)
		return queued == [2]int{wantLeft, wantRight}
	})
	l.Left.Forgets()
	l.Right.Forgets()
	require.Equal(t, 0, l.Right.Int("SELECT count(*) FROM account WHERE fullname LIKE 'L%'"))
	require.Equal(t, 0, l.Left.Int("SELECT count(*) FROM custtable WHERE name LIKE 'R%'"))
	require.Equal(t, 4000, l.Right.Int("SELECT count(*) FROM account WHERE accountnumber <= 'C-004000'"))

	w.Kill()
	server.Kill()
	server.Start()
	l.Work()
	s := l.Await("customers", harness.Paused)
	require.Equal(t, [2]int{wantLeft, wantRight}, s.Queued(), "after everything was killed")
	want := append(l.Left.Rows("SELECT account, name FROM custtable WHERE name LIKE 'L%' ORDER BY account"),
		l.Right.Rows("SELECT accountnumber, fullname FROM account WHERE fullname LIKE 'R%' ORDER BY accountnumber")...)
	l.Do("resume", "customers")
	require.Equal(t, [2]int{0, 0}, l.Status("customers").Queued())
	l.Equal("customers")
	l.Same(allLeft, allRight)
	slices.Sort(want)
	require.Equal(t, want, l.Left.Rows("SELECT account, name FROM custtable WHERE name LIKE 'L%' OR name LIKE 'R%' ORDER BY account"))
	require.Equal(t, 0, l.Left.Int("SELECT count(*) FROM custtable WHERE account BETWEEN 'C-002001' AND 'C-004000'"))
}

// whilePaused are 10,000 changes in transactions of ten, and one of 5,000 rows: 4,000 inserts, 4,000 updates and 2,000
// deletes of customers that this side has made, then 5,000 inserts.
func whilePaused(of names) []string {
	table, key, name, prefix, first := of.table, of.key, of.name, of.prefix, of.first
	var all []string
	each := func(n int, format string, args func(i int) []any) {
		for i := range n {
			if i%10 == 0 {
				all = append(all, "BEGIN")
			}
			all = append(all, fmt.Sprintf(format, args(i)...))
			if i%10 == 9 {
				all = append(all, "COMMIT")
			}
		}
	}
	each(4000, "INSERT INTO %s (%s, %s) VALUES ('%s-%06d', '%s new')", func(i int) []any { return []any{table, key, name, prefix, i, prefix} })
	each(4000, "UPDATE %s SET %s = '%s changed %d' WHERE %s = 'C-%06d'", func(i int) []any { return []any{table, name, prefix, i, key, first + i} })
	each(2000, "DELETE FROM %s WHERE %s = 'C-%06d'", func(i int) []any { return []any{table, key, first + 2000 + i} })
	return append(all, numbers(1, 5000)+fmt.Sprintf("INSERT INTO %s (%s, %s) SELECT printf('%s-T-%%06d', n), '%s at once' FROM number", table, key, name, prefix, prefix))
}

// quickly has the application of finops write while dataverse is locked: it must not wait for that.
func quickly(t *testing.T, l *harness.Link) {
	t.Helper()
	release := l.Right.Hold()
	began := time.Now()
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('L-quick', 'L quick')")
	took := time.Since(began)
	release()
	require.Less(t, took, 10*time.Second, "a write in finops while dataverse is locked")
}

// All that was queued is played back in order: a customer that was written A, B, C is A, B, C on the other side, to an
// audit there, and what is written while it is Resuming comes after. Running says that nothing is queued any more.
func TestAcceptance08CatchUp(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, catchUp, harness.Postgres)
}

func catchUp(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, leftRange(1, 100, "old"), auditRight)
	l.Work()
	l.Do("run", "customers")
	l.Do("pause", "customers")
	for _, name := range []string{"A", "B", "C"} {
		l.Left.Exec(fmt.Sprintf("UPDATE custtable SET name = '%s' WHERE account <= 'C-000010'", name))
		l.Left.Exec(leftRange(1001+l.Left.Int("SELECT count(*) FROM custtable"), 2000+l.Left.Int("SELECT count(*) FROM custtable"), name))
	}
	queued := 3*10 + 3*1000
	l.Until("the queue is exact", func() bool { return l.Status("customers").Queued() == [2]int{queued, 0} })
	l.Right.Exec("DELETE FROM audit")

	release := l.Right.Hold()
	l.Do("resume", "customers", "--no-wait")
	l.Await("customers", harness.Resuming)
	l.Left.Exec("UPDATE custtable SET name = 'D' WHERE account <= 'C-000010'")
	release()
	l.Until("customers is Running", func() bool {
		s := l.Status("customers")
		require.Contains(t, []harness.Status{harness.Resuming, harness.Running}, s.Status)
		if s.Status == harness.Running {
			require.Equal(t, [2]int{0, 0}, s.Queued(), "the queue when it says Running")
		}
		return s.Status == harness.Running
	})
	l.Equal("customers")
	for i := 1; i <= 10; i++ {
		account := fmt.Sprintf("C-%06d", i)
		require.Equal(t, []string{"A", "B", "C", "D"}, l.Right.Rows("SELECT name FROM audit WHERE account = '"+account+"' ORDER BY n"), account)
	}
	require.Equal(t, queued+10, l.Right.Int("SELECT count(*) FROM audit"))
	require.Equal(t, []string{"Not running", "Initializing", "Running", "Paused", "Resuming", "Running"}, past(t, l, "customers"))
}
