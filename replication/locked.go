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
		case !f.waited || f.locked != nil:
			return err
		case try >= lockTries:
			if f.locked, err = f.findLocked(ctx); err != nil {
				return err
			}
		}
		err = f.run(ctx)
	}
	return nil
}

// findLocked finds out on which maps' tables the lock is, by trying each map's changes alone, without effect. It is not nil.
func (f *flushing) findLocked(ctx context.Context) (map[string]bool, error) {
	of := make(map[string][]*change)
	for _, c := range f.live {
		of[c.name] = append(of[c.name], c)
	}
	locked := make(map[string]bool)
	for _, name := range sortedKeys(of) {
		if len(of) == 1 {
			locked[name] = true
			break
		}
		err := f.probe(ctx, of[name])
		switch {
		case errors.Is(err, store.ErrBusy):
			locked[name] = true
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

// divert turns maps that are locked to their queue, in the transaction that puts their changes there. Who supervises the map
// sees that, and has it catch up.
func (f *flushing) divert(ctx context.Context, tx store.Tx) error {
	for _, name := range sortedKeys(f.locked) {
		m := f.modes[name]
		if m.Mode != modeLive {
			continue
		}
		m.Mode = modeQueue
		f.modes[name] = m
		if err := tx.Put(ctx, store.ModeTable, m.row()); err != nil {
			return fmt.Errorf("write mode: %w", err)
		}
	}
	return nil
}
