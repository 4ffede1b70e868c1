package workflows_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
	"github.com/dualwrite/dualwrite/workflows/workflowstest"
)

func linkRequest() tablemap.LinkRequest {
	return tablemap.LinkRequest{Link: link, Sides: [2]string{"finops", "dataverse"}}
}

func TestLinkRunsAStreamEachWayAndEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var from [2]atomic.Int32
	b.engine.OnStream = func(_ context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error) {
		from[in.From].Add(1)
		return tablemap.StreamResult{}, nil
	}
	b.ExecuteWorkflow(workflows.TypeLink, linkRequest())
	require.True(t, b.IsWorkflowCompleted())
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, int32(1), from[0].Load())
	require.Equal(t, int32(1), from[1].Load())
}

func TestLinkStartsAStreamAgain(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() (tablemap.StreamResult, error){
		"gap": func() (tablemap.StreamResult, error) {
			return tablemap.StreamResult{Alarm: tablemap.Alarm{Kind: tablemap.AlarmGap, Message: "slot is gone"}}, nil
		},
		"error": func() (tablemap.StreamResult, error) { return tablemap.StreamResult{}, failing(tablemap.ErrorFault) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var left atomic.Int32
			b.engine.OnStream = func(_ context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error) {
				if in.From == tablemap.Left && left.Add(1) <= 2 {
					return fail()
				}
				return tablemap.StreamResult{}, nil
			}
			b.ExecuteWorkflow(workflows.TypeLink, linkRequest())
			require.NoError(t, b.GetWorkflowError())
			require.Equal(t, int32(3), left.Load())
		})
	}
}

// A map that is attached while a stream is ending starts it again.
func TestAttachKeepsTheLinkGoing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var left atomic.Int32
	b.engine.OnStream = func(ctx context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error) {
		if in.From == tablemap.Left {
			left.Add(1)
			return tablemap.StreamResult{}, nil
		}
		return tablemap.StreamResult{}, workflowstest.After(ctx, 5*soon)
	}
	b.signalAt(2*soon, workflows.SignalAttach, nil)
	b.ExecuteWorkflow(workflows.TypeLink, linkRequest())
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, int32(2), left.Load())
}

// A stream that finds no map, and ends, may have looked just before one was attached: what is told of the map comes before its end.
func TestAttachWhileAStreamEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var left atomic.Int32
	b.engine.OnStream = func(ctx context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error) {
		if in.From == tablemap.Left && left.Add(1) == 1 {
			return tablemap.StreamResult{}, workflowstest.After(ctx, 3*soon)
		}
		return tablemap.StreamResult{}, workflowstest.After(ctx, 5*soon)
	}
	b.signalAt(2*soon, workflows.SignalAttach, nil)
	b.ExecuteWorkflow(workflows.TypeLink, linkRequest())
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, int32(2), left.Load())
}

func TestLinkDoesNotHearCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var cancelled atomic.Bool
	b.engine.OnStream = func(ctx context.Context, _ tablemap.StreamRequest) (tablemap.StreamResult, error) {
		err := workflowstest.After(ctx, 5*soon)
		if err != nil {
			cancelled.Store(true)
		}
		return tablemap.StreamResult{}, err
	}
	b.RegisterDelayedCallback(b.CancelWorkflow, soon)
	b.ExecuteWorkflow(workflows.TypeLink, linkRequest())
	require.NoError(t, b.GetWorkflowError())
	require.False(t, cancelled.Load())
}

// Both streams are going by then: one that is cancelled before it has begun is never asked.
func TestLinkContinuesWhenItsHistoryIsLong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	suggest := func() {
		b.SetContinueAsNewSuggested(true)
		b.SignalWorkflow(workflows.SignalAttach, nil)
	}
	var begun atomic.Int32
	b.engine.OnStream = func(ctx context.Context, _ tablemap.StreamRequest) (tablemap.StreamResult, error) {
		if begun.Add(1) == 2 {
			b.RegisterDelayedCallback(suggest, 0)
		}
		return tablemap.StreamResult{}, workflowstest.UntilCancelled(ctx)
	}
	b.ExecuteWorkflow(workflows.TypeLink, linkRequest())
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, b.GetWorkflowError(), &next)
	require.Equal(t, int32(2), begun.Load())
}
