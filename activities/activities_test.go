package activities_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

func run() tablemap.MapRun { return tablemap.MapRun{Link: "contoso", Map: "customers", Run: 1} }

func TestErrorsReachTemporalWithoutValues(t *testing.T) {
	t.Parallel()
	const secret = "ACME Ltd"
	database := fmt.Errorf("insert: %w", errors.New("duplicate key (name)=("+secret+")"))
	for _, c := range []struct {
		name    string
		err     error
		kind    string
		message string
		hint    string
	}{
		{"refusal", fmt.Errorf("attach: %w", &replication.Refusal{Message: "no unique key", Hint: "add one"}), tablemap.ErrorRefused, "no unique key", "add one"},
		{"gap", &store.GapError{Reason: "slot is gone"}, tablemap.ErrorGap, "gap in the log: slot is gone", ""},
		{"fault", fmt.Errorf("x: %w", &store.MapError{Table: "t", Reason: "no column c", Err: database}), tablemap.ErrorFault, "table t: no column c", ""},
		{"fenced", fmt.Errorf("x: %w", store.ErrFenced), tablemap.ErrorFenced, store.ErrFenced.Error(), ""},
		{"row", &store.RowError{Table: "t", Code: store.CodeUnique, Detail: secret, Err: database}, "Database", "row of t refused: unique", ""},
		{"temporary", fmt.Errorf("x: %w", store.Because("the disk is full", database)), "Temporary", "temporary database error: the disk is full", ""},
		{"unknown to us", fmt.Errorf("x: %w", codedError{}), "Database", "database error: SQLSTATE 42P01", ""},
		{"unknown", database, "Database", "database error (*errors.errorString)", ""},
		{"network", fmt.Errorf("%s: %w", secret, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}),
			"Database", "database error: dial tcp: connection refused", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, &engine{command: func() error { return c.err }})
			_, err := b.ExecuteActivity(b.acts.Pause, run())
			app := b.applicationError(err)
			require.Equal(t, c.kind, app.Type())
			require.Equal(t, c.message, app.Message())
			require.NotContains(t, err.Error(), secret)
			require.False(t, app.NonRetryable(), "the retry policy decides")
			if c.hint != "" {
				var hint string
				require.NoError(t, app.Details(&hint))
				require.Equal(t, c.hint, hint)
			}
		})
	}
}

func TestCommandsWaitOutTemporaryErrors(t *testing.T) {
	t.Parallel()
	tries := 0
	b := setup(t, &engine{command: func() error {
		if tries++; tries < 4 {
			return store.Transient(errors.New("locked"))
		}
		return nil
	}})
	value, err := b.ExecuteActivity(b.acts.Attach, tablemap.AttachRequest{MapRun: run()})
	require.NoError(t, err)
	require.Equal(t, 4, tries)
	var result tablemap.AttachResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, []string{"w"}, result.Warnings)
}

func TestInitialCopy(t *testing.T) {
	t.Parallel()
	locked := store.Transient(errors.New("locked"))
	e := &engine{scripts: map[tablemap.Side]*script{
		tablemap.Left: steps(moved(), idle(), fails(locked), moved(), idle(), done())}}
	b := setup(t, e)
	value, err := b.ExecuteActivity(b.acts.InitialCopy, run())
	require.NoError(t, err)
	var result tablemap.CopyResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, int64(7), result.Failed)
	require.Equal(t, 2, e.built, "after a temporary error it is built anew")
}

func TestHeartbeatsCarryProgress(t *testing.T) {
	t.Parallel()
	var beats atomic.Int64
	s := steps(idle())
	b := setup(t, &engine{scripts: map[tablemap.Side]*script{tablemap.Left: s}})
	b.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var p tablemap.CopyProgress
		if details.HasValues() && details.Get(&p) == nil && p.Total > 0 {
			beats.Add(1)
			b.cancel()
		}
	})
	_, err := b.ExecuteActivity(b.acts.InitialCopy, run())
	require.ErrorContains(t, err, context.Canceled.Error())
	require.Positive(t, beats.Load())
}

