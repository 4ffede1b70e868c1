package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/dualwrite/dualwrite/store"
)

// persistFor is how long a short activity waits out temporary errors before Temporal is told of them and tries again.
const persistFor = 5 * time.Second

// persist does a short piece of work, trying again after temporary errors.
func (a *Activities) persist(ctx context.Context, work func(ctx context.Context) error) error {
	r := &runner{pace: a.pace, stop: activity.GetWorkerStopChannel(ctx)}
	began, wait := time.Now(), a.pace.Retry
	for {
		err := work(ctx)
		if !errors.Is(err, store.ErrTransient) || time.Since(began) > persistFor {
			return result(r.why(ctx, err))
		}
		if err := r.sleep(ctx, wait); err != nil {
			return result(err)
		}
		wait = min(2*wait, a.pace.MaxRetry)
	}
}
