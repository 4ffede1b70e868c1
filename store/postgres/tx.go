package postgres

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// Tx is a write transaction of ours.
type Tx struct {
	s       *Store
	c       *session
	marker  store.Marker
	ahead   []answer
	replica bool // session_replication_role is replica now …
	set     bool // … which this transaction has said …
	unsure  bool // … and may have taken back with what was done since a savepoint
	quiet   bool // the publication has to publish again
	parted  bool // it has a part before this one
	failed  bool
	over    bool

	importing *importing // nil: none under way
}

// Begin opens a write transaction, in one round trip.
func (s *Store) Begin(ctx context.Context, m store.Marker) (store.Tx, error) {
	c, err := s.session(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin as %s: %w", m.Writer, err)
	}
	tx := &Tx{s: s, c: c, marker: m}
	if err := tx.begin(ctx, []statement{{sql: sqlBegin}}, nil); err != nil {
		_ = tx.Rollback()
		return nil, fmt.Errorf("begin as %s: %w", m.Writer, err)
	}
	return tx, nil
}

// begin writes the begin row of the marker, after some statements and before others, and asks what is asked ahead.
func (tx *Tx) begin(ctx context.Context, statements, after []statement) error {
	m := &tx.marker
	lastSeq := sqlLastSeq
	if m.Relaxed {
		lastSeq = sqlRelaxed
	}
	if m.LockStream {
		statements = append(statements, statement{sql: sqlLockStream})
	}
	statements = append(statements, statement{lastSeq, []param{textParam(m.Writer)}},
		statement{sqlBeginRow, append(markerParams(m, store.MarkerBegin, m.Body), numberParam(m.Epoch))})
	begun := len(statements)
	statements = append(statements, after...)
	asked := len(statements)
	tx.ahead = nil
	for _, q := range m.Ahead {
		st, t, err := tx.s.selection(&q)
		if err != nil {
			return err
		}
		statements = append(statements, st)
		tx.ahead = append(tx.ahead, answer{query: q, types: t.types})
	}
	last := int64(0)
	tags, err := tx.c.run(ctx, func(i int, values [][]byte) error {
		if i == begun-2 {
			last = store.Value{S: string(values[0])}.Int64()
		}
		if i < asked {
			return nil
		}
		return tx.ahead[i-asked].add(values)
	}, statements...)
	switch {
	case absent(err):
		return errNoLedger
	case state(err) == stateUnique:
		return store.ErrFenced
	case err != nil:
		return fault(err)
	case tags[begun-1].RowsAffected() != 1:
		return store.ErrFenced
	case last+1 < m.Seq:
		return store.Because("the server has lost transactions in a crash", fmt.Errorf("transaction %d does not follow on %d", m.Seq, last))
	case last+1 != m.Seq:
		return fmt.Errorf("transaction %d does not follow on %d", m.Seq, last)
	}
	return nil
}

// answer is what was asked with the beginning.
type answer struct {
	query store.Query
	types []pgType
	rows  []store.Row
}

func (a *answer) add(values [][]byte) error {
	row, err := readRow(a.types, values)
	a.rows = append(a.rows, row)
	return err
}

// answered is the answer to a query, if it was asked with the beginning and still is what it was.
func (tx *Tx) answered(q *store.Query) ([]store.Row, bool) {
	i := slices.IndexFunc(tx.ahead, func(a answer) bool { return reflect.DeepEqual(&a.query, q) })
	if i < 0 {
		return nil, false
	}
	return tx.ahead[i].rows, true
}

// usable waits for what is under way, and tells whether anything more can be done.
func (tx *Tx) usable() error {
	if err := tx.imported(); err != nil {
		return err
	}
	switch {
	case tx.over:
		return errors.New("transaction is over")
	case tx.failed:
		return errors.New("transaction has failed")
	}
	return nil
}

// fail notes an error, after which only Rollback remains.
func (tx *Tx) fail(err error) error {
	if err != nil {
		tx.failed = true
	}
	return err
}

// Lookup returns rows by key.
func (tx *Tx) Lookup(ctx context.Context, rel *store.Relation, keys []store.Row) ([]store.Row, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	rows, err := tx.s.lookup(ctx, tx.c, rel, keys)
	return rows, tx.fail(err)
}

// Select returns ledger rows.
func (tx *Tx) Select(ctx context.Context, q store.Query) ([]store.Row, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	if rows, ok := tx.answered(&q); ok {
		return rows, nil
	}
	rows, err := tx.s.selectLedger(ctx, tx.c, &q)
	return rows, tx.fail(err)
}

// Count counts ledger rows.
func (tx *Tx) Count(ctx context.Context, q store.Query) (int64, error) {
	if err := tx.usable(); err != nil {
		return 0, err
	}
	n, err := tx.s.countLedger(ctx, tx.c, &q)
	return n, tx.fail(err)
}

// write changes a ledger table, with the next round trip.
func (tx *Tx) write(table string, statements ...statement) {
	tx.ahead = slices.DeleteFunc(tx.ahead, func(a answer) bool { return a.query.Table == table })
	tx.c.postpone(statements...)
}