// A copy ends when a stream has taken the map off meanwhile.
func TestCopyAndReplayEndOnAnAlarm(t *testing.T) {
	t.Parallel()
	for kind, want := range map[tablemap.AlarmKind]string{tablemap.AlarmGap: tablemap.ErrorGap, tablemap.AlarmFault: tablemap.ErrorFault} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			e := &engine{
				scripts: map[tablemap.Side]*script{tablemap.Left: steps(idle()), tablemap.Right: steps(idle())},
				live: func(int) (replication.MapLive, error) {
					return replication.MapLive{Alarm: tablemap.Alarm{Kind: kind, Message: "what happened"}}, nil
				}}
			b := setup(t, e)
			_, err := b.ExecuteActivity(b.acts.InitialCopy, run())
			require.Equal(t, want, b.applicationError(err).Type())
			_, err = b.ExecuteActivity(b.acts.Replay, run())
			require.Equal(t, want, b.applicationError(err).Type())
		})
	}
}

func TestReplayStepsBothDirectionsUntilBothAreDone(t *testing.T) {
	t.Parallel()
	e := &engine{scripts: map[tablemap.Side]*script{
		tablemap.Left:  steps(done()),
		tablemap.Right: steps(moved(), idle(), moved(), moved(), done())}}
	b := setup(t, e)
	value, err := b.ExecuteActivity(b.acts.Replay, run())
	require.NoError(t, err)
	var result tablemap.ReplayResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, int64(6), result.Applied)
	require.Equal(t, 1, e.scripts[tablemap.Left].count(), "a direction that is done is left alone")
}

func TestTemporaryErrorsThatLastEndTheAttempt(t *testing.T) {
	t.Parallel()
	down := store.Transient(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	b := setup(t, &engine{buildErr: func(int) error { return down }})
	_, err := b.ExecuteActivity(b.acts.Stream, tablemap.StreamRequest{Link: "contoso"})
	app := b.applicationError(err)
	require.Equal(t, "Temporary", app.Type())
	require.Contains(t, app.Message(), "connection refused")
}

func TestStreamEndsWhenNoMapIsAttached(t *testing.T) {
	t.Parallel()
	s := steps(moved(), idle())
	b := setup(t, &engine{scripts: map[tablemap.Side]*script{tablemap.Right: s}})
	value, err := b.ExecuteActivity(b.acts.Stream, tablemap.StreamRequest{Link: "contoso", From: tablemap.Right})
	require.NoError(t, err)
	var result tablemap.StreamResult
	require.NoError(t, value.Get(&result))
	require.Empty(t, result.Alarm)
	require.Equal(t, 1, s.closed)
}

func TestStreamTellsAGap(t *testing.T) {
	t.Parallel()
	e := &engine{attached: []string{"customers"}, scripts: map[tablemap.Side]*script{
		tablemap.Left: steps(moved(), fails(&store.GapError{Reason: "slot is gone"}))}}
	b := setup(t, e)
	value, err := b.ExecuteActivity(b.acts.Stream, tablemap.StreamRequest{Link: "contoso"})
	require.NoError(t, err)
	var result tablemap.StreamResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, tablemap.AlarmGap, result.Alarm.Kind)
}

// A locked database can be read: only the stream meets the lock.
func TestStreamTellsThatItKeepsFailing(t *testing.T) {
	t.Parallel()
	busy := fails(store.Busy(errors.New("locked")))
	s := steps(moved(), busy, busy, busy, moved(), idle())
	e := &engine{scripts: map[tablemap.Side]*script{tablemap.Left: s},
		live: func(int) (replication.MapLive, error) {
			return replication.MapLive{Modes: [2]string{"live", "live"}}, nil
		}}
	b := setup(t, e)
	_, err := b.ExecuteActivity(b.acts.Stream, tablemap.StreamRequest{Link: "contoso"})
	require.NoError(t, err)
	require.Equal(t, []tablemap.Health{tablemap.HealthRetrying, tablemap.HealthOK}, b.told.healths)
}

