package storetest

import (
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

func alternateTests() []testCase {
	return []testCase{
		{"is scanned in pages and looked up", alternateRead},
		{"is written, and the database numbers the primary key", alternateWrite},
		{"guards and moves like a primary key", alternateGuard},
		{"is delivered by the log, also when the primary key alone changes", alternateLog},
		{"may list the primary key's columns in another order", alternateOrder},
		{"odd names of tables and columns are names and nothing else", oddNames},
		{"a table may refer to itself and to a unique index", selfReference},
	}
}

// accounts is a table that maps know by its code; the database numbers its primary key.
func (b *bundle) accounts() *store.Relation {
	b.Helper()
	b.create(Table{Name: "accounts", Key: []string{"id"}, Unique: [][]string{{"region", "code"}}, Columns: []Column{
		{Name: "id", Kind: store.Integer, NotNull: true, Auto: true},
		{Name: "name", Kind: store.Text},
		{Name: "code", Kind: store.Text, NotNull: true},
		{Name: "region", Kind: store.Integer, NotNull: true}}})
	rel := b.relation("accounts", 2, "region", "code", "name")
	b.capture(rel)
	b.follow("")
	return rel
}

func account(region int64, code, name string) store.Row {
	return row(num(region), str(code), str(name))
}

func (b *bundle) insertAccount(r store.Row) {
	b.Helper()
	b.user(insert("accounts", Values{"region": r[0], "code": r[1], "name": r[2]}))
}

func alternateRead(b *bundle) {
	rel := b.accounts()
	var want []store.Row
	for region := range int64(3) {
		for i := range 4 {
			want = append(want, account(region, fmt.Sprintf("c%d", i), "x"))
		}
	}
	for i := range want {
		b.insertAccount(want[(i*5)%len(want)])
	}
	for _, limit := range []int{1, 2, 5, 12, 13} {
		b.wantRows(fmt.Sprintf("pages of %d", limit), b.walk(rel, limit), want...)
	}
	found, err := b.view().Lookup(b.ctx, rel, []store.Row{row(num(2), str("c1")), row(num(2), str("c9")), row(num(0), str("c3"))})
	b.must(err)
	b.wantRows("lookup", found, account(2, "c1", "x"), nil, account(0, "c3", "x"))
}

func alternateWrite(b *bundle) {
	rel := b.accounts()
	x, y := account(1, "x", "first"), account(1, "y", "second")
	b.insertAccount(x)
	results := b.apply(upsert(rel, account(1, "x", "changed")), upsert(rel, y), expect(rel, nil, account(2, "x", "third")))
	for i, r := range results {
		b.want(fmt.Sprintf("outcome %d", i), r.Outcome, store.Applied)
	}
	ids := b.relation("accounts", 1, "id", "region", "code")
	numbers := map[store.Value]bool{}
	for _, r := range b.rows(ids) {
		numbers[r[0]] = true
	}
	b.want("different numbers", len(numbers), 3)
	b.insertAccount(account(3, "z", "a user's"))
	b.apply(store.Write{Relation: rel, Key: row(num(1), str("x"))})
	b.wantRows("rows", b.rows(rel), y, account(2, "x", "third"), account(3, "z", "a user's"))
}

func alternateGuard(b *bundle) {
	rel := b.accounts()
	x, y := account(1, "x", "first"), account(1, "y", "second")
	b.insertAccount(x)
	b.insertAccount(y)
	moved := account(2, "x", "first")
	results := b.apply(expect(rel, nil, account(1, "x", "other")), expect(rel, x, account(1, "y", "first")), expect(rel, x, moved),
		expect(rel, account(1, "y", "no"), nil))
	var got []store.Outcome
	for _, r := range results {
		got = append(got, r.Outcome)
	}
	b.want("outcomes", got, []store.Outcome{store.Refused, store.Refused, store.Applied, store.Refused})
	b.wantRows("current", []store.Row{results[0].Current, results[1].Current, results[3].Current}, x, x, y)
	b.wantRows("rows", b.rows(rel), y, moved)
	b.changes()
	b.apply(store.Write{Relation: rel, Key: rel.KeyOf(moved), Before: moved, After: account(1, "y", "first")})
	b.wantRows("rows after a move onto a row", b.rows(rel), account(1, "y", "first"))
}

func alternateLog(b *bundle) {
	rel := b.accounts()
	x, moved := account(1, "x", "first"), account(1, "y", "first")
	b.insertAccount(x)
	b.user(update("accounts", Values{"code": str("x")}, Values{"code": str("y")}))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: x}, seen{Op: store.Update, Before: x, After: moved})
	b.user(update("accounts", Values{"code": str("y")}, Values{"id": num(500)}))
	for _, c := range b.project(b.changes(), rel) {
		b.want("op", c.Op, store.Update)
		b.wantRows("images", []store.Row{c.Before, c.After}, moved, moved)
	}
	b.user(remove("accounts", Values{"id": num(500)}))
	b.wantChanges(b.changes(), rel, seen{Op: store.Delete, Before: moved})
}

