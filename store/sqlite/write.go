package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// ahead is how many rows are read in one statement before they are written.
const ahead = 256

// applier makes the writes of one call.
type applier struct {
	tx     *Tx
	ctx    context.Context
	writes []store.Write
	rel    *store.Relation
	p      *plan

	from, to int // writes whose rows were read ahead
	read     []store.Row
	dirty    map[string]struct{} // keys written since
}

func (tx *Tx) applier(ctx context.Context, writes []store.Write) *applier {
	return &applier{tx: tx, ctx: ctx, writes: writes, dirty: make(map[string]struct{})}
}

// Apply makes writes; the first fault ends the transaction.
func (tx *Tx) Apply(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	a := tx.applier(ctx, writes)
	out := make([]store.Result, len(writes))
	for i := range writes {
		var err error
		if out[i], err = a.write(i); err != nil {
			tx.broken = writes[i].Relation.Table
			return nil, tx.fail(at(err, i))
		}
	}
	if i, err := a.unsettled(); err != nil {
		return nil, tx.fail(at(err, i))
	}
	return out, nil
}

// at tells which write a fault is of.
func at(err error, index int) error {
	var fault *store.RowError
	if errors.As(err, &fault) {
		fault.Index = index
	}
	return err
}

// ApplyBeside is Apply: nobody can write while this transaction is open, so that it must not wait for anything else.
func (tx *Tx) ApplyBeside(ctx context.Context, writes []store.Write, _ func()) ([]store.Result, error) {
	return tx.Apply(ctx, writes)
}

// ApplyEach makes writes one by one.
func (tx *Tx) ApplyEach(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	out, err := tx.each(ctx, writes)
	return out, tx.fail(err)
}

// each repeats all of the writes while foreign keys that are checked late show that one of them must fail.
func (tx *Tx) each(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	failed := make(map[int]*store.RowError)
	for {
		if err := tx.c.exec(ctx, sqlSavepoint); err != nil {
			return nil, fault(err)
		}
		a := tx.applier(ctx, writes)
		out := make([]store.Result, len(writes))
		for i := range writes {
			if fault := failed[i]; fault != nil {
				out[i] = store.Result{Outcome: store.Failed, Err: fault}
				continue
			}
			var err error
			if out[i], err = a.guarded(i); err != nil {
				return nil, err
			}
		}
		i, err := a.unsettled()
		var found *store.RowError
		if err == nil {
			return out, fault(tx.c.exec(ctx, sqlRelease))
		}
		if !errors.As(err, &found) || failed[i] != nil {
			return nil, err
		}
		found.Index = i
		failed[i] = found
		if err := tx.undo(ctx, a.table(i)); err != nil {
			return nil, err
		}
	}
}

// undo goes back to the savepoint, which a trigger may have taken away with the transaction.
func (tx *Tx) undo(ctx context.Context, table string) error {
	for _, s := range []string{sqlRollbackTo, sqlRelease} {
		if err := tx.c.exec(ctx, s); err != nil {
			if code(err) == codeError {
				return &store.MapError{Table: table, Reason: "a trigger rolls back whole transactions", Err: err}
			}
			return fault(err)
		}
	}
	return nil
}

// guarded makes one write so that a fault leaves no trace.
func (a *applier) guarded(i int) (store.Result, error) {
	if err := a.place(i); err != nil {
		return store.Result{}, err
	}
	// One statement is undone by SQLite itself, but for what RAISE(FAIL) in a trigger leaves.
	careful := a.p.effects || a.moves(&a.writes[i])
	if careful {
		if err := a.tx.c.exec(a.ctx, sqlSavepoint); err != nil {
			return store.Result{}, fault(err)
		}
	}
	out, err := a.write(i)
	var found *store.RowError
	switch {
	case errors.As(err, &found):
		found.Index = i
		out, err = store.Result{Outcome: store.Failed, Err: found}, nil
		if careful {
			err = a.tx.undo(a.ctx, a.table(i))
		}
	case err == nil && careful:
		err = fault(a.tx.c.exec(a.ctx, sqlRelease))
	}
	return out, err
}

func (a *applier) table(i int) string { return a.writes[i].Relation.Table }

// place finds the plan of a write; writes of one relation usually follow each other.
func (a *applier) place(i int) error {
	rel := a.writes[i].Relation
	if a.rel == rel {
		return nil
	}
	p, err := a.tx.s.plans.plan(a.ctx, a.tx.c, a.tx.version, rel)
	if err != nil {
		return err
	}
	a.rel, a.p, a.to = rel, p, 0
	return nil
}

// current is the row at the key of a write.
func (a *applier) current(i int) (store.Row, error) {
	key := a.writes[i].Key
	if a.p.effects {
		return a.one(key)
	}
	if i < a.from || i >= a.to {
		if err := a.readAhead(i); err != nil {
			return nil, err
		}
	} else if _, ok := a.dirty[a.encode(key)]; ok {
		return a.one(key)
	}
	return a.read[i-a.from], nil
}

// readAhead reads the rows of a write and of those that follow it on the same relation.
func (a *applier) readAhead(i int) error {
	clear(a.dirty)
	var keys []store.Row
	for _, w := range a.writes[i:min(i+ahead, len(a.writes))] {
		if w.Relation != a.rel {
			break
		}
		keys = append(keys, w.Key)
	}
	rows, err := a.p.find(a.ctx, a.tx.c, keys, "")
	a.from, a.to, a.read = i, i+len(keys), rows
	return err
}

