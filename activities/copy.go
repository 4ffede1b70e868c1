package activities

import (
	"context"
	"time"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// InitialCopy copies pre-existing rows both ways.
func (a *Activities) InitialCopy(ctx context.Context, in tablemap.MapRun) (tablemap.CopyResult, error) {
	ctx, r, end := a.begin(ctx)
	defer end()
	var out tablemap.CopyResult
	err := run(ctx, r, job[Copy]{
		build: func(ctx context.Context) (Copy, error) { return a.engine.NewCopy(ctx, in.Map, in.Run) },
		note: func(c Copy) {
			r.note(c.Progress())
			out = c.Result()
		},
		idle: a.mind(in.Map, r).copy,
		end:  func(c Copy) { _ = c.Close() }, // it only read; there is nothing to lose
	})
	return out, result(err)
}

// Replay plays back the queues of both directions, alternately, and turns the map live in both.
func (a *Activities) Replay(ctx context.Context, in tablemap.MapRun) (tablemap.ReplayResult, error) {
	ctx, r, end := a.begin(ctx)
	defer end()
	applied, err := a.replay(ctx, r, in.Map, tablemap.Left, tablemap.Right)
	return tablemap.ReplayResult{Applied: applied}, result(err)
}

// replay plays back the queues of the directions that begin at the sides given. It returns how many changes it applied.
func (a *Activities) replay(ctx context.Context, r *runner, mapName string, from ...tablemap.Side) (int64, error) {
	var before, now int64
	err := run(ctx, r, job[*replays]{
		build: func(ctx context.Context) (*replays, error) {
			before += now
			now = 0
			return a.newReplays(ctx, mapName, from)
		},
		note: func(both *replays) {
			p := both.progress()
			now = p.Applied
			p.Applied += before
			r.note(p)
		},
		idle: a.mind(mapName, r).replay,
	})
	return before + now, err
}

// replays are the replays of several directions of one map, stepped alternately.
type replays struct {
	all  []Replay
	done []bool
}

func (a *Activities) newReplays(ctx context.Context, mapName string, from []tablemap.Side) (*replays, error) {
	s := &replays{done: make([]bool, len(from))}
	for _, side := range from {
		one, err := a.engine.NewReplay(ctx, mapName, side)
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, one)
	}
	return s, nil
}

// Step steps each direction that is not done.
func (s *replays) Step(ctx context.Context) (replication.Outcome, error) {
	out := replication.Done
	for i, one := range s.all {
		if s.done[i] {
			continue
		}
		o, err := one.Step(ctx)
		if err != nil {
			return replication.Idle, err
		}
		s.done[i] = o == replication.Done
		out = min(out, o) // Moved before Idle before Done
	}
	return out, nil
}

func (s *replays) progress() tablemap.ReplayProgress {
	var sum tablemap.ReplayProgress
	for _, one := range s.all {
		p := one.Progress()
		sum.Applied += p.Applied
		sum.Left += p.Left
	}
	return sum
}

// minder waits while a copy or a replay has nothing to do, and ends it when a stream has taken the map off meanwhile.
type minder struct {
	activities *Activities
	runner     *runner
	mapName    string
	began      time.Time
	looked     time.Time
}

func (a *Activities) mind(mapName string, r *runner) *minder {
	now := time.Now()
	return &minder{activities: a, runner: r, mapName: mapName, began: now, looked: now}
}

func (m *minder) copy(ctx context.Context, _ Copy) (bool, error)       { return false, m.idle(ctx) }
func (m *minder) replay(ctx context.Context, _ *replays) (bool, error) { return false, m.idle(ctx) }

func (m *minder) idle(ctx context.Context) error {
	if time.Since(m.looked) >= m.activities.pace.Beat {
		m.looked = time.Now()
		live, err := m.activities.watch.of(ctx, m.mapName, m.began)
		if err != nil {
			return err
		}
		switch live.Alarm.Kind {
		case tablemap.AlarmGap:
			return &store.GapError{Reason: live.Alarm.Message}
		case tablemap.AlarmFault:
			return application(live.Alarm.Message, tablemap.ErrorFault, 0)
		}
	}
	return m.runner.sleep(ctx, m.activities.pace.Idle/10)
}
