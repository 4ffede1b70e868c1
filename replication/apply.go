package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// applier applies changes within one target transaction: guarded or overwriting writes, conflicts, held changes.
type applier struct {
	engine  *Engine
	tx      store.Tx
	phase   string
	modes   map[string]mode // of the maps concerned, as of this transaction
	careful bool            // row by row: an attempt to write all at once has met a row's fault

	beside func() // what can be done while the database writes; may be nil

	tallies   map[string]*tally
	resends   map[echoKey]store.Position // what the latest change that lost had seen
	order     []echoKey                  // of resends
	conflicts []store.Row
	tokens    map[string]bool        // of changes held in this transaction
	released  bool                   // a retry has settled something in this transaction
	wrote     map[string][]store.Row // keys of what was written quietly, per map; nil: nothing is
	orphans   map[string]bool        // whether maps have keys that only the other side had
}

// tally counts what became of a map's changes in one transaction.
type tally struct {
	applied, conflicts, held, lagMs int64
	failed                          []bool // per change, in order
}

func newApplier(e *Engine, tx store.Tx, phase string, m map[string]mode) *applier {
	return &applier{engine: e, tx: tx, phase: phase, modes: m, tallies: make(map[string]*tally),
		resends: make(map[echoKey]store.Position), tokens: make(map[string]bool), orphans: make(map[string]bool)}
}

func (a *applier) tally(name string) *tally {
	t := a.tallies[name]
	if t == nil {
		t = new(tally)
		a.tallies[name] = t
	}
	return t
}

// apply makes the changes, in order. A *store.RowError, unless careful, means: roll back and be careful.
func (a *applier) apply(ctx context.Context, changes []*change) error {
	blocked, err := a.findBlocked(ctx, changes)
	if err != nil {
		return err
	}
	if err := a.adopt(ctx, changes); err != nil {
		return err
	}
	if err := a.findVacant(ctx, changes); err != nil {
		return err
	}
	var clear []*change
	each := a.careful || slices.ContainsFunc(changes, func(c *change) bool { return c.retry })
	for i, c := range changes {
		if each {
			if err := a.recheck(ctx, c, blocked, i); err != nil {
				return err
			}
			if err := a.applyOne(ctx, c, blocked[i]); err != nil {
				return err
			}
			continue
		}
		switch {
		case c.moot():
			if err := a.release(ctx, c); err != nil {
				return err
			}
		case c.fault != nil:
			if err := a.holdFault(ctx, c); err != nil {
				return err
			}
		case !c.retry && (blocked[i] || a.waits(c)):
			if err := a.hold(ctx, c, waiting()); err != nil {
				return err
			}
		default:
			clear = append(clear, c)
		}
	}
	if err := a.applyAll(ctx, clear); err != nil {
		return err
	}
	return a.finish(ctx, changes)
}

// recheck looks again whether a change is blocked, if a retry in this transaction may have set it free.
func (a *applier) recheck(ctx context.Context, c *change, blocked map[int]bool, i int) error {
	if !blocked[i] || !a.released || c.retry {
		return nil
	}
	again, err := a.findBlocked(ctx, []*change{c})
	if err != nil {
		return err
	}
	blocked[i] = again[0]
	return nil
}

// applyAll makes many changes in one go.
func (a *applier) applyAll(ctx context.Context, changes []*change) error {
	writes := make([]store.Write, len(changes))
	for i, c := range changes {
		writes[i] = c.write()
	}
	results, err := a.write(ctx, writes)
	if err != nil {
		return err
	}
	for i, c := range changes {
		if err := a.settle(ctx, c, results[i]); err != nil {
			return err
		}
	}
	return nil
}

// write makes writes, and what can be done meanwhile.
func (a *applier) write(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	if a.beside == nil {
		return a.tx.Apply(ctx, writes)
	}
	return a.tx.ApplyBeside(ctx, writes, a.beside)
}

// applyOne makes one change in a savepoint, or holds it.
func (a *applier) applyOne(ctx context.Context, c *change, blocked bool) error {
	if c.moot() {
		return a.release(ctx, c)
	}
	if c.fault != nil {
		return a.holdFault(ctx, c)
	}
	if !c.retry && (blocked || a.waits(c)) {
		return a.hold(ctx, c, waiting())
	}
	results, err := a.tx.ApplyEach(ctx, []store.Write{c.write()})
	if err != nil {
		return err
	}
	return a.settle(ctx, c, results[0])
}

