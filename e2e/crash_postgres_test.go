package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// Servers stop at once, readers of their logs and sessions that write are ended, the worker is killed, its network fails in
// several ways, the map is paused, at moments that a seed chooses, while applications write on both sides. Afterwards both
// sides are equal, each write to a key that one side alone writes was made exactly once on the other, and no slot was ever
// confirmed beyond what the other side had.
func TestCrashPostgresUnderLoad(t *testing.T) {
	t.Parallel()
	kills, seed := figure(t, variableKills, 10), uint64(figure(t, variableSeed, 1))
	t.Logf("%s=%d %s=%d", variableKills, kills, variableSeed, seed)
	c := &serverCrashes{t: t, chance: rand.New(rand.NewPCG(seed, 4)), fired: make(map[string]int)}
	var urls [2]string
	for i := range c.clusters {
		cluster, err := postgrestest.Start(postgrestest.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cluster.Remove()) })
		c.clusters[i], urls[i] = cluster, cluster.URL("postgres")
	}
	c.link = harness.New(t, harness.Setup{Pair: harness.Postgres, URLs: urls, Maps: customers,
		Left: leftCustomers + auditLeft + leftRange(1, 3000, "old"), Right: rightCustomers + auditRight + rightRange(2001, 5000, "other")})
	onFailure(t, c.link)
	for i, cluster := range c.clusters {
		at, err := url.Parse(cluster.URL("postgres"))
		require.NoError(t, err)
		c.networks[i] = harness.NewProxy(t, at.Host)
		near := *at
		near.Host = c.networks[i].Address()
		c.link.Readdress(urls[i], near.String())
	}
	c.worker = c.link.Work()
	c.link.Do("run", "customers", "--no-wait")
	clients, stop := resilient(t, urls, seed)
	c.written = clients
	sampled := c.sample(urls)
	for i := range kills {
		c.more(1 + c.chance.IntN(300))
		c.kill()
		if c.chance.IntN(2) == 0 {
			carried(c.link, fmt.Sprint(i))
		}
	}
	stop()
	c.link.Await("customers", harness.Running)
	once(t, c.link, "F", "D")
	require.Positive(t, sampled(), "samples of what was confirmed")
	t.Logf("%d statements; %v", clients.Load(), c.fired)
}

// serverCrashes ends what a link between two servers needs.
type serverCrashes struct {
	t        *testing.T
	link     *harness.Link
	clusters [2]*postgrestest.Cluster
	networks [2]*harness.Proxy // between the worker and each server
	worker   *harness.Process
	written  *atomic.Int64 // statements
	chance   *rand.Rand
	order    []int // of kinds of faults that are still to come
	fired    map[string]int
}

// fault is something that happens to one side.
type fault struct {
	name string
	make func(side int)
}

func (c *serverCrashes) faults() []fault {
	return []fault{
		{"worker killed", func(int) {
			c.worker.Kill()
			c.worker = c.link.Work()
		}},
		{"server stopped", func(side int) {
			require.NoError(c.t, c.clusters[side].Stop(postgrestest.Immediate))
			require.NoError(c.t, c.clusters[side].Run())
		}},
		{"reader ended", func(side int) { c.end(side, "backend_type = 'walsender'") }},
		{"sessions ended", func(side int) { c.end(side, "application_name = 'dualwrite' AND backend_type = 'client backend'") }},
		{"connections cut", c.cut},
		{"network stalled", func(side int) {
			c.networks[side].Stall(true)
			c.more(1 + c.chance.IntN(300))
			c.networks[side].Stall(false)
		}},
		{"answers lost", func(side int) {
			network := c.networks[side]
			before := network.Lost()
			network.Mute(true)
			c.link.Until("an answer is lost", func() bool { return network.Lost() > before })
			network.Cut()
			network.Mute(false)
		}},
		{"connections refused", func(side int) {
			c.cut(side)
			c.networks[side].Refuse(true)
			c.networks[side].Cut()
			c.more(1 + c.chance.IntN(300))
			c.networks[side].Refuse(false)
		}},
		{"paused", func(int) {
			c.link.Await("customers", harness.Running)
			c.link.Do("pause", "customers")
			c.more(1 + c.chance.IntN(300))
			c.link.Do("resume", "customers")
		}},
	}
}

// more waits until the applications have carried out so many statements more.
func (c *serverCrashes) more(n int) {
	c.t.Helper()
	goal := c.written.Load() + int64(n)
	c.link.Until("more statements", func() bool { return c.written.Load() >= goal })
}

