package storetest

import (
	"fmt"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

func ledgerTests() []testCase {
	cases := []testCase{
		{"numbers are ascending and never used twice", ledgerSerial},
		{"conditions compare as they say", ledgerConditions},
		{"text and blobs compare bytewise", ledgerBytewise},
		{"blobs and texts come back byte by byte", ledgerBytes},
		{"in takes no values and many", ledgerIn},
		{"order, limit and offset", ledgerOrder},
		{"delete ignores order, limit and offset", ledgerDelete},
		{"captured tables are delivered, deletes and the others are not", ledgerDelivered},
		{"is part of the transaction", ledgerRollback},
		{"takes many rows", ledgerMany},
		{"a query asked with the beginning sees what the transaction has written since", ledgerAhead},
		{"is no table of users", ledgerHidden},
	}
	for _, t := range store.Ledger() {
		if t.Name != store.WriterTable && t.Name != store.MarkerTable {
			cases = append(cases, testCase{"puts, replaces, selects, counts and deletes rows of " + t.Name,
				func(b *bundle) { ledgerTable(b, t) }})
		}
	}
	return cases
}

func ledgerAhead(b *bundle) {
	b.capture()
	b.put(store.StatTable, statRow("a", 1), statRow("b", 2))
	stats, resends := store.Query{Table: store.StatTable}, store.Query{Table: store.ResendTable}
	m := b.marker("stream")
	m.Ahead = []store.Query{stats, resends, {Table: store.StatTable, Limit: 1}}
	tx := b.begin(m)
	selected := func(q store.Query) []store.Row {
		got, err := tx.Select(b.ctx, q)
		b.must(err)
		return got
	}
	b.wantRows("asked ahead", selected(stats), statRow("a", 1), statRow("b", 2))
	b.wantRows("asked ahead, the first", selected(m.Ahead[2]), statRow("a", 1))
	b.wantRows("not asked ahead", selected(store.Query{Table: store.StatTable, Offset: 1, Limit: 5}), statRow("b", 2))
	b.must(tx.Put(b.ctx, store.StatTable, statRow("c", 3)))
	b.wantRows("after a row", selected(stats), statRow("a", 1), statRow("b", 2), statRow("c", 3))
	b.must(tx.Delete(b.ctx, store.Query{Table: store.StatTable, Where: []store.Cond{store.Where("map", store.Eq, str("a"))}}))
	b.wantRows("after it was deleted", selected(m.Ahead[2]), statRow("b", 2))
	b.want("asked ahead of an empty table", len(selected(resends)), 0)
	b.commit(m, tx, "")
	b.wantRows("committed", b.selected(stats), statRow("b", 2), statRow("c", 3))
	m = b.marker("stream")
	m.Ahead = []store.Query{{Table: "none"}}
	if tx, err := b.Store.Begin(b.ctx, m); err == nil { // a store that does not answer ahead learns of it later
		_, err = tx.Select(b.ctx, m.Ahead[0])
		b.must(tx.Rollback())
		if err == nil {
			b.Fatal("a table that the ledger does not have was read")
		}
	}
}

// ledgerRow makes a row of a table; rows of different n differ everywhere.
func ledgerRow(t store.LedgerTable, n int64) store.Row {
	out := make(store.Row, len(t.Columns))
	for i, c := range t.Columns {
		text := fmt.Sprintf("%s-%03d", c.Name, n)
		switch c.Kind {
		case store.Integer:
			out[i] = num(n)
		case store.Blob:
			out[i] = store.Bytes([]byte(text + "\x00\xff"))
		default:
			out[i] = str(text)
		}
	}
	return out
}

func ledgerTable(b *bundle, t store.LedgerTable) {
	b.capture()
	var rows []store.Row
	for n := int64(1); n <= 5; n++ {
		rows = append(rows, ledgerRow(t, n))
	}
	b.put(t.Name, rows[3], rows[0], rows[4], rows[2], rows[1])
	b.wantRows("in the order of the primary key", b.selected(store.Query{Table: t.Name}), rows...)
	changed := append(store.Row(nil), ledgerRow(t, 9)...)
	copy(changed, rows[2][:t.Primary])
	b.ours(func(tx store.Tx) {
		b.must(tx.Put(b.ctx, t.Name, changed))
		got, err := tx.Select(b.ctx, store.Query{Table: t.Name, Offset: 2, Limit: 1})
		b.must(err)
		b.wantRows("replaced in the transaction", got, changed)
	})
	b.wantRows("replaced", b.selected(store.Query{Table: t.Name}), rows[0], rows[1], changed, rows[3], rows[4])
	one := store.Query{Table: t.Name}
	for i, c := range t.Columns {
		one.Where = append(one.Where, store.Where(c.Name, store.Eq, rows[3][i]))
	}
	b.wantRows("by all columns", b.selected(one), rows[3])
	b.ours(func(tx store.Tx) {
		b.must(tx.Delete(b.ctx, one))
		n, err := tx.Count(b.ctx, store.Query{Table: t.Name})
		b.must(err)
		b.want("rows left", n, int64(4))
	})
	b.ours(func(tx store.Tx) { b.must(tx.Delete(b.ctx, store.Query{Table: t.Name})) })
	b.want("rows after deleting all", len(b.selected(store.Query{Table: t.Name})), 0)
}

func resendRow(key string) store.Row {
	return row(num(0), str("m"), store.Bytes([]byte(key)), num(0), str(""))
}

func ledgerSerial(b *bundle) {
	b.capture()
	var last int64
	for round := range 4 {
		b.put(store.ResendTable, resendRow("a"), resendRow("b"), resendRow("c"))
		got := b.selected(store.Query{Table: store.ResendTable})
		b.want("rows", len(got), 3)
		for i, key := range []string{"a", "b", "c"} {
			b.want("key", got[i][2].S, key)
			if got[i][0].Int64() <= last {
				b.Fatalf("number %v follows on %d", got[i][0], last)
			}
			last = got[i][0].Int64()
		}
		b.ours(func(tx store.Tx) { b.must(tx.Delete(b.ctx, store.Query{Table: store.ResendTable})) })
		if round == 2 {
			b.reopen()
		}
	}
}

func statRow(name string, n int64) store.Row { return row(str(name), num(n), num(-n), num(0), num(0)) }

func ledgerConditions(b *bundle) {
	b.capture()
	for n := range int64(12) {
		b.put(store.StatTable, statRow(fmt.Sprintf("m%02d", n), n))
	}
	cases := []struct {
		where store.Cond
		want  int
	}{
		{store.Where("applied", store.Eq, num(3)), 1}, {store.Where("applied", store.Gt, num(3)), 8},
		{store.Where("applied", store.Ge, num(3)), 9}, {store.Where("applied", store.Lt, num(10)), 10},
		{store.Where("applied", store.Le, num(10)), 11}, {store.Where("conflicts", store.Gt, num(-2)), 2},
		{store.Where("map", store.Eq, str("m04")), 1}, {store.Where("map", store.Ge, str("m04")), 8},
		{store.Where("map", store.Lt, str("m04")), 4}, {store.Where("map", store.Eq, str("M04")), 0},
		{store.Cond{Column: "applied", Is: store.In, Values: []store.Value{num(1), num(5), num(77)}}, 2},
	}
	for _, c := range cases {
		q := store.Query{Table: store.StatTable, Where: []store.Cond{c.where}}
		b.want(fmt.Sprintf("rows where %v", c.where), len(b.selected(q)), c.want)
		q.Limit, q.Offset = 1, 1
		n, err := b.view().Count(b.ctx, q)
		b.must(err)
		b.want(fmt.Sprintf("count where %v", c.where), n, int64(c.want))
	}
	both := store.Query{Table: store.StatTable, Where: []store.Cond{store.Where("applied", store.Gt, num(2)), store.Where("applied", store.Lt, num(5))}}
	b.want("rows of two conditions", len(b.selected(both)), 2)
}

func ledgerBytewise(b *bundle) {
	b.capture()
	names := []string{"A", "B", "Z", "a", "a ", "a0", "b", "z", "é", "ﬀ", "😀"}
	for i := len(names) - 1; i >= 0; i-- {
		b.put(store.StatTable, statRow(names[i], 1))
		b.put(store.TokenTable, row(store.Bytes([]byte(names[i])), str("m"), store.Bytes(nil)))
	}
	for _, table := range []string{store.StatTable, store.TokenTable} {
		var got []string
		for _, r := range b.selected(store.Query{Table: table}) {
			got = append(got, r[0].S)
		}
		b.want("order of "+table, got, names)
	}
	above := store.Query{Table: store.StatTable, Where: []store.Cond{store.Where("map", store.Gt, str("a"))}}
	b.want("rows above a", len(b.selected(above)), 7)
}

func ledgerBytes(b *bundle) {
	b.capture()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for i, blob := range []string{"", "\x00", string(every), strings.Repeat("\xfe\x00", 500_000)} {
		want := row(str(fmt.Sprint(i)), store.Bytes([]byte(blob)))
		b.put(store.BOnlyTable, want)
		b.wantRows("by its blob", b.selected(store.Query{Table: store.BOnlyTable, Where: []store.Cond{store.Where("key", store.Eq, want[1])}}), want)
	}
	for _, text := range []string{"", "it's \"quoted\" `and` [so] on; -- $1 ? :x \\", "line\nbreak\t", strings.Repeat("ü", 100_000)} {
		want := row(str("t"), num(1), str(text))
		b.put(store.DefinitionTable, want)
		b.wantRows("text", b.selected(store.Query{Table: store.DefinitionTable}), want)
	}
}

func ledgerIn(b *bundle) {
	b.capture()
	const count = 2500
	var rows []store.Row
	var tokens []store.Value
	for i := range count {
		token := store.Bytes([]byte(fmt.Sprintf("token %04d", i)))
		rows = append(rows, row(token, str("m"), store.Bytes(nil)))
		tokens = append(tokens, token, store.Bytes([]byte(fmt.Sprintf("other %04d", i))))
	}
	b.put(store.TokenTable, rows...)
	q := store.Query{Table: store.TokenTable, Where: []store.Cond{{Column: "token", Is: store.In, Values: tokens}}}
	b.wantRows("rows of many values", b.selected(q), rows...)
	q.Where[0].Values = nil
	b.want("rows of no values", len(b.selected(q)), 0)
	b.ours(func(tx store.Tx) { b.must(tx.Delete(b.ctx, q)) })
	b.want("rows after deleting none", len(b.selected(store.Query{Table: store.TokenTable})), count)
	q.Where[0].Values = tokens
	b.ours(func(tx store.Tx) { b.must(tx.Delete(b.ctx, q)) })
	b.want("rows after deleting many", len(b.selected(store.Query{Table: store.TokenTable})), 0)
}

func ledgerOrder(b *bundle) {
	b.capture()
	for n := range int64(6) {
		b.put(store.StatTable, statRow(fmt.Sprintf("m%d", n), 100-n))
	}
	numbers := func(q store.Query) []int64 {
		q.Table = store.StatTable
		var out []int64
		for _, r := range b.selected(q) {
			out = append(out, r[1].Int64())
		}
		return out
	}
	b.want("by primary key", numbers(store.Query{Limit: 2}), []int64{100, 99})
	b.want("by primary key, descending", numbers(store.Query{Desc: true, Limit: 2}), []int64{95, 96})
	b.want("by a column", numbers(store.Query{Order: "applied", Limit: 2}), []int64{95, 96})
	b.want("by a column, descending, from the third on", numbers(store.Query{Order: "applied", Desc: true, Limit: 2, Offset: 2}), []int64{98, 97})
	b.want("offset without limit", numbers(store.Query{Offset: 4}), []int64{96, 95})
	b.want("offset beyond the end", len(numbers(store.Query{Offset: 9})), 0)
}

func ledgerDelete(b *bundle) {
	b.capture()
	for n := range int64(6) {
		b.put(store.StatTable, statRow(fmt.Sprintf("m%d", n), n))
	}
	q := store.Query{Table: store.StatTable, Order: "applied", Desc: true, Limit: 1, Offset: 1,
		Where: []store.Cond{store.Where("applied", store.Lt, num(4))}}
	b.ours(func(tx store.Tx) { b.must(tx.Delete(b.ctx, q)) })
	b.want("rows left", len(b.selected(store.Query{Table: store.StatTable})), 2)
}

func ledgerDelivered(b *bundle) {
	b.capture()
	b.follow("")
	for _, t := range store.Ledger() {
		if t.Name == store.WriterTable || t.Name == store.MarkerTable {
			continue
		}
		first, second := ledgerRow(t, 1), ledgerRow(t, 2)
		copy(second, first[:t.Primary])
		b.put(t.Name, first)
		b.put(t.Name, second)
		b.ours(func(tx store.Tx) { b.must(tx.Delete(b.ctx, store.Query{Table: t.Name})) })
		got := b.ledgerChanges(t.Name)
		if !t.Captured {
			b.want("changes of "+t.Name, len(got), 0)
			continue
		}
		b.want("changes of "+t.Name, len(got), 2)
		for i, want := range []store.Row{first, second} {
			b.wantRows("row of "+t.Name, []store.Row{got[i].After}, want)
			b.want("columns", got[i].Columns, ledgerColumns(t.Name))
			b.want("op", got[i].Op, []store.Op{store.Insert, store.Update}[i])
		}
	}
}

func ledgerRollback(b *bundle) {
	b.capture()
	b.follow("")
	tx := b.begin(b.marker("stream"))
	b.must(tx.Put(b.ctx, store.ResendTable, resendRow("a")))
	b.must(tx.Rollback())
	b.want("rows", len(b.selected(store.Query{Table: store.ResendTable})), 0)
	b.want("changes", len(b.all()), 0)
}

func ledgerMany(b *bundle) {
	b.capture()
	b.follow("")
	var rows []store.Row
	for i := range 3000 {
		rows = append(rows, resendRow(fmt.Sprintf("%04d", i)))
	}
	b.put(store.ResendTable, rows...)
	got := b.ledgerChanges(store.ResendTable)
	b.want("changes", len(got), len(rows))
	for i, c := range got {
		b.want("key", c.After[2].S, fmt.Sprintf("%04d", i))
	}
}

func ledgerHidden(b *bundle) {
	b.capture()
	found, err := b.Store.Describe(b.ctx)
	b.must(err)
	b.want("tables of users", len(found), 0)
}
