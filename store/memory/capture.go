package memory

import (
	"context"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// capture is what of a table goes to the log. It is never modified.
type capture struct {
	table   string
	names   []string
	columns []int // of the table, as it was then
	all     []string
	filter  func(row map[string]store.Value) bool
	extra   []string
	fault   error // nothing is captured any more; the log says so
}

// image is a row as the log delivers it: nil outside the filter.
func (c *capture) image(row store.Row) store.Row {
	if row == nil || !passes(c.filter, c.all, row) {
		return nil
	}
	return pick(row, c.columns)
}

func passes(filter func(map[string]store.Value) bool, names []string, row store.Row) bool {
	if filter == nil {
		return true
	}
	values := make(map[string]store.Value, len(names))
	for i, name := range names {
		values[name] = row[i]
	}
	return filter(values)
}

// without is the capture after its table has lost a column.
func (c *capture) without(t *table) *capture {
	if c == nil {
		return nil
	}
	out := *c
	out.all = t.names
	for _, name := range append(slices.Clone(c.names), c.extra...) {
		if t.column(name) < 0 {
			out.fault = &store.MapError{Table: t.Name, Reason: "column " + name + " is gone"}
			return &out
		}
	}
	out.columns, _ = t.columns(c.names)
	return &out
}

// Capture installs the ledger and puts relations under capture.
func (s *Store) Capture(_ context.Context, relations ...store.Relation) error {
	if err := s.db.call("capture"); err != nil {
		return err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.alive(); err != nil {
		return err
	}
	if s.db.active != nil {
		return errBusy()
	}
	fresh := make([]*capture, len(relations))
	for i := range relations {
		m, err := s.db.mapping(s.db.catalog, &relations[i])
		if err != nil {
			return err
		}
		fresh[i] = m.capture()
	}
	if s.db.catalog.ledger == nil {
		c := *s.db.catalog
		c.install()
		s.db.adopt(&c)
	}
	s.db.unsynced = nil
	if len(fresh) > 0 {
		s.db.log.keep()
	}
	for _, c := range fresh {
		s.db.captures[s.db.catalog.users[c.table].rows] = c
	}
	return nil
}

// Release undoes Capture.
func (s *Store) Release(_ context.Context, tables ...string) error {
	if err := s.db.call("release"); err != nil {
		return err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.alive(); err != nil {
		return err
	}
	if s.db.active != nil {
		return errBusy()
	}
	for _, name := range tables {
		if t := s.db.catalog.users[name]; t != nil {
			s.db.captures[t.rows] = nil
		}
	}
	s.db.unsynced = nil
	s.db.letGo()
	return nil
}

// Dormant reports whether the log is let go of, or would be.
func (s *Store) Dormant(context.Context) (bool, error) {
	if err := s.db.call("dormant"); err != nil {
		return false, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return s.db.options.LetsGo && !s.db.capturing(), s.alive()
}

// mapping is a relation's place in its table.
type mapping struct {
	table   *table
	rel     *store.Relation
	columns []int
	filter  func(row map[string]store.Value) bool
	free    []bool // columns that a guard does not compare
	outside []int  // columns of Defaults
}

// mapping finds a relation's table and columns.
func (d *Database) mapping(c *catalog, rel *store.Relation) (*mapping, error) {
	t := c.users[rel.Table]
	if t == nil {
		return nil, &store.MapError{Table: rel.Table, Reason: "there is no such table"}
	}
	m := &mapping{table: t, rel: rel, columns: make([]int, len(rel.Columns))}
	for i := range rel.Columns {
		if m.columns[i] = t.column(rel.Columns[i].Name); m.columns[i] < 0 {
			return nil, gone(rel, rel.Columns[i].Name)
		}
	}
	for i := range rel.Extra {
		if t.column(rel.Extra[i].Name) < 0 {
			return nil, gone(rel, rel.Extra[i].Name)
		}
	}
	if rel.Filter != "" {
		if m.filter = d.options.Filters[rel.Filter]; m.filter == nil {
			return nil, &store.MapError{Table: rel.Table, Reason: "its filter is not known to this database"}
		}
	}
	return m, m.details()
}

// details finds what only writes need.
func (m *mapping) details() error {
	if len(m.rel.Free) > 0 {
		m.free = make([]bool, len(m.columns))
		for _, i := range m.rel.Free {
			m.free[i] = true
		}
	}
	for i := range m.rel.Defaults {
		name := m.rel.Defaults[i].Column.Name
		c := m.table.column(name)
		if c < 0 {
			return gone(m.rel, name)
		}
		m.outside = append(m.outside, c)
	}
	return nil
}

func gone(rel *store.Relation, column string) error {
	return &store.MapError{Table: rel.Table, Reason: "column " + column + " is gone"}
}

func (m *mapping) capture() *capture {
	c := &capture{table: m.table.Name, names: m.rel.Names(), columns: m.columns, all: m.table.names, filter: m.filter}
	for i := range m.rel.Extra {
		c.extra = append(c.extra, m.rel.Extra[i].Name)
	}
	return c
}

// image is a row in the relation's columns, nil outside its filter.
func (m *mapping) image(row store.Row) store.Row {
	if row == nil || !passes(m.filter, m.table.names, row) {
		return nil
	}
	return pick(row, m.columns)
}
