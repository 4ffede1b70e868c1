package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/dualwrite/dualwrite/store"
)

const (
	// After many changes there are likely more: to wait a little for those costs less than to apply them a few at a time.
	floodChanges  = 5000
	floodPatience = 50 * time.Millisecond

	idleWait  = time.Second
	idleBytes = 16 << 20 // of log that held nothing for us, after which the slot is moved all the same
	idleEvery = 5 * time.Minute
)

// errOver says that a log delivers no more.
var errOver = fmt.Errorf("log is closed, or another reader has taken over: %w", store.ErrFenced)

// Log delivers what a reader, which runs beside it, has decoded. When the connection is lost it reads again from what it
// has delivered; what was decoded beyond is forgotten.
type Log struct {
	s    *Store
	slot string
	r    atomic.Pointer[reader] // nil: to be started
	over atomic.Bool

	flood     bool // what was delivered last was much
	since     pglogrepl.LSN
	cursor    store.Position // at Open
	last      store.Position // delivered
	confirmed store.Position
	flushed   pglogrepl.LSN // what the server may forget
	lookedAt  time.Time     // when captured tables and publications were looked at
	idleAt    time.Time     // when the slot was last moved over log that held nothing for us
}

// Open follows the log.
func (s *Store) Open(ctx context.Context, cursor store.Position) (store.Log, error) {
	if _, err := parse(cursor); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := s.alone(ctx, func() error { return s.provideSlot(ctx) }); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	name, err := s.slotName(ctx)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{s: s, slot: name, cursor: cursor, idleAt: time.Now()}
	s.mu.Lock()
	before := s.log
	s.log = l
	s.mu.Unlock()
	if before != nil {
		bounded, cancel := context.WithTimeout(ctx, slotPatience)
		before.settle(bounded)
		cancel()
		before.end()
	}
	if err := s.endReader(ctx, name); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := l.start(ctx); err != nil {
		l.end()
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

// start begins to read after what was delivered, having checked that nothing in between is lost.
func (l *Log) start(ctx context.Context) error {
	from, err := l.check(ctx)
	if err != nil {
		return err
	}
	r, err := newReader(ctx, l.s, l.last)
	if err != nil {
		return err
	}
	if err := r.connect(ctx, l.slot, from); err != nil {
		return err
	}
	l.r.Store(r)
	l.flushed = max(l.flushed, from)
	if err := l.usable(); err != nil { // another has been opened meanwhile
		l.stop()
		return err
	}
	return nil
}

// check compares what the server has kept with what has been applied or delivered. It returns where the slot stands.
func (l *Log) check(ctx context.Context) (pglogrepl.LSN, error) {
	cursor, err := parse(max(l.cursor, l.last))
	if err != nil {
		return 0, err
	}
	sys, err := l.s.system(ctx)
	if err != nil {
		return 0, err
	}
	found, err := l.s.findSlot(ctx, l.slot)
	if err != nil {
		return 0, err
	}
	if err := l.s.lookAtPartitions(ctx); err != nil {
		return 0, err
	}
	var about *slotNote
	var tables []*layout
	err = l.s.reading(ctx, func(c *session) (err error) {
		if about, err = note(ctx, c); err == nil {
			tables, err = layouts(ctx, c)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	gap := func(format string, args ...any) error {
		return &store.GapError{Reason: fmt.Sprintf(format, args...), Next: at(sys.end).position()}
	}
	switch {
	case found == nil:
		return 0, gap("the replication slot %s is gone", l.slot)
	case about == nil || about.name != l.slot:
		return 0, gap("the replication slot %s is not the one that was made for this database", l.slot)
	case !found.ours || found.plugin != "pgoutput":
		return 0, gap("the replication slot %s is of another database or plugin", l.slot)
	case found.status == "lost":
		return 0, gap("the server has removed log that the replication slot %s needed (max_slot_wal_keep_size)", l.slot)
	case about.system != sys.id:
		return 0, gap("this is another server than the one that was read")
	case about.timeline != sys.timeline:
		return 0, gap("the server has been promoted or restored: its timeline was %s and is %s", about.timeline, sys.timeline)
	case cursor.lsn > sys.end:
		return 0, gap("the log ends at %s, before %s: the database has been restored", lsnText(sys.end), lsnText(cursor.lsn))
	case found.confirmed > max(cursor.flush(), about.allowed(cursor)):
		return 0, gap("changes after %s have been confirmed and removed", lsnText(cursor.lsn))
	}
	l.since = about.since
	return found.confirmed, l.checkTables(ctx, tables)
}

// allowed is up to where the slot may have been moved beyond a cursor: what was captured later only, or where the log
// was found to hold nothing for us.
func (n *slotNote) allowed(cursor place) pglogrepl.LSN {
	if cursor.lsn < n.since {
		return n.since
	}
	if confirmed, err := parse(n.confirmed); err == nil && n.confirmed != "" && cursor.position() >= confirmed.position() {
		return n.idle
	}
	return 0
}

func (l *Log) checkTables(ctx context.Context, tables []*layout) error {
	return l.s.reading(ctx, func(c *session) error {
		for _, t := range tables {
			why, err := t.lost(ctx, c)
			if err != nil {
				return err
			}
			if why != "" {
				return &store.GapError{Table: t.name, Reason: why}
			}
		}
		return nil
	})
}

// Held is how much log the slot keeps.
func (l *Log) Held() int64 {
	r := l.r.Load()
	if r == nil {
		return 0
	}
	end, _ := r.quiet()
	return max(0, int64(end)-int64(l.flushed))
}

// Since is where the log began: nothing was captured before.
func (l *Log) Since() store.Position { return at(l.since).position() }

func (l *Log) usable() error {
	if l.over.Load() {
		return errOver
	}
	return nil
}

// Next returns what has been decoded since the last call.
func (l *Log) Next(ctx context.Context, limit int) (store.Batch, error) {
	if err := l.usable(); err != nil {
		return store.Batch{}, err
	}
	if r := l.r.Load(); r != nil && r.broken() {
		l.stop()
	}
	r, err := l.reader(ctx)
	if err != nil {
		return store.Batch{}, fmt.Errorf("read log: %w", err)
	}
	if now := time.Now(); now.Sub(l.lookedAt) >= captureEvery {
		if err := l.s.lookAtCapture(ctx); err != nil && !errors.Is(err, store.ErrTransient) {
			return store.Batch{}, err
		}
		l.lookedAt = now
	}
	if l.flood {
		r.await(ctx, min(floodChanges, limit), floodPatience)
	}
	batch, xids, err := r.take(max(limit, 1))
	if err != nil {
		l.stop()
		return store.Batch{}, err
	}
	l.flood = len(batch.Changes) >= quietRows
	if n := len(batch.Changes); n > 0 {
		l.last = batch.Changes[n-1].Position
		l.s.delivered(xids)
	}
	return batch, nil
}

// reader is the one that runs.
func (l *Log) reader(ctx context.Context) (*reader, error) {
	if r := l.r.Load(); r != nil {
		return r, nil
	}
	if err := l.start(ctx); err != nil {
		return nil, err
	}
	return l.r.Load(), nil
}

// Wait returns when something has been decoded.
func (l *Log) Wait(ctx context.Context) error {
	if err := l.usable(); err != nil {
		return err
	}
	r := l.r.Load()
	if r == nil {
		return wait(ctx, 100*time.Millisecond)
	}
	if err := l.passIdle(ctx, r); err != nil {
		return err
	}
	timer := time.NewTimer(idleWait)
	defer timer.Stop()
	select {
	case <-r.news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Confirm lets the server forget. It is durable when the server has written it down; one that dies before has what was
// confirmed delivered again, which the cursor tells.
func (l *Log) Confirm(ctx context.Context, upTo store.Position) error {
	if err := l.usable(); err != nil {
		return err
	}
	p, err := parse(upTo)
	if err != nil {
		return fmt.Errorf("confirm log: %w", err)
	}
	l.confirmed = max(l.confirmed, upTo)
	if p.flush() <= l.flushed {
		return nil
	}
	r, err := l.reader(ctx)
	if err != nil {
		return fmt.Errorf("confirm log: %w", err)
	}
	l.flushed = p.flush()
	return r.confirm(l.flushed)
}

// passIdle moves the slot over log that holds nothing for us, now and then: a database whose neighbours are busy would
// keep their log for ever. Where to is written down first, since the cursor stays behind.
func (l *Log) passIdle(ctx context.Context, r *reader) error {
	end, quiet := r.quiet()
	if !quiet || l.confirmed < l.last || end < l.flushed+idleBytes && (time.Since(l.idleAt) < idleEvery || end <= l.flushed) {
		return nil
	}
	l.idleAt = time.Now()
	from := max(l.confirmed, l.cursor)
	err := l.s.writing(ctx, func(c *session) error {
		_, err := c.change(ctx, sqlSetIdle, textParam(string(from)), textParam(lsnText(end)))
		return err
	})
	if err != nil {
		return fmt.Errorf("confirm idle log: %w", err)
	}
	l.flushed = end
	return r.confirm(end)
}

// stop ends the reader; the next call starts another.
func (l *Log) stop() {
	if r := l.r.Swap(nil); r != nil {
		r.close()
	}
}

// end makes the log useless.
func (l *Log) end() {
	l.over.Store(true)
	l.s.mu.Lock()
	if l.s.log == l {
		l.s.log = nil
	}
	l.s.mu.Unlock()
	l.stop()
}

// settle waits until the server has heard what was confirmed: it does not read on when the connection ends. If it never
// does, it sends again what is confirmed already.
func (l *Log) settle(ctx context.Context) {
	for r := l.r.Load(); r != nil && !r.broken(); {
		found, err := l.s.findSlot(ctx, l.slot)
		if err != nil || found == nil || found.confirmed >= l.flushed || wait(ctx, 5*time.Millisecond) != nil {
			return
		}
	}
}

// Close ends the reader, and drops the slot when no table is captured any more.
func (l *Log) Close() error {
	if err := l.usable(); err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), slotPatience)
	defer cancel()
	l.settle(ctx)
	l.end()
	if some, err := l.s.captured(ctx); err != nil || some {
		return nil // a server that is down tells when it is opened again
	}
	if err := l.s.endReader(ctx, l.slot); err != nil && !errors.Is(err, store.ErrTransient) {
		return fmt.Errorf("close log: %w", err)
	}
	if err := l.s.dropIdleSlot(ctx); err != nil && !errors.Is(err, store.ErrTransient) {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
