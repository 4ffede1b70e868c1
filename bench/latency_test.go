package bench

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The load under which latency is measured: transactions a second, for so many seconds.
const (
	latencyRate    = 100
	latencySeconds = 20
)

// BenchmarkLatency measures from the commit on one side (as its server has noted it) until a reader of the other side,
// which asks every millisecond, sees the row.
func BenchmarkLatency(b *testing.B) {
	latency(b, "native logical replication", func() peer { return pairing(b, account()) })
}

func latency(b *testing.B, name string, other func() peer) {
	b.Helper()
	half := &measurement{Name: "latency at 100 transactions a second, p50", Peer: name}
	late := &measurement{Name: "latency at 100 transactions a second, p99", Peer: name}
	add := func(list func(m *measurement) *[]sample, delays []float64, cost sample) {
		for m, q := range map[*measurement]float64{half: 0.50, late: 0.99} {
			s := cost
			s.Seconds = delays[int(q*float64(len(delays)-1))]
			*list(m) = append(*list(m), s)
		}
	}
	for range *rounds {
		delays, cost := peerLatency(b, other())
		add(func(m *measurement) *[]sample { return &m.Peers }, delays, cost)
		delays, cost = ourLatency(b)
		add(func(m *measurement) *[]sample { return &m.Ours }, delays, cost)
	}
	b.Run("p50", func(b *testing.B) { half.times(b) })
	b.Run("p99", func(b *testing.B) { late.times(b) })
}

func peerLatency(b *testing.B, p peer) ([]float64, sample) {
	b.Helper()
	d := p.databases()
	run(b, d.left, "CREATE SEQUENCE made CACHE 1")
	p.subscribe(b)
	defer p.unsubscribe(b)
	m := startOn(b, d.servers, 0)
	return delays(b, d.left, d.right), m.stop()
}

func ourLatency(b *testing.B) ([]float64, sample) {
	b.Helper()
	l, p := load{}.running(b)
	m := start(b, p.Pid())
	out := delays(b, l.Left.URL(), l.Right.URL())
	cost := m.stop()
	l.Do("stop", "account")
	p.Stop()
	return out, cost
}

// delays makes the load on one side and returns, in ascending order, how many seconds each row took to the other.
func delays(b *testing.B, left, right string) []float64 {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := make(chan map[int64]time.Time, 1)
	go func() { seen <- watchRows(ctx, b, right) }()
	script := writeScript(b, `INSERT INTO account VALUES (nextval('made'), :client_id, 'name of one', now());`)
	shell(b, fmt.Sprintf("%s -n -M prepared -f %s -c 2 -j 1 -R %d -T %d '%s' 2>&1", program(b, "pgbench"), script, latencyRate, latencySeconds, left))
	becomes(b, right, "SELECT count(*) FROM account", query(b, left, "SELECT count(*) FROM account"))
	cancel()
	found := <-seen
	var out []float64
	conn, err := pgconn.Connect(context.Background(), left)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Exec(context.Background(),
		"SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::numeric FROM account").ReadAll()
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range rows[0].Rows {
		id, _ := strconv.ParseInt(string(row[0]), 10, 64)
		at, err := strconv.ParseFloat(string(row[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		if t, ok := found[id]; ok {
			out = append(out, float64(t.UnixMicro())/1e6-at)
		}
	}
	if len(out) < latencyRate*latencySeconds/2 {
		b.Fatalf("only %d rows were seen", len(out))
	}
	slices.Sort(out)
	return out
}

// watchRows notes when rows become visible.
func watchRows(ctx context.Context, b *testing.B, url string) map[int64]time.Time {
	seen := make(map[int64]time.Time)
	conn, err := pgconn.Connect(context.Background(), url)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer func() { _ = conn.Close(context.Background()) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for most, last := int64(0), false; ; {
		// Rows may become visible in another order than that of their numbers, by a little.
		all, err := conn.Exec(context.Background(), fmt.Sprintf("SELECT id FROM account WHERE id > %d", most-20)).ReadAll()
		if err != nil {
			b.Error(err)
			return nil
		}
		now := time.Now()
		for _, row := range all[0].Rows {
			id, _ := strconv.ParseInt(string(row[0]), 10, 64)
			if _, known := seen[id]; !known {
				seen[id] = now
			}
			most = max(most, id)
		}
		if last {
			return seen
		}
		select {
		case <-ctx.Done():
			last = true // everything is there: ask once more
		case <-tick.C:
		}
	}
}
