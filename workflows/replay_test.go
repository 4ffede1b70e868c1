package workflows_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
	"github.com/dualwrite/dualwrite/workflows/workflowstest"
)

var rerecord = flag.Bool("update", false, "record the histories in testdata again, from a real server")

// Workflows that are open when a new version is installed go on with the new code, so it must make the same decisions
// for every history that there may be. Each file in testdata is one run, recorded from a real server.
func TestRecordedHistoriesReplay(t *testing.T) {
	t.Parallel()
	if *rerecord {
		record(t)
	}
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	for _, life := range lives() {
		found := false
		for _, f := range files {
			found = found || strings.HasPrefix(filepath.Base(f), life.name+"-")
		}
		require.True(t, found, "no history of %s: go test ./workflows -run Replay -update", life.name)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Interceptors: workflows.Interceptors()})
			require.NoError(t, err)
			workflows.Register(r)
			require.NoError(t, r.ReplayWorkflowHistoryFromJSONFile(workflowstest.Quiet(), f))
		})
	}
}

// life is a story of workflows that is recorded.
type life struct {
	name string
	live func(r *recorder)
}

func lives() []life {
	return []life{
		{"life", func(r *recorder) {
			r.register("life")
			r.signal("life", "run", nil)
			r.await("life", tablemap.Running)
			r.signal("life", "pause", map[string]any{"requestId": "p1", "actor": "anna", "reason": "lunch"})
			r.await("life", tablemap.Paused)
			r.update("life", "resume", nil)
			r.await("life", tablemap.Running)
			r.signal("life", "resume", nil)
			r.signal("life", "pause", "now")
			r.signal("life", "health", tablemap.HealthHeld)
			r.cancel("life")
			r.update("life", "stop", nil)
			r.await("life", tablemap.NotRunning)
		}},
		{"failed", func(r *recorder) {
			r.register("failed")
			r.failedRows.Store(37)
			r.update("failed", "run", nil)
			r.await("failed", tablemap.NotRunning)
			r.failedRows.Store(0)
			r.update("failed", "run", map[string]any{"requestId": "again", "master": "finops"})
			r.await("failed", tablemap.Running)
		}},
		{"skipped", func(r *recorder) {
			r.register("skipped")
			r.failedRows.Store(1)
			r.update("skipped", "run", nil)
			r.await("skipped", tablemap.NotRunning)
			r.failedRows.Store(0)
			r.update("skipped", "skip-sync", nil)
			r.await("skipped", tablemap.Running)
		}},
		{"without", func(r *recorder) {
			r.register("without")
			r.update("without", "run", map[string]any{"initialSync": false})
			r.await("without", tablemap.Running)
		}},
		{"discarded", func(r *recorder) {
			r.register("discarded")
			r.failedRows.Store(1)
			r.update("discarded", "run", nil)
			r.await("discarded", tablemap.NotRunning)
			r.failedRows.Store(0)
			r.update("discarded", "discard", nil)
		}},
		{"cancelled", func(r *recorder) {
			r.register("cancelled")
			r.endless.Store(true)
			r.update("cancelled", "run", nil)
			r.await("cancelled", tablemap.Initializing)
			r.cancel("cancelled")
			r.await("cancelled", tablemap.NotRunning)
			r.update("cancelled", "skip-sync", nil)
			r.await("cancelled", tablemap.Resuming)
			r.cancel("cancelled")
			r.await("cancelled", tablemap.Paused)
			r.endless.Store(false)
		}},
		{"refused", func(r *recorder) {
			r.register("refused")
			r.refuse.Store(true)
			r.signal("refused", "run", nil)
			r.eventually(func() bool { return strings.Contains(r.status("refused").Reason, "no key") })
			r.refuse.Store(false)
		}},
		{"gap", func(r *recorder) { r.alarm("gap", tablemap.AlarmGap, tablemap.NotRunning) }},
		{"breaker", func(r *recorder) { r.alarm("breaker", tablemap.AlarmBreaker, tablemap.Paused) }},
		{"related", func(r *recorder) {
			r.register("parent")
			r.register("child")
			require.NoError(r.t, r.related("related", tablemap.Run))
			require.NoError(r.t, r.related("related-again", tablemap.Run))
			require.NoError(r.t, r.related("related-pause", tablemap.Pause))
		}},
		{"unrelated", func(r *recorder) {
			require.NoError(r.t, r.related("unrelated-resume", tablemap.Resume))
			require.NoError(r.t, r.related("unrelated-stop", tablemap.Stop))
			r.failedRows.Store(2)
			require.Error(r.t, r.related("unrelated", tablemap.Run))
			r.failedRows.Store(0)
		}},
	}
}

