package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

const (
	sqlAdmit = `SELECT (SELECT epoch FROM main.dualwrite_writer WHERE name = ?1),
		(SELECT max(seq) FROM main.dualwrite_marker WHERE writer = ?1)`
	sqlRaise = `INSERT INTO main.dualwrite_writer (name, epoch) VALUES (?1, 1)
		ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1`
	sqlEpoch  = `SELECT epoch FROM main.dualwrite_writer WHERE name = ?1`
	sqlCursor = `SELECT seq, position, body FROM main.dualwrite_marker WHERE writer = ?1 AND what = '` + store.MarkerEnd + `'
		ORDER BY seq DESC LIMIT 1`
)

// errNoLedger says that Capture has never been called.
var errNoLedger = errors.New("database has no ledger: nothing has been captured in it yet")

// Tx is a write transaction of ours.
type Tx struct {
	s       *Store
	c       *conn
	marker  store.Marker
	version int64  // of the schema
	parted  bool   // it has a part before this one
	broken  string // the table whose write failed last
	failed  bool
	over    bool
}

// Fence starts a new attempt of a writer.
func (s *Store) Fence(ctx context.Context, writer string) (store.Cursor, error) {
	if err := s.same(); err != nil {
		return store.Cursor{}, fmt.Errorf("fence writer %s: %w", writer, err)
	}
	out := store.Cursor{Writer: writer}
	err := s.writer.write(ctx, func(c *conn) error {
		if n, err := c.number(ctx, sqlLedgerExists); err != nil || n == 0 {
			return errors.Join(errNoLedger, err)
		}
		if err := c.exec(ctx, sqlRaise, writer); err != nil {
			return err
		}
		var err error
		if out.Epoch, err = c.number(ctx, sqlEpoch, writer); err != nil {
			return err
		}
		return c.query(ctx, sqlCursor, []driver.Value{writer}, func(row []driver.Value) error {
			out.Seq, _ = row[0].(int64)
			position, _ := row[1].(string)
			out.Body, _ = row[2].(string)
			out.Position = store.Position(position)
			return nil
		})
	})
	if err != nil {
		return store.Cursor{}, fmt.Errorf("fence writer %s: %w", writer, err)
	}
	return out, nil
}

// Begin opens a write transaction. There is one at a time in the database, so the stream's lock is always held.
func (s *Store) Begin(ctx context.Context, m store.Marker) (store.Tx, error) {
	if err := s.same(); err != nil {
		return nil, fmt.Errorf("begin as %s: %w", m.Writer, err)
	}
	if err := s.writer.lock(ctx, patience); err != nil {
		return nil, fmt.Errorf("begin as %s: %w", m.Writer, err)
	}
	tx := &Tx{s: s, c: s.writer.conn, marker: m}
	if err := tx.begin(ctx); err != nil {
		_ = tx.Rollback()
		return nil, fmt.Errorf("begin as %s: %w", m.Writer, err)
	}
	return tx, nil
}

func (tx *Tx) begin(ctx context.Context) error {
	m := tx.marker
	var epoch, seq int64
	err := tx.c.query(ctx, sqlAdmit, []driver.Value{m.Writer}, func(row []driver.Value) error {
		epoch, _ = row[0].(int64)
		seq, _ = row[1].(int64)
		return nil
	})
	switch {
	case code(err)&0xff == codeError:
		return errNoLedger
	case err != nil:
		return fault(err)
	case epoch != m.Epoch || seq >= m.Seq:
		return store.ErrFenced
	case seq+1 != m.Seq:
		return fmt.Errorf("transaction %d does not follow on %d", m.Seq, seq)
	}
	if tx.version, err = tx.c.number(ctx, sqlSchemaVersion); err != nil {
		return fault(err)
	}
	return tx.mark(ctx, store.MarkerBegin, m.Body)
}

// mark writes a row of the marker.
func (tx *Tx) mark(ctx context.Context, what, body string) error {
	m := tx.marker
	t := tx.s.ledger[store.MarkerTable]
	args := []driver.Value{m.Writer, m.Seq, what, string(m.Position), m.Map, body, m.AtMs}
	if err := tx.c.exec(ctx, t.putOne, args...); err != nil {
		return fault(err)
	}
	return tx.log(ctx, t, opInsert, args)
}

// log writes a row of the ledger into the outbox.
func (tx *Tx) log(ctx context.Context, t *ledgerTable, op int64, values []driver.Value) error {
	args := append([]driver.Value{op, time.Now().UnixMilli(), t.Name}, values...)
	return fault(tx.c.exec(ctx, t.log, args...))
}

func (tx *Tx) usable() error {
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
	p, err := tx.s.plans.plan(ctx, tx.c, tx.version, rel)
	if err != nil {
		return nil, tx.fail(err)
	}
	rows, err := p.find(ctx, tx.c, keys, p.filter)
	return rows, tx.fail(err)
}

