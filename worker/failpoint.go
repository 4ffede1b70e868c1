//go:build failpoints

package worker

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

// variableFailpoint names where the process is to die, and how many times it goes past before: "after-commit@17".
const variableFailpoint = "DUALWRITE_FAILPOINT"

// variableClock is how far the engine's clock may leap, either way, each time it is looked at: "24h".
const variableClock = "DUALWRITE_CLOCK"

// Clock is the clock of the engine.
func Clock() func() time.Time {
	leap, err := time.ParseDuration(os.Getenv(variableClock))
	if err != nil || leap <= 0 {
		return time.Now
	}
	return func() time.Time { return time.Now().Add(rand.N(2*leap) - leap) }
}

// passes counts how often the point was passed, by both sides.
var passes atomic.Int64

// pass dies, by SIGKILL, where that was asked for.
func pass(point string) {
	at, times, _ := strings.Cut(os.Getenv(variableFailpoint), "@")
	if at != point {
		return
	}
	if n, err := strconv.ParseInt(times, 10, 64); err != nil || passes.Add(1) <= n {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until it is carried out
}

// failing is a store in whose calls the process may die.
func failing(s store.Store) store.Store { return failStore{s} }

type failStore struct{ store.Store }

func (s failStore) Capture(ctx context.Context, relations ...store.Relation) error {
	err := s.Store.Capture(ctx, relations...)
	pass("after-capture")
	return err
}

func (s failStore) Fence(ctx context.Context, writer string) (store.Cursor, error) {
	pass("before-fence")
	c, err := s.Store.Fence(ctx, writer)
	pass("after-fence")
	return c, err
}

func (s failStore) Begin(ctx context.Context, m store.Marker) (store.Tx, error) {
	tx, err := s.Store.Begin(ctx, m)
	pass("after-begin")
	if err != nil {
		return nil, err
	}
	return failTx{tx}, nil
}

func (s failStore) Open(ctx context.Context, cursor store.Position) (store.Log, error) {
	l, err := s.Store.Open(ctx, cursor)
	pass("after-open")
	if err != nil {
		return nil, err
	}
	return failLog{l}, nil
}

type failTx struct{ store.Tx }

func (tx failTx) Apply(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	pass("before-apply")
	results, err := tx.Tx.Apply(ctx, writes)
	pass("after-apply")
	return results, err
}

func (tx failTx) Put(ctx context.Context, table string, rows ...store.Row) error {
	err := tx.Tx.Put(ctx, table, rows...)
	pass("after-put")
	return err
}

func (tx failTx) Commit(ctx context.Context, body string) error {
	pass("before-commit")
	err := tx.Tx.Commit(ctx, body)
	pass("after-commit")
	return err
}

type failLog struct{ store.Log }

func (l failLog) Next(ctx context.Context, limit int) (store.Batch, error) {
	b, err := l.Log.Next(ctx, limit)
	if len(b.Changes) > 0 {
		pass("after-read")
	}
	return b, err
}

func (l failLog) Confirm(ctx context.Context, upTo store.Position) error {
	pass("before-confirm")
	err := l.Log.Confirm(ctx, upTo)
	pass("after-confirm")
	return err
}
