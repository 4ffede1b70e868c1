package memory

import (
	"errors"
	"slices"

	"github.com/dualwrite/dualwrite/store"
)

// find returns the row of a table in which the columns have the values, by the best way there is.
func find(trees []tree, tab *table, columns []int, values store.Row) (entry, bool) {
	if order := arrangement(columns, tab.primary); order != nil {
		return trees[tab.rows].get(encodeAt(values, order))
	}
	for _, u := range tab.unique {
		if order := arrangement(columns, u.columns); order != nil {
			ref, found := trees[u.tree].get(encodeAt(values, order))
			if !found {
				return entry{}, false
			}
			return trees[tab.rows].get(ref.ref)
		}
	}
	for e := range trees[tab.rows].from("") {
		if matches(e.row, columns, values) {
			return *e, true
		}
	}
	return entry{}, false
}

// arrangement tells, for each column of an index, where among the columns given it is; nil if they are not the same.
func arrangement(columns, index []int) []int {
	if len(columns) != len(index) {
		return nil
	}
	out := make([]int, len(index))
	for i, c := range index {
		if i < len(columns) && columns[i] == c {
			out[i] = i
			continue
		}
		if out[i] = slices.Index(columns, c); out[i] < 0 {
			return nil
		}
	}
	return out
}

func matches(row store.Row, columns []int, values store.Row) bool {
	for i, c := range columns {
		if row[c] != values[i] {
			return false
		}
	}
	return true
}

func pick(row store.Row, columns []int) store.Row {
	out := make(store.Row, len(columns))
	for i, c := range columns {
		out[i] = row[c]
	}
	return out
}

// findParents checks the foreign keys of a child.
func (t *txn) findParents(tab *table, old, row store.Row) error {
	for i := range tab.parents {
		fk := &tab.parents[i]
		if anyNull(row, fk.columns) || (old != nil && sameAt(old, row, fk.columns)) {
			continue
		}
		parent := t.db.catalog.users[fk.parent]
		if _, found := find(t.db.trees, parent, fk.access, pick(row, fk.columns)); !found {
			fault := tab.fault(store.CodeMissingParent, tab.join(fk.columns))
			fault.Key = fk.key
			return fault
		}
	}
	return nil
}

func sameAt(a, b store.Row, columns []int) bool {
	for _, c := range columns {
		if a[c] != b[c] {
			return false
		}
	}
	return true
}

// keepChildren does to the children of a row that is gone, or has another key, what their foreign keys say.
func (t *txn) keepChildren(tab *table, old, row store.Row) error {
	if len(tab.children) == 0 {
		return nil
	}
	if t.depth++; t.depth > maxDepth {
		return tab.raised(errors.New("foreign keys cascade without end"))
	}
	defer func() { t.depth-- }()
	for i := range tab.children {
		fk := &tab.children[i]
		if anyNull(old, fk.references) || (row != nil && sameAt(old, row, fk.references)) {
			continue
		}
		if err := t.keep(tab, fk, old, row); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) keep(tab *table, fk *childKey, old, row store.Row) error {
	child := t.db.catalog.users[fk.child]
	values := pick(old, fk.references)
	var orphans []entry
	for e := range t.rows(child).from("") {
		if matches(e.row, fk.columns, values) {
			orphans = append(orphans, *e)
		}
	}
	action := fk.onDelete
	if row != nil {
		action = fk.onUpdate
	}
	for _, orphan := range orphans {
		current, found := t.rows(child).get(orphan.key)
		switch {
		case !found:
			continue
		case action == Restrict:
			return tab.fault(store.CodeForeignKey, tab.join(fk.references))
		}
		if err := t.follow(fk, action, current, row); err != nil {
			return err
		}
	}
	return nil
}

// follow does to a child what becomes of its parent: row, or nothing.
func (t *txn) follow(fk *childKey, action Action, orphan entry, row store.Row) error {
	child := t.db.catalog.users[fk.child]
	if action == Cascade && row == nil {
		return t.remove(child, orphan.key, orphan.row)
	}
	changed := slices.Clone(orphan.row)
	for i, c := range fk.columns {
		changed[c] = store.Value{}
		if action == Cascade {
			changed[c] = row[fk.references[i]]
		}
	}
	return t.update(child, orphan.key, orphan.row, changed)
}
