package worker_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dualwrite/dualwrite/worker"
)

func TestCancelledActivitiesAreNoErrors(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	l := worker.Logger(zap.New(core, zap.AddCaller()))
	l.Error("Activity error.", "Error", context.Canceled)
	l.Warn("RecordActivityHeartbeat with error", "Error", temporal.NewCanceledError())
	l.Error("Activity error.", "Error", errors.New("the disk is full"))
	l.Warn("careful", "Attempt", 2)
	var levels []string
	for _, e := range logs.All() {
		levels = append(levels, e.Level.String())
		require.Contains(t, e.Caller.File, "logger_test.go")
	}
	require.Equal(t, []string{"debug", "debug", "error", "warn"}, levels)
}
