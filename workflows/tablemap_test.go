package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
	"github.com/dualwrite/dualwrite/workflows/workflowstest"
)

// state is one of the states in which a map stays or passes through, by name.
type state struct {
	name  string
	state workflows.State
}

func states() []state {
	return []state{
		{"not running", in(tablemap.NotRunning)},
		{"failed sync", failedSync()},
		{"initializing", in(tablemap.Initializing)},
		{"running", in(tablemap.Running)},
		{"paused", in(tablemap.Paused)},
		{"resuming", in(tablemap.Resuming)},
	}
}

// leadsTo is the transition table of docs/statuses.md, written out: where a command leads; "" where it is refused.
func leadsTo(name string, c tablemap.Command) tablemap.Status {
	return map[string]map[tablemap.Command]tablemap.Status{
		"not running": {tablemap.Run: tablemap.Initializing, tablemap.SkipSync: tablemap.Running},
		"failed sync": {tablemap.Run: tablemap.Initializing, tablemap.SkipSync: tablemap.Resuming, tablemap.Discard: tablemap.NotRunning},
		"running":     {tablemap.Pause: tablemap.Paused, tablemap.Stop: tablemap.NotRunning},
		"paused":      {tablemap.Run: tablemap.Resuming, tablemap.Resume: tablemap.Resuming},
	}[name][c]
}

// endless keeps the activities of the passing statuses going until they are cancelled, so that a test meets them.
func (b *bundle) endless() {
	b.engine.OnCopy = func(ctx context.Context, _ tablemap.MapRun) (tablemap.CopyResult, error) {
		return tablemap.CopyResult{}, workflowstest.UntilCancelled(ctx)
	}
	b.engine.OnReplay = func(ctx context.Context, in tablemap.MapRun) error {
		if in.Map != "" && b.replayEnds {
			return nil
		}
		return workflowstest.UntilCancelled(ctx)
	}
}

// end makes a run that would go on for ever carry its state over, long after the commands of the test.
func (b *bundle) end() {
	b.RegisterDelayedCallback(func() {
		b.SetContinueAsNewSuggested(true)
		b.SignalWorkflow(workflows.SignalConfigure, configuration())
	}, 20*soon)
}

func TestEachCommandAsSignal(t *testing.T) {
	t.Parallel()
	for _, from := range states() {
		for _, command := range workflows.Commands() {
			t.Run(from.name+"/"+string(command), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				b.replayEnds = from.name == "not running"
				b.endless()
				b.signalAt(soon, command, nil)
				b.end()
				got := b.run(from.state)
				want := leadsTo(from.name, command)
				if want == "" {
					require.Equal(t, from.state.Status, got.Status)
					require.Equal(t, from.state.Since, got.Since)
					require.Len(t, got.Refused, 1)
					require.Equal(t, string(command), got.Refused[0].Command)
					require.Contains(t, got.Refused[0].Reason, string(from.state.Status))
					return
				}
				require.Equal(t, want, got.Status)
				require.Empty(t, got.Refused)
				if want != from.state.Status {
					require.True(t, got.Since.After(from.state.Since))
				}
			})
		}
	}
}

func TestEachCommandAsUpdate(t *testing.T) {
	t.Parallel()
	for _, from := range states() {
		for _, command := range workflows.Commands() {
			t.Run(from.name+"/"+string(command), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				b.replayEnds = from.name == "not running"
				b.endless()
				u := b.updateAt(soon, command, workflows.Request{})
				b.end()
				got := b.run(from.state)
				want := leadsTo(from.name, command)
				require.Empty(t, got.Refused, "a refused Update leaves no trace")
				if want == "" {
					require.ErrorContains(t, u.rejected, string(from.state.Status))
					require.Equal(t, from.state.Status, got.Status)
					return
				}
				require.NoError(t, u.rejected)
				require.NoError(t, u.err)
				require.Equal(t, want, got.Status)
				require.Equal(t, want, u.report.Status, "it completes when the status has changed")
			})
		}
	}
}

