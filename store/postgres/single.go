package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// oneWrite makes one write.
type oneWrite struct {
	a   *applier
	ctx context.Context
	i   int
	w   *store.Write
	p   *plan
}

// role turns triggers off or on, as the relation asks.
func (o *oneWrite) role() error { return o.a.tx.role(o.ctx, o.w.Relation) }

func (tx *Tx) role(ctx context.Context, rel *store.Relation) error {
	if rel.SkipTriggers == tx.replica && !tx.unsure {
		return nil
	}
	role := "origin"
	if rel.SkipTriggers {
		role = "replica"
	}
	if err := tx.c.exec(ctx, "SET LOCAL session_replication_role = "+role); err != nil {
		if state(err) == statePrivilege {
			return &store.MapError{Table: rel.Table, Err: err, Reason: "its triggers cannot be skipped: our role needs " +
				"GRANT SET ON PARAMETER session_replication_role"}
		}
		return fault(err)
	}
	tx.replica, tx.set, tx.unsure = rel.SkipTriggers, true, false
	return nil
}

// write decides what is to be done, by the row as it is.
func (o *oneWrite) write() (store.Result, error) {
	w := o.w
	current, err := o.row(w.Key)
	if err != nil {
		return store.Result{}, err
	}
	moves := w.After != nil && !o.same(w.Key, w.After[:o.p.key])
	var occupant store.Row
	if moves {
		if occupant, err = o.row(w.After[:o.p.key]); err != nil {
			return store.Result{}, err
		}
	}
	if w.Guard == store.Expect && (occupant != nil || !o.p.meets(current, w.Before)) {
		if current == nil {
			current = occupant
		}
		return store.Result{Outcome: store.Refused, Current: current}, nil
	}
	switch {
	case w.After == nil:
		return o.delete(current)
	case !moves || current != nil && occupant == nil:
		return o.put(current, w.Key)
	case current != nil:
		if _, err := o.delete(current); err != nil {
			return store.Result{}, err
		}
		if occupant, err = o.row(w.After[:o.p.key]); err != nil {
			return store.Result{}, err
		}
		result, err := o.put(occupant, w.After[:o.p.key])
		result.Outcome = store.Applied
		return result, err
	}
	return o.put(occupant, w.After[:o.p.key])
}

// row reads a row by its key, and locks it.
func (o *oneWrite) row(key store.Row) (store.Row, error) {
	params := make([]param, len(key))
	for i, v := range key {
		params[i] = valueParam(v)
	}
	var out store.Row
	err := o.a.tx.c.query(o.ctx, o.p.one, params, func(values [][]byte) (err error) {
		out, err = readRow(o.p.types, values)
		return err
	})
	return out, o.a.fault(o.ctx, o.i, err)
}

// same compares keys.
func (o *oneWrite) same(x, y store.Row) bool {
	for i := range x {
		if o.p.types[i].stored(x[i]) != o.p.types[i].stored(y[i]) {
			return false
		}
	}
	return true
}

// meets reports whether a row is as a guard expects it.
func (p *plan) meets(current, before store.Row) bool {
	if current == nil || before == nil {
		return current == nil && before == nil
	}
	for _, i := range p.compared {
		if current[i] != p.types[i].stored(before[i]) {
			return false
		}
	}
	return true
}

func (o *oneWrite) delete(current store.Row) (store.Result, error) {
	if current == nil {
		return store.Result{Outcome: store.Unchanged}, nil
	}
	params := make([]param, o.p.key)
	for i := range params {
		params[i] = arrayParam(1, func(int) store.Value { return o.w.Key[i] })
	}
	n, err := o.a.tx.c.change(o.ctx, o.p.remove, params...)
	return outcome(n), o.a.fault(o.ctx, o.i, err)
}

// outcome is that of a statement: a trigger may have had it ignored.
func outcome(changed int64) store.Result {
	if changed == 0 {
		return store.Result{Outcome: store.Unchanged}
	}
	return store.Result{Outcome: store.Applied}
}

// put writes the row that comes after over the current one, which is at the key, or anew.
func (o *oneWrite) put(current, key store.Row) (store.Result, error) {
	if err := o.a.parents(o.ctx, o.i); err != nil {
		return store.Result{}, err
	}
	if current != nil {
		return o.change(current, key)
	}
	statement := o.p.upsert
	if o.w.Guard == store.Expect {
		statement = o.p.add
	}
	n, err := o.a.tx.c.change(o.ctx, statement, o.p.insertParams([]*store.Write{o.w})...)
	if err != nil {
		return store.Result{}, o.a.fault(o.ctx, o.i, err)
	}
	if n == 0 && o.w.Guard == store.Expect { // someone has inserted the key since we looked
		if current, err = o.row(o.w.After[:o.p.key]); err != nil {
			return store.Result{}, err
		}
		if current != nil {
			return store.Result{Outcome: store.Refused, Current: current}, nil
		}
	}
	return outcome(n), nil
}

// change updates the columns that differ.
func (o *oneWrite) change(current, key store.Row) (store.Result, error) {
	var set []string
	var params []param
	for i, v := range o.w.After {
		if o.p.types[i].stored(v) == current[i] {
			continue
		}
		params = append(params, valueParam(v))
		set = append(set, quote(o.p.names[i])+" = $"+strconv.Itoa(len(params))+"::text::"+o.p.types[i].cast())
	}
	if len(set) == 0 {
		return store.Result{Outcome: store.Unchanged}, nil
	}
	var where []string
	for i, v := range key {
		params = append(params, valueParam(v))
		where = append(where, quote(o.p.names[i])+" = $"+strconv.Itoa(len(params))+"::text::"+o.p.types[i].cast())
	}
	sql := "UPDATE " + o.p.table + " SET " + strings.Join(set, ", ") + " WHERE " + strings.Join(where, " AND ")
	n, err := o.a.tx.c.change(o.ctx, sql, params...)
	return outcome(n), o.a.fault(o.ctx, o.i, err)
}
