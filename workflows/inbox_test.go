package workflows_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
	"github.com/dualwrite/dualwrite/workflows/workflowstest"
)

// raw is a payload as someone might send it.
func raw(encoding, data string) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{
		Metadata: map[string][]byte{"encoding": []byte(encoding)}, Data: []byte(data)})
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		payload any
		refused string // part of the reason; "": it is taken
	}{
		{"null", raw("binary/null", ""), ""},
		{"JSON null", raw("json/plain", "null"), ""},
		{"empty object", raw("json/plain", " {} "), ""},
		{"all fields", workflows.Request{ID: "1", Actor: "me", Reason: "why"}, ""},
		{"text", "now", "cannot be read"},
		{"number", 7, "cannot be read"},
		{"list", []string{"pause"}, "cannot be read"},
		{"not JSON", raw("json/plain", "{"), "cannot be read"},
		{"bytes", raw("binary/plain", "\x00\xff"), "cannot be read"},
		{"no encoding", raw("", "{"), "cannot be read"},
		{"misspelt field", raw("json/plain", `{"requestID2": "1"}`), "unknown field"},
		{"wrong type", raw("json/plain", `{"initialSync": "no"}`), "cannot be read"},
		{"two objects", raw("json/plain", `{} {}`), "something follows"},
		{"too long", raw("json/plain", `{"reason": "`+strings.Repeat("x", 5000)+`"}`), "longer than"},
		{"long id", workflows.Request{ID: strings.Repeat("x", 300)}, "longer than"},
		{"unknown side", workflows.Request{Master: "crm"}, `no side "crm"`},
		{"option of run", workflows.Request{Master: "finops"}, "option"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.signalAt(soon, tablemap.Pause, c.payload)
			b.end()
			got := b.run(in(tablemap.Running))
			if c.refused == "" {
				require.Equal(t, tablemap.Paused, got.Status)
				require.Empty(t, got.Refused)
				return
			}
			require.Equal(t, tablemap.Running, got.Status)
			require.Contains(t, got.Refused[0].Reason, c.refused)
		})
	}
}

func TestMalformedUpdateIsRejected(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u := b.updateAt(soon, tablemap.Pause, raw("json/plain", `{"reason": 1}`))
	b.end()
	got := b.run(in(tablemap.Running))
	require.ErrorContains(t, u.rejected, "cannot be read")
	require.Equal(t, tablemap.Running, got.Status)
}

func TestUnknownSignalIsRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signalAt(soon, "puase", nil)
	b.end()
	got := b.run(in(tablemap.Running))
	require.Equal(t, "puase", got.Refused[0].Command)
}

// Signals of different names that arrive together are taken in the order in which they came; what comes after a change
// of status is carried over.
func TestCommandsThatArriveTogetherKeepTheirOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.RegisterDelayedCallback(func() {
		for _, c := range []tablemap.Command{tablemap.Resume, tablemap.Pause, tablemap.Resume, tablemap.Pause, tablemap.Stop} {
			b.SignalWorkflow(string(c), nil)
		}
	}, soon)
	s := b.run(in(tablemap.Running))
	require.Equal(t, tablemap.Paused, s.Status)
	require.Len(t, s.Refused, 1, "the first resume")
	var carried []tablemap.Command
	for _, r := range s.Inbox {
		carried = append(carried, r.Command)
	}
	require.Equal(t, []tablemap.Command{tablemap.Resume, tablemap.Pause, tablemap.Stop}, carried)

	next := setup(t)
	s = next.run(s)
	require.Equal(t, tablemap.Resuming, s.Status)
	require.Len(t, s.Inbox, 2)
}

// Each of a thousand requests is answered, though the status changes while they come in.
func TestNoSignalIsLost(t *testing.T) {
	t.Parallel()
	const many = 1000
	answered := map[string]bool{}
	s := in(tablemap.Running)
	for round := 0; round == 0 || len(s.Inbox) > 0; round++ {
		b := setup(t)
		b.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, workflows.SignalAnswer, mock.Anything).Return(
			func(_, _, _, _ string, answer any) error {
				answered[answer.(workflows.Answer).Request] = true
				return nil
			})
		if round == 0 {
			b.RegisterDelayedCallback(func() {
				for i := range many {
					command := []tablemap.Command{tablemap.Stop, tablemap.Pause, tablemap.Resume}[i%3]
					b.SignalWorkflow(string(command), workflows.Request{ID: fmt.Sprint(i), ReplyTo: "someone"})
				}
			}, soon)
		}
		b.end()
		s = b.run(s)
	}
	require.Len(t, answered, many)
}

