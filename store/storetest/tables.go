package storetest

import "github.com/dualwrite/dualwrite/store"

// items is the table that most tests use.
func items() Table {
	return Table{Name: "items", Key: []string{"id"}, Columns: []Column{
		{Name: "id", Kind: store.Integer, NotNull: true},
		{Name: "name", Kind: store.Text, NotNull: true},
		{Name: "n", Kind: store.Integer},
		{Name: "note", Kind: store.Text, Default: store.Str("none")},
		{Name: "active", Kind: store.Integer, NotNull: true, Default: store.Int(1)},
	}}
}

func item(id int64, name string, n store.Value) Values {
	return Values{"id": store.Int(id), "name": store.Str(name), "n": n}
}

// whereID selects a row of items.
func whereID(id int64) Values { return Values{"id": store.Int(id)} }

// useItems makes and captures items and returns the relation of its first three columns.
func (b *bundle) useItems() *store.Relation {
	b.Helper()
	b.create(items())
	rel := b.relation("items", 1, "id", "name", "n")
	b.capture(rel)
	return rel
}

// followItems is useItems with the log open.
func (b *bundle) followItems() *store.Relation {
	b.Helper()
	rel := b.useItems()
	b.follow("")
	return rel
}

// upsert writes a row whatever is there.
func upsert(rel *store.Relation, r store.Row) store.Write {
	return store.Write{Relation: rel, Key: rel.KeyOf(r), After: r}
}

// expect writes a row over the one given.
func expect(rel *store.Relation, before, after store.Row) store.Write {
	w := store.Write{Relation: rel, Guard: store.Expect, Before: before, After: after}
	if before != nil {
		w.Key = rel.KeyOf(before)
	} else {
		w.Key = rel.KeyOf(after)
	}
	return w
}

// families are parents, children that restrict, and children that cascade.
func families() []Table {
	id := Column{Name: "id", Kind: store.Integer, NotNull: true}
	ref := Column{Name: "parent", Kind: store.Integer}
	to := ForeignKey{Columns: []string{"parent"}, Table: "parents", References: []string{"id"}}
	cascading := to
	cascading.Cascade = true
	return []Table{
		{Name: "parents", Key: []string{"id"}, Columns: []Column{id}},
		{Name: "strict_children", Key: []string{"id"}, Columns: []Column{id, ref}, ForeignKeys: []ForeignKey{to}},
		{Name: "loose_children", Key: []string{"id"}, Columns: []Column{id, ref}, ForeignKeys: []ForeignKey{cascading}},
	}
}
