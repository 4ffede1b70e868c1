package activities_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/dualwrite/dualwrite/activities"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

// script is a stepper that does what it is told, one entry per step; the last entry repeats.
type script struct {
	mu     sync.Mutex
	steps  []step
	taken  int
	closed int
	onStep func(n int)
	hang   func(ctx context.Context)
}

type step struct {
	outcome replication.Outcome
	err     error
}

func (s *script) Step(ctx context.Context) (replication.Outcome, error) {
	s.mu.Lock()
	at := s.steps[min(s.taken, len(s.steps)-1)]
	s.taken++
	n := s.taken
	s.mu.Unlock()
	if s.onStep != nil {
		s.onStep(n)
	}
	if s.hang != nil {
		s.hang(ctx)
	}
	if ctx.Err() != nil {
		return replication.Idle, ctx.Err()
	}
	return at.outcome, at.err
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

func (s *script) Dormant() bool { return false }

func (s *script) Wait(ctx context.Context) error {
	select {
	case <-time.After(time.Millisecond):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s *script) Close() error { s.closed++; return nil }

type stream struct{ *script }

func (s stream) Progress() tablemap.StreamProgress {
	return tablemap.StreamProgress{Applied: int64(s.count())}
}

type copying struct{ *script }

func (c copying) Close() error { return nil }

func (c copying) Progress() tablemap.CopyProgress {
	return tablemap.CopyProgress{Total: int64(c.count())}
}

func (c copying) Result() tablemap.CopyResult { return tablemap.CopyResult{Failed: 7} }

type replay struct{ *script }

func (r replay) Progress() tablemap.ReplayProgress {
	return tablemap.ReplayProgress{Applied: int64(r.count())}
}

// engine stands in for the engine.
type engine struct {
	mu       sync.Mutex
	command  func() error
	attached []string
	live     func(look int) (replication.MapLive, error)
	looks    int
	built    int
	scripts  map[tablemap.Side]*script // of replays and streams; copies take the left one
	buildErr func(n int) error
	again    *script
}

func (e *engine) NewAgain(context.Context, string) (replication.Stepper, error) {
	if e.again == nil {
		return nil, nil
	}
	return e.again, nil
}

func (e *engine) do() error {
	if e.command != nil {
		return e.command()
	}
	return nil
}

func (e *engine) Attach(context.Context, tablemap.AttachRequest) (tablemap.AttachResult, error) {
	return tablemap.AttachResult{Warnings: []string{"w"}}, e.do()
}
func (e *engine) Pause(context.Context, string) error   { return e.do() }
func (e *engine) Stop(context.Context, string) error    { return e.do() }
func (e *engine) Discard(context.Context, string) error { return e.do() }

func (e *engine) Attached(context.Context) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.attached, nil
}

func (e *engine) Live(context.Context) (map[string]replication.MapLive, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.looks++
	if e.live == nil {
		return map[string]replication.MapLive{"customers": {Modes: [2]string{"queue", "queue"}}}, nil
	}
	one, err := e.live(e.looks)
	return map[string]replication.MapLive{"customers": one}, err
}

func (e *engine) build(from tablemap.Side) (*script, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.built++
	if e.buildErr != nil {
		if err := e.buildErr(e.built); err != nil {
			return nil, err
		}
	}
	return e.scripts[from], nil
}

func (e *engine) NewStream(_ context.Context, from tablemap.Side) (activities.Stream, error) {
	s, err := e.build(from)
	return stream{s}, err
}

func (e *engine) NewCopy(context.Context, string, int) (activities.Copy, error) {
	s, err := e.build(tablemap.Left)
	return copying{s}, err
}

func (e *engine) NewReplay(_ context.Context, _ string, from tablemap.Side) (activities.Replay, error) {
	s, err := e.build(from)
	return replay{s}, err
}

// told stands in for Temporal.
type told struct {
	mu       sync.Mutex
	healths  []tablemap.Health
	restored int
	unwanted bool
}

func (t *told) StillWanted(context.Context, []byte, any) (bool, error) { return !t.unwanted, nil }

func (t *told) EnsureLink(context.Context, tablemap.LinkRequest) error { return nil }

func (t *told) RestoreLink(context.Context, string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restored++
	return nil
}

func (t *told) TellHealth(_ context.Context, _, _ string, h tablemap.Health) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.healths = append(t.healths, h)
	return nil
}

// quick is a pace for tests.
func quick() activities.Pace {
	const ms = time.Millisecond
	return activities.Pace{Beat: 5 * ms, Idle: 10 * ms, Detached: 10 * ms, Retry: ms, MaxRetry: 5 * ms,
		GiveUp: 200 * ms, Stuck: time.Minute, Recovered: 0, Again: 10 * ms, MaxAgain: 20 * ms}
}

type bundle struct {
	*testsuite.TestActivityEnvironment
	t      *testing.T
	engine *engine
	told   *told
	acts   *activities.Activities
	cancel context.CancelFunc
	stop   chan struct{}
}

func setup(t *testing.T, e *engine) *bundle {
	t.Helper()
	return setupAt(t, e, quick())
}

func setupAt(t *testing.T, e *engine, pace activities.Pace) *bundle {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	b := &bundle{TestActivityEnvironment: suite.NewTestActivityEnvironment(), t: t, engine: e, told: &told{}, stop: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	b.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	b.SetWorkerStopChannel(b.stop)
	b.acts = activities.New(e, b.told, pace)
	b.RegisterActivity(b.acts)
	b.SetTestTimeout(20 * time.Second)
	return b
}

func steps(all ...step) *script { return &script{steps: all} }

func moved() step { return step{replication.Moved, nil} }
func idle() step  { return step{replication.Idle, nil} }
func done() step  { return step{replication.Done, nil} }

func fails(err error) step { return step{replication.Idle, err} }

func (b *bundle) applicationError(err error) *temporal.ApplicationError {
	b.t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(b.t, err, &app)
	return app
}