// Delete removes ledger rows. The publication does not send it.
func (tx *Tx) Delete(_ context.Context, q store.Query) error {
	if err := tx.usable(); err != nil {
		return err
	}
	w, err := tx.s.conditions(&q)
	if err != nil {
		return tx.fail(err)
	}
	tx.write(q.Table, statement{"DELETE FROM " + w.table.table + " WHERE " + w.where + w.only, w.params})
	return nil
}

// putRows is how many rows one statement puts.
const putRows = 2000

// Put inserts or replaces ledger rows.
func (tx *Tx) Put(_ context.Context, table string, rows ...store.Row) error {
	if err := tx.usable(); err != nil {
		return err
	}
	t := tx.s.ledger[table]
	if t == nil || table == store.WriterTable || table == store.MarkerTable {
		return tx.fail(fmt.Errorf("ledger table %s takes no rows", table))
	}
	for _, row := range rows {
		if err := t.fits(row); err != nil {
			return tx.fail(err)
		}
	}
	fresh, known := t.unnumbered(rows)
	statements := t.statements(nil, t.add, 1, fresh)
	tx.write(table, t.statements(statements, t.put, 0, t.lastOfEach(known))...)
	return nil
}

// statements adds those that put rows, from a column on.
func (t *ledgerTable) statements(to []statement, sql string, from int, rows []store.Row) []statement {
	for part := range slices.Chunk(rows, putRows) {
		params := make([]param, 0, len(t.Columns))
		for i := from; i < len(t.Columns); i++ {
			params = append(params, arrayParam(len(part), func(n int) store.Value { return part[n][i] }))
		}
		to = append(to, statement{sql, params})
	}
	return to
}

// unnumbered are the rows that are to be numbered, and the others.
func (t *ledgerTable) unnumbered(rows []store.Row) (fresh, others []store.Row) {
	if !t.Serial {
		return nil, rows
	}
	for _, row := range rows {
		if row[0] == store.Int(0) {
			fresh = append(fresh, row)
		} else {
			others = append(others, row)
		}
	}
	return fresh, others
}

// lastOfEach leaves the last row of each primary key: one statement changes a row once.
func (t *ledgerTable) lastOfEach(rows []store.Row) []store.Row {
	if len(rows) < 2 {
		return rows
	}
	last := make(map[string]int, len(rows))
	for i, row := range rows {
		last[store.EncodeRow(row[:t.Primary])] = i
	}
	out := make([]store.Row, 0, len(rows))
	for i, row := range rows {
		if last[store.EncodeRow(row[:t.Primary])] == i {
			out = append(out, row)
		}
	}
	return out
}

// fits checks that a row is one of the table.
func (t *ledgerTable) fits(row store.Row) error {
	if len(row) != len(t.Columns) {
		return fmt.Errorf("ledger table %s has %d columns, the row %d", t.Name, len(t.Columns), len(row))
	}
	for i, c := range t.Columns {
		if row[i].Kind != c.Kind {
			return fmt.Errorf("ledger column %s.%s takes no %s", t.Name, c.Name, row[i].Kind)
		}
	}
	return nil
}

// Continue ends a part and begins the next, in one round trip.
func (tx *Tx) Continue(ctx context.Context, body string, next store.Marker) error {
	if err := tx.usable(); err != nil {
		return err
	}
	if tx.quiet {
		return tx.fail(errors.New("transaction is quiet"))
	}
	end := []statement{{sqlEndRow, markerParams(&tx.marker, store.MarkerEnd, body)}}
	if tx.parted {
		end = append(end, statement{sql: sqlReleasePart})
	}
	tx.marker, tx.parted = next, true
	if err := tx.begin(ctx, end, []statement{{sql: sqlSavepointPart}}); err != nil {
		return tx.fail(fmt.Errorf("go on as %s: %w", next.Writer, err))
	}
	return nil
}

// Again goes back to where the part begins.
func (tx *Tx) Again(ctx context.Context) error {
	if tx.over || !tx.parted {
		return errors.New("transaction is over, or has no parts")
	}
	_ = tx.imported() // is taken back
	tx.c.waiting, tx.ahead = nil, nil
	err := tx.back(ctx, sqlRollbackToPart)
	tx.failed = err != nil
	return fault(err)
}

// back goes back to a savepoint.
func (tx *Tx) back(ctx context.Context, sql string) error {
	tx.unsure = tx.set
	return tx.c.exec(ctx, sql)
}

// Commit writes the end row and commits.
func (tx *Tx) Commit(ctx context.Context, body string) error {
	if err := tx.usable(); err != nil {
		return err
	}
	var statements []statement
	if tx.quiet {
		statements = append(statements, statement{sql: sqlLoud})
	}
	_, err := tx.c.run(ctx, nil, append(statements, statement{sqlEndRow, markerParams(&tx.marker, store.MarkerEnd, body)}, statement{sql: sqlCommit})...)
	if err != nil {
		err = tx.fail(fmt.Errorf("commit as %s: %w", tx.marker.Writer, fault(err)))
		_ = tx.Rollback()
		return err
	}
	tx.over = true
	tx.c.release()
	return nil
}

// Rollback ends the transaction without effect.
func (tx *Tx) Rollback() error {
	if tx.over {
		return nil
	}
	tx.over = true
	if tx.importing != nil {
		tx.importing.cancel()
		_ = tx.imported()
	}
	tx.c.rollback()
	tx.c.release()
	return nil
}
