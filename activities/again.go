package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
)

// again is when what is held of a live map is tried again without anybody's asking: a row that refers to another map's may
// have been early or late, since each map has a queue of its own.
type again struct {
	at   time.Time
	wait time.Duration // 0: nothing is held
}

// againPatience bounds one such try.
const againPatience = 30 * time.Second

// look tries again when it is time to. Only an error that ends the supervision is returned.
func (g *again) look(ctx context.Context, s *supervisor, live replication.MapLive) error {
	pace := s.activities.pace
	switch {
	case live.Streams[0].Held+live.Streams[1].Held == 0:
		g.wait = 0
		return nil
	case g.wait == 0:
		g.wait, g.at = pace.Again, time.Now().Add(pace.Again)
		return nil
	case time.Now().Before(g.at):
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, againPatience)
	defer cancel()
	if err := g.try(bounded, s); err != nil {
		if ended := s.runner.ended(ctx); ended != nil {
			return ended
		}
		if !errors.Is(err, store.ErrTransient) && !errors.Is(err, context.DeadlineExceeded) {
			activity.GetLogger(ctx).Warn("held rows could not be tried again", "map", s.run.Map, "error", err)
		}
	}
	g.wait = min(2*g.wait, pace.MaxAgain)
	g.at = time.Now().Add(g.wait)
	return nil
}

func (g *again) try(ctx context.Context, s *supervisor) error {
	r, err := s.activities.engine.NewAgain(ctx, s.run.Map)
	if err != nil || r == nil {
		return err
	}
	for {
		outcome, err := r.Step(ctx)
		s.runner.note(s.progress(s.told))
		if err != nil || outcome == replication.Done {
			return err
		}
		if outcome == replication.Moved {
			continue
		}
		if err := s.runner.sleep(ctx, s.activities.pace.Idle); err != nil {
			return err
		}
	}
}
