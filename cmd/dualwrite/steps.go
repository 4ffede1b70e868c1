package main

import (
	"context"
	"errors"
	"time"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
)

// Waits between steps and between attempts.
const (
	idleFirst, idleLast   = 5 * time.Millisecond, 100 * time.Millisecond
	retryFirst, retryLast = 100 * time.Millisecond, 10 * time.Second
	// attempts of work in a row that a temporary error of a database may end.
	attempts = 8
)

// work builds a stepper and steps it to its end. After a temporary error it builds a new one, which goes on from what
// has been committed. each, if given, is called after every step.
func work[S replication.Stepper](ctx context.Context, build func() (S, error), each func(S)) (S, error) {
	var s S
	err := patiently(ctx, func() (err error) {
		if s, err = build(); err != nil {
			return err
		}
		return steps(ctx, s, func() {
			if each != nil {
				each(s)
			}
		})
	})
	return s, err
}

// steps steps until there is nothing more to do.
func steps(ctx context.Context, s replication.Stepper, each func()) error {
	idle := idleFirst
	for {
		outcome, err := s.Step(ctx)
		if err != nil {
			return err
		}
		each()
		switch outcome {
		case replication.Done:
			return nil
		case replication.Moved:
			idle = idleFirst
		case replication.Idle:
			if err := pause(ctx, idle); err != nil {
				return err
			}
			idle = min(2*idle, idleLast)
		}
	}
}

// patiently repeats what ends by a temporary error of a database, some times.
func patiently(ctx context.Context, do func() error) error {
	wait := retryFirst
	for n := 1; ; n++ {
		err := do()
		if !errors.Is(err, store.ErrTransient) || n == attempts {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, retryLast)
	}
}

// pause waits, unless the context ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
