package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

// View is a read transaction on a connection of its own.
type View struct {
	s       *Store
	c       *conn // nil once closed
	version int64 // of the schema
}

// View opens a snapshot.
func (s *Store) View(ctx context.Context) (store.View, error) {
	c, err := s.connection(ctx)
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	v := &View{s: s, c: c}
	if err := c.exec(ctx, sqlBegin); err != nil {
		s.giveBack(c)
		return nil, fmt.Errorf("open view: %w", fault(err))
	}
	if v.version, err = c.number(ctx, sqlSchemaVersion); err != nil { // the first to read, so the snapshot is taken here
		_ = v.Close()
		return nil, fmt.Errorf("open view: %w", fault(err))
	}
	return v, nil
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
	err := v.c.exec(context.Background(), sqlRollback)
	v.s.giveBack(v.c)
	v.c = nil
	if errors.Is(err, errClosed) {
		return nil
	}
	return fault(err)
}

func (v *View) plan(ctx context.Context, rel *store.Relation) (*plan, error) {
	if err := v.usable(); err != nil {
		return nil, err
	}
	return v.s.plans.plan(ctx, v.c, v.version, rel)
}

// Lookup returns rows by key.
func (v *View) Lookup(ctx context.Context, rel *store.Relation, keys []store.Row) ([]store.Row, error) {
	p, err := v.plan(ctx, rel)
	if err != nil {
		return nil, err
	}
	return p.find(ctx, v.c, keys, p.filter)
}

// Select returns ledger rows.
func (v *View) Select(ctx context.Context, q store.Query) ([]store.Row, error) {
	if err := v.usable(); err != nil {
		return nil, err
	}
	return v.s.selectLedger(ctx, v.c, &q)
}

// Count counts ledger rows.
func (v *View) Count(ctx context.Context, q store.Query) (int64, error) {
	if err := v.usable(); err != nil {
		return 0, err
	}
	return v.s.countLedger(ctx, v.c, &q)
}

// Scan returns a page of a relation.
func (v *View) Scan(ctx context.Context, rel *store.Relation, after store.Row, limit int) ([]store.Row, error) {
	p, err := v.plan(ctx, rel)
	if err != nil {
		return nil, err
	}
	var out []store.Row
	args := append(bindRow(after), int64(limit))
	err = v.c.queryLong(ctx, p.scan(after), args, func(values []driver.Value) error {
		row, err := rowFromSQL(values)
		out = append(out, row)
		return err
	})
	if err != nil {
		return nil, tableFault(rel.Table, ended(ctx, err))
	}
	return out, nil
}

// sparse is how many rows a page holds at most, about: a wider span of row numbers says nothing of how many there are.
const sparse = 200

// Size estimates how many rows a table has: by the statistics of ANALYZE, by the span of row numbers, or it counts.
func (v *View) Size(ctx context.Context, rel *store.Relation) (int64, error) {
	p, err := v.plan(ctx, rel)
	if err != nil {
		return 0, err
	}
	if n, err := v.c.number(ctx, sqlStatistics, p.info.Name); err == nil && n > 0 {
		return n, nil
	}
	if p.info.rowid != "" {
		id := quote(p.info.rowid)
		span, err := v.c.number(ctx, "SELECT (SELECT max("+id+") FROM "+p.table+") - (SELECT min("+id+") FROM "+p.table+") + 1")
		pages, pagesErr := v.c.number(ctx, "PRAGMA page_count")
		if err == nil && pagesErr == nil && span >= 0 && span < pages*sparse {
			return span, nil
		}
	}
	var n int64
	err = v.c.queryLong(ctx, "SELECT count(*) FROM "+p.table, nil, func(row []driver.Value) error {
		n, _ = row[0].(int64)
		return nil
	})
	return n, tableFault(rel.Table, ended(ctx, err))
}

const sqlStatistics = `SELECT CAST(stat AS INTEGER) FROM main.sqlite_stat1 WHERE tbl = ?1 ORDER BY 1 DESC LIMIT 1`

// lookupSizes are the numbers of keys that one statement looks up.
func lookupSizes() []int { return []int{256, 32, 4, 1} }

// find returns the rows of keys, in that order, nil where there is none.
func (p *plan) find(ctx context.Context, c *conn, keys []store.Row, filter string) ([]store.Row, error) {
	out := make([]store.Row, len(keys))
	at := 0
	for _, size := range lookupSizes() {
		if size*(p.key+1) > maxBound {
			continue
		}
		for len(keys)-at >= size {
			if err := p.findSome(ctx, c, finding{keys[at : at+size], out[at : at+size], filter}); err != nil {
				return nil, tableFault(p.info.Name, err)
			}
			at += size
		}
	}
	return out, nil
}

// finding is a part of the keys and the place for their rows.
type finding struct {
	keys   []store.Row
	rows   []store.Row
	filter string
}

func (p *plan) findSome(ctx context.Context, c *conn, f finding) error {
	if len(f.keys) == 1 {
		return c.query(ctx, p.one+f.filter, bindRow(f.keys[0]), func(values []driver.Value) (err error) {
			f.rows[0], err = rowFromSQL(values)
			return err
		})
	}
	args := make([]driver.Value, 0, len(f.keys)*(p.key+1))
	for i, key := range f.keys {
		args = append(args, int64(i))
		for _, v := range key {
			args = append(args, toSQL(v))
		}
	}
	return c.query(ctx, p.lookup(len(f.keys))+f.filter, args, func(values []driver.Value) error {
		i, _ := values[0].(int64)
		row, err := rowFromSQL(values[1:])
		f.rows[i] = row
		return err
	})
}

// Export does nothing: Limits says so.
func (*View) Export(context.Context, *store.Relation) (store.Export, error) { return nil, nil }
