package starter_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
	"github.com/dualwrite/dualwrite/workflows/workflowstest"
)

func theLink() tablemap.Link {
	return tablemap.Link{Name: "contoso", Sides: [2]string{"finops", "dataverse"}, Master: tablemap.Right}
}

func registrations(names ...string) []starter.Registration {
	out := make([]starter.Registration, len(names))
	for i, n := range names {
		out[i].Map = tablemap.Map{Name: n, Tables: [2]string{n, n}}
	}
	return out
}

func TestLifeOfAMap(t *testing.T) {
	t.Parallel()
	server := workflowstest.Server(t)
	engine := &workflowstest.Engine{}
	workflowstest.Work(t, server.Client(), "contoso", engine)
	s := starter.New(server.Client(), "contoso")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	gone, err := s.Register(ctx, theLink(), registrations("customers"))
	require.NoError(t, err)
	require.Empty(t, gone)
	report, err := s.Status(ctx, "customers")
	require.NoError(t, err)
	require.Equal(t, tablemap.NotRunning, report.Status)

	send := func(c tablemap.Command, want ...tablemap.Status) tablemap.Report {
		_, err := s.Send(ctx, "customers", workflows.Request{Command: c})
		require.NoError(t, err, c)
		r, err := s.Await(ctx, "customers", nil, want...)
		require.NoError(t, err, c)
		return r
	}
	report = send(tablemap.Run, tablemap.Running)
	require.Equal(t, tablemap.SyncSucceeded, report.InitialSync.State)
	send(tablemap.Pause, tablemap.Paused)
	send(tablemap.Resume, tablemap.Running)

	var refused *starter.Error
	_, err = s.Send(ctx, "customers", workflows.Request{Command: tablemap.Resume})
	require.ErrorAs(t, err, &refused)
	require.Equal(t, starter.CodeNotAllowed, refused.Code)
	require.Contains(t, refused.Message, "pause")
	send(tablemap.Stop, tablemap.NotRunning)
}

// busyClient lets some queries fail as they do where the server or the worker is busy.
type busyClient struct {
	client.Client
	errors []error
}

func (c *busyClient) QueryWorkflow(ctx context.Context, id, run, query string, args ...any) (converter.EncodedValue, error) {
	if len(c.errors) > 0 {
		err := c.errors[0]
		c.errors = c.errors[1:]
		return nil, err
	}
	return c.Client.QueryWorkflow(ctx, id, run, query, args...)
}

func TestABusyWorkerIsNotMissing(t *testing.T) {
	t.Parallel()
	server := workflowstest.Server(t)
	workflowstest.Work(t, server.Client(), "busy", &workflowstest.Engine{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := starter.New(server.Client(), "busy").Register(ctx, theLink(), registrations("customers"))
	require.NoError(t, err)

	c := &busyClient{server.Client(), []error{serviceerror.NewDeadlineExceeded("late"), &serviceerror.ResourceExhausted{Message: "Workflow is busy."}}}
	_, err = starter.New(c, "busy").Status(ctx, "customers")
	require.NoError(t, err)
	require.Empty(t, c.errors)
}