// Select returns ledger rows.
func (tx *Tx) Select(ctx context.Context, q store.Query) ([]store.Row, error) {
	if err := tx.usable(); err != nil {
		return nil, err
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

// Delete removes ledger rows. The log has none of it.
func (tx *Tx) Delete(ctx context.Context, q store.Query) error {
	if err := tx.usable(); err != nil {
		return err
	}
	queries, err := tx.s.ledgerQueries(&q)
	if err != nil {
		return tx.fail(err)
	}
	for _, l := range queries {
		if err := tx.c.exec(ctx, "DELETE FROM "+l.table.table+" WHERE "+l.where, l.args...); err != nil {
			return tx.fail(fault(err))
		}
	}
	return nil
}

// Put inserts or replaces ledger rows.
func (tx *Tx) Put(ctx context.Context, table string, rows ...store.Row) error {
	if err := tx.usable(); err != nil {
		return err
	}
	t := tx.s.ledger[table]
	if t == nil || table == store.WriterTable || table == store.MarkerTable {
		return tx.fail(fmt.Errorf("ledger table %s takes no rows", table))
	}
	args := make([][]driver.Value, len(rows))
	for i, row := range rows {
		if err := t.fits(row); err != nil {
			return tx.fail(err)
		}
		args[i] = bindRow(row)
		if t.Serial && row[0] == store.Int(0) {
			args[i][0] = nil
		}
	}
	if t.Captured {
		return tx.fail(tx.putLogged(ctx, t, args))
	}
	for len(args) >= putRows {
		var many []driver.Value
		for _, row := range args[:putRows] {
			many = append(many, row...)
		}
		if err := tx.c.exec(ctx, t.putMany, many...); err != nil {
			return tx.fail(fault(err))
		}
		args = args[putRows:]
	}
	for _, row := range args {
		if err := tx.c.exec(ctx, t.putOne, row...); err != nil {
			return tx.fail(fault(err))
		}
	}
	return nil
}

// putLogged puts rows of a captured table, and puts them into the outbox.
func (tx *Tx) putLogged(ctx context.Context, t *ledgerTable, rows [][]driver.Value) error {
	for _, row := range rows {
		op := opInsert
		if row[0] != nil {
			n, err := tx.c.number(ctx, t.exists, row[:t.Primary]...)
			if err != nil {
				return fault(err)
			}
			if n > 0 {
				op = opUpdate
			}
		}
		number, err := tx.c.insert(ctx, t.putOne, row...)
		if err != nil {
			return fault(err)
		}
		if row[0] == nil {
			row[0] = number
		}
		if err := tx.log(ctx, t, op, row); err != nil {
			return err
		}
	}
	return nil
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

// Continue ends a part and begins the next.
func (tx *Tx) Continue(ctx context.Context, body string, next store.Marker) error {
	if err := tx.usable(); err != nil {
		return err
	}
	return tx.fail(tx.goOn(ctx, body, next))
}

func (tx *Tx) goOn(ctx context.Context, body string, next store.Marker) error {
	if err := tx.mark(ctx, store.MarkerEnd, body); err != nil {
		return err
	}
	if tx.parted {
		if err := tx.c.exec(ctx, sqlReleasePart); err != nil {
			return fault(err)
		}
	}
	tx.marker, tx.parted = next, true
	if err := tx.begin(ctx); err != nil {
		return fmt.Errorf("go on as %s: %w", next.Writer, err)
	}
	return fault(tx.c.exec(ctx, sqlSavepointPart))
}

// Again goes back to where the part begins, unless a trigger has taken the transaction away.
func (tx *Tx) Again(ctx context.Context) error {
	if tx.over || !tx.parted {
		return errors.New("transaction is over, or has no parts")
	}
	err := tx.c.exec(ctx, sqlRollbackToPart)
	if code(err) == codeError && tx.broken != "" {
		return tx.fail(&store.MapError{Table: tx.broken, Reason: "a trigger rolls back whole transactions", Err: err})
	}
	tx.failed = err != nil
	return fault(err)
}

// Commit writes the end row and commits.
func (tx *Tx) Commit(ctx context.Context, body string) error {
	if err := tx.usable(); err != nil {
		return err
	}
	if err := tx.mark(ctx, store.MarkerEnd, body); err != nil {
		return fmt.Errorf("commit as %s: %w", tx.marker.Writer, tx.fail(err))
	}
	tx.over = true
	if err := tx.s.writer.commit(); err != nil {
		return fmt.Errorf("commit as %s: %w", tx.marker.Writer, err)
	}
	tx.s.wake()
	return nil
}

// Rollback ends the transaction without effect.
func (tx *Tx) Rollback() error {
	if tx.over {
		return nil
	}
	tx.over = true
	tx.s.writer.rollback()
	return nil
}

// Import does nothing: Limits says so.
func (*Tx) Import(context.Context, *store.Relation, store.Block) error {
	return errors.New("blocks of rows are not taken")
}

// Quiet does nothing: Limits says so.
func (*Tx) Quiet(context.Context, ...*store.Relation) (bool, error) { return false, nil }

// Renumber does nothing: rows are numbered from beyond the greatest by themselves.
func (*Tx) Renumber(context.Context, *store.Relation) error { return nil }
