package converge_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/checker"
	"github.com/dualwrite/dualwrite/e2e/harness"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// What `make soak` sets.
const (
	variableSeed     = "DUALWRITE_E2E_SEED"
	variableDuration = "DUALWRITE_E2E_DURATION"
)

// Figures of one pair's share in a build, and of one seed.
const (
	usualSeeds    = 15
	faultsPerSeed = 10
	lanesPerPair  = 2 // most of a seed is waiting
)

// TestConverge runs seeds on each pair of databases.
func TestConverge(t *testing.T) {
	t.Parallel()
	first, err := strconv.Atoi(orElse(os.Getenv(variableSeed), "0"))
	require.NoError(t, err, variableSeed)
	duration, err := time.ParseDuration(orElse(os.Getenv(variableDuration), "0s"))
	require.NoError(t, err, variableDuration)
	both := t
	for _, pair := range []harness.Pair{harness.Postgres, harness.PostgresSQLite} {
		t.Run(string(pair), func(t *testing.T) {
			t.Parallel()
			s := &series{first: first, duration: duration, fired: make(map[string]int), looks: make(map[string]int)}
			var lanes []*lane
			for range lanesPerPair {
				lanes = append(lanes, newLane(t, pair, s))
			}
			s.began = time.Now()
			var playing sync.WaitGroup
			for _, l := range lanes {
				playing.Go(func() {
					for seed := s.next(); seed >= 0 && !both.Failed(); seed = s.next() {
						t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) { l.play(t, uint64(seed)) })
					}
				})
			}
			playing.Wait()
			if !both.Failed() {
				s.report(t, lanes[0].faults())
			}
		})
	}
}

func orElse(text, usual string) string {
	if text == "" {
		return usual
	}
	return text
}

// series is the seeds of a pair, which its lanes share, and what has happened.
type series struct {
	first    int
	began    time.Time
	duration time.Duration // 0: as many seeds as are usual

	mu      sync.Mutex
	begun   int // seeds
	fired   map[string]int
	looks   map[string]int // what probes have looked at
	written int64
	events  int
}

// next is the next seed; negative: there is none.
func (s *series) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.duration == 0 && s.begun >= usualSeeds || s.duration > 0 && time.Since(s.began) >= s.duration {
		return -1
	}
	s.begun++
	return s.first + s.begun - 1
}

// happened notes a fault.
func (s *series) happened(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fired[name]++
}

// looked notes that a probe has.
func (s *series) looked(at string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks[at]++
}

// played notes what a seed has seen.
func (s *series) played(written int64, events int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written, s.events = s.written+written, s.events+events
}

// report tells what has happened, and requires that every kind of fault has.
func (s *series) report(t *testing.T, kinds []fault) {
	t.Helper()
	sum := 0
	for _, n := range s.fired {
		sum += n
	}
	t.Logf("%d seeds, %d transactions of applications, %d changes of rows, %d faults: %v", s.begun, s.written, s.events, sum, s.fired)
	t.Logf("looked at while it was written: %v", s.looks)
	for _, at := range []string{"transactions", "cursors", "confirmations of finops", "confirmations of dataverse"} {
		require.Positive(t, s.looks[at], at)
	}
	if s.begun >= silentEvery {
		require.Positive(t, s.looks["silence"], "silence")
	}
	all := len(kinds)
	if whole := (s.first*faultsPerSeed + all - 1) / all * all; whole+all > (s.first+s.begun)*faultsPerSeed {
		return // so few seeds do not come to every kind
	}
	for _, f := range kinds {
		require.Positive(t, s.fired[f.name], "%s: a run in which it never happened does not count", f.name)
	}
}

// lane is what seeds that follow on each other share: servers.
type lane struct {
	pair     harness.Pair
	series   *series
	clusters [2]*postgrestest.Cluster
	networks [2]*harness.Proxy // between the worker and each server
	temporal *harness.Temporal
	run      *run
}

func newLane(t *testing.T, pair harness.Pair, s *series) *lane {
	t.Helper()
	l := &lane{pair: pair, series: s}
	for side, kind := range strings.Split(string(pair), "-") {
		if kind != "postgres" {
			continue
		}
		cluster, err := postgrestest.Start(postgrestest.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cluster.Remove()) })
		at, err := url.Parse(cluster.URL("postgres"))
		require.NoError(t, err)
		l.clusters[side], l.networks[side] = cluster, harness.NewProxy(t, at.Host)
	}
	l.temporal = harness.StartTemporal(t)
	return l
}

// run is one seed.
type run struct {
	t      *testing.T
	lane   *lane
	link   *harness.Link
	master int
	worker *harness.Process
	users  *applications
	probes func() // ends them
	seed   uint64
	chance *rand.Rand
	faults int            // the number of the next one, through all seeds
	events int            // changes of rows
	losses []checker.Loss // of conflicts before a stop
}

