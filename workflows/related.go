package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// RelatedRequest asks for one command on several maps.
type RelatedRequest struct {
	Link    string           `json:"link"`
	Request string           `json:"request"` // unique; part of the workflows' ids
	Command tablemap.Command `json:"command"` // run, pause, resume or stop
	Actor   string           `json:"actor,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Maps    []RelatedMap     `json:"maps"` // in running order: parents first, or as the user wants it
}

// RelatedMap is one map of a RelatedRequest.
type RelatedMap struct {
	Map         string   `json:"map"`
	Parents     []string `json:"parents,omitempty"` // maps of the request that this one depends on directly
	Related     bool     `json:"related,omitempty"` // it was not named itself: where the command means nothing to it, it is left alone
	InitialSync *bool    `json:"initialSync,omitempty"`
	Master      string   `json:"master,omitempty"`
}

// RelatedResult is what became of each map, in the order in which they were taken.
type RelatedResult struct {
	Maps []MapResult `json:"maps"`
}

// MapResult is what became of one map.
type MapResult struct {
	Map        string          `json:"map"`
	Outcome    Outcome         `json:"outcome"`
	Status     tablemap.Status `json:"status,omitempty"`
	Reason     string          `json:"reason,omitempty"`     // why it failed
	Hint       string          `json:"hint,omitempty"`       // the mend
	WaitingFor []string        `json:"waitingFor,omitempty"` // maps that failed or wait themselves
	FailedRows int64           `json:"failedRows,omitempty"` // of its initial sync
	Code       string          `json:"code,omitempty"`       // type of the error
}

// Outcome is what became of a map in a request for several.
type Outcome string

// The outcomes. Queued and Going are those of a request under way.
const (
	Queued  Outcome = "queued"
	Going   Outcome = "going"
	Reached Outcome = "done"
	Already Outcome = "already"    // it was there before
	Alone   Outcome = "left alone" // the command means nothing to it
	Failed  Outcome = "failed"
	Blocked Outcome = "waiting" // for others that failed
)

// relatedRun is a request for several maps under way.
type relatedRun struct {
	in     RelatedRequest
	order  []RelatedMap
	result RelatedResult // like order
}

// RunRelated has one command done on several maps, one after the other: run and resume parents first, pause and stop
// dependants first. Where a map fails, those that depend on it wait for another request, and the others go on. It
// fails with a RelatedResult as the error's details when any map has not reached its status.
func RunRelated(ctx workflow.Context, in RelatedRequest) (RelatedResult, error) {
	r := &relatedRun{in: in, order: slices.Clone(in.Maps)}
	if dependantsFirst(in.Command) {
		slices.Reverse(r.order)
	}
	for _, m := range r.order {
		r.result.Maps = append(r.result.Maps, MapResult{Map: m.Map, Outcome: Queued})
	}
	if err := workflow.SetQueryHandler(ctx, QueryProgress, func() (RelatedResult, error) { return r.result, nil }); err != nil {
		return r.result, fmt.Errorf("handle query: %w", err)
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, keyword(AttributeLink).ValueSet(in.Link)); err != nil {
		return r.result, fmt.Errorf("set search attribute: %w", err)
	}
	for i := range r.order {
		if err := ctx.Err(); err != nil {
			return r.result, err
		}
		r.take(ctx, i)
		r.show(ctx)
	}
	return r.result, r.failure()
}

func dependantsFirst(c tablemap.Command) bool { return c == tablemap.Pause || c == tablemap.Stop }

// take does the command on the map at position i, unless one that it has to wait for did not get there.
func (r *relatedRun) take(ctx workflow.Context, i int) {
	m, out := r.order[i], &r.result.Maps[i]
	if out.WaitingFor = r.blockers(i); len(out.WaitingFor) > 0 {
		out.Outcome = Blocked
		return
	}
	out.Outcome = Going
	r.show(ctx)
	id := RunID(r.in.Link, r.in.Request) + "/" + m.Map
	ctx = workflow.WithChildOptions(ctx, childOptions(id, string(r.in.Command)+" "+m.Map))
	err := workflow.ExecuteChildWorkflow(ctx, TypeRunMap, MapRequest{
		Link: r.in.Link, Command: r.in.Command, Actor: r.in.Actor, Reason: r.in.Reason, RelatedMap: m}).Get(ctx, out)
	if err != nil {
		*out = failedResult(m.Map, err)
	}
}

// blockers are the maps before i that did not get there and that i has to wait for.
func (r *relatedRun) blockers(i int) []string {
	var names []string
	for j := range i {
		before, outcome := r.order[j], r.result.Maps[j].Outcome
		depends := slices.Contains(r.order[i].Parents, before.Map)
		if dependantsFirst(r.in.Command) {
			depends = slices.Contains(before.Parents, r.order[i].Map)
		}
		if depends && (outcome == Failed || outcome == Blocked) {
			names = append(names, before.Map)
		}
	}
	return names
}

// failedResult reads the result of a map out of its child's error.
func failedResult(name string, err error) MapResult {
	out := MapResult{}
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.HasDetails() && app.Details(&out) == nil && out.Map != "" {
		return out
	}
	f := failureOf(err)
	if temporal.IsCanceledError(err) {
		f.Message = "cancelled; the map itself goes on"
	}
	return MapResult{Map: name, Outcome: Failed, Reason: f.Message, Code: f.Type}
}

// failure is the error of a request of which not every map got there.
func (r *relatedRun) failure() error {
	var said []string
	for _, m := range r.result.Maps {
		switch m.Outcome {
		case Failed:
			said = append(said, m.Map+": "+m.Reason)
		case Blocked:
			said = append(said, m.Map+" waits for "+strings.Join(m.WaitingFor, ", "))
		}
	}
	if len(said) == 0 {
		return nil
	}
	message := fmt.Sprintf("%d of %d maps did not get there: %s", len(said), len(r.order), strings.Join(said, "; "))
	return temporal.NewNonRetryableApplicationError(message, ErrorFailed, nil, r.result)
}

// show tells how far the request is in the Web UI.
func (r *relatedRun) show(ctx workflow.Context) {
	text := fmt.Sprintf("## %s %d maps\n\n| map | outcome | |\n|---|---|---|\n", r.in.Command, len(r.order))
	for _, m := range r.result.Maps {
		why := m.Reason
		if len(m.WaitingFor) > 0 {
			why = "for " + strings.Join(m.WaitingFor, ", ")
		}
		text += fmt.Sprintf("| %s | %s | %s |\n", m.Map, m.Outcome, plain(why))
	}
	workflow.SetCurrentDetails(ctx, text)
}
