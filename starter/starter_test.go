package starter_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
