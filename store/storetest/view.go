package storetest

import (
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

func viewTests() []testCase {
	return []testCase{
		{"shows one state of users' tables and the ledger, whatever commits later", viewConsistent},
		{"blocks no writer and sees no open transaction", viewBlocksNobody},
		{"reads an empty ledger where there is none", viewWithoutLedger},
		{"scan walks every row once in the order of keys, whatever the limit", scanPages},
		{"scan pages through composite keys", scanComposite},
		{"scan leaves out rows outside the filter", scanFilter},
		{"skip finds the key of the n-th row", viewSkip},
		{"digests of equal rows are equal, in whatever order they were written; others differ", viewDigest},
		{"size is cheap and not negative", viewSize},
		{"lookup answers in the order of keys, nil where there is no row", lookupOrder},
		{"lookup leaves out rows outside the filter", lookupFilter},
		{"lookup takes many keys", lookupMany},
		{"a reader of a missing table or column reports the map's fault", readMissing},
	}
}

func viewConsistent(b *bundle) {
	rel := b.useItems()
	b.user(insert("items", item(1, "one", num(1))))
	v := b.view()
	b.user(insert("items", item(2, "two", num(2))), update("items", whereID(1), Values{"n": num(9)}))
	b.put(store.StatTable, row(str("m"), num(1), num(2), num(3), num(4)))
	for range 2 {
		rows, err := v.Scan(b.ctx, rel, nil, 10)
		b.must(err)
		b.wantRows("scan", rows, row(num(1), str("one"), num(1)))
		rows, err = v.Lookup(b.ctx, rel, []store.Row{row(num(1)), row(num(2))})
		b.must(err)
		b.wantRows("lookup", rows, row(num(1), str("one"), num(1)), nil)
		n, err := v.Count(b.ctx, store.Query{Table: store.StatTable})
		b.must(err)
		b.want("ledger rows", n, int64(0))
	}
	b.want("rows in a later view", len(b.rows(rel)), 2)
	b.want("ledger rows in a later view", len(b.selected(store.Query{Table: store.StatTable})), 1)
}

func viewBlocksNobody(b *bundle) {
	rel := b.useItems()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, row(num(1), str("one"), num(1)))})
	b.must(err)
	v := b.view()
	rows, err := v.Scan(b.ctx, rel, nil, 10)
	b.must(err)
	b.want("rows of an open transaction", len(rows), 0)
	b.commit(m, tx, "")
	b.user(insert("items", item(2, "two", num(2))))
	b.want("rows", len(b.rows(rel)), 2)
}

func viewWithoutLedger(b *bundle) {
	b.create(items())
	v := b.view()
	for _, t := range store.Ledger() {
		rows, err := v.Select(b.ctx, store.Query{Table: t.Name})
		b.must(err)
		b.want("rows of "+t.Name, len(rows), 0)
		n, err := v.Count(b.ctx, store.Query{Table: t.Name})
		b.must(err)
		b.want("count of "+t.Name, n, int64(0))
	}
}

// walk scans a relation page by page.
func (b *bundle) walk(rel *store.Relation, limit int) []store.Row {
	b.Helper()
	v := b.view()
	var out []store.Row
	var after store.Row
	for {
		page, err := v.Scan(b.ctx, rel, after, limit)
		b.must(err)
		if len(page) > limit {
			b.Fatalf("a page of %d rows where %d were asked for", len(page), limit)
		}
		out = append(out, page...)
		if len(page) < limit {
			return out
		}
		after = rel.KeyOf(page[len(page)-1])
	}
}

func scanPages(b *bundle) {
	rel := b.useItems()
	var want []store.Row
	for i := int64(-3); i < 8; i++ {
		b.user(insert("items", item(i*7, "x", null)))
		want = append(want, row(num(i*7), str("x"), null))
	}
	for _, limit := range []int{1, 3, 10, 11, 12, 100} {
		b.wantRows(fmt.Sprintf("pages of %d", limit), b.walk(rel, limit), want...)
	}
	rows, err := b.view().Scan(b.ctx, rel, row(num(0)), 2)
	b.must(err)
	b.wantRows("after a key", rows, row(num(7), str("x"), null), row(num(14), str("x"), null))
	rows, err = b.view().Scan(b.ctx, rel, row(num(1)), 1)
	b.must(err)
	b.wantRows("after a key that is not there", rows, row(num(7), str("x"), null))
}

func scanComposite(b *bundle) {
	b.create(Table{Name: "pair", Key: []string{"a", "b"}, Columns: []Column{
		{Name: "v", Kind: store.Text}, {Name: "a", Kind: store.Integer, NotNull: true}, {Name: "b", Kind: store.Text, NotNull: true}}})
	rel := b.relation("pair", 2, "a", "b", "v")
	b.capture(rel)
	var want []store.Row
	for a := range int64(4) {
		for _, s := range []string{"", "a", "ab", "b"} {
			b.user(insert("pair", Values{"a": num(a), "b": str(s), "v": str("v")}))
			want = append(want, row(num(a), str(s), str("v")))
		}
	}
	for _, limit := range []int{1, 2, 3, 5, 16, 17} {
		b.wantRows(fmt.Sprintf("pages of %d", limit), b.walk(rel, limit), want...)
	}
	found, err := b.view().Lookup(b.ctx, rel, []store.Row{row(num(2), str("ab")), row(num(9), str("ab")), row(num(2), str(""))})
	b.must(err)
	b.wantRows("lookup", found, row(num(2), str("ab"), str("v")), nil, row(num(2), str(""), str("v")))
}

