package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// What `make stress` sets.
const (
	variableKills = "DUALWRITE_E2E_KILLS"
	variableSeed  = "DUALWRITE_E2E_SEED"
	variableRows  = "DUALWRITE_E2E_ROWS"
)

// figure is a number from the environment.
func figure(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, variable)
	return n
}

// users are the applications of both sides at work: each writes keys of its own and keys that both write.
type users struct {
	t       *testing.T
	link    *harness.Link
	written atomic.Int64 // statements of both
	stops   []func() int
}

// writeEvery bounds what one side's application writes, so that it does not outrun a busy machine.
const writeEvery = 4 * time.Millisecond

// workload starts the applications of both sides of a link of customers. A seed gives the same statements again.
func workload(t *testing.T, l *harness.Link, seed uint64) *users {
	t.Helper()
	u := &users{t: t, link: l}
	left := &user{chance: rand.New(rand.NewPCG(seed, 1)), own: "F", table: "custtable", key: "account", name: "name", last: map[int]int{}}
	right := &user{chance: rand.New(rand.NewPCG(seed, 2)), own: "D", table: "account", key: "accountnumber", name: "fullname", last: map[int]int{}}
	for one, database := range map[*user]*harness.Database{left: l.Left, right: l.Right} {
		ticks := time.NewTicker(writeEvery)
		t.Cleanup(ticks.Stop)
		u.stops = append(u.stops, database.Load(func(int) string {
			<-ticks.C
			u.written.Add(1)
			return one.next()
		}))
	}
	return u
}

// more waits until that many more statements have been written.
func (u *users) more(n int) {
	u.t.Helper()
	goal := u.written.Load() + int64(n)
	u.link.Until(fmt.Sprintf("%d statements more", n), func() bool { return u.written.Load() >= goal })
}

// stop ends both applications, all statements of which must have succeeded.
func (u *users) stop() (statements int) {
	u.t.Helper()
	for _, stop := range u.stops {
		statements += stop()
	}
	return statements
}

// user is the application of one side.
type user struct {
	chance           *rand.Rand
	own              string // its own keys begin with it
	table, key, name string
	last             map[int]int // version of each of its own keys; 0: it is not there
	versions         int
	conn             *pgconn.PgConn // of say
	wrote            int            // which of its own keys the last statement was about; -1: one that both write
}

const (
	ownKeys       = 300
	contestedKeys = 20
)

// next is one statement: three of four are about keys that only this side writes.
func (u *user) next() string {
	u.versions++
	u.wrote = -1
	if u.chance.IntN(4) == 0 {
		return u.contested()
	}
	k := u.chance.IntN(ownKeys)
	u.wrote = k
	before := u.last[k]
	u.last[k] = u.versions
	switch {
	case before == 0:
		return fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES ('%s-%03d', '%d')", u.table, u.key, u.name, u.own, k, u.versions)
	case u.chance.IntN(8) == 0:
		u.last[k] = 0
		return fmt.Sprintf("DELETE FROM %s WHERE %s = '%s-%03d'", u.table, u.key, u.own, k)
	}
	return fmt.Sprintf("UPDATE %s SET %s = '%d' WHERE %s = '%s-%03d'", u.table, u.name, u.versions, u.key, u.own, k)
}

func (u *user) contested() string {
	k := u.chance.IntN(contestedKeys)
	if u.chance.IntN(6) == 0 {
		return fmt.Sprintf("DELETE FROM %s WHERE %s = 'C-%02d'", u.table, u.key, k)
	}
	return fmt.Sprintf("INSERT INTO %[1]s (%[2]s, %[3]s) VALUES ('C-%02[4]d', '%[5]s%[6]d') ON CONFLICT (%[2]s) DO UPDATE SET %[3]s = excluded.%[3]s",
		u.table, u.key, u.name, k, u.own, u.versions)
}

// once checks that every write to a key that one side alone writes was made once on the other side, wholly, in order
// per key, and that none came back; and that both sides are equal. A side's own keys begin with what is given.
func once(t *testing.T, l *harness.Link, keys ...string) {
	t.Helper()
	l.Equal("customers")
	l.Same(allLeft, allRight)
	for _, own := range keys {
		seen := "SELECT account, op, name FROM audit WHERE account LIKE '" + own + "-%' ORDER BY account, n"
		require.NotEmpty(t, l.Same(seen, seen), "writes to keys of %s", own)
	}
	for _, d := range []*harness.Database{l.Left, l.Right} {
		d.Sound()
	}
}

// carried waits until a row written now on each side has come across.
func carried(l *harness.Link, name string) {
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('L-" + name + "', 'mark')")
	l.Right.Exec("INSERT INTO account (accountnumber, fullname) VALUES ('R-" + name + "', 'mark')")
	l.Right.Becomes("SELECT count(*) FROM account WHERE accountnumber = 'L-"+name+"'", "1")
	l.Left.Becomes("SELECT count(*) FROM custtable WHERE account = 'R-"+name+"'", "1")
}

// onFailure shows where Temporal has the workflows of a link when the test has failed.
func onFailure(t *testing.T, l *harness.Link) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, id := range []string{l.Name + "/link", l.Workflow("customers")} {
			for _, command := range []string{"describe", "show"} {
				r := l.TryTemporal("workflow", command, "-w", id)
				t.Logf("%s of %s:\n%s%s", command, id, r.Out, r.Err)
			}
		}
		t.Logf("status:\n%s", l.Try("status", "customers").Out)
	})
}