// Nobody knows how long an attempt lasts that Temporal makes again.
func TestStreamTellsThatItHasFailed(t *testing.T) {
	t.Parallel()
	e := &engine{scripts: map[tablemap.Side]*script{tablemap.Left: steps(moved(), fails(errors.New("unheard of")))},
		live: func(int) (replication.MapLive, error) {
			return replication.MapLive{Modes: [2]string{"live", "live"}}, nil
		}}
	b := setup(t, e)
	_, err := b.ExecuteActivity(b.acts.Stream, tablemap.StreamRequest{Link: "contoso"})
	require.Equal(t, "Database", b.applicationError(err).Type())
	require.Equal(t, []tablemap.Health{tablemap.HealthRetrying}, b.told.healths)
}

func TestFencedStreamEndsAtOnce(t *testing.T) {
	t.Parallel()
	e := &engine{scripts: map[tablemap.Side]*script{tablemap.Left: steps(fails(store.ErrFenced))}}
	b := setup(t, e)
	_, err := b.ExecuteActivity(b.acts.Stream, tablemap.StreamRequest{Link: "contoso"})
	require.Equal(t, tablemap.ErrorFenced, b.applicationError(err).Type())
	require.Equal(t, 1, e.built)
}

// A worker that stops hands its work over within a moment.
func TestWorkerStopHandsOver(t *testing.T) {
	t.Parallel()
	s := steps(idle())
	b := setup(t, &engine{attached: []string{"customers"}, scripts: map[tablemap.Side]*script{tablemap.Left: s}})
	s.onStep = func(n int) {
		if n == 3 {
			close(b.stop)
		}
	}
	began := time.Now()
	_, err := b.ExecuteActivity(b.acts.Stream, tablemap.StreamRequest{Link: "contoso"})
	app := b.applicationError(err)
	require.Equal(t, "HandOver", app.Type())
	require.Less(t, app.NextRetryDelay(), time.Second)
	require.Less(t, time.Since(began), 3*time.Second)
	require.Equal(t, 3, s.count())
}

func TestWorkerStopEndsAStepThatHangs(t *testing.T) {
	t.Parallel()
	s := steps(idle())
	b := setup(t, &engine{attached: []string{"customers"}, scripts: map[tablemap.Side]*script{tablemap.Left: s}})
	s.hang = func(ctx context.Context) {
		close(b.stop)
		<-ctx.Done()
	}
	_, err := b.ExecuteActivity(b.acts.InitialCopy, run())
	require.Equal(t, "HandOver", b.applicationError(err).Type())
	require.Equal(t, 1, s.count())
}

// live is a map that is live, with some rows held.
func live(held int64) replication.MapLive {
	return replication.MapLive{Modes: [2]string{"live", "live"}, Streams: [2]tablemap.StreamStats{{Held: held}, {}}}
}

func TestLiveWritesEndOnAnAlarm(t *testing.T) {
	t.Parallel()
	e := &engine{live: func(look int) (replication.MapLive, error) {
		if look < 3 {
			return live(0), nil
		}
		return replication.MapLive{Alarm: tablemap.Alarm{Kind: tablemap.AlarmBreaker, Message: "too many"}}, nil
	}}
	b := setup(t, e)
	value, err := b.ExecuteActivity(b.acts.LiveWrites, run())
	require.NoError(t, err)
	var result tablemap.LiveResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, tablemap.Alarm{Kind: tablemap.AlarmBreaker, Message: "too many"}, result.Alarm)
	require.Equal(t, []tablemap.Health{tablemap.HealthOK}, b.told.healths)
	require.Equal(t, 1, b.told.restored, "the link is looked at once in a while")
}

func TestLiveWritesTellHealth(t *testing.T) {
	t.Parallel()
	e := &engine{live: func(look int) (replication.MapLive, error) {
		switch look {
		case 1:
			return live(0), nil
		case 2, 3:
			return live(2), nil
		case 4:
			return replication.MapLive{}, store.Transient(errors.New("down"))
		case 5:
			return live(0), nil
		}
		return replication.MapLive{Alarm: tablemap.Alarm{Kind: tablemap.AlarmGap}}, nil
	}}
	b := setup(t, e)
	_, err := b.ExecuteActivity(b.acts.LiveWrites, run())
	require.NoError(t, err)
	require.Equal(t, []tablemap.Health{tablemap.HealthOK, tablemap.HealthHeld, tablemap.HealthRetrying, tablemap.HealthOK}, b.told.healths)
}

