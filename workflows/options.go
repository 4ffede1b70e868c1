package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// Every timeout and retry policy of the workflows is in this file; two that tests shorten are in takeover.go.
const (
	attachPatience = 2 * time.Minute      // then the run is refused with the last error
	shortActivity  = time.Minute          // one attempt
	longActivity   = 365 * 24 * time.Hour // one attempt; another follows
	undoPatience   = 30 * time.Second     // of clearing up after a run that could not begin

	firstAsk = 30 * time.Second // of RunMap, when no answer comes; doubles
	lastAsk  = 10 * time.Minute

	streamPause = 5 * time.Second // before a stream that ended with an error is started again
)

// options are those of an activity by its name.
func options(link, activity string) workflow.ActivityOptions {
	o := workflow.ActivityOptions{
		TaskQueue:           Queue(link),
		StartToCloseTimeout: shortActivity,
		WaitForCancellation: true,
		RetryPolicy:         patient(),
		Summary:             summaries()[activity],
	}
	switch activity {
	case methodName(tablemap.Activities.Attach):
		o.ScheduleToCloseTimeout = attachPatience
	case methodName(tablemap.Activities.InitialCopy), methodName(tablemap.Activities.Replay):
		o.TaskQueue, o.StartToCloseTimeout, o.HeartbeatTimeout = CopyQueue(link), longActivity, heartbeatTimeout
	case methodName(tablemap.Activities.LiveWrites), methodName(tablemap.Activities.Stream):
		o.TaskQueue, o.StartToCloseTimeout, o.HeartbeatTimeout = LiveQueue(link), longActivity, heartbeatTimeout
	}
	return o
}

// patient retries for ever, but for errors that trying again cannot mend.
func patient() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    time.Second,
		BackoffCoefficient: 2,
		MaximumInterval:    lastRetry,
		NonRetryableErrorTypes: []string{
			tablemap.ErrorRefused, tablemap.ErrorGap, tablemap.ErrorFault, tablemap.ErrorFenced},
	}
}

func summaries() map[string]string {
	return map[string]string{
		methodName(tablemap.Activities.Attach):      "put both tables under capture",
		methodName(tablemap.Activities.InitialCopy): "copy pre-existing rows, both ways",
		methodName(tablemap.Activities.Replay):      "play back what is queued",
		methodName(tablemap.Activities.LiveWrites):  "watch live writes",
		methodName(tablemap.Activities.Pause):       "queue changes from now on",
		methodName(tablemap.Activities.Stop):        "take the map off both sides",
		methodName(tablemap.Activities.Discard):     "give up what is queued",
		methodName(tablemap.Activities.Stream):      "carry changes across",
		methodName(tablemap.Activities.EnsureLink):  "see that the streams run",
	}
}

// child options of a RunMap.
func childOptions(id, summary string) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID:          id,
		WaitForCancellation: true,
		StaticSummary:       summary,
	}
}
