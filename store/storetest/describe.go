package storetest

import (
	"reflect"
	"slices"
	"sort"

	"github.com/dualwrite/dualwrite/store"
)

func describeTests() []testCase {
	return []testCase{
		{"returns named tables by the name asked for and leaves out unknown ones", describeNamed},
		{"without names returns every table of users and none of the ledger", describeAll},
		{"tells columns as the catalog has them", describeColumns},
		{"tells primary keys, and none where there is none", describeKeys},
		{"tells unique indexes, the primary key among them", describeUnique},
		{"tells foreign keys and whether they change children", describeForeignKeys},
		{"tells users' triggers and never ours", describeTriggers},
	}
}

func describeNamed(b *bundle) {
	b.create(items())
	found, err := b.Store.Describe(b.ctx, "items", "nothing")
	b.must(err)
	b.want("tables found", len(found), 1)
	if found["items"].Name == "" {
		b.Fatal("the table has no name")
	}
	again := b.table(found["items"].Name)
	b.want("table asked for by its catalog name", again, found["items"])
}

func describeAll(b *bundle) {
	b.create(items(), Table{Name: "other", Key: []string{"id"}, Columns: []Column{{Name: "id", Kind: store.Integer, NotNull: true}}})
	want := []string{b.table("items").Name, b.table("other").Name}
	sort.Strings(want)
	b.capture(b.relation("items", 1, "id", "name"))
	found, err := b.Store.Describe(b.ctx)
	b.must(err)
	var names []string
	for name, t := range found {
		b.want("name", t.Name, name)
		names = append(names, name)
	}
	sort.Strings(names)
	b.want("tables", names, want)
}

func describeColumns(b *bundle) {
	b.create(items(), Table{Name: "numbered", Key: []string{"id"}, Columns: []Column{
		{Name: "id", Kind: store.Integer, NotNull: true, Auto: true}, {Name: "r", Kind: store.Real}, {Name: "d", Kind: store.Blob}}})
	t := b.table("items")
	cols := columnsOf(b, t, "id", "name", "n", "note", "active")
	b.want("order of columns", t.Columns, cols)
	b.want("kinds", []store.Kind{cols[0].Type.Kind, cols[1].Type.Kind, cols[2].Type.Kind},
		[]store.Kind{store.Integer, store.Text, store.Integer})
	b.want("not null", []bool{cols[0].NotNull, cols[1].NotNull, cols[2].NotNull, cols[4].NotNull}, []bool{true, true, false, true})
	b.want("default", []bool{cols[1].Default, cols[3].Default, cols[4].Default}, []bool{false, true, true})
	cols = columnsOf(b, b.table("numbered"), "id", "r", "d")
	b.want("numbered by the database", []bool{cols[0].Auto, cols[1].Auto}, []bool{true, false})
	b.want("kinds", []store.Kind{cols[1].Type.Kind, cols[2].Type.Kind}, []store.Kind{store.Real, store.Blob})
	b.want("strict", cols[1].Type.Strict, b.Features.Strict)
}

func describeKeys(b *bundle) {
	two := []Column{{Name: "b", Kind: store.Text, NotNull: true}, {Name: "a", Kind: store.Integer, NotNull: true}}
	b.create(Table{Name: "pair", Key: []string{"a", "b"}, Columns: two}, Table{Name: "heap", Columns: two})
	b.want("composite key in the key's order", b.table("pair").PrimaryKey, []string{"a", "b"})
	if key := b.table("heap").PrimaryKey; key != nil {
		b.Fatalf("a table without a primary key has %v", key)
	}
}

func describeUnique(b *bundle) {
	t := items()
	t.Unique = [][]string{{"name"}, {"n", "note"}}
	b.create(t)
	unique := b.table("items").Unique
	for _, want := range [][]string{{"id"}, {"name"}, {"n", "note"}} {
		if !slices.ContainsFunc(unique, func(u []string) bool { return reflect.DeepEqual(u, want) }) {
			b.Errorf("unique indexes %v lack %v", unique, want)
		}
	}
	b.want("number of unique indexes", len(unique), 3)
}

func describeForeignKeys(b *bundle) {
	b.create(families()...)
	parents := b.table("parents").Name
	want := store.ForeignKey{Columns: []string{"parent"}, Table: parents, References: []string{"id"}}
	b.want("foreign keys", b.table("strict_children").ForeignKeys, []store.ForeignKey{want})
	want.Cascades = true
	b.want("cascading foreign keys", b.table("loose_children").ForeignKeys, []store.ForeignKey{want})
	b.want("foreign keys of the parent", len(b.table("parents").ForeignKeys), 0)
}

func describeTriggers(b *bundle) {
	t := items()
	if b.Features.Triggers {
		t.Triggers = []Trigger{{Name: "stamp", When: "name", Value: str("x"), Set: "note", To: str("y")}}
	}
	b.create(t)
	before := b.table("items")
	if b.Features.Triggers && !slices.ContainsFunc(before.Triggers, func(s string) bool { return s != "" }) {
		b.Fatalf("triggers %v lack stamp", before.Triggers)
	}
	b.capture(b.relation("items", 1, "id", "name"))
	b.want("triggers under capture", b.table("items"), before)
}
