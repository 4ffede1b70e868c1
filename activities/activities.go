package activities

import (
	"context"
	"time"

	"github.com/dualwrite/dualwrite/tablemap"
)

// Activities implements tablemap.Activities over an Engine.
type Activities struct {
	engine   Engine
	temporal Temporal
	watch    *watch
	pace     Pace
}

var _ tablemap.Activities = (*Activities)(nil)

// Temporal is what activities ask of Temporal itself.
type Temporal interface {
	// EnsureLink sees to it that the link's workflow runs, and tells it that a map has been attached.
	EnsureLink(ctx context.Context, in tablemap.LinkRequest) error
	// RestoreLink starts the link's workflow where it does not run.
	RestoreLink(ctx context.Context, link string) error
	// TellHealth tells a map's workflow its health.
	TellHealth(ctx context.Context, link, mapName string, health tablemap.Health) error
	// StillWanted reports whether an attempt of an activity has been neither cancelled nor superseded, as of now. It
	// records a heartbeat.
	StillWanted(ctx context.Context, taskToken []byte, progress any) (bool, error)
}

// Pace is how often things are done.
type Pace struct {
	Beat      time.Duration // between heartbeats, and between looks at the ledgers
	Idle      time.Duration // longest wait of a copy or replay with nothing to do
	Detached  time.Duration // between looks whether any map is still attached
	Retry     time.Duration // first wait after a temporary error; doubles
	MaxRetry  time.Duration // longest wait after a temporary error
	GiveUp    time.Duration // of temporary errors in a row; then the attempt ends and Temporal starts another
	Stuck     time.Duration // of a single step; then heartbeats end and another attempt takes over
	Troubled  time.Duration // how long a stream's temporary errors must follow on each other before health tells them
	Recovered time.Duration // how long a better health must last before it is told
	Again     time.Duration // until what is held for a reference is tried again; doubles
	MaxAgain  time.Duration // longest such wait
}

// DefaultPace is the pace of a worker.
func DefaultPace() Pace {
	return Pace{
		Beat:      time.Second,
		Idle:      100 * time.Millisecond,
		Detached:  5 * time.Second,
		Retry:     100 * time.Millisecond,
		MaxRetry:  10 * time.Second,
		GiveUp:    5 * time.Minute,
		Stuck:     5 * time.Minute,
		Troubled:  3 * time.Second,
		Recovered: 10 * time.Second,
		Again:     30 * time.Second,
		MaxAgain:  10 * time.Minute,
	}
}

// New makes activities for one worker.
func New(e Engine, t Temporal, pace Pace) *Activities {
	return &Activities{engine: e, temporal: t, pace: pace, watch: newWatch(e, pace.Beat)}
}

// Attach puts a map under capture on both sides.
func (a *Activities) Attach(ctx context.Context, in tablemap.AttachRequest) (tablemap.AttachResult, error) {
	var out tablemap.AttachResult
	err := a.persist(ctx, func(ctx context.Context) (err error) {
		out, err = a.engine.Attach(ctx, in)
		return err
	})
	return out, err
}

// Pause turns a map to mode queue on both sides.
func (a *Activities) Pause(ctx context.Context, in tablemap.MapRun) error {
	return a.persist(ctx, func(ctx context.Context) error { return a.engine.Pause(ctx, in.Map) })
}

// Stop takes a map off both sides.
func (a *Activities) Stop(ctx context.Context, in tablemap.MapRun) error {
	return a.persist(ctx, func(ctx context.Context) error { return a.engine.Stop(ctx, in.Map) })
}

// Discard gives up what a failed initial sync has kept.
func (a *Activities) Discard(ctx context.Context, in tablemap.MapRun) error {
	return a.persist(ctx, func(ctx context.Context) error { return a.engine.Discard(ctx, in.Map) })
}

// EnsureLink sees to it that the link's workflow runs.
func (a *Activities) EnsureLink(ctx context.Context, in tablemap.LinkRequest) error {
	return a.temporal.EnsureLink(ctx, in)
}
