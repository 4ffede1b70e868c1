package sqlite

import (
	"context"

	"fmt"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

const (
	pollFirst = time.Millisecond
	pollLast  = 30 * time.Millisecond
	pollFor   = time.Second
	biteRows  = 1000   // entries removed in one transaction
	trimRows  = 10_000 // entries that may gather though no change stands for them

	sqlPurge = "DELETE FROM main." + outboxTable + " WHERE seq <= ?1"
	sqlNote  = "UPDATE main." + logTable + " SET confirmed = ?1, confirmed_at = ?2, purged = max(purged, ?3)"
)

// Wait returns when there may be something new. It looks often after something has happened and seldom when nothing
// does.
func (l *Log) Wait(ctx context.Context) error {
	timer := time.NewTimer(pollFirst)
	defer timer.Stop()
	end := time.Now().Add(pollFor)
	for pause := pollFirst; ; pause = min(pause+pause/2, pollLast) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.usable(); err != nil {
			return err
		}
		if news, err := l.news(ctx); err != nil || news || time.Now().After(end) {
			return err
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.s.news:
			pause = pollFirst
		case <-timer.C:
		}
	}
}

// news reports whether the log has grown or the schema has changed.
func (l *Log) news(ctx context.Context) (bool, error) {
	if l.read.seq < l.horizon {
		return true, nil
	}
	if l.watch.quiet() && l.data >= 0 {
		return false, nil
	}
	data, err := l.c.number(ctx, sqlDataVersion)
	if err != nil || data == l.data {
		return false, fault(err)
	}
	if err := l.s.same(); err != nil {
		return true, nil // Next says so
	}
	version, err := l.c.number(ctx, sqlSchemaVersion)
	if err != nil || version != l.version {
		return err == nil, fault(err)
	}
	e, err := readEnds(ctx, l.c)
	if err != nil || e.last != l.read.seq {
		return err == nil, err
	}
	l.data = data
	return false, nil
}

// Confirm removes entries. It is bookkeeping: a loss of power may undo it, together with what it removed.
func (l *Log) Confirm(ctx context.Context, upTo store.Position) error {
	at, err := parse(upTo)
	if err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	if err := l.usable(); err != nil {
		return err
	}
	var done int64
	for more := true; more; {
		err := l.s.writer.writeLightly(ctx, func(c *conn) (err error) {
			done, more, err = l.bite(ctx, c, upTo, at)
			return err
		})
		if err != nil {
			return fmt.Errorf("confirm: %w", err)
		}
	}
	l.release(done)
	return nil
}

// trim removes entries that no change stands for, when many have come since the last one that was delivered and all that
// were delivered are confirmed. It is tried again later if it fails.
func (l *Log) trim(ctx context.Context) {
	if l.read.seq < l.horizon || l.read.seq < l.trimmed+trimRows {
		return
	}
	delivered, err := parse(l.last)
	for more := err == nil; more; {
		err := l.s.writer.writeLightly(ctx, func(c *conn) error {
			e, err := readEnds(ctx, c)
			if more = err == nil && e.confirmed.seq >= delivered.seq; more {
				l.trimmed, more, err = l.bite(ctx, c, l.last, e.confirmed)
			}
			return err
		})
		more = more && err == nil
	}
}

// bite notes what is confirmed and removes some entries. It returns up to where, and whether more are to go.
func (l *Log) bite(ctx context.Context, c *conn, upTo store.Position, at place) (int64, bool, error) {
	e, err := readEnds(ctx, c)
	if err != nil || at.seq > e.last {
		return 0, false, err
	}
	confirmed := e.confirmed
	if at.seq > confirmed.seq {
		if at.at == 0 {
			if at.at, err = c.number(ctx, sqlEntryAt, at.seq); err != nil {
				return 0, false, err
			}
		}
		confirmed = at
	}
	end := l.removable(upTo, confirmed.seq)
	if end <= e.purged && confirmed == e.confirmed {
		return e.purged, false, nil
	}
	stop := max(min(end, max(e.purged, e.first-1)+biteRows), e.purged)
	if err := c.exec(ctx, sqlNote, confirmed.seq, confirmed.at, stop); err != nil {
		return 0, false, err
	}
	_, err = c.change(ctx, sqlPurge, stop)
	return stop, stop < end, err
}

// removable is the last entry that may go when everything up to a position is confirmed: entries without a change
// that follow it go too, and touches stay until what they explain is confirmed.
func (l *Log) removable(upTo store.Position, seq int64) int64 {
	end := seq
	if upTo >= l.last && len(l.pending) == 0 {
		end = max(end, l.read.seq)
	}
	for _, p := range l.pending {
		if p.seq <= seq {
			end = min(end, p.seq-1)
		}
	}
	for _, s := range l.spans {
		if s.from <= seq && seq < s.to && upTo < l.last {
			end = min(end, s.from-1)
		}
	}
	return end
}

// release forgets spans that are gone.
func (l *Log) release(purged int64) {
	keep := l.spans[:0]
	for _, s := range l.spans {
		if s.to > purged {
			keep = append(keep, s)
		}
	}
	l.spans = keep
}
