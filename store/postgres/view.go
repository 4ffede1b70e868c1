package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

// View is a read-only transaction on a connection of its own.
type View struct {
	s *Store
	c *session // nil once closed

	busy   <-chan struct{} // closed when the last digest is there; nil: none was asked for
	cancel context.CancelFunc
}

// A view holds no rows, and has nothing to do while the other side is read for it: of a large table that may take long.
const sqlSnapshot = `SELECT pg_catalog.pg_current_snapshot()::text, pg_catalog.set_config('idle_in_transaction_session_timeout', '5min', true)`

// View opens a snapshot. It sees what the log has delivered: see Store.unseen.
func (s *Store) View(ctx context.Context) (store.View, error) {
	for {
		c, err := s.session(ctx)
		if err != nil {
			return nil, fmt.Errorf("open view: %w", err)
		}
		snapshot := ""
		_, err = c.run(ctx, func(_ int, values [][]byte) error {
			snapshot = string(values[0])
			return nil
		}, statement{sql: sqlBeginRead}, statement{sql: sqlSnapshot})
		if err == nil && !s.unseen(snapshot) {
			return &View{s: s, c: c}, nil
		}
		c.rollback()
		c.release()
		if err != nil {
			return nil, fmt.Errorf("open view: %w", fault(err))
		}
		if err := wait(ctx, time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (v *View) usable() error {
	if v.c == nil {
		return errors.New("view is closed")
	}
	return nil
}

// Close ends the view.
func (v *View) Close() error {
	if v.c == nil {
		return nil
	}
	if v.busy != nil {
		v.cancel()
		<-v.busy
	}
	v.c.rollback()
	v.c.release()
	v.c = nil
	return nil
}

// Lookup returns rows by key.
func (v *View) Lookup(ctx context.Context, rel *store.Relation, keys []store.Row) ([]store.Row, error) {
	if err := v.usable(); err != nil {
		return nil, err
	}
	return v.s.lookup(ctx, v.c, rel, keys)
}

// tolerant calls a read of the ledger; where there is no ledger it is empty, and the view goes on. Once there is one, no
// more is made of it: it goes only with the database as it was.
func (v *View) tolerant(ctx context.Context, read func() error) error {
	if err := v.usable(); err != nil {
		return err
	}
	if v.s.ledgered.Load() {
		err := read()
		if absent(err) {
			v.s.ledgered.Store(false)
			return store.Transient(err)
		}
		return err
	}
	if err := v.c.exec(ctx, sqlSavepoint); err != nil {
		return fault(err)
	}
	err := read()
	if absent(err) {
		return fault(v.c.exec(ctx, sqlRollbackTo+"; "+sqlRelease))
	}
	if err != nil {
		return err
	}
	v.s.ledgered.Store(true)
	return fault(v.c.exec(ctx, sqlRelease))
}

// Select returns ledger rows.
func (v *View) Select(ctx context.Context, q store.Query) (rows []store.Row, err error) {
	err = v.tolerant(ctx, func() error {
		rows, err = v.s.selectLedger(ctx, v.c, &q)
		return err
	})
	return rows, err
}

// Count counts ledger rows.
func (v *View) Count(ctx context.Context, q store.Query) (n int64, err error) {
	err = v.tolerant(ctx, func() error {
		n, err = v.s.countLedger(ctx, v.c, &q)
		return err
	})
	return n, err
}

// Scan returns a page of a relation.
func (v *View) Scan(ctx context.Context, rel *store.Relation, after store.Row, limit int) ([]store.Row, error) {
	if err := v.usable(); err != nil {
		return nil, err
	}
	p, err := v.s.plans.plan(ctx, v.c, rel)
	if err != nil {
		return nil, err
	}
	params := make([]param, 0, len(after)+1)
	for _, k := range after {
		params = append(params, valueParam(k))
	}
	params = append(params, numberParam(int64(limit)))
	var out []store.Row
	err = v.c.query(ctx, p.scan(after != nil), params, func(values [][]byte) error {
		row, err := readRow(p.types, values)
		out = append(out, row)
		return err
	})
	if err != nil {
		return nil, tableFault(rel.Table, ended(ctx, err))
	}
	return out, nil
}

// ended returns the context's error if that is why the work failed, else the error.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

const sqlSize = `SELECT CASE WHEN c.relkind = 'p' THEN (SELECT pg_catalog.sum(greatest(x.reltuples, 0)) FROM pg_catalog.pg_partition_tree(c.oid) t
	JOIN pg_catalog.pg_class x ON x.oid = t.relid AND t.isleaf) ELSE c.reltuples END::bigint FROM pg_catalog.pg_class c WHERE c.oid = $1::oid`

// Size estimates how many rows a table has, by the statistics of ANALYZE, or counts.
func (v *View) Size(ctx context.Context, rel *store.Relation) (int64, error) {
	if err := v.usable(); err != nil {
		return 0, err
	}
	p, err := v.s.plans.plan(ctx, v.c, rel)
	if err != nil {
		return 0, err
	}
	n, err := v.c.number(ctx, sqlSize, textParam(p.info.oid))
	if err != nil || n > 0 {
		return n, tableFault(rel.Table, err)
	}
	n, err = v.c.number(ctx, "SELECT pg_catalog.count(*) FROM "+p.table)
	return n, tableFault(rel.Table, ended(ctx, err))
}

// lookupKeys is how many keys one statement looks up.
const lookupKeys = 2000

// lookup returns the rows of keys, in that order, nil where there is none, or the key is none that the table can have.
func (s *Store) lookup(ctx context.Context, c *session, rel *store.Relation, keys []store.Row) ([]store.Row, error) {
	p, err := s.plans.plan(ctx, c, rel)
	if err != nil {
		return nil, err
	}
	out := make([]store.Row, len(keys))
	for start := 0; start < len(keys); start += lookupKeys {
		end := min(start+lookupKeys, len(keys))
		err := p.find(ctx, c, keys[start:end], out[start:end])
		if unreadable(err) {
			err = p.findEach(ctx, c, keys[start:end], out[start:end])
		}
		if err != nil {
			return nil, tableFault(rel.Table, ended(ctx, err))
		}
	}
	return out, nil
}

// unreadable reports whether the server could not read a value as one of a column's type.
func unreadable(err error) bool {
	s := state(err)
	return s != "" && s[:2] == "22"
}

// find looks keys up in a savepoint.
func (p *plan) find(ctx context.Context, c *session, keys, out []store.Row) error {
	params := make([]param, p.key)
	for i := range params {
		params[i] = arrayParam(len(keys), func(n int) store.Value { return keys[n][i] })
	}
	_, err := c.run(ctx, func(_ int, values [][]byte) error {
		at, err := strconv.Atoi(string(values[0]))
		if err != nil {
			return fmt.Errorf("read row: %w", err)
		}
		out[at-1], err = readRow(p.types, values[1:])
		return err
	}, statement{sql: sqlSavepoint}, statement{p.lookup, params}, statement{sql: sqlRelease})
	if pgError(err) != nil {
		if undo := c.exec(ctx, sqlRollbackTo+"; "+sqlRelease); undo != nil {
			return undo
		}
	}
	return err
}

func (p *plan) findEach(ctx context.Context, c *session, keys, out []store.Row) error {
	for i := range keys {
		if err := p.find(ctx, c, keys[i:i+1], out[i:i+1]); err != nil && !unreadable(err) {
			return err
		}
	}
	return nil
}