// Each status goes on from the state that the run before it carried over, round the whole life of a map.
func TestGoesOnFromItsOwnCarriedOverState(t *testing.T) {
	t.Parallel()
	s := in(tablemap.NotRunning)
	steps := []struct {
		command tablemap.Command
		to      tablemap.Status
	}{
		{tablemap.Run, tablemap.Initializing}, {"", tablemap.Running},
		{tablemap.Pause, tablemap.Paused}, {tablemap.Resume, tablemap.Resuming}, {"", tablemap.Running},
		{tablemap.Stop, tablemap.NotRunning}, {tablemap.Run, tablemap.Initializing}, {"", tablemap.Running},
	}
	for i, step := range steps {
		b := setup(t)
		if step.command != "" {
			b.signalAt(soon, step.command, workflows.Request{ID: fmt.Sprint(i)})
		}
		s = b.run(s)
		require.Equal(t, step.to, s.Status, "step %d", i)
	}
	require.Equal(t, 2, s.Run)
	require.Equal(t, tablemap.SyncSucceeded, s.Sync.State)
	require.Len(t, s.Handled, 5)
}

func TestEachStatusCarriesItselfOverWhenItsHistoryIsLong(t *testing.T) {
	t.Parallel()
	for _, from := range states() {
		t.Run(from.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.endless()
			b.end()
			got := b.run(from.state)
			require.Equal(t, from.state, got)
		})
	}
}

func TestFailedSyncKeepsItsQueueAndItsNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	legs := []tablemap.Leg{{From: "dataverse", To: "finops", Read: 40, Inserted: 3, Failed: 37}}
	b.engine.OnCopy = func(context.Context, tablemap.MapRun) (tablemap.CopyResult, error) {
		return tablemap.CopyResult{Legs: legs, Failed: 37}, nil
	}
	s := b.run(in(tablemap.Initializing))
	require.Equal(t, tablemap.NotRunning, s.Status)
	require.Equal(t, tablemap.InitialSync{State: tablemap.SyncFailed, Legs: legs}, s.Sync)
	require.True(t, s.Queueing)
	require.Contains(t, s.Reason, "37 rows")
	require.Equal(t, []string{"InitialCopy"}, b.engine.Asked.Calls())

	again := setup(t)
	again.signalAt(soon, tablemap.Run, nil)
	s = again.run(s)
	require.Equal(t, tablemap.Initializing, s.Status)
	require.Equal(t, 1, s.Run)
	require.Equal(t, 1, again.engine.Asked.Attached()[0].Run)
}

func TestRunAfterSuccessOrDiscardTakesTheNextNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signalAt(soon, tablemap.Discard, nil)
	b.signalAt(2*soon, tablemap.Run, nil)
	s := b.run(failedSync())
	require.Equal(t, 2, s.Run)
	require.Equal(t, []string{"Discard", "Attach", "EnsureLink"}, b.engine.Asked.Calls())
}

func TestSkipSync(t *testing.T) {
	t.Parallel()
	t.Run("never run", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.signalAt(soon, tablemap.SkipSync, nil)
		s := b.run(in(tablemap.NotRunning))
		require.Equal(t, tablemap.Running, s.Status)
		require.Equal(t, tablemap.SyncSkipped, s.Sync.State)
		require.Equal(t, []string{"Attach", "EnsureLink", "Replay"}, b.engine.Asked.Calls())
		require.Equal(t, s.Run, b.engine.Asked.Replays()[0].Run)
	})
	t.Run("after a failed sync", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.signalAt(soon, tablemap.SkipSync, nil)
		s := b.run(failedSync())
		require.Equal(t, tablemap.Resuming, s.Status)
		require.NotContains(t, b.engine.Asked.Calls(), "Attach")
		resuming := setup(t)
		s = resuming.run(s)
		require.Equal(t, tablemap.Running, s.Status)
		require.Equal(t, tablemap.SyncSkipped, s.Sync.State)
		require.Equal(t, s.Run, resuming.engine.Asked.Replays()[0].Run)
	})
	t.Run("run without initial sync", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		no := false
		b.signalAt(soon, tablemap.Run, workflows.Request{InitialSync: &no, Master: "finops"})
		s := b.run(in(tablemap.NotRunning))
		require.Equal(t, tablemap.Running, s.Status)
		require.Equal(t, tablemap.Left, s.Master)
		require.Equal(t, "finops", s.Report().Master)
	})
}

