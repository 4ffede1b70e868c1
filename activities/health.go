package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

func healthOf(live replication.MapLive) tablemap.Health {
	for _, s := range live.Streams {
		if s.Held > 0 {
			return tablemap.HealthHeld
		}
	}
	return tablemap.HealthOK
}

func retrying(replication.MapLive) tablemap.Health { return tablemap.HealthRetrying }

// rank orders healths, worse ones higher.
func rank(h tablemap.Health) int {
	switch h {
	case tablemap.HealthOK:
		return 0
	case tablemap.HealthCatchingUp:
		return 1
	case tablemap.HealthRetrying:
		return 2
	}
	return 3
}

// troubles tells the live maps of a link when a stream keeps failing for a reason that may pass, and when it has passed.
// Those who supervise the maps cannot see it: a database that is locked can still be read.
type troubles struct {
	activities *Activities
	link       string
	told       bool
}

// last is called after each temporary error, with how long they have followed on each other.
func (t *troubles) last(ctx context.Context, lasted time.Duration) {
	if !t.told && lasted >= t.activities.pace.Troubled {
		t.told = t.tell(ctx, retrying)
	}
}

// over is called after each step that did not fail.
func (t *troubles) over(ctx context.Context) {
	if t.told {
		t.told = !t.tell(ctx, healthOf)
	}
}

// tell reports whether every live map has been told. Where the ledgers cannot even be read, their supervisors see that.
func (t *troubles) tell(ctx context.Context, health func(replication.MapLive) tablemap.Health) bool {
	all, err := t.activities.engine.Live(ctx)
	for name, live := range all {
		if err == nil && len(sidesIn(live, modeLive)) > 0 {
			err = t.activities.temporal.TellHealth(ctx, t.link, name, health(live))
		}
	}
	if err != nil {
		activity.GetLogger(ctx).Warn("health is not shown", "error", err)
	}
	return err == nil
}
