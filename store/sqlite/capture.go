package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

const (
	sqlOurTriggers = `SELECT name, sql, rowid FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
		AND lower(substr(name, 1, 10)) = '` + prefix + `'`
	sqlNewestTrigger = `SELECT max(rowid) FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
		AND lower(substr(name, 1, 10)) <> '` + prefix + `'`
	sqlOutboxWidth = `SELECT count(*) - 4 FROM pragma_table_info('` + outboxTable + `', 'main')`
)

// Capture installs the ledger and puts relations under capture. The write lock drains open transactions: one that has
// only read so far cannot write any more once the schema has changed.
func (s *Store) Capture(ctx context.Context, relations ...store.Relation) error {
	if err := s.writer.outside(ctx, func(c *conn) error { return useWAL(ctx, c) }); err != nil {
		return fmt.Errorf("capture tables: %w", err)
	}
	err := s.writer.write(ctx, func(c *conn) error {
		if err := install(ctx, c); err != nil {
			return err
		}
		for i := range relations {
			if err := capture(ctx, c, &relations[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("capture tables: %w", err)
	}
	s.wake()
	return nil
}

func capture(ctx context.Context, c *conn, rel *store.Relation) error {
	info, err := describe(ctx, c, rel.Table)
	if err != nil {
		return err
	}
	if info == nil {
		return missing(rel.Table, "there is no such table")
	}
	if err := usableFilter(ctx, c, info, rel); err != nil {
		return err
	}
	fresh, err := newLayout(info, rel)
	if err != nil {
		return err
	}
	all, err := layouts(ctx, c)
	if err != nil {
		return err
	}
	for _, old := range all {
		if !old.active || !strings.EqualFold(old.Table, info.Name) {
			continue
		}
		state, err := old.state(ctx, c, info)
		if err != nil {
			return err
		}
		if state == stateGood && old.equal(fresh) {
			return nil
		}
		old.active, old.lost = false, state == stateLost
		if err := old.save(ctx, c); err != nil {
			return err
		}
	}
	if err := fresh.save(ctx, c); err != nil {
		return err
	}
	if err := widen(ctx, c, fresh.width()); err != nil {
		return err
	}
	return fresh.pull(ctx, c, info)
}

// usableFilter checks the condition of a relation.
func usableFilter(ctx context.Context, c *conn, info *tableInfo, rel *store.Relation) error {
	if rel.Filter == "" {
		return nil
	}
	if err := condition(rel.Filter); err != nil {
		return missing(rel.Table, "its filter cannot be used: %v", err)
	}
	_, err := c.number(ctx, "SELECT count(*) FROM main."+quote(info.Name)+" WHERE 0 AND ("+rel.Filter+"\n)")
	return tableFault(rel.Table, err)
}

// widen gives the outbox columns.
func widen(ctx context.Context, c *conn, width int) error {
	have, err := c.number(ctx, sqlOutboxWidth)
	for ; err == nil && have < int64(width); have++ {
		err = c.exec(ctx, "ALTER TABLE main."+outboxTable+" ADD COLUMN v"+strconv.FormatInt(have, 10))
	}
	return fault(err)
}

// pull makes the triggers of a layout those of the table, and the newest: SQLite fires the newest first, and what a
// trigger of users does to other rows must come later in the log than what it is fired by.
func (l *layout) pull(ctx context.Context, c *conn, info *tableInfo) error {
	if err := push(ctx, c, info.Name); err != nil {
		return err
	}
	for _, t := range l.triggers(info) {
		if err := c.exec(ctx, "CREATE TRIGGER main."+t.sql); err != nil {
			return tableFault(info.Name, err)
		}
	}
	return nil
}

// push removes our triggers from a table.
func push(ctx context.Context, c *conn, table string) error {
	ours, err := ourTriggers(ctx, c, table)
	if err != nil {
		return err
	}
	for _, t := range ours {
		if err := c.exec(ctx, "DROP TRIGGER main."+quote(t.name)); err != nil {
			return tableFault(table, err)
		}
	}
	return nil
}

// installed is a trigger of ours as the catalog has it.
type installed struct {
	trigger
	rowid int64
}

func ourTriggers(ctx context.Context, c *conn, table string) ([]installed, error) {
	var out []installed
	err := c.query(ctx, sqlOurTriggers, []driver.Value{table}, func(row []driver.Value) error {
		t := installed{}
		t.name, _ = row[0].(string)
		sql, _ := row[1].(string)
		t.sql = strings.TrimPrefix(sql, "CREATE TRIGGER ")
		t.rowid, _ = row[2].(int64)
		out = append(out, t)
		return nil
	})
	return out, fault(err)
}

// state is how the triggers of a layout are.
type state int

const (
	stateGood  state = iota
	stateStale       // they work, but the table has other unique indexes or newer triggers of users
	stateBlind       // likewise, and a REPLACE may have removed rows by an index that they do not know
	stateLost        // changes are not in the log
)

// state compares the triggers that are there with those that should be.
func (l *layout) state(ctx context.Context, c *conn, info *tableInfo) (state, error) {
	have, err := ourTriggers(ctx, c, info.Name)
	if err != nil {
		return stateLost, err
	}
	newest, err := c.number(ctx, sqlNewestTrigger, info.Name)
	if err != nil {
		return stateLost, fault(err)
	}
	want := l.triggers(info)
	out := stateGood
	if len(have) != len(want) {
		out = stateStale
	}
	for _, w := range want {
		i := slices.IndexFunc(have, func(h installed) bool { return h.name == w.name })
		switch {
		case i >= 0 && have[i].sql == w.sql && have[i].rowid > newest:
		case i >= 0 && have[i].sql == w.sql:
			out = max(out, stateStale)
		case w.main:
			return stateLost, nil
		default:
			out = max(out, l.blind(info))
		}
	}
	return out, nil
}

// blind tells whether unique indexes have come since the triggers were made.
func (l *layout) blind(info *tableInfo) state {
	for _, t := range info.touches() {
		if !slices.Contains(l.Touches, t.signature) {
			return stateBlind
		}
	}
	return stateStale
}

// Release takes tables from capture.
func (s *Store) Release(ctx context.Context, tables ...string) error {
	captured, err := s.captured(ctx, tables)
	if err != nil || !captured {
		return err
	}
	err = s.writer.write(ctx, func(c *conn) error {
		all, err := layouts(ctx, c)
		if err != nil {
			return err
		}
		for _, l := range all {
			if !(l.active || l.lost) || !named(tables, l.Table) {
				continue
			}
			if l.active, l.lost = false, false; l.save(ctx, c) != nil {
				return errors.New("layout cannot be written")
			}
		}
		for _, name := range tables {
			name, _ = cutMain(name)
			if err := push(ctx, c, name); err != nil {
				return err
			}
		}
		return fault(c.exec(ctx, sqlOldLayouts))
	})
	if err != nil {
		return fmt.Errorf("release tables: %w", err)
	}
	s.wake()
	return nil
}

// captured reports whether one of the tables is.
func (s *Store) captured(ctx context.Context, tables []string) (bool, error) {
	found := false
	err := s.reading(ctx, func(c *conn) error {
		all, err := layouts(ctx, c)
		for _, l := range all {
			found = found || (l.active || l.lost) && named(tables, l.Table)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for captured tables: %w", err)
	}
	return found, nil
}

func named(tables []string, name string) bool {
	return slices.ContainsFunc(tables, func(t string) bool {
		t, _ = cutMain(t)
		return strings.EqualFold(t, name)
	})
}
