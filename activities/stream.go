package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// dormantPause is how often a stream without a log looks whether there is one.
const dormantPause = time.Second / 2

// Stream moves changes from one side to the other until no map is attached any more, or its log has a gap.
func (a *Activities) Stream(ctx context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error) {
	ctx, r, end := a.begin(ctx)
	defer end()
	if in.Look {
		if maps, err := a.engine.Attached(ctx); err == nil && len(maps) == 0 {
			return tablemap.StreamResult{}, nil
		}
	}
	looked := time.Now()
	t := &troubles{activities: a, link: in.Link, told: activity.GetInfo(ctx).Attempt > 1} // an earlier attempt may have told
	err := run(ctx, r, job[Stream]{
		build: func(ctx context.Context) (Stream, error) { return a.engine.NewStream(ctx, in.From) },
		note: func(s Stream) {
			r.note(s.Progress())
			t.over(ctx)
		},
		failing: t.last,
		end:     func(s Stream) { _ = s.Close() }, // it only read; there is nothing to lose
		idle: func(ctx context.Context, s Stream) (bool, error) {
			if time.Since(looked) < a.pace.Detached {
				if s.Dormant() {
					return false, r.sleep(ctx, dormantPause)
				}
				return false, s.Wait(ctx)
			}
			looked = time.Now()
			maps, err := a.engine.Attached(ctx)
			return len(maps) == 0, err
		},
	})
	var gap *store.GapError
	if errors.As(err, &gap) {
		return tablemap.StreamResult{Alarm: tablemap.Alarm{Kind: tablemap.AlarmGap, Message: gap.Error()}}, nil
	}
	failed := result(err)
	if isType(failed, errorDatabase) { // Temporal tries again, perhaps for long
		t.tell(ctx, retrying)
	}
	return tablemap.StreamResult{}, failed
}
