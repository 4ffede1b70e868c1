package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// prefix begins the names of everything that is ours in the database.
const prefix = "dualwrite_"

// tableInfo is a table as the catalog has it, with what only this package wants to know.
type tableInfo struct {
	store.Table
	withoutRowid bool
	rowid        string            // a name by which the rowid can be read; "": it has none
	alias        string            // the column that is the rowid; "": none
	collations   map[string]string // by lower-case column, where not the default
	indexes      []uniqueIndex
}

// uniqueIndex is a unique index, also one that has a condition or expressions.
type uniqueIndex struct {
	name       string
	columns    []string // "" where the term is an expression
	terms      []string // the expressions, as written; only of indexes that CREATE INDEX made
	collations []string
	where      string
}

func (u uniqueIndex) plain() bool { return u.where == "" && !slices.Contains(u.columns, "") }

// signature tells whether two indexes remove the same rows in a REPLACE.
func (u uniqueIndex) signature() string {
	parts := slices.Clone(u.columns)
	for i, c := range u.columns {
		if c == "" && i < len(u.terms) {
			parts[i] = u.terms[i]
		}
	}
	return strings.Join(parts, ", ") + " / " + strings.Join(u.collations, ", ") + " / " + u.where
}

func (t *tableInfo) column(name string) (store.Column, bool) {
	i := slices.IndexFunc(t.Columns, func(c store.Column) bool { return strings.EqualFold(c.Name, name) })
	if i < 0 {
		return store.Column{}, false
	}
	return t.Columns[i], true
}