// write is the change as the store makes it.
func (c *change) write() store.Write {
	w := store.Write{Relation: &c.flow.target, Key: c.key, Before: c.before, After: c.after, Guard: store.Expect}
	switch {
	case c.generated():
		w.Before = nil
	case c.flow.overwrites():
		w.Guard = store.Overwrite
	}
	return w
}

// moot reports whether a retry has nothing to write: the row that was inserted under a generated key is gone from there.
func (c *change) moot() bool { return c.retry && c.after == nil && c.fault == nil && c.generated() }

// generated reports whether the change inserts a row under a key that both databases number by themselves: if the
// other side has such a row, it is another one.
func (c *change) generated() bool {
	return c.insert && c.flow.def.AutoKey[0] && c.flow.def.AutoKey[1]
}

// settle deals with the result of one change.
func (a *applier) settle(ctx context.Context, c *change, result store.Result) error {
	t := a.tally(c.name)
	switch result.Outcome {
	case store.Failed:
		return a.holdRow(ctx, c, result.Err)
	case store.Unchanged:
		c.idle = c.after == nil && c.vacant
	case store.Refused:
		c.idle = c.after == nil && result.Current == nil
		if done, err := a.refused(ctx, c, result.Current); done || err != nil {
			return err
		}
	case store.Applied:
		a.writes(c)
		t.applied++
		t.lagMs = a.engine.nowMs() - c.entry.AtMs
	}
	t.failed = append(t.failed, false)
	if c.retry {
		return a.release(ctx, c)
	}
	return nil
}

// refused deals with a guard that was not met. done means that the change has been counted already.
func (a *applier) refused(ctx context.Context, c *change, current store.Row) (done bool, err error) {
	rel := &c.flow.target
	switch {
	case equal(rel, current, c.after):
		return false, nil
	case c.generated():
		return true, a.hold(ctx, c, reason{code: store.CodeGeneratedKey, column: rel.Columns[0].Name,
			message: "both sides have inserted a row under the generated key " + quote(c.key[0]) + "; give one of them another key, then retry"})
	}
	a.tally(c.name).conflicts++
	a.conflicts = append(a.conflicts, clash{Map: c.name, Key: c.entry.Key, Winning: store.EncodeRow(current),
		Losing: c.full().After, AtMs: a.engine.nowMs(), Run: a.modes[c.name].Run, Winner: c.flow.master}.row())
	a.resend(echoKey{c.name, c.entry.Key}, c.saw())
	if c.entry.NewKey != "" {
		a.resend(echoKey{c.name, c.entry.NewKey}, c.saw())
	}
	return false, nil
}

// resend asks for a row once. Whether it is sent goes by what the change that lost had seen itself, which may be more than
// its batch is stamped with: the last change of the row, if it is not beyond that, will not overwrite it any more.
func (a *applier) resend(k echoKey, seen store.Position) {
	before, known := a.resends[k]
	if !known {
		a.order = append(a.order, k)
	}
	a.resends[k] = max(before, seen)
}

// finish writes what the changes have left behind: conflicts, resends, effects.
func (a *applier) finish(ctx context.Context, changes []*change) error {
	if len(a.conflicts) > 0 {
		if err := a.tx.Put(ctx, store.ConflictTable, a.conflicts...); err != nil {
			return fmt.Errorf("write conflicts: %w", err)
		}
	}
	var rows []store.Row
	for _, k := range a.order {
		rows = append(rows, resendRow(k.mapName, k.key, retryNone, a.resends[k]))
	}
	if len(rows) > 0 {
		if err := a.tx.Put(ctx, store.ResendTable, rows...); err != nil {
			return fmt.Errorf("write resends: %w", err)
		}
	}
	if err := a.list(ctx); err != nil {
		return err
	}
	return a.effects(ctx, changes)
}

// isRowFault reports whether an error is a row's, so that being careful helps.
func isRowFault(err error) bool {
	var row *store.RowError
	return errors.As(err, &row)
}
