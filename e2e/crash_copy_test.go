package e2e_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The initial write of a long table shows how far it is and holds the worker to a bounded memory. `make stress
// ROWS=1000000` copies more.
func TestLongCopyShowsProgress(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, longCopyShowsProgress)
}

func longCopyShowsProgress(t *testing.T, pair harness.Pair) {
	rows := figure(t, variableRows, 30_000)
	l := customersLink(t, pair, "", "")
	l.Left.Exec("BEGIN", leftRange(1, rows, "old"), "COMMIT")
	w := l.Work()
	began := time.Now()
	shown := l.Exits(0, "run", "customers").Err
	took := time.Since(began)
	require.Contains(t, shown, "customers: Initializing, initial write")
	held, most := memory(t, w)
	t.Logf("%d rows in %s: %.0f rows/s; memory of the worker: %d MiB, at most %d MiB",
		rows, took.Round(100*time.Millisecond), float64(rows)/took.Seconds(), held, most)
	require.Less(t, most, 300, "MiB")
	leg := l.Status("customers").InitialSync.Legs[0]
	require.Equal(t, [2]int{rows, rows}, [2]int{leg.Read, leg.Inserted})
	require.Equal(t, rows, l.Right.Int("SELECT count(*) FROM account"))
}
