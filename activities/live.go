package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Modes of a map on a side, as MapLive tells them.
const (
	modeQueue = "queue"
	modeLive  = "live"
)

// LiveWrites supervises a live map: it shows its counters, lets it catch up when a stream had to queue for it, and
// ends when an alarm has taken it off.
func (a *Activities) LiveWrites(ctx context.Context, in tablemap.MapRun) (tablemap.LiveResult, error) {
	a.watch.watched.Add(1)
	defer a.watch.watched.Add(-1)
	ctx, r, end := a.beginAt(ctx, a.watch.pause)
	defer end()
	s := &supervisor{activities: a, runner: r, run: in, began: time.Now(), since: time.Now()}
	for {
		alarm, err := s.look(ctx)
		if err == nil && alarm.Kind == tablemap.AlarmNone {
			err = r.sleep(ctx, a.watch.pause())
		}
		if err != nil {
			return tablemap.LiveResult{}, result(r.why(ctx, err))
		}
		if alarm.Kind != tablemap.AlarmNone {
			return tablemap.LiveResult{Alarm: alarm}, nil
		}
	}
}

// supervisor watches one live map.
type supervisor struct {
	activities *Activities
	runner     *runner
	run        tablemap.MapRun
	streams    []tablemap.StreamStats
	told       tablemap.Health // what Temporal shows; "": not told yet
	began      time.Time
	since      time.Time // since when the health has not been what was told
	again      again
}

// look takes one look at the map. Temporary errors show as health, not as the end.
func (s *supervisor) look(ctx context.Context) (tablemap.Alarm, error) {
	live, err := s.activities.watch.of(ctx, s.run.Map, s.began)
	if errors.Is(err, store.ErrTransient) {
		s.tell(ctx, tablemap.HealthRetrying)
		return tablemap.Alarm{}, nil
	}
	if err != nil || live.Alarm.Kind != tablemap.AlarmNone {
		return live.Alarm, err
	}
	s.streams = live.Streams[:]
	if queued := sidesIn(live, modeQueue); len(queued) > 0 {
		return tablemap.Alarm{}, s.catchUp(ctx, queued)
	}
	if len(sidesIn(live, modeLive)) < 2 {
		return tablemap.Alarm{Kind: tablemap.AlarmFault, Message: "the ledger says that the map is off; it was changed by something else"}, nil
	}
	s.tell(ctx, healthOf(live))
	if err := s.again.look(ctx, s, live); err != nil {
		return tablemap.Alarm{}, err
	}
	if err := s.activities.watch.mindLink(ctx, s.activities.temporal, s.run.Link); err != nil {
		activity.GetLogger(ctx).Warn("the link's workflow could not be looked at", "error", err)
	}
	return tablemap.Alarm{}, nil
}

// sidesIn are the sides on which the map has a mode.
func sidesIn(live replication.MapLive, mode string) []tablemap.Side {
	var sides []tablemap.Side
	for side, m := range live.Modes {
		if m == mode {
			sides = append(sides, tablemap.Side(side))
		}
	}
	return sides
}

// catchUp plays back what a stream queued by itself, because a lock was in its way. The queue of a side holds changes
// of the other one. It asks Temporal first, without the delay of heartbeats: a map that is about to be paused must not
// be turned live.
func (s *supervisor) catchUp(ctx context.Context, queued []tablemap.Side) error {
	s.tell(ctx, tablemap.HealthCatchingUp)
	progress := s.progress(tablemap.HealthCatchingUp)
	wanted, err := s.activities.temporal.StillWanted(ctx, activity.GetInfo(ctx).TaskToken, progress)
	if err != nil {
		activity.GetLogger(ctx).Warn("catching up has to wait for Temporal", "map", s.run.Map, "error", err)
		return nil
	}
	if !wanted {
		return context.Canceled
	}
	from := make([]tablemap.Side, len(queued))
	for i, side := range queued {
		from[i] = side.Other()
	}
	_, err = s.activities.replay(ctx, s.runner, s.run.Map, from...)
	s.activities.watch.forget(ctx)
	return err
}

func (s *supervisor) progress(h tablemap.Health) tablemap.LiveProgress {
	return tablemap.LiveProgress{Streams: s.streams, Health: h}
}

// tell shows the health: a worse one at once, a better one when it has lasted.
func (s *supervisor) tell(ctx context.Context, h tablemap.Health) {
	s.runner.note(s.progress(h))
	if h == s.told {
		s.since = time.Now()
		return
	}
	if s.told != "" && rank(h) < rank(s.told) && time.Since(s.since) < s.activities.pace.Recovered {
		return
	}
	if err := s.activities.temporal.TellHealth(ctx, s.run.Link, s.run.Map, h); err != nil {
		activity.GetLogger(ctx).Warn("health is not shown", "map", s.run.Map, "error", err)
		return
	}
	s.told, s.since = h, time.Now()
}