// What is held is tried again after a while, and later again, while it is held; whatever comes of it, the supervision goes on.
func TestLiveWritesTryAgain(t *testing.T) {
	t.Parallel()
	e := &engine{again: steps(moved(), idle(), done(), fails(errors.New("no"))), live: nil}
	e.live = func(int) (replication.MapLive, error) {
		if e.again.count() >= 5 {
			return replication.MapLive{Alarm: tablemap.Alarm{Kind: tablemap.AlarmGap}}, nil
		}
		return live(2), nil
	}
	b := setup(t, e)
	_, err := b.ExecuteActivity(b.acts.LiveWrites, run())
	require.NoError(t, err)
}

// Nothing is tried again where nothing is held.
func TestLiveWritesTryNothingAgain(t *testing.T) {
	t.Parallel()
	e := &engine{again: steps(done())}
	e.live = func(look int) (replication.MapLive, error) {
		if look > 20 {
			return replication.MapLive{Alarm: tablemap.Alarm{Kind: tablemap.AlarmGap}}, nil
		}
		return live(0), nil
	}
	b := setup(t, e)
	_, err := b.ExecuteActivity(b.acts.LiveWrites, run())
	require.NoError(t, err)
	require.Zero(t, e.again.count())
}

// A map that a stream had to queue catches up by itself: the queue of a side holds changes of the other one.
func TestLiveWritesCatchUp(t *testing.T) {
	t.Parallel()
	right := steps(moved(), done())
	e := &engine{
		scripts: map[tablemap.Side]*script{tablemap.Right: right},
		live: func(look int) (replication.MapLive, error) {
			switch look {
			case 1:
				return replication.MapLive{Modes: [2]string{"queue", "live"}}, nil
			case 2:
				return live(0), nil
			}
			return replication.MapLive{Alarm: tablemap.Alarm{Kind: tablemap.AlarmGap}}, nil
		}}
	b := setup(t, e)
	_, err := b.ExecuteActivity(b.acts.LiveWrites, run())
	require.NoError(t, err)
	require.Equal(t, 2, right.count())
	require.Equal(t, []tablemap.Health{tablemap.HealthCatchingUp, tablemap.HealthOK}, b.told.healths)
}

// A map whose supervision has been cancelled, because it is about to be paused, does not catch up.
func TestLiveWritesThatAreCancelledDoNotCatchUp(t *testing.T) {
	t.Parallel()
	e := &engine{live: func(int) (replication.MapLive, error) {
		return replication.MapLive{Modes: [2]string{"queue", "live"}}, nil
	}}
	b := setup(t, e)
	b.told.unwanted = true
	_, err := b.ExecuteActivity(b.acts.LiveWrites, run())
	require.ErrorContains(t, err, context.Canceled.Error())
	require.Zero(t, e.built)
}

// A map that has just gone live is not judged by a look at the ledgers from before.
func TestLiveWritesLookForThemselves(t *testing.T) {
	t.Parallel()
	pace := quick()
	pace.Beat = time.Hour
	b := setupAt(t, &engine{live: func(look int) (replication.MapLive, error) {
		return replication.MapLive{Alarm: tablemap.Alarm{Kind: tablemap.AlarmGap, Message: fmt.Sprint("look ", look)}}, nil
	}}, pace)
	for _, want := range []string{"look 1", "look 2"} {
		value, err := b.ExecuteActivity(b.acts.LiveWrites, run())
		require.NoError(t, err)
		var result tablemap.LiveResult
		require.NoError(t, value.Get(&result))
		require.Equal(t, want, result.Alarm.Message)
	}
}

func TestLiveWritesOfAMapThatIsOff(t *testing.T) {
	t.Parallel()
	b := setup(t, &engine{live: func(int) (replication.MapLive, error) {
		return replication.MapLive{Modes: [2]string{"live", "off"}}, nil
	}})
	value, err := b.ExecuteActivity(b.acts.LiveWrites, run())
	require.NoError(t, err)
	var result tablemap.LiveResult
	require.NoError(t, value.Get(&result))
	require.Equal(t, tablemap.AlarmFault, result.Alarm.Kind)
}

// codedError is an error as database servers send it: the message may quote a row.
type codedError struct{}

func (codedError) Error() string    { return "a value" }
func (codedError) SQLState() string { return "42P01" }