// recorder lives the lives against a real server.
type recorder struct {
	t      *testing.T
	ctx    context.Context
	client client.Client
	first  map[string]string // first run of each workflow

	failedRows atomic.Int64
	endless    atomic.Bool
	refuse     atomic.Bool
	alarmKind  atomic.Value // tablemap.AlarmKind
	detached   atomic.Bool
}

func record(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r := &recorder{t: t, ctx: ctx, client: workflowstest.Server(t).Client(), first: map[string]string{}}
	r.alarmKind.Store(tablemap.AlarmNone)
	workflowstest.Work(t, r.client, link, r.engine())
	old, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	for _, f := range old {
		require.NoError(t, os.Remove(f))
	}
	for _, life := range lives() {
		life.live(r)
		r.save(life.name)
	}
	r.detached.Store(true)
	r.first[workflows.LinkID(link)] = ""
	r.eventually(func() bool { return r.ended(workflows.LinkID(link)) })
	r.save("link")
}

func (r *recorder) engine() *workflowstest.Engine {
	return &workflowstest.Engine{
		OnAttach: func(context.Context, tablemap.AttachRequest) error {
			if r.refuse.Load() {
				return refused("no key")
			}
			return nil
		},
		OnCopy: func(ctx context.Context, _ tablemap.MapRun) (tablemap.CopyResult, error) {
			if r.endless.Load() {
				return tablemap.CopyResult{}, workflowstest.UntilCancelled(ctx)
			}
			n := r.failedRows.Load()
			return tablemap.CopyResult{Failed: n, Legs: []tablemap.Leg{{From: "dataverse", To: "finops", Read: n + 3, Inserted: 3, Failed: n}}}, nil
		},
		OnReplay: func(ctx context.Context, _ tablemap.MapRun) error {
			if r.endless.Load() {
				return workflowstest.UntilCancelled(ctx)
			}
			return nil
		},
		OnLive: func(ctx context.Context, _ tablemap.MapRun) (tablemap.LiveResult, error) {
			if kind := r.alarmKind.Load().(tablemap.AlarmKind); kind != tablemap.AlarmNone {
				return tablemap.LiveResult{Alarm: tablemap.Alarm{Kind: kind, Message: "what happened"}}, nil
			}
			return tablemap.LiveResult{}, workflowstest.UntilCancelled(ctx)
		},
		OnLink: func(ctx context.Context, in tablemap.LinkRequest) error {
			_, err := r.client.SignalWithStartWorkflow(ctx, workflows.LinkID(link), workflows.SignalAttach, nil,
				client.StartWorkflowOptions{TaskQueue: workflows.Queue(link)}, workflows.TypeLink, in)
			return err
		},
		OnStream: func(ctx context.Context, _ tablemap.StreamRequest) (tablemap.StreamResult, error) {
			for !r.detached.Load() && workflowstest.After(ctx, soon) == nil {
				continue
			}
			return tablemap.StreamResult{}, ctx.Err()
		},
	}
}

func (r *recorder) register(name string) {
	c := configuration()
	c.Definition.Name = name
	run, err := r.client.SignalWithStartWorkflow(r.ctx, workflows.MapID(link, name), workflows.SignalConfigure, c,
		client.StartWorkflowOptions{TaskQueue: workflows.Queue(link)}, workflows.TypeTableMap, workflows.NewState(link, c))
	require.NoError(r.t, err)
	r.first[workflows.MapID(link, name)] = run.GetRunID()
}