func scanFilter(b *bundle) {
	rel := b.useItems()
	rel.Filter = FilterPositive
	var want []store.Row
	for i := range int64(9) {
		n := num(i%3 - 1)
		if i%3 == 0 {
			n = null
		}
		b.user(insert("items", item(i, "x", n)))
		if i%3 == 2 {
			want = append(want, row(num(i), str("x"), num(1)))
		}
	}
	for _, limit := range []int{1, 2, 3, 4} {
		b.wantRows(fmt.Sprintf("pages of %d", limit), b.walk(rel, limit), want...)
	}
	b.user(update("items", whereID(5), Values{"active": num(0)}))
	rel.Filter, rel.Extra = FilterActive, columnsOf(b, b.table("items"), "active")
	b.want("rows by a column of the filter's own", len(b.walk(rel, 2)), 8)
}

func viewSize(b *bundle) {
	rel := b.useItems()
	b.user(insert("items", item(1, "one", num(1))))
	n, err := b.view().Size(b.ctx, rel)
	b.must(err)
	if n < 0 {
		b.Fatalf("size %d", n)
	}
}

func lookupOrder(b *bundle) {
	rel := b.useItems()
	b.user(insert("items", item(1, "one", num(1))), insert("items", item(2, "two", null)), insert("items", item(3, "three", num(3))))
	v := b.view()
	rows, err := v.Lookup(b.ctx, rel, []store.Row{row(num(3)), row(num(7)), row(num(2)), row(num(3))})
	b.must(err)
	three := row(num(3), str("three"), num(3))
	b.wantRows("rows", rows, three, nil, row(num(2), str("two"), null), three)
	rows, err = v.Lookup(b.ctx, rel, nil)
	b.must(err)
	b.want("rows of no keys", len(rows), 0)
}

func lookupFilter(b *bundle) {
	rel := b.useItems()
	b.user(insert("items", item(1, "one", num(1))), insert("items", item(2, "two", null)), insert("items", item(3, "three", num(-3))))
	rel.Filter = FilterPositive
	keys := []store.Row{row(num(1)), row(num(2)), row(num(3))}
	want := []store.Row{row(num(1), str("one"), num(1)), nil, nil}
	rows, err := b.view().Lookup(b.ctx, rel, keys)
	b.must(err)
	b.wantRows("rows", rows, want...)
	b.ours(func(tx store.Tx) {
		rows, err := tx.Lookup(b.ctx, rel, keys)
		b.must(err)
		b.wantRows("rows in a transaction", rows, want...)
	})
	b.user(update("items", whereID(2), Values{"active": num(0)}))
	rel.Filter, rel.Extra = FilterActive, columnsOf(b, b.table("items"), "active")
	rows, err = b.view().Lookup(b.ctx, rel, keys)
	b.must(err)
	b.want("row outside by a column of the filter's own", []bool{rows[0] == nil, rows[1] == nil, rows[2] == nil}, []bool{false, true, false})
}

func lookupMany(b *bundle) {
	rel := b.useItems()
	const count = 3000
	writes := make([]store.Write, 0, count)
	keys := make([]store.Row, 0, 2*count)
	for i := range int64(count) {
		writes = append(writes, upsert(rel, row(num(i), str("x"), num(i))))
		keys = append(keys, row(num(i)), row(num(-i-1)))
	}
	b.apply(writes...)
	rows, err := b.view().Lookup(b.ctx, rel, keys)
	b.must(err)
	for i, r := range rows {
		if i%2 == 0 {
			b.wantRows("row", []store.Row{r}, writes[i/2].After)
		} else if r != nil {
			b.Fatalf("key %v has a row", keys[i])
		}
	}
	b.want("rows", len(rows), 2*count)
}

func readMissing(b *bundle) {
	rel := b.useItems()
	missing := *rel
	missing.Table += "_gone"
	_, err := b.view().Scan(b.ctx, &missing, nil, 1)
	b.want("table at fault", as[*store.MapError](b, err).Table, missing.Table)
	_, err = b.view().Lookup(b.ctx, &missing, []store.Row{row(num(1))})
	b.want("table at fault", as[*store.MapError](b, err).Table, missing.Table)
	wrong := *rel
	wrong.Columns = append(wrong.Columns[:2:2], store.Column{Name: "gone", Type: rel.Columns[1].Type})
	_, err = b.view().Scan(b.ctx, &wrong, nil, 1)
	b.want("table at fault", as[*store.MapError](b, err).Table, rel.Table)
}
