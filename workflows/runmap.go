package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// MapRequest asks for one command on one map, as part of a request for several.
type MapRequest struct {
	RelatedMap
	Link    string           `json:"link"`
	Command tablemap.Command `json:"command"`
	Actor   string           `json:"actor,omitempty"`
	Reason  string           `json:"reason,omitempty"`
}

// RunMap signals a map and ends when it has reached the status asked for, or fails with a MapResult as the error's
// details. The map answers when it is there; in case an answer is lost, RunMap asks again now and then.
func RunMap(ctx workflow.Context, in MapRequest) (MapResult, error) {
	id := workflow.GetInfo(ctx).WorkflowExecution.ID
	answers := workflow.GetSignalChannel(ctx, SignalAnswer)
	request := Request{
		ID: id, ReplyTo: id, Actor: in.Actor, Reason: in.Reason, InitialSync: in.InitialSync, Master: in.Master}
	for wait := firstAsk; ; wait = min(2*wait, lastAsk) {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return MapResult{}, workflow.NewContinueAsNewError(ctx, TypeRunMap, in)
		}
		to := MapID(in.Link, in.Map)
		if err := workflow.SignalExternalWorkflow(ctx, to, "", string(in.Command), request).Get(ctx, nil); err != nil {
			return MapResult{}, in.unreachable(ctx, err)
		}
		answer, err := receiveAnswer(ctx, answers, wait)
		if err != nil {
			return MapResult{}, err
		}
		if answer != nil {
			return in.judge(*answer)
		}
	}
}

// receiveAnswer waits for an answer; nil: none has come in time.
func receiveAnswer(ctx workflow.Context, answers workflow.ReceiveChannel, wait time.Duration) (*Answer, error) {
	timerCtx, stop := workflow.WithCancel(ctx)
	defer stop()
	var answer *Answer
	s := workflow.NewSelector(ctx)
	s.AddReceive(answers, func(c workflow.ReceiveChannel, _ bool) {
		answer = &Answer{}
		c.Receive(ctx, answer)
	})
	s.AddFuture(workflow.NewTimer(timerCtx, wait), func(workflow.Future) {})
	s.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
	s.Select(ctx)
	return answer, ctx.Err()
}

// judge says what an answer means: the status asked for is reached, or why it is not.
func (in *MapRequest) judge(a Answer) (MapResult, error) {
	out := MapResult{Map: in.Map, Outcome: Reached, Status: a.Report.Status, FailedRows: failedRows(a.Report)}
	switch {
	case a.Report.Status == Goal(in.Command):
		if a.Already {
			out.Outcome = Already
		}
		return out, nil
	case in.Related && in.Command != tablemap.Run && a.Report.Status == tablemap.NotRunning:
		out.Outcome = Alone
		return out, nil
	case a.Refused != "":
		out.Reason, out.Hint, out.Code = a.Refused, a.Hint, a.Code
	case a.Report.Reason != "":
		out.Reason, out.Code = a.Report.Reason, ErrorFailed
	default:
		out.Reason, out.Code = fmt.Sprintf("the map is %s", a.Report.Status), ErrorFailed
	}
	out.Outcome = Failed
	return out, temporal.NewNonRetryableApplicationError(out.Reason, ErrorFailed, nil, out)
}

func failedRows(r tablemap.Report) int64 {
	var n int64
	if r.InitialSync.State == tablemap.SyncFailed {
		for _, l := range r.InitialSync.Legs {
			n += l.Failed
		}
	}
	return n
}

func (in *MapRequest) unreachable(ctx workflow.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	out := MapResult{Map: in.Map, Outcome: Failed, Code: ErrorUnknownMap,
		Reason: "the map is not registered in Temporal", Hint: "start `dualwrite up` or `dualwrite worker` with a config that has it"}
	return temporal.NewNonRetryableApplicationError(out.Reason, ErrorUnknownMap, err, out)
}
