package bench

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
)

const sourceSeconds = 15

// BenchmarkSource measures what capture costs the source: throughput of pgbench's own load on its tables with and
// without it. In `captured` nobody reads the log meanwhile: what is measured is the log that is written more, the old
// rows in it above all. In `running` the worker and the other side share the machine's cores with it.
func BenchmarkSource(b *testing.B) {
	for _, kind := range []string{oneWay, twoWay} {
		for _, working := range []bool{false, true} {
			name := "captured"
			if working {
				name = "running"
			}
			b.Run(kind+"/"+name, func(b *testing.B) {
				m := &measurement{Name: "pgbench on the source, " + kind + ", " + name, Peer: "without capture"}
				for range *rounds {
					m.Peers = append(m.Peers, plainSource(b))
					m.Ours = append(m.Ours, capturedSource(b, kind, working))
				}
				m.rates(b)
			})
		}
	}
}

func plainSource(b *testing.B) sample {
	b.Helper()
	n := pairing(b)
	tpcb(b, n.left)
	return pgbench(b, n.left, 0)
}

func capturedSource(b *testing.B, kind string, working bool) sample {
	b.Helper()
	l, p := tpcbRunning(b, kind)
	pid := p.Pid()
	if !working {
		p.Stop()
		pid = 0
	}
	s := pgbench(b, l.Left.URL(), pid)
	if !working {
		p = l.Work()
	}
	stopAll(l)
	p.Stop()
	return s
}

// pgbench runs its load for some time; Seconds is what a thousand transactions took.
func pgbench(b *testing.B, url string, pid int) sample {
	b.Helper()
	m := start(b, pid)
	out := shell(b, fmt.Sprintf("%s -n -M prepared -c %d -j 2 -T %d '%s' 2>&1", program(b, "pgbench"), clients, sourceSeconds, url))
	s := m.stop()
	found := regexp.MustCompile(`tps = ([0-9.]+)`).FindStringSubmatch(out)
	if found == nil {
		b.Fatal(out)
	}
	tps, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	s.Seconds = 1000 / tps
	return s
}
