package replication

import (
	"context"
	"errors"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// lockTries is how often a stream waits for a lock on users' tables, each time as long as its database does, before the map
// of that table goes to its queue, so that the others go on.
const lockTries = 3

// patiently runs the attempt until it gets through: with a row's fault once more, row by row; past a lock that somebody holds
// for long without the maps whose tables it is on.
func (f *flushing) patiently(ctx context.Context) error {
	err := f.run(ctx)
	for try := 1; err != nil; try++ {
		switch {
		case isRowFault(err) && !f.careful:
			f.careful = true
		case !f.waited || try > lockTries:
			return err
		case try == lockTries:
			begun := f.abandon()
			if err := f.divert(ctx); err != nil {
				return err
			}
			if begun {
				return errReadAhead
			}
		}
		err = f.run(ctx)
	}
	return nil
}

// divert turns maps that are locked to their queue. Who supervises the map sees that, and has it catch up. It is a transaction
// of its own: what goes to the queue after it, the target has not seen.
func (f *flushing) divert(ctx context.Context) error {
	locked, err := f.findLocked(ctx)
	if err != nil || len(locked) == 0 {
		return err
	}
	return f.aside(ctx, func(tx store.Tx) error {
		found, err := modes(ctx, tx, locked...)
		if err != nil {
			return err
		}
		for _, name := range locked {
			m := found[name]
			if m.Mode != modeLive {
				continue
			}
			m.Mode = modeQueue
			if err := tx.Put(ctx, store.ModeTable, m.row()); err != nil {
				return fmt.Errorf("write mode: %w", err)
			}
		}
		return nil
	})
}

// aside makes a transaction of the stream that moves nothing: neither its position, nor what it remembers of the log, which it
// may have read further.
func (s *Stream) aside(ctx context.Context, work func(tx store.Tx) error) error {
	was, err := parseBody(s.writer.cursor.Body)
	if err != nil {
		return err
	}
	return s.writer.do(ctx, marker{position: s.writer.cursor.Position}, func(tx store.Tx) (body, error) {
		return body{SeenStream: was.SeenStream}, work(tx)
	})
}

// findLocked finds out on which maps' tables the lock is, by trying each map's changes alone, without effect.
func (f *flushing) findLocked(ctx context.Context) ([]string, error) {
	of := make(map[string][]*change)
	for _, c := range f.live {
		of[c.name] = append(of[c.name], c)
	}
	var locked []string
	for _, name := range sortedKeys(of) {
		if len(of) == 1 {
			return []string{name}, nil
		}
		err := f.probe(ctx, of[name])
		switch {
		case errors.Is(err, store.ErrBusy):
			locked = append(locked, name)
		case err != nil && !isRowFault(err):
			return nil, err
		}
	}
	return locked, nil
}

// probe makes changes in a transaction that it takes back.
func (f *flushing) probe(ctx context.Context, changes []*change) error {
	tx, err := f.writer.begin(ctx, f.at)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return newApplier(f.engine, tx, phaseLive, f.modes).apply(ctx, changes)
}
