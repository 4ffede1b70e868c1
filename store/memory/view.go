package memory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

// View is a snapshot.
type View struct {
	handle
	catalog *catalog
	trees   []tree
	closed  bool
}

// View opens a snapshot.
func (s *Store) View(context.Context) (store.View, error) {
	if err := s.db.call("view"); err != nil {
		return nil, err
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.alive(); err != nil {
		return nil, err
	}
	return &View{handle: s.handle(), catalog: s.db.catalog, trees: s.db.committed()}, nil
}

func (v *View) usable() error {
	if v.closed {
		return fmt.Errorf("the view is closed")
	}
	return v.alive()
}

// Close ends the view.
func (v *View) Close() error {
	v.db.mu.Lock()
	defer v.db.mu.Unlock()
	v.closed = true
	return nil
}

// enter runs the hook and takes the lock, which the caller gives back if there is no error.
func (v *View) enter(op string) error {
	if err := v.db.call(op); err != nil {
		return err
	}
	v.db.mu.Lock()
	if err := v.usable(); err != nil {
		v.db.mu.Unlock()
		return err
	}
	return nil
}

// Lookup returns rows by key.
func (v *View) Lookup(_ context.Context, rel *store.Relation, keys []store.Row) ([]store.Row, error) {
	if err := v.enter("lookup"); err != nil {
		return nil, err
	}
	defer v.db.mu.Unlock()
	return v.db.lookup(v.catalog, v.trees, rel, keys)
}

func (d *Database) lookup(c *catalog, trees []tree, rel *store.Relation, keys []store.Row) ([]store.Row, error) {
	m, err := d.mapping(c, rel)
	if err != nil {
		return nil, err
	}
	out := make([]store.Row, len(keys))
	for i, key := range keys {
		if e, found := m.find(trees, key); found {
			out[i] = m.image(e.row)
		}
	}
	return out, nil
}

// find returns the row of a key, be it in the filter or not.
func (m *mapping) find(trees []tree, key store.Row) (entry, bool) {
	return find(trees, m.table, m.columns[:m.rel.Key], key)
}

// Select returns ledger rows.
func (v *View) Select(_ context.Context, q store.Query) ([]store.Row, error) {
	if err := v.enter("select"); err != nil {
		return nil, err
	}
	defer v.db.mu.Unlock()
	if v.catalog.ledger == nil {
		return nil, nil
	}
	s, err := prepare(v.catalog, v.trees, &q)
	if err != nil {
		return nil, err
	}
	return s.rows(), nil
}

// Count counts ledger rows.
func (v *View) Count(_ context.Context, q store.Query) (int64, error) {
	if err := v.enter("count"); err != nil {
		return 0, err
	}
	defer v.db.mu.Unlock()
	if v.catalog.ledger == nil {
		return 0, nil
	}
	s, err := prepare(v.catalog, v.trees, &q)
	if err != nil {
		return 0, err
	}
	return s.count(), nil
}

// Scan returns a page of a relation.
func (v *View) Scan(_ context.Context, rel *store.Relation, after store.Row, limit int) ([]store.Row, error) {
	if err := v.enter("scan"); err != nil {
		return nil, err
	}
	defer v.db.mu.Unlock()
	m, err := v.db.mapping(v.catalog, rel)
	if err != nil {
		return nil, err
	}
	if slices.Equal(m.columns[:rel.Key], m.table.primary) {
		return m.page(&v.trees[m.table.rows], after, limit), nil
	}
	return m.sorted(&v.trees[m.table.rows], after, limit), nil
}

// page reads a relation whose key is the primary key.
func (m *mapping) page(rows *tree, after store.Row, limit int) []store.Row {
	from := ""
	if after != nil {
		from = encode(after...) + above
	}
	var out []store.Row
	for e := range rows.from(from) {
		if len(out) >= limit {
			break
		}
		if image := m.image(e.row); image != nil {
			out = append(out, image)
		}
	}
	return out
}

// sorted reads a relation with another key.
func (m *mapping) sorted(rows *tree, after store.Row, limit int) []store.Row {
	from := encode(after...)
	var found []entry
	for e := range rows.from("") {
		key := encodeAt(e.row, m.columns[:m.rel.Key])
		if after != nil && key <= from {
			continue
		}
		if image := m.image(e.row); image != nil {
			found = append(found, entry{key: key, row: image})
		}
	}
	slices.SortFunc(found, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	var out []store.Row
	for _, e := range found[:min(limit, len(found))] {
		out = append(out, e.row)
	}
	return out
}

// Size counts a table's rows.
func (v *View) Size(_ context.Context, rel *store.Relation) (int64, error) {
	if err := v.enter("size"); err != nil {
		return 0, err
	}
	defer v.db.mu.Unlock()
	m, err := v.db.mapping(v.catalog, rel)
	if err != nil {
		return 0, err
	}
	return int64(v.trees[m.table.rows].n), nil
}
