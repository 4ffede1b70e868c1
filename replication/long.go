package replication

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// long is a transaction of the source that is longer than a stretch of its log, on its way. Each stretch is a part of one
// transaction of the target: to who reads that one's log parts are transactions like others, but they are committed together,
// so that nobody sees some without the rest. While it is open, what the stream knows is ahead of what is durable: if it
// comes to nothing, the attempt has to begin anew.
type long struct {
	tx     store.Tx
	at     marker // of the last part
	end    body   // of its end row, which is yet to be written
	before store.Cursor
	told   map[echoKey]store.Position // what its parts have queued, or written down as sent: where others look it is not yet
}

// tell notes what a part has queued, or written down as sent.
func (l *long) tell(e echoEntry) {
	if l.told == nil {
		l.told = make(map[echoKey]store.Position)
	}
	l.told[e.echoKey] = max(l.told[e.echoKey], e.position)
}

// begin opens the transaction of this attempt, or the next part of one that is open. A part that failed is taken back.
func (f *flushing) begin(ctx context.Context) (store.Tx, error) {
	l := f.long
	switch {
	case l == nil:
		return f.writer.begin(ctx, f.at)
	case f.begun:
		if err := l.tx.Again(ctx); err != nil {
			return nil, fmt.Errorf("begin again: %w", err)
		}
		return l.tx, nil
	}
	f.begun = true
	return l.tx, f.writer.goOn(ctx, l, f.at)
}

// leave ends an attempt that has not got through. One that was a part may be made again.
func (f *flushing) leave(tx store.Tx) {
	if f.long == nil {
		_ = tx.Rollback()
	}
}

// done ends the transaction, or the part.
func (f *flushing) done(ctx context.Context, tx store.Tx, b body) error {
	if !f.cut {
		if err := f.writer.commit(ctx, tx, f.at, b); err != nil {
			return err
		}
		f.long = nil
		return nil
	}
	if f.long == nil {
		f.long = &long{tx: tx, before: f.writer.cursor}
	}
	f.long.at, f.long.end = f.at, b
	return nil
}

// goOn ends a part of a transaction and begins the next.
func (w *writer) goOn(ctx context.Context, l *long, next marker) error {
	text, err := json.Marshal(l.end)
	if err != nil {
		return fmt.Errorf("end part: %w", err)
	}
	w.moved(l.at, string(text))
	if err := l.tx.Continue(ctx, string(text), w.marker(next)); err != nil {
		return fmt.Errorf("begin part: %w", err)
	}
	return nil
}

// finish commits the transaction that is open: nothing more of it concerns anybody.
func (s *Stream) finish(ctx context.Context) error {
	l := s.long
	if l == nil {
		return nil
	}
	if err := s.writer.commit(ctx, l.tx, l.at, l.end); err != nil {
		return err
	}
	s.long = nil
	return nil
}

// abandon rolls back the transaction that is open, and tells whether there was one.
func (s *Stream) abandon() bool {
	l := s.long
	if l == nil {
		return false
	}
	_ = l.tx.Rollback()
	s.writer.cursor, s.long = l.before, nil
	return true
}
