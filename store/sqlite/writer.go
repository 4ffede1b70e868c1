package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

const (
	patience      = 5 * time.Second        // how long a transaction waits for the write lock
	shortPatience = time.Second            // how long everything else does
	shortHold     = 5 * time.Millisecond   // a hold up to here makes the next wait no longer than itself
	longFactor    = 4                      // what is held beyond makes the next wait so many times as long
	longPause     = 100 * time.Millisecond // in which whoever waits by SQLite's busy timeout tries once at least
)

// writer is the one connection that writes, and the queue before it.
type writer struct {
	conn  *conn
	slot  chan struct{} // full while a transaction is open
	since time.Time     // when the lock was taken; only for who has the slot
	until time.Time     // when the next may be; likewise
}

func newWriter(c *conn) *writer { return &writer{conn: c, slot: make(chan struct{}, 1)} }

func errLocked() error { return store.Busy(errors.New("database is locked by another transaction")) }

// pause says how long the lock must stay free after it was held. Other processes try again after 1, 2, 5, 10 … ms: they
// must find it free soon, and the longer we hold it, the surer.
func pause(held time.Duration) time.Duration {
	if held <= shortHold {
		return held
	}
	return min(shortHold+longFactor*(held-shortHold), longPause)
}

// lock opens a write transaction. Whoever gets it calls commit or rollback.
func (w *writer) lock(ctx context.Context, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	if err := w.enter(ctx, timer); err != nil {
		return err
	}
	if err := w.take(ctx, timer); err != nil {
		<-w.slot
		return err
	}
	return nil
}

// enter waits for the connection.
func (w *writer) enter(ctx context.Context, timer *time.Timer) error {
	select {
	case w.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errLocked()
	}
}

// take waits for the pause to end and then for the lock.
func (w *writer) take(ctx context.Context, timer *time.Timer) error {
	if rest := time.Until(w.until); rest > 0 {
		if err := wait(ctx, rest); err != nil {
			return err
		}
	}
	for delay := time.Millisecond; ; delay = min(2*delay, 8*time.Millisecond) {
		err := w.conn.exec(ctx, sqlBeginImmediate)
		if err == nil || code(err)&0xff != codeBusy {
			w.since = time.Now()
			return fault(err)
		}
		select {
		case <-timer.C:
			return errLocked()
		default:
		}
		if err := wait(ctx, delay); err != nil {
			return err
		}
	}
}

// wait lets time pass, or returns the context's error when that ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit ends the transaction that lock opened.
func (w *writer) commit() error {
	err := fault(w.conn.exec(context.Background(), sqlCommit))
	if err != nil {
		w.abandon()
	}
	w.unlock()
	return err
}

// rollback does likewise.
func (w *writer) rollback() {
	w.abandon()
	w.unlock()
}

// abandon rolls back. A trigger or a full disk may have done so already; a closed connection has.
func (w *writer) abandon() { _ = w.conn.exec(context.Background(), sqlRollback) }

func (w *writer) unlock() {
	now := time.Now()
	w.until = now.Add(pause(now.Sub(w.since)))
	<-w.slot
}

// write runs work in a write transaction without markers: schema and bookkeeping of our own.
func (w *writer) write(ctx context.Context, work func(c *conn) error) error {
	if err := w.lock(ctx, shortPatience); err != nil {
		return err
	}
	if err := work(w.conn); err != nil {
		w.rollback()
		return fault(err)
	}
	return w.commit()
}

// outside runs work on the connection, in no transaction.
func (w *writer) outside(ctx context.Context, work func(c *conn) error) error {
	timer := time.NewTimer(shortPatience)
	defer timer.Stop()
	if err := w.enter(ctx, timer); err != nil {
		return err
	}
	defer func() { <-w.slot }()
	return work(w.conn)
}

// writeLightly is write, but the transaction may be undone by a loss of power, though never by a crash.
func (w *writer) writeLightly(ctx context.Context, work func(c *conn) error) error {
	timer := time.NewTimer(shortPatience)
	defer timer.Stop()
	if err := w.enter(ctx, timer); err != nil {
		return err
	}
	err := w.conn.exec(ctx, "PRAGMA synchronous=NORMAL")
	if err == nil {
		err = w.take(ctx, timer)
	}
	if err != nil {
		<-w.slot
		return fault(err)
	}
	if err = work(w.conn); err == nil {
		err = w.conn.exec(context.WithoutCancel(ctx), sqlCommit)
	}
	if err != nil {
		w.abandon()
	}
	err = errors.Join(err, w.conn.exec(context.WithoutCancel(ctx), "PRAGMA synchronous=FULL"))
	w.unlock()
	return fault(err)
}
