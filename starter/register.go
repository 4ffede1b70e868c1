package starter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// Registration is one map to be known in Temporal.
type Registration struct {
	Map     tablemap.Map
	Related []string // maps that it depends on
	Found   Found
}

// Found is what the ledgers say about a map, in case Temporal has forgotten it. Zero: it is not attached.
type Found struct {
	Status tablemap.Status // Running, Paused or ""
	Map    tablemap.Map    // the definition of the last run
}

// Register starts the workflow of each map, or tells it what the config says now. It returns the names of maps that
// are in Temporal but not in the config; those are told so. Asking twice is harmless.
func (s *Starter) Register(ctx context.Context, link tablemap.Link, maps []Registration) ([]string, error) {
	for _, r := range maps {
		if err := s.register(ctx, link, r); err != nil {
			return nil, explain(err, r.Map.Name)
		}
	}
	known, err := s.registered(ctx)
	if err != nil {
		return nil, explain(err, "")
	}
	var gone []string
	for _, name := range known {
		if slices.ContainsFunc(maps, func(r Registration) bool { return r.Map.Name == name }) {
			continue
		}
		gone = append(gone, name)
		err := s.client.SignalWorkflow(ctx, workflows.MapID(s.link, name), "", workflows.SignalConfigure, workflows.Configuration{Gone: true})
		if err != nil {
			return gone, explain(err, name)
		}
	}
	return gone, nil
}

func (s *Starter) register(ctx context.Context, link tablemap.Link, r Registration) error {
	config := workflows.Configuration{Sides: link.Sides, Master: link.Master, Definition: r.Map, Related: r.Related}
	id := workflows.MapID(s.link, r.Map.Name)
	_, err := s.client.SignalWithStartWorkflow(ctx, id, workflows.SignalConfigure, config, client.StartWorkflowOptions{
		ID:            id,
		TaskQueue:     workflows.Queue(s.link),
		StaticSummary: workflows.Summary(r.Map),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			attribute(workflows.AttributeLink, s.link), attribute(workflows.AttributeMap, r.Map.Name)),
	}, workflows.TypeTableMap, r.state(s.link, config))
	if err != nil {
		return fmt.Errorf("register map %s: %w", r.Map.Name, err)
	}
	return nil
}

func attribute(name, value string) temporal.SearchAttributeUpdate {
	return temporal.NewSearchAttributeKeyKeyword(name).ValueSet(value)
}

// state is where a workflow begins that is not there: at Not running, or where the ledgers say that the map is.
func (r Registration) state(link string, config workflows.Configuration) workflows.State {
	state := workflows.NewState(link, config)
	if r.Found.Status != "" {
		state.Status, state.Run, state.Definition = r.Found.Status, 1, r.Found.Map
		state.Sync.State = tablemap.SyncSkipped
		state.Reason = "found in the ledgers; Temporal had no record of this run"
	}
	return state
}

// List is the reports of maps, in the order of the names. A map that does not answer has only its name and a Reason.
func (s *Starter) List(ctx context.Context, names []string) ([]tablemap.Report, error) {
	reports, errs := make([]tablemap.Report, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i, name := range names {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			reports[i], errs[i] = s.Status(ctx, name)
		})
	}
	all.Wait()
	failed := 0
	for i, err := range errs {
		if err != nil {
			failed++
			reports[i] = tablemap.Report{Map: names[i], Reason: err.Error()}
		}
	}
	if failed > 0 && failed == len(names) {
		return nil, errs[0]
	}
	return reports, nil
}

// Names are the maps of the link that Temporal knows, sorted: those of the config and those that have left it.
func (s *Starter) Names(ctx context.Context) ([]string, error) {
	names, err := s.registered(ctx)
	return names, explain(err, "")
}

func (s *Starter) registered(ctx context.Context) ([]string, error) {
	query := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND %s = '%s'",
		workflows.TypeTableMap, workflows.AttributeLink, s.link)
	prefix := workflows.MapID(s.link, "")
	var names []string
	for page := []byte(nil); ; {
		out, err := s.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: page})
		if err != nil {
			return nil, fmt.Errorf("list maps: %w", err)
		}
		for _, e := range out.GetExecutions() {
			names = append(names, strings.TrimPrefix(e.GetExecution().GetWorkflowId(), prefix))
		}
		if page = out.GetNextPageToken(); len(page) == 0 {
			slices.Sort(names)
			return slices.Compact(names), nil
		}
	}
}
