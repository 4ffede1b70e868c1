package postgres

import (
	"context"
	"errors"
	"sync"

	"github.com/dualwrite/dualwrite/store"
)

// applier makes the writes of one call.
type applier struct {
	tx     *Tx
	writes []store.Write
	plans  map[*store.Relation]*plan
	out    []store.Result
	late   bool // some constraint may be checked late
}

func (tx *Tx) applier(ctx context.Context, writes []store.Write) (*applier, error) {
	a := &applier{tx: tx, writes: writes, plans: make(map[*store.Relation]*plan), out: make([]store.Result, len(writes))}
	for i := range writes {
		rel := writes[i].Relation
		if a.plans[rel] != nil {
			continue
		}
		p, err := tx.s.plans.plan(ctx, tx.c, rel)
		if err != nil {
			return nil, err
		}
		a.plans[rel] = p
		a.late = a.late || p.late
	}
	return a, nil
}

// Apply makes writes; the first fault ends the transaction.
func (tx *Tx) Apply(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	a, err := tx.applier(ctx, writes)
	if err != nil {
		return nil, tx.fail(err)
	}
	if err := a.all(ctx); err != nil {
		return nil, tx.fail(err)
	}
	return a.out, nil
}

// ApplyBeside makes writes while work is done.
func (tx *Tx) ApplyBeside(ctx context.Context, writes []store.Write, work func()) (results []store.Result, err error) {
	var applying sync.WaitGroup
	applying.Go(func() { results, err = tx.Apply(ctx, writes) })
	defer applying.Wait()
	work()
	applying.Wait()
	return results, err
}

func (a *applier) all(ctx context.Context) error {
	if !a.late {
		return a.windows(ctx)
	}
	if err := a.tx.c.exec(ctx, "SAVEPOINT dualwrite_all"); err != nil {
		return fault(err)
	}
	if err := a.windows(ctx); err != nil {
		return err
	}
	_, err := a.settle(ctx, nil)
	return err
}

// settle checks the constraints that are checked late. When one fails, everything is undone and made again, so that
// the write at fault can be found; its index and fault are returned. skip tells which writes were left out.
func (a *applier) settle(ctx context.Context, skip map[int]*store.RowError) (int, error) {
	cause := a.tx.c.exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; RELEASE dualwrite_all")
	if cause == nil {
		return 0, nil
	}
	found := pgError(cause)
	if found == nil || errors.Is(fault(cause), store.ErrTransient) {
		return 0, fault(cause)
	}
	if err := a.tx.back(ctx, "ROLLBACK TO dualwrite_all"); err != nil {
		return 0, fault(err)
	}
	again := *a
	again.out = make([]store.Result, len(a.writes))
	for i := range a.writes {
		if skip[i] != nil {
			continue
		}
		if err := again.single(ctx, i); err != nil {
			return 0, err
		}
		err := a.tx.c.exec(ctx, sqlSavepoint+"; SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; "+sqlRelease)
		if err == nil {
			continue
		}
		if undo := a.tx.undo(ctx); undo != nil {
			return 0, undo
		}
		if i == a.lastOf(found.TableName, skip) || !a.mended(i, skip) {
			return i, a.fault(ctx, i, cause)
		}
	}
	return 0, a.fault(ctx, a.lastOf(found.TableName, skip), cause)
}

// lastOf is the last write of a table.
func (a *applier) lastOf(table string, skip map[int]*store.RowError) int {
	last := len(a.writes) - 1
	for i := range a.writes {
		if a.plans[a.writes[i].Relation].info.relation == table && skip[i] == nil {
			last = i
		}
	}
	return last
}

// mended reports whether a later write may give the row what it lacks now.
func (a *applier) mended(i int, skip map[int]*store.RowError) bool {
	for n := i + 1; n < len(a.writes); n++ {
		if skip[n] == nil {
			return true
		}
	}
	return false
}

// ApplyEach makes writes one by one, and repeats all of them while a constraint that is checked late shows that one must
// fail.
func (tx *Tx) ApplyEach(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	a, err := tx.applier(ctx, writes)
	if err == nil {
		err = a.each(ctx)
	}
	if err != nil {
		return nil, tx.fail(err)
	}
	return a.out, nil
}

func (a *applier) each(ctx context.Context) error {
	failed := make(map[int]*store.RowError)
	for {
		if a.late {
			if err := a.tx.c.exec(ctx, "SAVEPOINT dualwrite_all"); err != nil {
				return fault(err)
			}
		}
		for i := range a.writes {
			if failed[i] != nil {
				a.out[i] = store.Result{Outcome: store.Failed, Err: failed[i]}
				continue
			}
			if err := a.guarded(ctx, i); err != nil {
				return err
			}
		}
		if !a.late {
			return nil
		}
		skip := make(map[int]*store.RowError)
		for i, r := range a.out {
			if r.Outcome == store.Failed {
				skip[i] = r.Err
			}
		}
		i, err := a.settle(ctx, skip)
		var found *store.RowError
		if !errors.As(err, &found) {
			return err
		}
		if failed[i] != nil {
			return err
		}
		found.Index = i
		failed[i] = found
		if err := a.tx.back(ctx, "ROLLBACK TO dualwrite_all; RELEASE dualwrite_all"); err != nil {
			return fault(err)
		}
	}
}

// guarded makes one write so that a fault leaves no trace.
func (a *applier) guarded(ctx context.Context, i int) error {
	if err := a.tx.c.exec(ctx, sqlSavepoint); err != nil {
		return fault(err)
	}
	err := a.single(ctx, i)
	var found *store.RowError
	if errors.As(err, &found) {
		a.out[i] = store.Result{Outcome: store.Failed, Err: found}
		return a.tx.undo(ctx)
	}
	if err != nil {
		return err
	}
	return fault(a.tx.c.exec(ctx, sqlRelease))
}

// single makes one write by looking at the row first.
func (a *applier) single(ctx context.Context, i int) error {
	w := &a.writes[i]
	one := oneWrite{a: a, ctx: ctx, i: i, w: w, p: a.plans[w.Relation]}
	if err := one.role(); err != nil {
		return err
	}
	result, err := one.write()
	if err != nil {
		return err
	}
	a.out[i] = result
	return nil
}

// stored is a value as the type reads it back, as far as that can be known here.
func (t *pgType) stored(v store.Value) store.Value {
	if v.IsNull() {
		return v
	}
	if v.Kind != t.kind {
		if w, err := store.Convert(v, store.Type{Kind: t.kind, Strict: true}); err == nil {
			v = w
		}
	}
	switch {
	case t.kind == store.Blob || v.Kind != t.kind:
		return v
	case t.kind == store.Bool:
		return v
	}
	w, err := t.read(v.S)
	if err != nil {
		return v
	}
	return w
}

// insertParams are the parameters of an insert: the rows, then the defaults.
func (p *plan) insertParams(writes []*store.Write) []param {
	params := make([]param, 0, len(p.names)+4)
	for i := range p.names {
		params = append(params, arrayParam(len(writes), func(n int) store.Value { return writes[n].After[i] }))
	}
	for _, d := range writes[0].Relation.Defaults {
		params = append(params, valueParam(d.Value))
	}
	return params
}
