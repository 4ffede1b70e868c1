package memory

import (
	"context"
	"errors"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// Apply makes writes; the first fault ends the transaction.
func (tx *Tx) Apply(_ context.Context, writes []store.Write) (results []store.Result, err error) {
	if err := tx.enter("apply"); err != nil {
		return nil, err
	}
	defer tx.leave(&err)
	out := make([]store.Result, len(writes))
	var m *mapping
	for i := range writes {
		if m, err = tx.place(m, &writes[i]); err != nil {
			return nil, err
		}
		if out[i], err = tx.write(m, &writes[i]); err != nil {
			return nil, at(err, i)
		}
	}
	return out, nil
}

// ApplyBeside works first.
func (tx *Tx) ApplyBeside(ctx context.Context, writes []store.Write, work func()) ([]store.Result, error) {
	work()
	return tx.Apply(ctx, writes)
}

// ApplyEach makes writes one by one.
func (tx *Tx) ApplyEach(_ context.Context, writes []store.Write) (results []store.Result, err error) {
	if err := tx.enter("apply each"); err != nil {
		return nil, err
	}
	defer tx.leave(&err)
	out := make([]store.Result, len(writes))
	var m *mapping
	for i := range writes {
		if m, err = tx.place(m, &writes[i]); err != nil {
			return nil, err
		}
		before := tx.txn.savepoint()
		result, err := tx.write(m, &writes[i])
		var fault *store.RowError
		if errors.As(err, &fault) {
			tx.txn.restore(before)
			fault.Index = i
			result, err = store.Result{Outcome: store.Failed, Err: fault}, nil
		}
		if err != nil {
			return nil, err
		}
		out[i] = result
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

// place finds a write's table; writes of one relation usually follow each other.
func (tx *Tx) place(last *mapping, w *store.Write) (*mapping, error) {
	if last != nil && last.rel == w.Relation {
		return last, nil
	}
	return tx.db.mapping(tx.db.catalog, w.Relation)
}

// write makes one write.
func (tx *Tx) write(m *mapping, w *store.Write) (store.Result, error) {
	current, found := m.find(tx.db.trees, w.Key)
	moves := w.After != nil && !m.rel.KeyOf(w.After).Equal(w.Key)
	if w.Guard == store.Expect {
		if result, refused := tx.guard(m, w, current.row, moves); refused {
			return result, nil
		}
	}
	switch {
	case w.After == nil:
		return tx.delete(m, current, found)
	case !moves:
		return tx.upsert(m, current, found, w.After)
	}
	occupant, occupied := m.find(tx.db.trees, m.rel.KeyOf(w.After))
	switch {
	case found && !occupied:
		return tx.upsert(m, current, true, w.After)
	case !found:
		return tx.upsert(m, occupant, occupied, w.After)
	}
	if _, err := tx.delete(m, current, true); err != nil {
		return store.Result{}, err
	}
	occupant, occupied = m.find(tx.db.trees, m.rel.KeyOf(w.After))
	_, err := tx.upsert(m, occupant, occupied, w.After)
	return store.Result{Outcome: store.Applied}, err
}

// guard compares a row with what the write expects. current is the row at its key.
func (tx *Tx) guard(m *mapping, w *store.Write, current store.Row, moves bool) (result store.Result, refused bool) {
	met := (current == nil) == (w.Before == nil) && (current == nil || m.equal(current, w.Before, m.free))
	var occupant entry
	occupied := false
	if moves {
		occupant, occupied = m.find(tx.db.trees, m.rel.KeyOf(w.After))
	}
	if met && !occupied {
		return store.Result{}, false
	}
	result.Outcome = store.Refused
	switch {
	case current != nil:
		result.Current = pick(current, m.columns)
	case occupied:
		result.Current = pick(occupant.row, m.columns)
	}
	return result, true
}

// equal compares a row of the table with one of the relation.
func (m *mapping) equal(row, image store.Row, free []bool) bool {
	for i, c := range m.columns {
		if row[c] != image[i] && (free == nil || !free[i]) {
			return false
		}
	}
	return true
}

func (tx *Tx) delete(m *mapping, current entry, found bool) (store.Result, error) {
	if !found {
		return store.Result{Outcome: store.Unchanged}, nil
	}
	return store.Result{Outcome: store.Applied}, tx.txn.remove(m.table, current.key, current.row)
}

func (tx *Tx) upsert(m *mapping, current entry, found bool, after store.Row) (store.Result, error) {
	if found {
		if m.equal(current.row, after, nil) {
			return store.Result{Outcome: store.Unchanged}, nil
		}
		row := slices.Clone(current.row)
		m.fill(row, after)
		return store.Result{Outcome: store.Applied}, tx.txn.update(m.table, current.key, current.row, row)
	}
	row := m.table.fresh()
	for i, c := range m.outside {
		row[c] = m.rel.Defaults[i].Value
	}
	m.fill(row, after)
	return store.Result{Outcome: store.Applied}, tx.txn.insert(m.table, row)
}

func (m *mapping) fill(row, image store.Row) {
	for i, c := range m.columns {
		row[c] = image[i]
	}
}
