package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

const link = "contoso"

// engine stands in for the activities: it records what was asked and does what a test tells it to.
type engine struct {
	mu    sync.Mutex
	calls []string
	runs  []int // of Attach

	attach  func() error
	copied  tablemap.CopyResult
	copy    func(ctx context.Context) error
	replay  func(ctx context.Context, in tablemap.ReplayRequest) error
	live    func(ctx context.Context) (tablemap.LiveResult, error)
	stream  func(ctx context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error)
	discard func() error
}

var _ tablemap.Activities = (*engine)(nil)

func (e *engine) note(call string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, call)
}

func (e *engine) called() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string{}, e.calls...)
}

func (e *engine) Attach(_ context.Context, in tablemap.AttachRequest) (tablemap.AttachResult, error) {
	e.note("Attach")
	e.mu.Lock()
	e.runs = append(e.runs, in.Run)
	e.mu.Unlock()
	if e.attach != nil {
		return tablemap.AttachResult{}, e.attach()
	}
	return tablemap.AttachResult{}, nil
}

func (e *engine) InitialCopy(ctx context.Context, _ tablemap.MapRun) (tablemap.CopyResult, error) {
	e.note("InitialCopy")
	if e.copy != nil {
		return e.copied, e.copy(ctx)
	}
	return e.copied, nil
}

func (e *engine) Replay(ctx context.Context, in tablemap.ReplayRequest) (tablemap.ReplayResult, error) {
	e.note("Replay")
	if e.replay != nil {
		return tablemap.ReplayResult{}, e.replay(ctx, in)
	}
	return tablemap.ReplayResult{}, nil
}

func (e *engine) LiveWrites(ctx context.Context, _ tablemap.MapRun) (tablemap.LiveResult, error) {
	e.note("LiveWrites")
	if e.live != nil {
		return e.live(ctx)
	}
	return tablemap.LiveResult{}, untilCancelled(ctx)
}

func (e *engine) Pause(context.Context, tablemap.MapRun) error { e.note("Pause"); return nil }
func (e *engine) Stop(context.Context, tablemap.MapRun) error  { e.note("Stop"); return nil }

func (e *engine) Discard(context.Context, tablemap.MapRun) error {
	e.note("Discard")
	if e.discard != nil {
		return e.discard()
	}
	return nil
}

func (e *engine) Stream(ctx context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error) {
	e.note("Stream")
	if e.stream != nil {
		return e.stream(ctx, in)
	}
	return tablemap.StreamResult{}, nil
}

func (e *engine) EnsureLink(context.Context, tablemap.LinkRequest) error {
	e.note("EnsureLink")
	return nil
}

// untilCancelled is an activity that works until it is cancelled.
func untilCancelled(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func definition() tablemap.Map {
	return tablemap.Map{Name: "customers", Tables: [2]string{"custtable", "account"}}
}

func configuration() workflows.Configuration {
	return workflows.Configuration{
		Sides: [2]string{"finops", "dataverse"}, Master: tablemap.Right, Definition: definition(), Related: []string{"groups"}}
}

// in is a state of a map in a status, as an earlier run would have carried it over.
func in(status tablemap.Status) workflows.State {
	s := workflows.NewState(link, configuration())
	s.Status, s.Since = status, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if status != tablemap.NotRunning {
		s.Run, s.Definition = 1, definition()
		s.Sync.State = tablemap.SyncSucceeded
	}
	if status == tablemap.Initializing {
		s.Sync.State = tablemap.SyncRunning
	}
	return s
}

// failedSync is the state after an initial sync in which rows failed.
func failedSync() workflows.State {
	s := in(tablemap.NotRunning)
	s.Run, s.Definition, s.Queueing, s.Sync.State = 1, definition(), true, tablemap.SyncFailed
	return s
}

type bundle struct {
	*testsuite.TestWorkflowEnvironment
	t      *testing.T
	engine *engine
}

func setup(t *testing.T) *bundle {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	b := &bundle{suite.NewTestWorkflowEnvironment(), t, &engine{}}
	b.SetWorkerOptions(worker.Options{Interceptors: workflows.Interceptors()})
	workflows.Register(b)
	b.RegisterActivity(b.engine)
	b.SetTestTimeout(20 * time.Second)
	return b
}

// run runs a map from a state to the end of that run, and returns the state that it carries over.
func (b *bundle) run(s workflows.State) workflows.State {
	b.t.Helper()
	b.ExecuteWorkflow(workflows.TypeTableMap, s)
	return b.carried()
}

// carried is the state with which the workflow continued as new.
func (b *bundle) carried() workflows.State {
	b.t.Helper()
	require.True(b.t, b.IsWorkflowCompleted())
	var next *workflow.ContinueAsNewError
	require.ErrorAs(b.t, b.GetWorkflowError(), &next)
	var s workflows.State
	require.NoError(b.t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &s))
	return s
}

// signalAt sends a signal after a while of the workflow's time.
func (b *bundle) signalAt(after time.Duration, name tablemap.Command, payload any) {
	b.RegisterDelayedCallback(func() { b.SignalWorkflow(string(name), payload) }, after)
}

func refused(message string) error {
	return temporal.NewNonRetryableApplicationError(message, tablemap.ErrorRefused, nil, "the mend")
}
