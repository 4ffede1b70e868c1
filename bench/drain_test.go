package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// load is changes that pgbench makes, and what is there when they are done.
type load struct {
	name     string
	script   string
	rows     int // beforehand
	changes  int // of a backlog, from *rows
	coalesce bool
}

const (
	hotKeys = 10_000
	clients = 4
)

// loads are those of a backlog. Every script ends in a change of a sequence or counter that tells when all is there.
func loads() []load {
	n := *rows
	return []load{
		{name: "inserts", changes: n, script: `INSERT INTO account VALUES (nextval('made'), :client_id, 'name of one', now());`},
		{name: "updates of distinct keys", rows: n, changes: n,
			script: `UPDATE account SET balance = balance + 1, changed = now() WHERE id = (SELECT nextval('made'));`},
		{name: "updates of 10k hot keys", rows: hotKeys, changes: n,
			script: `UPDATE account SET balance = balance + 1, changed = now() WHERE id = (SELECT 1 + nextval('made') % 10000);`},
		{name: "updates of 10k hot keys, coalesced", rows: hotKeys, changes: n, coalesce: true,
			script: `UPDATE account SET balance = balance + 1, changed = now() WHERE id = (SELECT 1 + nextval('made') % 10000);`},
	}
}

// BenchmarkDrain measures how fast a backlog of single-row transactions is carried across, against native logical
// replication.
func BenchmarkDrain(b *testing.B) {
	for _, w := range loads() {
		b.Run(w.name, func(b *testing.B) {
			m := &measurement{Name: "drain " + w.name, Peer: "native logical replication", Rows: w.changes}
			for range *rounds {
				m.Peers = append(m.Peers, w.native(b))
				m.Ours = append(m.Ours, w.drain(b))
			}
			m.rates(b)
		})
	}
}

// BenchmarkReplay plays back the queue of a paused map, against native replication draining the same changes.
func BenchmarkReplay(b *testing.B) {
	w := loads()[1]
	m := &measurement{Name: "replay of a paused map's queue, " + w.name, Peer: "native logical replication", Rows: w.changes}
	for range *rounds {
		m.Peers = append(m.Peers, w.native(b))
		m.Ours = append(m.Ours, w.replay(b))
	}
	m.rates(b)
}

// prepare makes the rows that are there beforehand, and the sequence.
func (w load) prepare(b *testing.B, left, right string) {
	b.Helper()
	run(b, left, "CREATE SEQUENCE made CACHE 1")
	if w.rows > 0 {
		account().filled(b, left, 1, w.rows)
		account().filled(b, right, 1, w.rows)
	}
}

// make makes the changes.
func (w load) make(b *testing.B, url string) {
	b.Helper()
	file := writeScript(b, w.script)
	// The backlog is made without waiting for the disk: how long making it takes is not what is measured.
	shell(b, fmt.Sprintf("PGOPTIONS='-c synchronous_commit=off' %s -n -M prepared -f %s -c %d -j 2 -t %d '%s' 2>&1", program(b, "pgbench"), file,
		clients, w.changes/clients, url))
	run(b, url, "INSERT INTO account VALUES (-1, 0, 'the last', now())", "CHECKPOINT")
}

// writeScript writes a script of pgbench.
func writeScript(b *testing.B, text string) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "script.sql")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

const last = "SELECT count(*) FROM account WHERE id = -1"

// drain measures ours: the worker stops, changes are made, it starts again.
func (w load) drain(b *testing.B) sample {
	b.Helper()
	l, p := w.running(b)
	p.Stop()
	w.make(b, l.Left.URL())
	m := start(b, 0)
	p = l.Work()
	m.pid = p.Pid()
	becomes(b, l.Right.URL(), last, "1")
	s := m.stop()
	w.same(b, l.Left.URL(), l.Right.URL())
	l.Do("stop", "account")
	p.Stop()
	return s
}

// replay measures ours: the map is paused, changes are made and queued, it is resumed.
func (w load) replay(b *testing.B) sample {
	b.Helper()
	l, p := w.running(b)
	l.Do("pause", "account")
	w.make(b, l.Left.URL())
	becomes(b, l.Right.URL(), "SELECT count(*) FROM dualwrite.queue", fmt.Sprint(w.changes/clients*clients+1))
	m := start(b, p.Pid())
	l.Do("resume", "account")
	s := m.stop()
	w.same(b, l.Left.URL(), l.Right.URL())
	l.Do("stop", "account")
	p.Stop()
	return s
}

// running is a link whose map runs.
func (w load) running(b *testing.B) (*harness.Link, *harness.Process) {
	b.Helper()
	l := link(b, twoWay, account())
	if w.coalesce {
		l.Configure("account: {coalesce: true}")
	}
	w.prepare(b, l.Left.URL(), l.Right.URL())
	p := l.Work()
	l.Do("run", "account", "--yes")
	return l, p
}

// native measures PostgreSQL's own replication.
func (w load) native(b *testing.B) sample {
	b.Helper()
	return w.peer(b, pairing(b, account()))
}

// peer measures another program: it stops, changes are made, it goes on.
func (w load) peer(b *testing.B, p peer) sample {
	b.Helper()
	d := p.databases()
	w.prepare(b, d.left, d.right)
	p.subscribe(b)
	defer p.unsubscribe(b)
	p.enable(b, false)
	w.make(b, d.left)
	m := startOn(b, d.servers, 0)
	p.enable(b, true)
	becomes(b, d.right, last, "1")
	s := m.stop()
	w.same(b, d.left, d.right)
	return s
}

// same holds the two sides to being equal.
func (w load) same(b *testing.B, left, right string) {
	b.Helper()
	const sum = "SELECT count(*) || ' ' || sum(hashtext(account::text)::bigint) FROM account"
	if x, y := query(b, left, sum), query(b, right, sum); x != y {
		b.Fatalf("%s: the sides differ: %s, %s", w.name, x, y)
	}
}
