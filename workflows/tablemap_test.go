package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/tablemap"
)

func TestRunGoesToInitializing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signalAt(time.Second, tablemap.Run, nil)
	s := b.run(in(tablemap.NotRunning))
	require.Equal(t, tablemap.Initializing, s.Status)
	require.Equal(t, 1, s.Run)
	require.Equal(t, []string{"Attach", "EnsureLink"}, b.engine.Asked.Calls())
}

func TestInitializingGoesToRunning(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.run(in(tablemap.Initializing))
	require.Equal(t, tablemap.Running, s.Status)
	require.Equal(t, tablemap.SyncSucceeded, s.Sync.State)
}

func TestRunningPauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signalAt(time.Second, tablemap.Pause, nil)
	s := b.run(in(tablemap.Running))
	require.Equal(t, tablemap.Paused, s.Status)
}
