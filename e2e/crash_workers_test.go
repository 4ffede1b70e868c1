package e2e_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// heartbeatTimeout is after what time another worker takes over from one that says nothing any more.
const heartbeatTimeout = 15 * time.Second

// A worker that stands still past its heartbeat timeout is replaced by another. When it goes on, its markers are
// fenced: nothing is written twice, out of order or by two at once.
func TestCrashWorkerThatWasReplacedGoesOn(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, crashWorkerThatWasReplacedGoesOn)
}

func crashWorkerThatWasReplacedGoesOn(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, auditLeft, auditRight)
	onFailure(t, l)
	first := l.Work()
	l.Do("run", "customers")
	u := workload(t, l, 7)
	carried(l, "first")
	second := l.Work()
	for _, name := range []string{"second", "third"} {
		u.more(100)
		freezeUnlocked(l, first)
		carried(l, name) // by the other one
		first.Thaw()
		u.more(300)
		first, second = second, first
	}
	u.stop()
	require.True(t, first.Alive() && second.Alive(), "a fenced attempt ends, not its worker")
	once(t, l, "F", "D")
}

// freezeUnlocked stops a process while it holds no lock: everybody would wait for it, and the second worker could show
// nothing.
func freezeUnlocked(l *harness.Link, p *harness.Process) {
	l.Until("the process stands still without a lock", func() bool {
		p.Freeze()
		if l.Left.Unlocked() && l.Right.Unlocked() {
			return true
		}
		p.Thaw()
		return false
	})
}

// A worker that is asked to end hands its streams over at once, instead of leaving them to a timeout.
func TestCrashlessStopHandsOver(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, crashlessStopHandsOver)
}

func crashlessStopHandsOver(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, "", "")
	first := l.Work()
	l.Do("run", "customers")
	carried(l, "first")
	l.Work()
	began := time.Now()
	first.Stop()
	ended := time.Since(began)
	carried(l, "second")
	took := time.Since(began)
	t.Logf("the worker ended in %s; both directions went on after %s", ended.Round(time.Millisecond), took.Round(time.Millisecond))
	require.Less(t, took, heartbeatTimeout, "handed over, not timed out")
	l.Equal("customers")
}
