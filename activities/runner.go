package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
)

// errStopping means that the worker is stopping.
var errStopping = errors.New("worker is stopping")

// stopGrace is how long a step may go on after the worker was told to stop.
const stopGrace = time.Second

// runner drives steppers: it heartbeats, backs off, and ends soon when it is cancelled or its worker stops.
type runner struct {
	pace  Pace
	every func() time.Duration // between heartbeats
	stop  <-chan struct{}

	mu       sync.Mutex
	progress any       // the next heartbeat
	moved    time.Time // when a step last returned
}

// begin returns a runner, and a context for its steps that ends with the activity or, a moment later, with the worker.
// The function returned ends both; it waits for the heartbeats to end.
func (a *Activities) begin(ctx context.Context) (context.Context, *runner, func()) {
	return a.beginAt(ctx, func() time.Duration { return a.pace.Beat })
}

// beginAt is begin with a time between heartbeats that may change.
func (a *Activities) beginAt(ctx context.Context, every func() time.Duration) (context.Context, *runner, func()) {
	r := &runner{pace: a.pace, every: every, stop: activity.GetWorkerStopChannel(ctx), moved: time.Now()}
	ctx, cancel := context.WithCancel(ctx)
	var beats sync.WaitGroup
	beats.Go(func() { r.beat(ctx, cancel) })
	return ctx, r, func() {
		cancel()
		beats.Wait()
	}
}

// beat records heartbeats while steps return, and cancels the steps some time after the worker was told to stop.
func (r *runner) beat(ctx context.Context, cancel context.CancelFunc) {
	next := time.NewTimer(r.every())
	defer next.Stop()
	stop := r.stop
	var grace <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			stop, grace = nil, time.After(stopGrace)
		case <-grace:
			cancel()
			return
		case <-next.C:
			r.record(ctx)
			next.Reset(r.every())
		}
	}
}

func (r *runner) record(ctx context.Context) {
	r.mu.Lock()
	progress, stuck := r.progress, time.Since(r.moved) > r.pace.Stuck
	r.mu.Unlock()
	if !stuck {
		activity.RecordHeartbeat(ctx, progress)
	}
}

// note remembers what the next heartbeat tells.
func (r *runner) note(progress any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress, r.moved = progress, time.Now()
}

// ended says why the work must end now, if it must.
func (r *runner) ended(ctx context.Context) error {
	select {
	case <-r.stop:
		return errStopping
	default:
		return ctx.Err()
	}
}

// sleep waits, unless the work must end.
func (r *runner) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.stop:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// job is work of one activity: how its stepper is built, and what is done between steps.
type job[S replication.Stepper] struct {
	build func(ctx context.Context) (S, error)
	note  func(s S)                                    // after each step: take down its progress
	idle  func(ctx context.Context, s S) (bool, error) // after Idle: wait; true ends the work. nil: wait a little, growing
	end   func(s S)                                    // when the stepper is not used any more; may be nil

	failing func(ctx context.Context, lasted time.Duration) // after a temporary error; may be nil
}

// run does a job to its end. Temporary errors are waited out, each time with a new stepper; all others end it.
func run[S replication.Stepper](ctx context.Context, r *runner, j job[S]) error {
	var b backOff
	for {
		err := r.ended(ctx)
		if err == nil {
			err = attempt(ctx, r, j, &b)
		}
		if err == nil || !errors.Is(err, store.ErrTransient) || errors.Is(err, store.ErrFenced) {
			return r.why(ctx, err)
		}
		wait, more := b.next(r.pace)
		if !more {
			return err
		}
		if j.failing != nil {
			j.failing(ctx, time.Since(b.since))
		}
		if err := r.sleep(ctx, wait); err != nil {
			return r.why(ctx, err)
		}
		r.note(r.last())
	}
}

func (r *runner) last() any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress
}

// attempt steps one stepper until it is done or fails.
func attempt[S replication.Stepper](ctx context.Context, r *runner, j job[S], b *backOff) error {
	s, err := j.build(ctx)
	if err != nil {
		return err
	}
	if j.end != nil {
		defer j.end(s)
	}
	idle := idleMin
	for {
		if err := r.ended(ctx); err != nil {
			return err
		}
		outcome, err := s.Step(ctx)
		if err != nil {
			return err
		}
		b.reset()
		j.note(s)
		switch outcome {
		case replication.Done:
			return nil
		case replication.Moved:
			idle = idleMin
			continue
		}
		if j.idle != nil {
			if done, err := j.idle(ctx, s); done || err != nil {
				return err
			}
			continue
		}
		if err := r.sleep(ctx, idle); err != nil {
			return err
		}
		idle = min(2*idle, r.pace.Idle)
	}
}

// why prefers the reason for which the work was ended to the error that this caused.
func (r *runner) why(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := r.ended(ctx); ended != nil {
		return ended
	}
	return err
}

const idleMin = 5 * time.Millisecond

// backOff grows the waits between temporary errors in a row.
type backOff struct {
	wait  time.Duration
	since time.Time
}

func (b *backOff) reset() { *b = backOff{} }

// next is how long to wait now, or false when this has lasted too long.
func (b *backOff) next(p Pace) (time.Duration, bool) {
	if b.wait == 0 {
		b.wait, b.since = p.Retry, time.Now()
		return b.wait, true
	}
	b.wait = min(2*b.wait, p.MaxRetry)
	return b.wait, time.Since(b.since) < p.GiveUp
}

// result is an activity's error: cancelled, handed over to another worker, or mapped.
func result(err error) error {
	switch {
	case errors.Is(err, errStopping):
		return handOver()
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return forTemporal(err)
}