// Describe returns the named tables, or all of users, as the catalog has them. A name may begin with "main.".
func (s *Store) Describe(ctx context.Context, tables ...string) (map[string]store.Table, error) {
	out := make(map[string]store.Table)
	err := s.reading(ctx, func(c *conn) error {
		if len(tables) == 0 {
			var err error
			if tables, err = tableNames(ctx, c); err != nil {
				return err
			}
		}
		for _, name := range tables {
			info, err := describe(ctx, c, name)
			if err != nil {
				return err
			}
			if info != nil {
				out[name] = info.Table
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("describe tables: %w", err)
	}
	return out, nil
}

func tableNames(ctx context.Context, c *conn) ([]string, error) {
	var names []string
	err := c.query(ctx, sqlTableNames, nil, func(row []driver.Value) error {
		names = append(names, row[0].(string))
		return nil
	})
	return names, fault(err)
}

// describe returns one table, nil when there is none of users with that name.
func describe(ctx context.Context, c *conn, name string) (*tableInfo, error) {
	t, sql, strict, err := findTable(ctx, c, name)
	if rest, ok := cutMain(name); ok && err == nil && t == nil {
		t, sql, strict, err = findTable(ctx, c, rest)
	}
	if err != nil || t == nil {
		return nil, fault(err)
	}
	t.collations = collations(sql)
	for _, step := range []func() error{
		func() error { return t.readColumns(ctx, c, strict) },
		func() error { return t.readIndexes(ctx, c) },
		func() error { return t.readForeignKeys(ctx, c) },
		func() error { return t.readTriggers(ctx, c) },
	} {
		if err := step(); err != nil {
			return nil, fault(err)
		}
	}
	t.finish()
	return t, nil
}

func cutMain(name string) (string, bool) {
	if len(name) > 5 && strings.EqualFold(name[:5], "main.") {
		return name[5:], true
	}
	return name, false
}

func findTable(ctx context.Context, c *conn, name string) (t *tableInfo, sql string, strict bool, err error) {
	err = c.query(ctx, sqlTable, []driver.Value{name}, func(row []driver.Value) error {
		t = &tableInfo{Table: store.Table{Name: row[0].(string)}}
		t.withoutRowid, strict = row[1] != int64(0), row[2] != int64(0)
		sql, _ = row[3].(string)
		return nil
	})
	return t, sql, strict, err
}

func (t *tableInfo) readColumns(ctx context.Context, c *conn, strict bool) error {
	places := make(map[int64]string)
	err := c.query(ctx, sqlColumns, []driver.Value{t.Name}, func(row []driver.Value) error {
		name, declared := row[0].(string), row[1].(string)
		hidden := row[5].(int64)
		if hidden == 1 {
			return nil
		}
		if hidden > 1 { // the declared type of generated columns ends so
			declared = strings.TrimSpace(strings.TrimSuffix(declared, "GENERATED ALWAYS"))
			t.Generated = append(t.Generated, name)
		}
		place := row[4].(int64)
		if place > 0 {
			places[place] = name
		}
		notNull := row[2] != int64(0) || place > 0 && (t.withoutRowid || strict)
		t.Columns = append(t.Columns, store.Column{Name: name, Type: typeOf(declared, strict), NotNull: notNull,
			Default: row[3] != nil || hidden > 1 || !notNull})
		return nil
	})
	for place := int64(1); places[place] != ""; place++ {
		t.PrimaryKey = append(t.PrimaryKey, places[place])
	}
	return err
}

func (t *tableInfo) readIndexes(ctx context.Context, c *conn) error {
	var origins []string
	err := c.query(ctx, sqlUniqueIndexes, []driver.Value{t.Name}, func(row []driver.Value) error {
		u := uniqueIndex{name: row[0].(string)}
		if sql, ok := row[2].(string); ok {
			u.terms, u.where = indexTerms(sql)
		}
		t.indexes, origins = append(t.indexes, u), append(origins, row[1].(string))
		return nil
	})
	if err != nil {
		return err
	}
	for i := range t.indexes {
		u := &t.indexes[i]
		err := c.query(ctx, sqlIndexColumns, []driver.Value{u.name}, func(row []driver.Value) error {
			name, _ := row[0].(string)
			collation, _ := row[1].(string)
			u.columns, u.collations = append(u.columns, name), append(u.collations, collation)
			return nil
		})
		if err != nil {
			return err
		}
		if u.plain() {
			t.Unique = append(t.Unique, u.columns)
		}
	}
	if len(t.PrimaryKey) == 1 && !t.withoutRowid && !slices.Contains(origins, "pk") {
		t.alias = t.PrimaryKey[0]
		t.Unique = append([][]string{t.PrimaryKey}, t.Unique...)
	}
	return nil
}

func (t *tableInfo) readForeignKeys(ctx context.Context, c *conn) error {
	last := int64(-1)
	err := c.query(ctx, sqlForeignKeys, []driver.Value{t.Name}, func(row []driver.Value) error {
		id := row[0].(int64)
		if id != last {
			t.ForeignKeys = append(t.ForeignKeys, store.ForeignKey{Table: row[1].(string),
				Cascades: cascades(row[4]) || cascades(row[5])})
			last = id
		}
		k := &t.ForeignKeys[len(t.ForeignKeys)-1]
		k.Columns = append(k.Columns, row[2].(string))
		if to, ok := row[3].(string); ok {
			k.References = append(k.References, to)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range t.ForeignKeys {
		k := &t.ForeignKeys[i]
		if name, err := c.text(ctx, sqlTable, k.Table); err != nil {
			return err
		} else if name != "" {
			k.Table = name
		}
		if k.References != nil {
			continue
		}
		err := c.query(ctx, sqlPrimaryKey, []driver.Value{k.Table}, func(row []driver.Value) error {
			k.References = append(k.References, row[0].(string))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func cascades(action driver.Value) bool {
	switch action {
	case "CASCADE", "SET NULL", "SET DEFAULT":
		return true
	}
	return false
}

func (t *tableInfo) readTriggers(ctx context.Context, c *conn) error {
	return c.query(ctx, sqlTriggers, []driver.Value{t.Name}, func(row []driver.Value) error {
		if name := row[0].(string); !ours(name) {
			t.Triggers = append(t.Triggers, name)
		}
		return nil
	})
}

func ours(name string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// finish derives what depends on several parts of the catalog.
func (t *tableInfo) finish() {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Name == t.alias {
			c.Auto, c.Default, c.NotNull = true, true, true
		}
	}
	if t.withoutRowid {
		return
	}
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if c, taken := t.column(name); !taken || c.Name == t.alias {
			t.rowid = name
			return
		}
	}
}
