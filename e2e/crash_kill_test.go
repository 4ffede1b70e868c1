package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The worker and the Temporal server are killed again and again at moments that a seed chooses, from the initial write
// on, while applications write on both sides. Afterwards both sides are equal, and each write to a key that one side
// alone writes was made exactly once on the other. `make stress KILLS=50 SEED=1` kills more.
func TestCrashWorkerAndTemporalUnderLoad(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, crashWorkerAndTemporalUnderLoad)
}

func crashWorkerAndTemporalUnderLoad(t *testing.T, pair harness.Pair) {
	kills, seed := figure(t, variableKills, 10), uint64(figure(t, variableSeed, 1))
	t.Logf("%s=%d %s=%d", variableKills, kills, variableSeed, seed)
	server := harness.StartTemporal(t)
	l := harness.New(t, harness.Setup{Pair: pair, Left: leftCustomers + auditLeft + leftRange(1, 3000, "old"),
		Right: rightCustomers + auditRight + rightRange(2001, 5000, "other"), Maps: customers, Server: server})
	c := &crashes{t: t, link: l, server: server, chance: rand.New(rand.NewPCG(seed, 3)), worker: l.Work()}
	onFailure(t, l)
	l.Do("run", "customers", "--no-wait")
	u := workload(t, l, seed)
	for i := range kills {
		u.more(1 + c.chance.IntN(300))
		c.kill()
		if c.chance.IntN(2) == 0 {
			carried(l, fmt.Sprint(i))
		}
	}
	statements := u.stop()
	l.Await("customers", harness.Running)
	once(t, l, "F", "D")
	t.Logf("%d statements, %d kills of the worker, %d of Temporal", statements, c.workers, c.servers)
}

// crashes kills what a link needs.
type crashes struct {
	t       *testing.T
	link    *harness.Link
	server  *harness.Temporal
	worker  *harness.Process
	chance  *rand.Rand
	workers int
	servers int
}

// kill kills the worker, the server or both, and starts again what it has killed.
func (c *crashes) kill() {
	c.t.Helper()
	victim := c.chance.IntN(4) // worker, worker, server, both
	if victim >= 2 {
		c.servers++
		c.server.Kill()
	}
	if victim != 2 {
		c.workers++
		c.worker.Kill()
	}
	if victim >= 2 {
		c.server.Start()
	}
	if victim != 2 {
		c.worker = c.link.Work()
	}
	require.True(c.t, c.worker.Alive(), "the worker outlives Temporal")
}