func TestRefusedRunStaysNotRunning(t *testing.T) {
	t.Parallel()
	for _, from := range []state{{"not running", in(tablemap.NotRunning)}, {"failed sync", failedSync()}} {
		t.Run(from.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.engine.OnAttach = func(context.Context, tablemap.AttachRequest) error { return refused("no unique key over groupid") }
			u := b.updateAt(soon, tablemap.Run, workflows.Request{})
			b.end()
			s := b.run(from.state)
			require.Equal(t, tablemap.NotRunning, s.Status)
			require.Contains(t, s.Reason, "no unique key over groupid")
			require.ErrorContains(t, u.err, "no unique key over groupid")
			require.Equal(t, from.state.Queueing, s.Queueing)
			require.Equal(t, from.state.Sync, s.Sync)
			require.NotContains(t, b.engine.Asked.Calls(), "Discard")
		})
	}
}

func TestRunThatCannotBeginTakesOffWhatItBegan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine.OnAttach = func(context.Context, tablemap.AttachRequest) error { return errors.New("database is down") }
	u := b.updateAt(soon, tablemap.Run, workflows.Request{})
	b.end()
	s := b.run(in(tablemap.NotRunning))
	require.Equal(t, tablemap.NotRunning, s.Status)
	require.ErrorContains(t, u.err, "database is down")
	require.Contains(t, b.engine.Asked.Calls(), "Discard")
	require.NotContains(t, b.engine.Asked.Calls(), "EnsureLink")
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	for kind, want := range map[tablemap.AlarmKind]struct {
		status tablemap.Status
		health tablemap.Health
		call   string
	}{
		tablemap.AlarmGap:     {tablemap.NotRunning, tablemap.HealthGap, "Stop"},
		tablemap.AlarmFault:   {tablemap.NotRunning, tablemap.HealthOK, "Stop"},
		tablemap.AlarmBreaker: {tablemap.Paused, tablemap.HealthHeld, "Pause"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.engine.OnLive = func(context.Context, tablemap.MapRun) (tablemap.LiveResult, error) {
				return tablemap.LiveResult{Alarm: tablemap.Alarm{Kind: kind, Message: "what happened"}}, nil
			}
			s := b.run(in(tablemap.Running))
			require.Equal(t, want.status, s.Status)
			require.Equal(t, want.health, s.Health)
			require.Equal(t, "what happened", s.Reason)
			require.Equal(t, []string{"LiveWrites", want.call}, b.engine.Asked.Calls())
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	for _, from := range states() {
		t.Run(from.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.endless()
			b.RegisterDelayedCallback(b.CancelWorkflow, soon)
			b.end()
			got := b.run(from.state)
			switch from.state.Status {
			case tablemap.Initializing:
				require.Equal(t, tablemap.NotRunning, got.Status)
				require.Equal(t, tablemap.SyncFailed, got.Sync.State)
				require.True(t, got.Queueing)
			case tablemap.Resuming:
				require.Equal(t, tablemap.Paused, got.Status)
				require.Contains(t, b.engine.Asked.Calls(), "Pause")
			default:
				require.Equal(t, from.state.Status, got.Status)
				require.Equal(t, "cancel", got.Refused[0].Command)
			}
		})
	}
}

func TestReplayThatFailsInResuming(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]tablemap.Status{
		tablemap.ErrorGap: tablemap.NotRunning, tablemap.ErrorFault: tablemap.NotRunning, tablemap.ErrorRefused: tablemap.Paused,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.engine.OnReplay = func(context.Context, tablemap.MapRun) error { return failing(kind) }
			s := b.run(in(tablemap.Resuming))
			require.Equal(t, want, s.Status)
			require.Equal(t, "it failed", s.Reason)
		})
	}
}
