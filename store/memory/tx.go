package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// Tx is a write transaction of ours.
type Tx struct {
	handle
	txn    *txn
	marker store.Marker
	part   *savepoint // where the part begins; nil: it is the first
	failed bool       // after an error only Rollback remains
}

// enter runs the hook and takes the lock, which the caller gives back if there is no error.
func (tx *Tx) enter(op string) error {
	hookErr := tx.db.call(op)
	tx.db.mu.Lock()
	err := tx.usable()
	if hookErr != nil {
		err = hookErr
	}
	if err != nil {
		tx.failed = true
		tx.db.mu.Unlock()
	}
	return err
}

func (tx *Tx) usable() error {
	switch {
	case tx.failed:
		return errors.New("the transaction has failed")
	case tx.alive() != nil:
		return tx.alive()
	case tx.txn.done:
		return errors.New("the transaction is over")
	}
	return nil
}

// leave gives the lock back and notes an error.
func (tx *Tx) leave(err *error) {
	if *err != nil {
		tx.failed = true
	}
	tx.db.mu.Unlock()
}

// Lookup returns rows by key.
func (tx *Tx) Lookup(_ context.Context, rel *store.Relation, keys []store.Row) (rows []store.Row, err error) {
	if err := tx.enter("lookup"); err != nil {
		return nil, err
	}
	defer tx.leave(&err)
	return tx.db.lookup(tx.db.catalog, tx.db.trees, rel, keys)
}

// Select returns ledger rows.
func (tx *Tx) Select(_ context.Context, q store.Query) (rows []store.Row, err error) {
	if err := tx.enter("select"); err != nil {
		return nil, err
	}
	defer tx.leave(&err)
	s, err := prepare(tx.db.catalog, tx.db.trees, &q)
	if err != nil {
		return nil, err
	}
	return s.rows(), nil
}

// Count counts ledger rows.
func (tx *Tx) Count(_ context.Context, q store.Query) (n int64, err error) {
	if err := tx.enter("count"); err != nil {
		return 0, err
	}
	defer tx.leave(&err)
	s, err := prepare(tx.db.catalog, tx.db.trees, &q)
	if err != nil {
		return 0, err
	}
	return s.count(), nil
}

// Put inserts or replaces ledger rows.
func (tx *Tx) Put(_ context.Context, name string, rows ...store.Row) (err error) {
	if err := tx.enter("put"); err != nil {
		return err
	}
	defer tx.leave(&err)
	t := tx.db.catalog.ledger[name]
	if t == nil || name == store.WriterTable || name == store.MarkerTable {
		return fmt.Errorf("ledger table %s takes no rows", name)
	}
	for _, row := range rows {
		row = slices.Clone(row)
		if err := tx.fits(t, row); err != nil {
			return err
		}
		tx.txn.write(t, row)
	}
	return nil
}

// fits checks a ledger row and numbers it.
func (tx *Tx) fits(t *table, row store.Row) error {
	if len(row) != len(t.names) {
		return fmt.Errorf("ledger table %s has %d columns, the row %d", t.Name, len(t.names), len(row))
	}
	for i, c := range t.def.Columns {
		if row[i].Kind != c.Kind {
			return fmt.Errorf("ledger column %s.%s takes no %s", t.Name, c.Name, row[i].Kind)
		}
	}
	if !t.def.Serial {
		return nil
	}
	if row[0] == store.Int(0) {
		row[0] = tx.txn.next(t)
	}
	tx.db.numbers[t.rows] = max(tx.db.numbers[t.rows], row[0].Int64())
	return nil
}

// Delete removes ledger rows.
func (tx *Tx) Delete(_ context.Context, q store.Query) (err error) {
	if err := tx.enter("delete"); err != nil {
		return err
	}
	defer tx.leave(&err)
	s, err := prepare(tx.db.catalog, tx.db.trees, &q)
	if err != nil {
		return err
	}
	if len(s.conds) == 0 {
		*s.tree = tree{}
		return nil
	}
	for _, key := range s.keys() {
		s.tree.remove(tx.db.gen, key)
	}
	return nil
}

// Continue ends a part and begins the next.
func (tx *Tx) Continue(_ context.Context, body string, next store.Marker) (err error) {
	if err := tx.enter("continue"); err != nil {
		return err
	}
	defer tx.leave(&err)
	if tx.txn.quiet {
		return errors.New("the transaction is quiet")
	}
	marker := tx.db.catalog.ledger[store.MarkerTable]
	tx.txn.write(marker, markerRow(tx.marker, store.MarkerEnd, body))
	if err := tx.txn.admit(next); err != nil {
		return err
	}
	tx.marker = next
	tx.txn.write(marker, markerRow(next, store.MarkerBegin, next.Body))
	part := tx.txn.savepoint()
	tx.part = &part
	return nil
}

// Again goes back to where the part begins.
func (tx *Tx) Again(context.Context) error {
	tx.db.mu.Lock()
	defer tx.db.mu.Unlock()
	tx.failed = false
	if err := tx.usable(); err != nil {
		return err
	}
	if tx.part == nil {
		tx.failed = true
		return errors.New("the transaction has no parts")
	}
	tx.txn.restore(*tx.part)
	return nil
}

// Commit writes the end row and commits.
func (tx *Tx) Commit(_ context.Context, body string) error {
	if err := tx.enter("commit"); err != nil {
		return err
	}
	tx.txn.write(tx.db.catalog.ledger[store.MarkerTable], markerRow(tx.marker, store.MarkerEnd, body))
	if tx.marker.Relaxed {
		tx.txn.relax()
	} else {
		tx.txn.commit()
	}
	tx.db.mu.Unlock()
	return tx.db.call("committed")
}

// Rollback ends the transaction without effect.
func (tx *Tx) Rollback() error {
	tx.db.mu.Lock()
	defer tx.db.mu.Unlock()
	tx.txn.rollback()
	return nil
}

// Quiet leaves what follows out of the log.
func (tx *Tx) Quiet(_ context.Context, relations ...*store.Relation) (quiet bool, err error) {
	if err := tx.enter("quiet"); err != nil {
		return false, err
	}
	defer tx.leave(&err)
	if tx.db.options.QuietRows == 0 {
		return false, nil
	}
	for _, rel := range relations {
		tab := tx.db.catalog.users[rel.Table]
		if tab == nil {
			return false, &store.MapError{Table: rel.Table, Reason: "there is no such table"}
		}
		if len(tab.Triggers) > 0 || slices.ContainsFunc(tab.children, childKey.spreads) {
			return false, nil
		}
	}
	tx.txn.quiet = true
	return true, nil
}

// spreads reports whether what happens to a parent changes its children.
func (k childKey) spreads() bool { return k.onDelete != Restrict || k.onUpdate != Restrict }

// Renumber does nothing: rows are numbered from beyond the greatest by themselves.
func (*Tx) Renumber(context.Context, *store.Relation) error { return nil }
