package starter

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/dualwrite/dualwrite/workflows"
)

// RunRelated has a command done on several maps and waits for the end. each, if given, is called with what became of
// each map so far. Without an id in the request it makes one. When a map did not get there the error is an *Error of
// CodeFailed, and the result says which and why.
func (s *Starter) RunRelated(ctx context.Context, r workflows.RelatedRequest, each func(workflows.RelatedResult)) (workflows.RelatedResult, error) {
	run, err := s.StartRelated(ctx, r)
	if err != nil {
		return workflows.RelatedResult{}, err
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(watching, run.GetID(), each)
	}()
	var result workflows.RelatedResult
	err = run.Get(ctx, &result)
	stop()
	<-watched
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.HasDetails() {
		_ = app.Details(&result) // without them the message still says it
	}
	if each != nil && len(result.Maps) > 0 {
		each(result)
	}
	return result, explain(err, "")
}

// StartRelated begins a command on several maps, and does not wait.
func (s *Starter) StartRelated(ctx context.Context, r workflows.RelatedRequest) (client.WorkflowRun, error) {
	r.Link = s.link
	if r.Request == "" {
		r.Request = NewID()
	}
	run, err := s.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:            workflows.RunID(s.link, r.Request),
		TaskQueue:     workflows.Queue(s.link),
		StaticSummary: string(r.Command) + " related maps",
	}, workflows.TypeRunRelated, r)
	return run, explain(err, "")
}

// watch shows progress until it is stopped.
func (s *Starter) watch(ctx context.Context, id string, each func(workflows.RelatedResult)) {
	const every = 300 * time.Millisecond
	for each != nil && sleep(ctx, every) == nil {
		value, err := s.client.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
		if err != nil {
			continue // it is shown at the end
		}
		var now workflows.RelatedResult
		if value.Get(&now) == nil {
			each(now)
		}
	}
}
