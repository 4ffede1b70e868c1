package worker_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"github.com/dualwrite/dualwrite/activities"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/worker"
	"github.com/dualwrite/dualwrite/workflows"
	"github.com/dualwrite/dualwrite/workflows/workflowstest"
)

// engine stands in for the engine: it keeps modes, and its steppers are done at once. It counts streams.
type engine struct {
	mu      sync.Mutex
	modes   map[string]string
	streams [2]int
}

func (e *engine) set(name, mode string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.modes[name] = mode
	return nil
}

func (e *engine) Attach(_ context.Context, in tablemap.AttachRequest) (tablemap.AttachResult, error) {
	return tablemap.AttachResult{}, e.set(in.Map, "queue")
}
func (e *engine) Pause(_ context.Context, name string) error   { return e.set(name, "queue") }
func (e *engine) Stop(_ context.Context, name string) error    { return e.set(name, "off") }
func (e *engine) Discard(_ context.Context, name string) error { return e.set(name, "off") }

func (e *engine) Attached(context.Context) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for name, mode := range e.modes {
		if mode != "off" {
			names = append(names, name)
		}
	}
	return names, nil
}

func (e *engine) Live(context.Context) (map[string]replication.MapLive, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string]replication.MapLive{}
	for name, mode := range e.modes {
		out[name] = replication.MapLive{Modes: [2]string{mode, mode}}
	}
	return out, nil
}

func (e *engine) Dependencies(context.Context) ([]tablemap.Edge, error) {
	return []tablemap.Edge{{Child: "customers", Parent: "groups"}, {Child: "customers", Parent: "customers"}}, nil
}

func (e *engine) Diagnose(context.Context) []replication.Finding { return nil }

func (e *engine) Definition(_ context.Context, name string) (replication.Definition, error) {
	return replication.Definition{Map: tablemap.Map{Name: name}}, nil
}

func (e *engine) NewStream(_ context.Context, from tablemap.Side) (activities.Stream, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.streams[from]++
	return stream{e: e, from: from}, nil
}

func (e *engine) NewCopy(context.Context, string, int) (activities.Copy, error) { return done{}, nil }

func (e *engine) NewAgain(context.Context, string) (replication.Stepper, error) { return nil, nil }

func (e *engine) NewReplay(_ context.Context, name string, _ tablemap.Side) (activities.Replay, error) {
	return replay{e: e, name: name}, nil
}

type stream struct {
	e    *engine
	from tablemap.Side
}

func (s stream) Step(context.Context) (replication.Outcome, error) { return replication.Idle, nil }
func (s stream) Progress() tablemap.StreamProgress                 { return tablemap.StreamProgress{} }

func (s stream) Dormant() bool { return false }

func (s stream) Wait(ctx context.Context) error {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s stream) Close() error {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.e.streams[s.from]--
	return nil
}

type done struct{}

func (done) Step(context.Context) (replication.Outcome, error) { return replication.Done, nil }
func (done) Close() error                                      { return nil }

func (done) Progress() tablemap.CopyProgress { return tablemap.CopyProgress{} }
func (done) Result() tablemap.CopyResult     { return tablemap.CopyResult{} }

type replay struct {
	e    *engine
	name string
}

func (r replay) Step(context.Context) (replication.Outcome, error) {
	return replication.Done, r.e.set(r.name, "live")
}
func (r replay) Progress() tablemap.ReplayProgress { return tablemap.ReplayProgress{} }

func link() tablemap.Link {
	return tablemap.Link{Name: "contoso", Sides: [2]string{"finops", "dataverse"}, Master: tablemap.Right, Maps: []tablemap.Map{
		{Name: "customers", Tables: [2]string{"custtable", "account"}},
		{Name: "groups", Tables: [2]string{"custgroup", "groups"}}}}
}

type bundle struct {
	*starter.Starter
	t      *testing.T
	ctx    context.Context
	conn   *starter.Connection
	engine *engine
	worker *worker.Worker
}

// setup starts a server that knows nothing of us, and a worker.
func setup(t *testing.T) *bundle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	server := workflowstest.BareServer(t)
	conn, err := starter.DialOptions(ctx, client.Options{HostPort: server.FrontendHostPort()}, worker.Logger(zap.NewNop()))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	b := &bundle{starter.New(conn, "contoso"), t, ctx, conn, &engine{modes: map[string]string{}}, nil}
	b.worker = b.work()
	return b
}

func (b *bundle) work() *worker.Worker {
	w := worker.New(link(), b.engine, b.conn, zap.NewNop())
	require.NoError(b.t, w.Start(b.ctx))
	b.t.Cleanup(w.Stop)
	return w
}