func (a *applier) one(key store.Row) (store.Row, error) {
	rows, err := a.p.find(a.ctx, a.tx.c, []store.Row{key}, "")
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

func (a *applier) encode(key store.Row) string {
	return store.EncodeRow(storedRow(key, a.p.columns[:a.p.key]))
}

func (a *applier) moves(w *store.Write) bool {
	return w.After != nil && !a.same(w.Key, w.After[:a.p.key])
}

// same compares keys as the columns store them.
func (a *applier) same(x, y store.Row) bool {
	columns := a.p.columns[:a.p.key]
	return x.Equal(y) || storedRow(x, columns).Equal(storedRow(y, columns))
}

// write makes one write.
func (a *applier) write(i int) (store.Result, error) {
	if err := a.place(i); err != nil {
		return store.Result{}, err
	}
	w := &a.writes[i]
	current, err := a.current(i)
	if err != nil {
		return store.Result{}, err
	}
	moves := a.moves(w)
	var occupant store.Row
	if moves {
		if occupant, err = a.one(w.After[:a.p.key]); err != nil {
			return store.Result{}, err
		}
		if occupant != nil && current != nil && a.same(occupant[:a.p.key], current[:a.p.key]) {
			occupant = nil // the collation of the key finds the same row by both
		}
	}
	if w.Guard == store.Expect && (occupant != nil || !a.meets(current, w.Before)) {
		if current == nil {
			current = occupant
		}
		return store.Result{Outcome: store.Refused, Current: current}, nil
	}
	switch {
	case w.After == nil:
		return a.delete(w, current)
	case !moves || current != nil && occupant == nil:
		return a.upsert(w, current)
	case current != nil:
		if _, err := a.delete(w, current); err != nil {
			return store.Result{}, err
		}
		if occupant, err = a.one(w.After[:a.p.key]); err != nil {
			return store.Result{}, err
		}
		result, err := a.upsert(&store.Write{Relation: w.Relation, Key: w.After[:a.p.key], After: w.After}, occupant)
		result.Outcome = store.Applied
		return result, err
	}
	return a.upsert(&store.Write{Relation: w.Relation, Key: w.After[:a.p.key], After: w.After}, occupant)
}

// meets reports whether a row is as a guard expects it.
func (a *applier) meets(current, before store.Row) bool {
	if current == nil || before == nil {
		return current == nil && before == nil
	}
	before = storedRow(before, a.p.columns)
	for i := range current {
		if current[i] != before[i] && !a.p.free[i] {
			return false
		}
	}
	return true
}

// touched notes that keys are not as they were read ahead.
func (a *applier) touched(keys ...store.Row) {
	if a.p.effects {
		return
	}
	for _, key := range keys {
		a.dirty[a.encode(key)] = struct{}{}
	}
}

func (a *applier) delete(w *store.Write, current store.Row) (store.Result, error) {
	if current == nil {
		return store.Result{Outcome: store.Unchanged}, nil
	}
	a.touched(w.Key)
	n, err := a.tx.c.change(a.ctx, a.p.remove, bindRow(w.Key)...)
	return outcome(n), a.fault(err, nil)
}

// upsert writes the row that comes after over the current one, or anew.
func (a *applier) upsert(w *store.Write, current store.Row) (store.Result, error) {
	p := a.p
	if current == nil {
		args := make([]driver.Value, 0, len(w.After)+len(p.defaults))
		for _, v := range w.After {
			args = append(args, toSQL(v))
		}
		for i := range p.defaults {
			args = append(args, toSQL(w.Relation.Defaults[i].Value))
		}
		a.touched(w.After[:p.key])
		n, err := a.tx.c.change(a.ctx, p.insert, args...)
		return outcome(n), a.fault(err, w)
	}
	after := storedRow(w.After, p.columns)
	changed := make([]bool, len(after))
	var args []driver.Value
	for i := range after {
		if changed[i] = after[i] != current[i]; changed[i] {
			args = append(args, toSQL(w.After[i]))
		}
	}
	if len(args) == 0 {
		return store.Result{Outcome: store.Unchanged}, nil
	}
	args = append(args, bindRow(w.Key)...)
	a.touched(w.Key, w.After[:p.key])
	n, err := a.tx.c.change(a.ctx, p.update(changed), args...)
	return outcome(n), a.fault(err, w)
}

// outcome is that of a statement: a trigger may have had it ignored.
func outcome(changed int64) store.Result {
	if changed == 0 {
		return store.Result{Outcome: store.Unchanged}
	}
	return store.Result{Outcome: store.Applied}
}

// fault classifies the error of a statement that wrote (nil: deleted) a row.
func (a *applier) fault(err error, w *store.Write) error {
	if err == nil {
		return nil
	}
	err = rowFault(a.rel.Table, err)
	var found *store.RowError
	if !errors.As(err, &found) {
		return err
	}
	if found.Code == store.CodeType && found.Column == "" {
		found.Column = a.p.info.alias
	}
	if found.Code == store.CodeForeignKey && w != nil {
		key, lookErr := a.orphan(w)
		if lookErr != nil {
			return fmt.Errorf("look for the parent: %w", lookErr)
		}
		missingParent(found, key)
	}
	return found
}
