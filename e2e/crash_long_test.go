package e2e_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// A transaction that is far longer than what is read of a log at once is seen on the other side whole or not at all, though the
// worker is killed several times while it is on its way.
func TestCrashInALongTransaction(t *testing.T) {
	t.Parallel()
	for _, pair := range []harness.Pair{harness.Postgres, harness.PostgresSQLite} {
		t.Run(string(pair), func(t *testing.T) {
			t.Parallel()
			crashInALongTransaction(t, pair)
		})
	}
}

func crashInALongTransaction(t *testing.T, pair harness.Pair) {
	const table = "CREATE TABLE item (id int PRIMARY KEY, value text NOT NULL, n int)"
	const old, fresh = 20_000, 80_000
	l := harness.New(t, harness.Setup{Pair: pair, Left: table, Right: table, Maps: "item: {}", Master: "finops"})
	l.Left.Exec("INSERT INTO item SELECT value, 'old', value FROM generate_series(1, " + strconv.Itoa(old) + ")")
	worker := l.Work()
	l.Do("run", "item", "--yes")
	l.Equal("item")

	stop := sampleWhole(t, l.Right, old+fresh)
	l.Left.Exec("BEGIN; INSERT INTO item SELECT value, 'long', value FROM generate_series(" + strconv.Itoa(old+1) + ", " + strconv.Itoa(old+fresh) + "); " +
		"UPDATE item SET value = 'long' WHERE value = 'old'; COMMIT")
	killed := 0
	for killed < 2 && inTheMiddle(l, 3*killed) {
		worker.Kill()
		require.Zero(t, l.Right.Int(come))
		worker = l.Work()
		killed++
	}
	l.Right.Becomes(come, strconv.Itoa(old+fresh))
	samples := stop()
	require.Positive(t, killed)
	require.Positive(t, samples)
	l.Await("item", harness.Running)
	l.Equal("item")
	require.Empty(t, l.Failures("item"))
	t.Logf("killed %d times, %d samples", killed, samples)
}

// come counts what the long transaction has written.
const come = "SELECT count(*) FROM item WHERE value = 'long'"

// inTheMiddle waits until the worker's transaction has been seen open some times in a row; false: it has ended.
func inTheMiddle(l *harness.Link, times int) bool {
	seen, over := 0, false
	l.Until("the transaction to be on its way", func() bool {
		if seen++; !writing(l.Right) {
			seen = 0
		}
		over = l.Right.Int(come) > 0
		return over || seen > times
	})
	return !over
}

// writing reports whether somebody else is in the middle of a transaction that writes.
func writing(d *harness.Database) bool {
	if d.Path == "" {
		return !d.Unlocked()
	}
	_, err := d.Try("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK")
	return err != nil
}

// sampleWhole looks again and again how many rows have come, which must be none or all.
func sampleWhole(t *testing.T, d *harness.Database, all int) (stop func() int64) {
	t.Helper()
	var samples atomic.Int64
	over := make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
			}
			got, err := d.Try(come)
			if err != nil {
				continue
			}
			if got != "0" && got != strconv.Itoa(all) {
				t.Errorf("%s rows of %d are there", got, all)
				return
			}
			samples.Add(1)
		}
	})
	return func() int64 {
		close(over)
		sampling.Wait()
		return samples.Load()
	}
}
