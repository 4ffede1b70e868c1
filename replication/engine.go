// Package replication is the engine: it keeps the tables of two stores equal. It reads no clock but the one it is
// given, starts no goroutine, and talks to databases only through package store, so a seeded scheduler can drive it
// through any interleaving. Everything that takes long is a stepper: each Step makes at most one transaction on a side.
package replication

import (
	"context"
	"time"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Engine works on one link. It keeps no state of its own: everything is in the ledgers of the two sides.
type Engine struct {
	Link   tablemap.Link // the names of link and sides; maps only as a default where no run has defined them yet
	Stores [2]store.Store
	Now    func() time.Time

	// Flood is how many changes read at once make it likely that more are there, so that maps that coalesce gather them
	// first; 0: 5000.
	Flood int

	// Ahead is how many changes in one transaction make it worth it to read and prepare the next while the database works;
	// 0: 1000.
	Ahead int

	// Keep is how many changes of a map in one transaction make it worth it to write down there what has been sent, instead of
	// remembering it; 0: 1000.
	Keep int
}

func (e *Engine) keep() int {
	if e.Keep == 0 {
		return readLimit / 10
	}
	return e.Keep
}

func (e *Engine) ahead() int {
	if e.Ahead == 0 {
		return readLimit / 10
	}
	return e.Ahead
}

func (e *Engine) flood() int {
	if e.Flood == 0 {
		return readLimit / 2
	}
	return e.Flood
}

// Outcome is what a step did.
type Outcome int

// The outcomes of a step.
const (
	Moved Outcome = iota // something was done; step again
	Idle                 // nothing to do just now, or waiting for the other steppers: wait a little, step again
	Done                 // there will be nothing more to do
)

// Stepper is work that is done step by step: a Stream, a Copy, a Replay, a Retry, a Verify.
type Stepper interface {
	Step(ctx context.Context) (Outcome, error)
}

func (e *Engine) nowMs() int64 { return e.Now().UnixMilli() }