func (b *bundle) send(name string, c tablemap.Command, want tablemap.Status) {
	b.t.Helper()
	_, err := b.Send(b.ctx, name, workflows.Request{Command: c})
	require.NoError(b.t, err)
	_, err = b.Await(b.ctx, name, nil, want)
	require.NoError(b.t, err)
}

func (b *bundle) eventually(condition func() bool, what string) {
	b.t.Helper()
	require.Eventually(b.t, condition, 20*time.Second, 20*time.Millisecond, what)
}

func (b *bundle) streams() [2]int {
	b.engine.mu.Lock()
	defer b.engine.mu.Unlock()
	return b.engine.streams
}

// One map through its life with a real Temporal: search attributes, streams while a map is attached, none afterwards.
func TestLifeWithARealTemporal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gone, err := b.worker.Register(b.ctx)
	require.NoError(t, err)
	require.Empty(t, gone)
	report, err := b.Status(b.ctx, "customers")
	require.NoError(t, err)
	require.Equal(t, []string{"groups"}, report.Related)
	require.Equal(t, [2]int{}, b.streams(), "nothing runs for a map that was never run")

	b.send("customers", tablemap.Run, tablemap.Running)
	b.eventually(func() bool { return b.streams() == [2]int{1, 1} }, "a stream each way")
	b.eventually(func() bool { return b.count("DualwriteStatus = 'Running' AND ExecutionStatus = 'Running'") == 1 }, "search attribute")
	b.send("customers", tablemap.Pause, tablemap.Paused)
	b.eventually(func() bool { return b.count("DualwriteStatus = 'Paused'") == 1 }, "search attribute")
	require.Zero(t, b.count("DualwriteStatus = 'Running'"), "earlier runs do not keep it")
	b.send("customers", tablemap.Resume, tablemap.Running)
	b.send("customers", tablemap.Stop, tablemap.NotRunning)
	b.eventually(func() bool { return b.streams() == [2]int{} }, "no stream without a map")
	b.eventually(func() bool {
		d, err := b.conn.DescribeWorkflowExecution(b.ctx, workflows.LinkID("contoso"), "")
		return err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}, "the link's workflow ends")
}

func (b *bundle) count(query string) int64 {
	out, err := b.conn.CountWorkflow(b.ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	require.NoError(b.t, err)
	return out.GetCount()
}

// Streams move to another worker at once when theirs stops.
func TestStreamsMoveToAnotherWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.worker.Register(b.ctx)
	require.NoError(t, err)
	b.send("groups", tablemap.Run, tablemap.Running)
	b.eventually(func() bool { return b.streams() == [2]int{1, 1} }, "a stream each way")
	b.work()
	began := time.Now()
	b.worker.Stop()
	require.Less(t, time.Since(began), 6*time.Second)
	b.eventually(func() bool { return b.streams() == [2]int{1, 1} }, "streams go on")
	b.send("groups", tablemap.Pause, tablemap.Paused)
}

func TestWorkerStartIsIdempotent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.work()
	for range 2 {
		_, err := b.worker.Register(b.ctx)
		require.NoError(t, err)
	}
	known, err := b.conn.OperatorService().ListSearchAttributes(b.ctx, &operatorservice.ListSearchAttributesRequest{Namespace: b.conn.Namespace})
	require.NoError(t, err)
	for _, name := range workflows.Attributes() {
		require.Equal(t, enums.INDEXED_VALUE_TYPE_KEYWORD, known.GetCustomAttributes()[name])
	}
}

// A Temporal that has lost its record of a map that runs takes its status from the ledgers.
func TestMapIsFoundInTheLedgers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.engine.set("customers", "live"))
	require.NoError(t, b.engine.set("groups", "queue"))
	_, err := b.worker.Register(b.ctx)
	require.NoError(t, err)
	for name, want := range map[string]tablemap.Status{"customers": tablemap.Running, "groups": tablemap.Paused} {
		report, err := b.Status(b.ctx, name)
		require.NoError(t, err)
		require.Equal(t, want, report.Status)
		require.Contains(t, report.Reason, "found in the ledgers")
	}
	b.eventually(func() bool { return b.streams() == [2]int{1, 1} }, "live writes start the link again")
}

func TestMapThatLeftTheConfigIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.worker.Register(b.ctx)
	require.NoError(t, err)
	fewer := link()
	fewer.Maps = fewer.Maps[:1]
	w := worker.New(fewer, b.engine, b.conn, zap.NewNop())
	b.eventually(func() bool {
		gone, err := w.Register(b.ctx)
		require.NoError(t, err)
		return len(gone) == 1 && gone[0] == "groups"
	}, "visibility follows")
	b.eventually(func() bool {
		report, err := b.Status(b.ctx, "groups")
		require.NoError(t, err)
		return report.Pending != ""
	}, "it says so")
}