func (c *serverCrashes) end(side int, condition string) {
	c.t.Helper()
	c.link.Until("a process to end", func() bool {
		return run(c.t, c.clusters[side].URL("postgres"), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "+condition) != "0"
	})
}

func (c *serverCrashes) cut(side int) {
	c.t.Helper()
	c.link.Until("a connection to cut", func() bool { return c.networks[side].Cut() > 0 })
}

// kill makes one fault. All kinds have been there before one comes again.
func (c *serverCrashes) kill() {
	c.t.Helper()
	all := c.faults()
	if len(c.order) == 0 {
		c.order = c.chance.Perm(len(all))
	}
	f := all[c.order[0]]
	c.order = c.order[1:]
	c.fired[f.name]++
	f.make(c.chance.IntN(2))
	require.True(c.t, c.worker.Alive(), "the worker outlives servers and networks")
}

// run carries out SQL on a connection of its own, and returns its one value.
func run(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	all, err := conn.Exec(t.Context(), sql).ReadAll()
	require.NoError(t, err)
	return string(all[0].Rows[0][0])
}

// sample looks, again and again, how far each log has been confirmed, and then how far the other side has come, durably:
// the latter must not be less. What it returns ends the looking and tells how often it could look.
func (c *serverCrashes) sample(urls [2]string) func() int {
	var n atomic.Int64
	end := harness.OnBothSides(20*time.Millisecond, func(side int) bool {
		confirmed, err := ask(urls[side], "SELECT (s.confirmed_flush_lsn - '0/0')::text || ' ' || coalesce(nullif(o.idle, ''), o.since)::pg_lsn - '0/0' "+
			"FROM pg_replication_slots s, dualwrite.slot o WHERE s.slot_name = o.name")
		if err != nil || confirmed == "" {
			return true // the server is down, or nothing has begun
		}
		reached, err := ask(urls[1-side], `SELECT "position" FROM dualwrite.marker WHERE writer = 'stream' ORDER BY seq DESC, what LIMIT 1`)
		if err != nil || len(reached) < 16 {
			return true
		}
		first, second, _ := strings.Cut(confirmed, " ")
		flushed, _ := strconv.ParseUint(first, 10, 64)
		allowed, _ := strconv.ParseUint(second, 10, 64)
		cursor, _ := strconv.ParseUint(reached[:16], 16, 64)
		if n.Add(1); flushed > cursor+1 && flushed > allowed {
			c.t.Errorf("the log of side %d is confirmed up to %X; the other side has come to %s", side, flushed, reached)
		}
		return true
	})
	return func() int {
		end()
		return int(n.Load())
	}
}

func ask(url, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	all, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil || len(all[0].Rows) == 0 {
		return "", err
	}
	return string(all[0].Rows[0][0]), nil
}

// resilient starts an application on each side that goes on when its server has been away: it looks whether its last
// statement has been carried out, and repeats it where it has not.
func resilient(t *testing.T, urls [2]string, seed uint64) (written *atomic.Int64, stop func()) {
	t.Helper()
	written = new(atomic.Int64)
	users := []*user{
		{chance: rand.New(rand.NewPCG(seed, 1)), own: "F", table: "custtable", key: "account", name: "name", last: map[int]int{}},
		{chance: rand.New(rand.NewPCG(seed, 2)), own: "D", table: "account", key: "accountnumber", name: "fullname", last: map[int]int{}},
	}
	return written, harness.OnBothSides(writeEvery, func(side int) bool {
		if err := users[side].say(urls[side]); err != nil {
			t.Error(err)
			return false
		}
		written.Add(1)
		return true
	})
}

// say carries out one statement, whatever becomes of the server meanwhile.
func (u *user) say(url string) error {
	statement := u.next()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(harness.Patience); time.Now().Before(deadline); {
		_, err := u.exec(url, statement)
		if err == nil || u.wrote < 0 {
			return nil // what becomes of keys that both write, nobody can tell
		}
		for time.Now().Before(deadline) {
			now, err := u.exec(url, fmt.Sprintf("SELECT %s FROM %s WHERE %s = '%s-%03d'", u.name, u.table, u.key, u.own, u.wrote))
			if err != nil {
				<-again.C
				continue
			}
			if want := u.last[u.wrote]; now == strconv.Itoa(want) || want == 0 && now == "" {
				return nil
			}
			break
		}
	}
	return fmt.Errorf("%s cannot be carried out", statement)
}

func (u *user) exec(url, sql string) (string, error) {
	if u.conn == nil || u.conn.IsClosed() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := pgconn.Connect(ctx, url)
		if err != nil {
			return "", err
		}
		u.conn = conn
	}
	all, err := u.conn.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		_ = u.conn.Close(context.Background())
		return "", err
	}
	if len(all) > 0 && len(all[0].Rows) > 0 {
		return string(all[0].Rows[0][0]), nil
	}
	return "", nil
}