func alternateOrder(b *bundle) {
	b.create(Table{Name: "pair", Key: []string{"a", "b"}, Columns: []Column{
		{Name: "a", Kind: store.Integer, NotNull: true}, {Name: "b", Kind: store.Integer, NotNull: true}, {Name: "v", Kind: store.Text}}})
	rel := b.relation("pair", 2, "b", "a", "v")
	b.capture(rel)
	for a := range int64(3) {
		for c := range int64(3) {
			b.user(insert("pair", Values{"a": num(a), "b": num(10 + c), "v": str("v")}))
		}
	}
	b.want("rows walked", len(b.walk(rel, 2)), 9)
	found, err := b.view().Lookup(b.ctx, rel, []store.Row{row(num(11), num(2)), row(num(2), num(11))})
	b.must(err)
	b.wantRows("lookup", found, row(num(11), num(2), str("v")), nil)
	b.want("outcome", b.apply(expect(rel, row(num(11), num(2), str("v")), nil))[0].Outcome, store.Applied)
	b.want("rows left", len(b.rows(rel)), 8)
}

// oddNames uses names that break statements which do not quote them.
func oddNames(b *bundle) {
	name, key, value := `order "x"; drop table items --`, `select 'k'`, `a.b`+"`c]"
	b.create(items(), Table{Name: name, Key: []string{key}, Unique: [][]string{{value}}, Columns: []Column{
		{Name: key, Kind: store.Integer, NotNull: true}, {Name: value, Kind: store.Text}, {Name: "group", Kind: store.Integer}}})
	rel := b.relation(name, 1, key, value, "group")
	b.capture(rel)
	b.follow("")
	first, second := row(num(1), str("v"), num(1)), row(num(2), str("w"), null)
	b.user(insert(name, Values{key: num(1), value: str("v"), "group": num(1)}))
	b.apply(upsert(rel, second), expect(rel, first, row(num(1), str("u"), num(3))))
	b.wantRows("rows", b.rows(rel), row(num(1), str("u"), num(3)), second)
	b.user(remove(name, Values{value: str("w")}))
	b.want("changes", len(b.changes()), 4)
	fault := b.fault(upsert(rel, row(num(3), str("u"), null)))
	b.want("column", fault.Column, value)
	b.must(b.Store.Release(b.ctx, rel.Table))
	b.want("columns of items", len(b.table("items").Columns), 5)
}

func selfReference(b *bundle) {
	b.create(Table{Name: "tree", Key: []string{"id"}, Unique: [][]string{{"code"}}, Columns: []Column{
		{Name: "id", Kind: store.Integer, NotNull: true}, {Name: "code", Kind: store.Text}, {Name: "up", Kind: store.Text}},
		ForeignKeys: []ForeignKey{{Columns: []string{"up"}, Table: "tree", References: []string{"code"}}}})
	rel := b.relation("tree", 1, "id", "code", "up")
	b.capture(rel)
	b.apply(upsert(rel, row(num(1), str("root"), str("root"))), upsert(rel, row(num(2), str("leaf"), str("root"))))
	fault := b.fault(upsert(rel, row(num(3), str("stray"), str("nowhere"))))
	b.want("code", fault.Code, store.CodeMissingParent)
	b.want("references", fault.Key.References, []string{"code"})
	fault = b.fault(store.Write{Relation: rel, Key: row(num(1))})
	b.want("code", fault.Code, store.CodeForeignKey)
	b.apply(store.Write{Relation: rel, Key: row(num(2))}, store.Write{Relation: rel, Key: row(num(1))})
}