func (r *recorder) signal(name, signal string, payload any) {
	require.NoError(r.t, r.client.SignalWorkflow(r.ctx, workflows.MapID(link, name), "", signal, payload))
}

// update sends a command until the map takes it: between two runs it cannot.
func (r *recorder) update(name, command string, payload any) {
	var last error
	r.eventually(func() bool {
		handle, err := r.client.UpdateWorkflow(r.ctx, client.UpdateWorkflowOptions{
			WorkflowID: workflows.MapID(link, name), UpdateName: command, Args: []any{payload},
			WaitForStage: client.WorkflowUpdateStageCompleted})
		if err == nil {
			err = handle.Get(r.ctx, nil)
		}
		last = err
		return err == nil
	})
	require.NoError(r.t, last)
}

func (r *recorder) cancel(name string) {
	require.NoError(r.t, r.client.CancelWorkflow(r.ctx, workflows.MapID(link, name), ""))
}

func (r *recorder) status(name string) tablemap.Report {
	var report tablemap.Report
	if value, err := r.client.QueryWorkflow(r.ctx, workflows.MapID(link, name), "", workflows.QueryStatus); err == nil {
		require.NoError(r.t, value.Get(&report))
	}
	return report
}

func (r *recorder) await(name string, want tablemap.Status) {
	r.eventually(func() bool { return r.status(name).Status == want })
}

func (r *recorder) eventually(condition func() bool) {
	r.t.Helper()
	require.Eventually(r.t, condition, 30*time.Second, 2*soon)
}

func (r *recorder) alarm(name string, kind tablemap.AlarmKind, want tablemap.Status) {
	r.register(name)
	r.alarmKind.Store(kind)
	r.update(name, "run", nil)
	r.await(name, want)
	r.alarmKind.Store(tablemap.AlarmNone)
}

func (r *recorder) related(request string, command tablemap.Command) error {
	id := workflows.RunID(link, request)
	run, err := r.client.ExecuteWorkflow(r.ctx, client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue(link)}, workflows.TypeRunRelated,
		workflows.RelatedRequest{Link: link, Request: request, Command: command, Maps: []workflows.RelatedMap{
			{Map: "parent", Related: true}, {Map: "child", Parents: []string{"parent"}}}})
	require.NoError(r.t, err)
	r.first[id] = run.GetRunID()
	r.first[id+"/parent"] = ""
	return run.Get(r.ctx, nil)
}

func (r *recorder) ended(id string) bool {
	d, err := r.client.DescribeWorkflowExecution(r.ctx, id, "")
	require.NoError(r.t, err)
	return d.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// save writes every run of the workflows of one life.
func (r *recorder) save(name string) {
	host, err := os.Hostname()
	require.NoError(r.t, err)
	for id, run := range r.first {
		for n := 1; n == 1 || run != ""; n++ {
			history := r.history(id, run)
			data, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(history)
			require.NoError(r.t, err)
			kind := strings.TrimPrefix(strings.ReplaceAll(id, "/", "-"), link+"-")
			data = bytes.ReplaceAll(data, []byte(`"`+host+":"), []byte(`"sticky:`)) // queues named after this machine
			require.NoError(r.t, os.WriteFile(filepath.Join("testdata", fmt.Sprintf("%s-%s-%02d.json", name, kind, n)), data, 0o600))
			run = history.Events[len(history.Events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
		}
	}
	r.first = map[string]string{}
}

// history is that of one run, which has completed its first task at least.
func (r *recorder) history(id, run string) *historypb.History {
	var h *historypb.History
	r.eventually(func() bool {
		h = r.historyNow(id, run)
		return len(h.Events) > 3
	})
	return h
}

func (r *recorder) historyNow(id, run string) *historypb.History {
	events := r.client.GetWorkflowHistory(r.ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	var h historypb.History
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(r.t, err)
		h.Events = append(h.Events, e)
	}
	return &h
}
