package workflowstest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/dualwrite/dualwrite/workflows"
)

// UntilCancelled heartbeats until the activity is cancelled or its worker stops.
func UntilCancelled(ctx context.Context) error {
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-activity.GetWorkerStopChannel(ctx):
			return temporal.NewApplicationError("this worker is stopping", "HandOver")
		case <-ticks.C:
			activity.RecordHeartbeat(ctx)
		}
	}
}

// Server starts a Temporal server that knows our search attributes and ends with the test.
func Server(t *testing.T) *testsuite.DevServer {
	t.Helper()
	return start(t, temporal.NewSearchAttributes(
		temporal.NewSearchAttributeKeyKeyword(workflows.AttributeStatus).ValueSet(""),
		temporal.NewSearchAttributeKeyKeyword(workflows.AttributeLink).ValueSet(""),
		temporal.NewSearchAttributeKeyKeyword(workflows.AttributeMap).ValueSet(""),
		temporal.NewSearchAttributeKeyKeyword(workflows.AttributeHealth).ValueSet("")))
}

// BareServer starts a Temporal server that knows nothing of us.
func BareServer(t *testing.T) *testsuite.DevServer {
	t.Helper()
	return start(t, temporal.SearchAttributes{})
}

func start(t *testing.T, attributes temporal.SearchAttributes) *testsuite.DevServer {
	t.Helper()
	server, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
		ExistingPath:     Binary(t),
		ClientOptions:    &client.Options{Logger: Quiet(), Identity: "test"},
		SearchAttributes: attributes,
		LogLevel:         "never",
		ExtraArgs:        []string{"--dynamic-config-value", `history.workflowIdReuseMinimalInterval="0s"`},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		server.Client().Close()
		_ = server.Stop()
	})
	return server
}

// Binary is the path of the Temporal program.
func Binary(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		built := filepath.Join(dir, "bin", "temporal")
		if _, err := os.Stat(built); err == nil {
			return built
		}
	}
	found, err := exec.LookPath("temporal")
	require.NoError(t, err, "no bin/temporal (make build) and none on PATH")
	return found
}

// Work starts workers for the three task queues of a link; they end with the test.
func Work(t *testing.T, c client.Client, link string, e *Engine) {
	t.Helper()
	for _, queue := range []string{workflows.Queue(link), workflows.CopyQueue(link), workflows.LiveQueue(link)} {
		w := worker.New(c, queue, worker.Options{
			Identity:                     "test",
			Interceptors:                 workflows.Interceptors(),
			MaxHeartbeatThrottleInterval: 50 * time.Millisecond,
			WorkerStopTimeout:            time.Second,
		})
		workflows.Register(w)
		w.RegisterActivity(e)
		require.NoError(t, w.Start())
		t.Cleanup(w.Stop)
	}
}

// Quiet is a logger that says nothing.
func Quiet() log.Logger { return quiet{} }

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// After waits.
func After(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
