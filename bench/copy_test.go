package bench

import (
	"fmt"
	"testing"
)

// BenchmarkCopy fills an empty table from one that has rows, until the map is Running: against `psql COPY | psql COPY` in
// the binary format, which is as fast as PostgreSQL goes with one stream.
func BenchmarkCopy(b *testing.B) {
	for _, kind := range []string{oneWay, twoWay} {
		b.Run(kind, func(b *testing.B) {
			m := &measurement{Name: "copy into an empty table, " + kind, Peer: "psql COPY | COPY", Rows: *rows}
			for range *rounds {
				m.Peers = append(m.Peers, pipe(b))
				m.Ours = append(m.Ours, initial(b, kind, 0))
			}
			m.times(b)
		})
	}
}

// BenchmarkCopyEqual runs a map whose tables are equal already: nothing is written.
func BenchmarkCopyEqual(b *testing.B) {
	m := &measurement{Name: "initial write of equal tables", Peer: "psql COPY | COPY", Rows: *rows}
	for range *rounds {
		m.Peers = append(m.Peers, pipe(b))
		m.Ours = append(m.Ours, initial(b, twoWay, *rows))
	}
	m.times(b)
}

// initial measures the initial write of a map whose target has the first rows already.
func initial(b *testing.B, kind string, already int) sample {
	b.Helper()
	t := wide()
	l := link(b, kind, t)
	t.filled(b, l.Left.URL(), 1, *rows)
	if already > 0 {
		t.filled(b, l.Right.URL(), 1, already)
	}
	w := l.Work()
	m := start(b, w.Pid())
	l.Do("run", t.name, "--yes")
	s := m.stop()
	if n := number(b, l.Right.URL(), "SELECT count(*) FROM "+t.name); n != int64(*rows) {
		b.Fatalf("%d rows have arrived", n)
	}
	l.Do("stop", t.name)
	w.Stop()
	return s
}

// pipe measures the peer.
func pipe(b *testing.B) sample {
	b.Helper()
	t := wide()
	n := pairing(b, t)
	t.filled(b, n.left, 1, *rows)
	psql := program(b, "psql")
	m := start(b, 0)
	shell(b, fmt.Sprintf(`%[1]s -X -q '%[2]s' -c 'COPY %[4]s TO STDOUT (FORMAT binary)' | %[1]s -X -q '%[3]s' -c 'COPY %[4]s FROM STDIN (FORMAT binary)'`,
		psql, n.left, n.right, t.name))
	return m.stop()
}
