package worker

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/dualwrite/dualwrite/activities"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// temporalSide is what activities ask of Temporal.
type temporalSide struct {
	conn *starter.Connection
	link tablemap.Link
}

var _ activities.Temporal = (*temporalSide)(nil)

// EnsureLink implements activities.Temporal.
func (t *temporalSide) EnsureLink(ctx context.Context, in tablemap.LinkRequest) error {
	_, err := t.conn.SignalWithStartWorkflow(ctx, workflows.LinkID(in.Link), workflows.SignalAttach, nil,
		linkOptions(in), workflows.TypeLink, in)
	if err != nil {
		return fmt.Errorf("start streams: %w", err)
	}
	return nil
}

func linkOptions(in tablemap.LinkRequest) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                       workflows.LinkID(in.Link),
		TaskQueue:                workflows.Queue(in.Link),
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            in.Sides[tablemap.Left] + " ⇄ " + in.Sides[tablemap.Right],
	}
}

// RestoreLink implements activities.Temporal.
func (t *temporalSide) RestoreLink(ctx context.Context, link string) error {
	d, err := t.conn.DescribeWorkflowExecution(ctx, workflows.LinkID(link), "")
	if err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil
	}
	var missing *serviceerror.NotFound
	if err != nil && !errors.As(err, &missing) {
		return fmt.Errorf("look at streams: %w", err)
	}
	in := tablemap.LinkRequest{Link: link, Sides: t.link.Sides}
	if _, err := t.conn.ExecuteWorkflow(ctx, linkOptions(in), workflows.TypeLink, in); err != nil {
		return fmt.Errorf("start streams: %w", err)
	}
	return nil
}

// TellHealth implements activities.Temporal.
func (t *temporalSide) TellHealth(ctx context.Context, link, mapName string, health tablemap.Health) error {
	err := t.conn.SignalWorkflow(ctx, workflows.MapID(link, mapName), "", workflows.SignalHealth, health)
	if err != nil {
		return fmt.Errorf("tell health: %w", err)
	}
	return nil
}

// StillWanted implements activities.Temporal.
func (t *temporalSide) StillWanted(ctx context.Context, taskToken []byte, progress any) (bool, error) {
	err := t.conn.RecordActivityHeartbeat(ctx, taskToken, progress)
	var missing *serviceerror.NotFound
	if temporal.IsCanceledError(err) || errors.As(err, &missing) {
		return false, nil
	}
	return err == nil, err
}
