package replication

import (
	"context"
	"errors"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

// aheadPatience bounds what is done while a transaction is open on the other side.
const aheadPatience = time.Second

// errReadAhead ends an attempt that could otherwise go on without one map: what it has to apply to the others was let go of when
// it read ahead, and the next attempt reads it again.
var errReadAhead = store.Because("the stream begins anew without a map that it had to drop", errors.New("more was read already"))

// prepared is what was read and decided about beside the transaction before.
type prepared struct {
	begun   bool      // the reader's items are those of the next transaction
	changes []*change // of all of them; nil: they are to be decided about
	sent    []echoEntry
	err     error // what was met
}

// readAhead reads on, and decides, while users' changes follow on each other: those of ours, and what concerns whole maps,
// change what the stream has to remember, and the transaction that is under way does that.
func (s *Stream) readAhead(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, aheadPatience)
	defer cancel()
	s.reader.applied()
	s.ahead.begun = true
	for more := true; more && ctx.Err() == nil; {
		if more, s.ahead.err = s.readUsers(ctx); s.ahead.err != nil {
			return
		}
	}
	if out := s.reader.out; len(out) >= s.engine.ahead() {
		s.ahead.changes, s.ahead.sent, s.ahead.err = s.decide(ctx, out)
	}
}

// readUsers reads users' changes; true when more of them may be read before they are applied.
func (s *Stream) readUsers(ctx context.Context) (more bool, err error) {
	if len(s.unread) == 0 {
		if err := s.next(ctx); err != nil || len(s.unread) == 0 {
			return false, nil // what is wrong is met again when it is the log's turn
		}
	}
	n := 0
	for n < len(s.unread) && !s.unread[n].Ledger && s.unread[n].Op != store.Truncate && s.reader.open == nil {
		n++
	}
	if n == 0 {
		return false, nil
	}
	if err := s.take(ctx, n); err != nil {
		return false, err
	}
	return s.flood && len(s.unread) == 0 && s.reader.gather(), nil
}

// take turns the next n changes, at most, into items.
func (s *Stream) take(ctx context.Context, n int) error {
	n, err := s.reader.take(ctx, s.unread[:n])
	if err != nil {
		return err
	}
	s.unread = s.unread[n:]
	s.cut = s.more && len(s.unread) == 0
	s.unconfirmed += n
	s.unpersisted += n
	return nil
}

// mayReadAhead reports whether the transaction is worth it, and nothing in it needs the items that it is made of.
func (f *flushing) mayReadAhead() bool {
	return len(f.live) >= f.engine.ahead() && len(f.errands) == 0 && len(f.emptying) == 0 && !f.ahead.begun
}
