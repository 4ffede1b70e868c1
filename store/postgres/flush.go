package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// flush makes the writes of groups in one round trip. Where a row is refused, it makes them one by one, in the order
// given: that may be what they need, and otherwise tells which one it is.
func (a *applier) flush(ctx context.Context, groups []*group) error {
	if len(groups) == 0 {
		return nil
	}
	of, refused, err := a.send(ctx, groups)
	if err != nil {
		return err
	}
	if !refused {
		a.tx.c.postpone(statement{sql: sqlRelease})
		return a.look(ctx, of)
	}
	var places []int
	for _, g := range groups {
		places = append(places, g.at...)
	}
	slices.Sort(places)
	for _, i := range places {
		if err := a.single(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// send makes the writes of groups in one round trip, in a savepoint that is still open, and notes which rows have changed.
// refused: a row was, and nothing has been written.
func (a *applier) send(ctx context.Context, groups []*group) (of []part, refused bool, err error) {
	statements := []statement{{sql: sqlSavepoint}}
	for _, g := range groups {
		for start := 0; start < len(g.writes); start += groupRows {
			n := min(start+groupRows, len(g.writes))
			of = append(of, part{g, start, n})
			statements = append(statements, g.statement(g.writes[start:n]))
		}
		for _, i := range g.at {
			a.out[i] = store.Result{Outcome: store.Unchanged}
		}
	}
	marks := make([]int, len(of))
	_, err = a.tx.c.run(ctx, func(i int, values [][]byte) error {
		if i == 0 {
			return nil
		}
		return a.mark(of[i-1], &marks[i-1], values)
	}, statements...)
	if err == nil {
		return of, false, nil
	}
	if !final(err) {
		return nil, false, fault(err)
	}
	return nil, true, a.tx.undo(ctx)
}

// final reports whether the server has refused a statement for a reason that trying again would not mend.
func final(err error) bool {
	return pgError(err) != nil && !errors.Is(fault(err), store.ErrTransient) && state(err) != stateLockTimeout
}

// undo takes back what has been done since the savepoint.
func (tx *Tx) undo(ctx context.Context) error {
	return fault(tx.back(ctx, sqlRollbackTo+"; "+sqlRelease))
}

// hopefully makes the writes of several rounds in as few round trips as can be, as if no guard could fail and no row that is
// updated were missing: where a key is written again, what is expected then is what was written before. false: one did, or
// was, and nothing has been written.
func (a *applier) hopefully(ctx context.Context, groups []*group) (bool, error) {
	if together(groups) == len(groups) {
		return false, nil
	}
	for _, g := range groups {
		if g.kind == kindCopy && len(g.writes) < copyLeast {
			g.kind = kindUpsert
		}
	}
	open, done := 0, true // savepoints
	for done && len(groups) > 0 {
		n := 1
		var err error
		if groups[0].kind == kindCopy {
			done, err = a.copyIn(ctx, groups[0])
		} else {
			for n < len(groups) && groups[n].kind != kindCopy {
				n++
			}
			if done, err = a.hope(ctx, groups[:n]); done {
				open++
			}
		}
		if err != nil {
			return false, err
		}
		groups = groups[n:]
	}
	for range open {
		if done {
			a.tx.c.postpone(statement{sql: sqlRelease})
		} else if err := a.tx.undo(ctx); err != nil {
			return false, err
		}
	}
	return done, nil
}

// hope makes the writes of groups in one round trip, in a savepoint that is still open. false: something was not as it should
// be, and nothing has been written.
func (a *applier) hope(ctx context.Context, groups []*group) (bool, error) {
	_, refused, err := a.send(ctx, groups)
	if refused || err != nil {
		return false, err
	}
	for _, g := range groups {
		if g.looks() && slices.ContainsFunc(g.at, func(i int) bool { return a.out[i].Outcome != store.Applied }) {
			return false, a.tx.undo(ctx)
		}
	}
	return true, nil
}

// part is what one statement makes of a group.
type part struct {
	g        *group
	from, to int
}

// mark notes which write a returned row is of: by its number, or, since rows are inserted and returned in order, by its
// key.
func (a *applier) mark(p part, next *int, values [][]byte) error {
	switch p.g.kind {
	case kindUpsert, kindAdd:
		for n := p.from + *next; n < p.to; n++ {
			if p.g.isKey(p.g.writes[n].After, values) {
				a.out[p.g.at[n]].Outcome = store.Applied
				*next = n - p.from + 1
				return nil
			}
		}
		return nil
	default:
		ord, err := strconv.Atoi(string(values[0]))
		if err != nil || ord < 1 || p.from+ord > p.to {
			return fmt.Errorf("read number of a row")
		}
		a.out[p.g.at[p.from+ord-1]].Outcome = store.Applied
	}
	return nil
}

func (g *group) isKey(row store.Row, values [][]byte) bool {
	for i := range g.p.key {
		if row[i].S == string(values[i]) {
			continue
		}
		v, err := g.p.types[i].read(string(values[i]))
		if err != nil || v != g.p.types[i].stored(row[i]) {
			return false
		}
	}
	return true
}

// look finds out what is there instead where a guard was not met. What meets it after all is written.
func (a *applier) look(ctx context.Context, parts []part) error {
	for _, p := range parts {
		if p.g.kind == kindRemove || p.g.kind == kindUpsert {
			continue
		}
		var missed []int
		for n := p.from; n < p.to; n++ {
			if a.out[p.g.at[n]].Outcome != store.Applied {
				missed = append(missed, n)
			}
		}
		if len(missed) == 0 {
			continue
		}
		if p.g.kind == kindUpdate {
			again := &group{p: p.g.p, kind: kindUpsert}
			for _, n := range missed {
				again.writes, again.at = append(again.writes, p.g.writes[n]), append(again.at, p.g.at[n])
			}
			if err := a.flush(ctx, []*group{again}); err != nil {
				return err
			}
			continue
		}
		if err := a.lookAt(ctx, p.g, missed); err != nil {
			return err
		}
	}
	return nil
}

// lookAt locks and reads the rows of writes of a group.
func (a *applier) lookAt(ctx context.Context, g *group, missed []int) error {
	params := make([]param, g.p.key)
	for i := range params {
		params[i] = arrayParam(len(missed), func(n int) store.Value { return g.writes[missed[n]].Key[i] })
	}
	found := make([]store.Row, len(missed))
	err := a.tx.c.query(ctx, g.p.locked, params, func(values [][]byte) error {
		at, err := strconv.Atoi(string(values[0]))
		if err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		found[at-1], err = readRow(g.p.types, values[1:])
		return err
	})
	if err != nil {
		return tableFault(g.p.info.Name, err)
	}
	for n, m := range missed {
		w := g.writes[m]
		if !g.p.meets(found[n], w.Before) {
			a.out[g.at[m]] = store.Result{Outcome: store.Refused, Current: found[n]}
			continue
		}
		if err := a.single(ctx, g.at[m]); err != nil {
			return err
		}
	}
	return nil
}

// statement makes some writes of a group.
func (g *group) statement(writes []*store.Write) statement {
	p := g.p
	array := func(at func(w *store.Write) store.Value) param {
		return arrayParam(len(writes), func(n int) store.Value { return at(writes[n]) })
	}
	if g.kind == kindUpsert {
		return statement{p.upsert, p.insertParams(writes)}
	}
	if g.kind == kindAdd {
		return statement{p.add, p.insertParams(writes)}
	}
	params := make([]param, 0, 2*len(p.names))
	for i := range p.key {
		params = append(params, array(func(w *store.Write) store.Value { return w.Key[i] }))
	}
	if g.kind == kindRemove {
		return statement{p.remove, params}
	}
	if g.kind != kindUpdate {
		for _, i := range p.compared {
			params = append(params, array(func(w *store.Write) store.Value { return w.Before[i] }))
		}
	}
	if g.kind == kindRemoveExpect {
		return statement{p.removeX, params}
	}
	for i := p.key; i < len(p.names); i++ {
		params = append(params, array(func(w *store.Write) store.Value { return w.After[i] }))
	}
	if g.kind == kindUpdate {
		return statement{p.put, params}
	}
	return statement{p.update, params}
}

// joined is names for people.
func joined(names []string) string { return strings.Join(names, ", ") }