// play is one seed: rows on both sides, an initial write under load and faults, live writes under load and faults, peace,
// judgement.
func (l *lane) play(t *testing.T, seed uint64) {
	r := &run{t: t, lane: l, seed: seed, chance: rand.New(rand.NewPCG(seed, 1)), faults: int(seed) * faultsPerSeed}
	l.run = r
	r.master = r.chance.IntN(2)
	r.link = l.connect(t, seed, []string{"finops", "dataverse"}[r.master])
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s%s%s", r.link.Try("status", "item").Out, r.link.Try("status", "part").Out, r.link.Try("doctor").Out)
			for _, name := range tables {
				t.Log(r.link.Try("errors", name).Out)
			}
			for side, d := range r.sides() {
				t.Log(d.Side, d.Rows(l.ledger(side, "SELECT map, kind, message FROM %s", "alarm")))
			}
		}
	})
	both := [2]*application{}
	for side, d := range r.sides() {
		var to target = &postgres{url: d.URL()}
		if l.clusters[side] == nil {
			to = openSQLite(t, d.Path)
		}
		both[side] = newApplication(seed, side, to)
		for range 50 {
			require.NoError(t, to.exec(both[side].next()))
		}
	}
	r.worker = r.link.Work()
	r.users = &applications{both: both}
	r.begin()
	r.link.Do("run", "part", "--related", "--yes", "--no-wait")
	r.attached()
	r.fail(2)
	r.await(harness.Running)
	live := [2]int64{both[0].tokens.Load(), both[1].tokens.Load()}
	for _, a := range both {
		a.live.Store(true)
	}
	r.fail(faultsPerSeed - 2)
	r.users.end()
	r.probes()
	r.await(harness.Running)
	r.judge(live)
	r.all("stop")
	r.leavesNothing()
	for _, a := range both {
		a.target.close()
	}
	l.series.played(r.users.written(), r.events)
}

// begin has the applications write, and both sides looked at, until the test ends if not before.
func (r *run) begin() {
	r.users = begin(r.users.both)
	r.probes = r.probing()
	r.t.Cleanup(r.users.end)
	r.t.Cleanup(r.probes)
}

// rest has the applications rest until everything has been carried across; what has lost conflicts so far is kept.
func (r *run) rest() {
	r.t.Helper()
	r.users.end()
	r.probes()
	r.settle()
	r.losses = append(r.losses, r.conflicts()...)
}

// ledger is a query of a table of a side's ledger.
func (l *lane) ledger(side int, query, table string) string {
	before := "dualwrite_"
	if l.clusters[side] != nil {
		before = "dualwrite."
	}
	return fmt.Sprintf(query, before+table)
}

// connect makes the two databases, and a link that reaches the servers by way of the proxies.
func (l *lane) connect(t *testing.T, seed uint64, master string) *harness.Link {
	t.Helper()
	var urls [2]string
	var far []string
	for side, cluster := range l.clusters {
		if cluster == nil {
			continue
		}
		name := fmt.Sprintf("seed_%d", seed)
		one(t, cluster.URL("postgres"), "CREATE DATABASE "+name)
		urls[side] = cluster.URL(name)
		at, err := url.Parse(urls[side])
		require.NoError(t, err)
		far = append(far, at.Host, l.networks[side].Address())
		t.Cleanup(func() { one(t, cluster.URL("postgres"), "DROP DATABASE "+name+" WITH (FORCE)") })
	}
	link := harness.New(t, harness.Setup{Pair: l.pair, URLs: urls, Server: l.temporal, Master: master, Left: schema(0), Right: schema(1), Maps: linkMaps})
	link.Readdress(far...)
	return link
}

// fail makes faults. In the faults of all seeds, one after the other, all kinds have been there before one comes again.
func (r *run) fail(times int) {
	r.t.Helper()
	all := r.lane.faults()
	for range times {
		order := rand.New(rand.NewPCG(uint64(r.faults/len(all)), 2)).Perm(len(all))
		f := all[order[r.faults%len(all)]]
		r.faults++
		where := r.lane.where(f)
		side := where[r.chance.IntN(len(where))]
		r.more()
		began := time.Now()
		r.t.Logf("%s (%s) …", f.name, r.sides()[side].Side)
		f.make(side)
		r.t.Logf("… for %.1f s", time.Since(began).Seconds())
		r.lane.series.happened(f.name)
		require.True(r.t, r.worker.Alive(), "the worker outlives servers and networks")
	}
}

// more waits until the applications have done a little more.
func (r *run) more() {
	r.t.Helper()
	goal := r.users.written() + int64(1+r.chance.IntN(50))
	r.link.Until("more transactions", func() bool { return r.users.written() >= goal })
}

// moreOf waits until one application has done a little more.
func (r *run) moreOf(side int) {
	r.t.Helper()
	written := &r.users.both[side].written
	goal := written.Load() + int64(1+r.chance.IntN(50))
	r.link.Until("more transactions", func() bool { return written.Load() >= goal })
}

// all carries out a command for each map, children first.
func (r *run) all(command string) {
	r.t.Helper()
	for _, name := range slices.Backward(tables) {
		r.link.Do(command, name)
	}
}

// await waits until both maps have a status. One that was paused since too many changes failed is resumed, as a person would, and
// one whose workflow was terminated while it caught up.
func (r *run) await(status harness.Status) {
	r.t.Helper()
	for _, name := range tables {
		r.link.Reaches(name, string(status), func(now harness.Report) bool {
			byItself := strings.HasPrefix(now.Reason, "too many changes fail") || strings.HasPrefix(now.Reason, "found in the ledgers")
			if now.Status == harness.Paused && byItself {
				r.link.Try("resume", name)
			}
			return now.Status == status
		})
	}
}

func (r *run) sides() [2]*harness.Database { return [2]*harness.Database{r.link.Left, r.link.Right} }

// attached waits until both maps are under capture: a worker that dies before costs a minute, and two refuse the run.
func (r *run) attached() {
	r.t.Helper()
	for side, d := range r.sides() {
		maps := r.lane.ledger(side, "SELECT count(*) FROM %s", "mode")
		r.link.Until("both maps are attached to "+d.Side, func() bool {
			n, err := d.Try(maps) // there may be no ledger yet
			return err == nil && n == fmt.Sprint(len(tables))
		})
	}
}

// one carries out a statement on a connection of its own, and returns its one value, if it has any.
func one(t *testing.T, url, statement string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	all, err := conn.Exec(ctx, statement).ReadAll()
	require.NoError(t, err)
	if len(all[0].Rows) == 0 {
		return ""
	}
	return string(all[0].Rows[0][0])
}
