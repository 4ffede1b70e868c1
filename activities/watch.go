package activities

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
)

// watch looks at the ledgers for all live maps of a worker: one query per tick, whatever their number.
type watch struct {
	engine  Observer
	tick    time.Duration
	turn    chan struct{} // held by the one who looks
	at      time.Time     // when the last look began
	live    map[string]replication.MapLive
	err     error
	linkAt  time.Time
	watched atomic.Int64 // maps whose live writes this worker supervises
}

// lookTimeout bounds one look at the ledgers.
const lookTimeout = 10 * time.Second

// perMap stretches the tick, so that hundreds of maps do not flood Temporal with heartbeats; by mostStretch at most,
// since a map that is to be paused hears of it by the next one, and their timeout is not far.
const (
	perMap      = 15 * time.Millisecond
	mostStretch = 4 * time.Second
)

func newWatch(e Observer, tick time.Duration) *watch {
	return &watch{engine: e, tick: tick, turn: make(chan struct{}, 1)}
}

// take takes the turn; the function returned gives it back.
func (w *watch) take(ctx context.Context) (func(), error) {
	select {
	case w.turn <- struct{}{}:
		return func() { <-w.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// of is what the ledgers said about one map at most a tick ago, and not before the time given: what the caller
// supervises may have begun then.
func (w *watch) of(ctx context.Context, mapName string, notBefore time.Time) (replication.MapLive, error) {
	back, err := w.take(ctx)
	if err != nil {
		return replication.MapLive{}, err
	}
	defer back()
	if w.at.IsZero() || w.at.Before(notBefore) || time.Since(w.at) >= w.tick {
		if err := w.look(ctx); err != nil {
			return replication.MapLive{}, err
		}
	}
	return w.live[mapName], w.err
}

// look asks the engine. A look that its caller gave up is nobody else's error.
func (w *watch) look(ctx context.Context) error {
	began := time.Now()
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	live, err := w.engine.Live(looking)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = store.Transient(err)
	}
	w.live, w.err, w.at = live, err, began
	return nil
}

// pause is the time between two looks of one map's supervision, and between two of its heartbeats.
func (w *watch) pause() time.Duration {
	return w.tick + min(time.Duration(w.watched.Load())*perMap, mostStretch)
}

// forget makes the next one look again.
func (w *watch) forget(ctx context.Context) {
	if back, err := w.take(ctx); err == nil {
		w.at = time.Time{}
		back()
	}
}

// linkEvery is the time between looks whether the link's workflow runs.
const linkEvery = 30 * time.Second

// mindLink starts the link's workflow again where someone has ended it by hand: without its streams no map is live.
func (w *watch) mindLink(ctx context.Context, t Temporal, link string) error {
	back, err := w.take(ctx)
	if err != nil {
		return err
	}
	defer back()
	if time.Since(w.linkAt) < linkEvery {
		return nil
	}
	w.linkAt = time.Now()
	return t.RestoreLink(ctx, link)
}
