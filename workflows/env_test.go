package workflows_test

import (
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
	"github.com/dualwrite/dualwrite/workflows/workflowstest"
)

const link = "contoso"

// soon is when a test acts. While an activity goes on the time of the test environment is that of the clock; otherwise
// it skips.
const soon = 20 * time.Millisecond

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
	engine *workflowstest.Engine

	replayEnds bool // for endless
}

func setup(t *testing.T) *bundle {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(workflowstest.Quiet())
	b := &bundle{suite.NewTestWorkflowEnvironment(), t, &workflowstest.Engine{}, false}
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

func failing(kind string) error {
	return temporal.NewNonRetryableApplicationError("it failed", kind, nil)
}

// update is what became of an Update.
type update struct {
	rejected error
	err      error
	report   tablemap.Report
	done     bool
}

func (u *update) Accept()          {}
func (u *update) Reject(err error) { u.rejected, u.done = err, true }

func (u *update) Complete(result any, err error) {
	u.err, u.done = err, true
	if report, ok := result.(tablemap.Report); ok {
		u.report = report
	}
}

// updateAt sends an Update after a while of the workflow's time.
func (b *bundle) updateAt(after time.Duration, name tablemap.Command, payload any) *update {
	u := &update{}
	b.RegisterDelayedCallback(func() { b.UpdateWorkflow(string(name), "", u, payload) }, after)
	return u
}