func TestRepeatedRequestIsDoneOnce(t *testing.T) {
	t.Parallel()
	t.Run("within a run", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.signalAt(soon, tablemap.Discard, workflows.Request{ID: "one"})
		b.signalAt(2*soon, tablemap.Discard, workflows.Request{ID: "one"})
		u := b.updateAt(3*soon, tablemap.Discard, workflows.Request{ID: "one"})
		b.end()
		s := b.run(failedSync())
		require.Equal(t, []string{"Discard"}, b.engine.Asked.Calls())
		require.Empty(t, s.Refused)
		require.NoError(t, u.rejected)
		require.NoError(t, u.err)
	})
	t.Run("across runs", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.signalAt(soon, tablemap.Pause, workflows.Request{ID: "one"})
		s := b.run(in(tablemap.Running))
		next := setup(t)
		u := next.updateAt(soon, tablemap.Pause, workflows.Request{ID: "one"})
		next.end()
		s = next.run(s)
		require.NoError(t, u.rejected)
		require.NoError(t, u.err)
		require.Equal(t, tablemap.Paused, u.report.Status)
		require.Empty(t, s.Refused)
	})
	t.Run("while the first is under way", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.engine.OnPause = slowly[tablemap.MapRun](t)
		first := b.updateAt(soon, tablemap.Pause, workflows.Request{ID: "one"})
		second := b.updateAt(2*soon, tablemap.Pause, workflows.Request{ID: "one"})
		s := b.run(in(tablemap.Running))
		require.Equal(t, tablemap.Paused, s.Status)
		require.NoError(t, first.err)
		require.NoError(t, second.err)
		require.True(t, second.done)
		require.Len(t, s.Handled, 1)
	})
}

// slowly is an activity that takes a while.
func slowly[In any](t *testing.T) func(context.Context, In) error {
	t.Helper()
	return func(ctx context.Context, _ In) error { return workflowstest.After(ctx, 5*soon) }
}

// Of two Updates that meet, the second is sent back when the first has changed the status; a signal is carried over.
func TestWhatArrivesDuringAChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.engine.OnPause = slowly[tablemap.MapRun](t)
	first := b.updateAt(soon, tablemap.Pause, workflows.Request{})
	second := b.updateAt(2*soon, tablemap.Stop, workflows.Request{})
	b.signalAt(3*soon, tablemap.Resume, nil)
	s := b.run(in(tablemap.Running))
	require.NoError(t, first.err)
	require.ErrorContains(t, second.err, "send the request again")
	require.Equal(t, tablemap.Paused, s.Status)
	require.Len(t, s.Inbox, 1)
	require.Equal(t, tablemap.Resume, s.Inbox[0].Command)
}

func TestConfigChangeIsReportedUntilTheNextRun(t *testing.T) {
	t.Parallel()
	changed := configuration()
	changed.Definition.Coalesce = true
	b := setup(t)
	b.signalAt(soon, workflows.SignalConfigure, changed)
	b.signalAt(2*soon, tablemap.Stop, nil)
	var report tablemap.Report
	b.RegisterDelayedCallback(func() {
		value, err := b.QueryWorkflow(workflows.QueryStatus)
		require.NoError(t, err)
		require.NoError(t, value.Get(&report))
	}, soon*3/2)
	s := b.run(in(tablemap.Running))
	require.Contains(t, report.Pending, "next run")
	require.Equal(t, []tablemap.Command{tablemap.Pause, tablemap.Stop}, report.Actions)
	require.Empty(t, s.Report().Pending, "not running: nothing is left to take effect")

	next := setup(t)
	next.signalAt(soon, tablemap.Run, nil)
	s = next.run(s)
	require.True(t, next.engine.Asked.Attached()[0].Definition.Coalesce)
	require.True(t, s.Definition.Coalesce)
}

func TestMapThatLeftTheConfig(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signalAt(soon, workflows.SignalConfigure, workflows.Configuration{Gone: true})
	b.signalAt(2*soon, tablemap.Pause, nil)
	s := b.run(in(tablemap.Running))
	require.Contains(t, s.Report().Pending, "no longer")
	require.Equal(t, "finops", s.Config.Sides[0])
}

func TestHealthIsShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signalAt(soon, workflows.SignalHealth, tablemap.HealthHeld)
	b.end()
	require.Equal(t, tablemap.HealthHeld, b.run(in(tablemap.Running)).Health)
}

func TestNewerStateIsLeftToANewerWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := in(tablemap.Paused)
	s.Version = 99
	b.ExecuteWorkflow(workflows.TypeTableMap, s)
	require.ErrorContains(t, b.GetWorkflowError(), "newer worker")
}
