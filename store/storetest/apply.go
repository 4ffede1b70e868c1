package storetest

import (
	"math/rand/v2"
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

func applyTests() []testCase {
	cases := []testCase{
		{"makes writes in order, also of one row", applyOrder},
		{"takes no writes", applyNothing},
		{"takes many writes", applyMany},
		{"overwrites whatever is there, again and again", applyOverwrites},
		{"leaves columns outside the relation alone", applyUnmapped},
		{"writes defaults when it inserts and only then", applyDefaults},
		{"a moved key is one update", applyMove},
		{"works on composite keys", applyComposite},
		{"does not compare columns that are free", applyFree},
		{"sees what users' triggers make of a write", applyTrigger},
	}
	for _, c := range outcomes() {
		cases = append(cases, testCase{c.name, c.check})
	}
	return cases
}

// The rows that the table of outcomes uses.
var (
	one      = row(num(1), str("one"), num(1))
	oneNull  = row(num(1), str("one"), null)
	uno      = row(num(1), str("uno"), num(1))
	two      = row(num(2), str("two"), num(2))
	oneAtTwo = row(num(2), str("one"), num(1))
)

// outcome is one write over given rows.
type outcome struct {
	name    string
	initial []store.Row
	guard   store.Guard
	key     store.Row
	before  store.Row
	after   store.Row
	want    store.Outcome
	current store.Row
	left    []store.Row
}

func outcomes() []outcome {
	all := func(rows ...store.Row) []store.Row { return rows }
	k1, k2 := row(num(1)), row(num(2))
	over, exp := store.Overwrite, store.Expect
	return []outcome{
		{"overwrite inserts what is absent", nil, over, k1, nil, one, store.Applied, nil, all(one)},
		{"overwrite updates what differs", all(uno), over, k1, nil, one, store.Applied, nil, all(one)},
		{"overwrite updates whatever before says", all(uno), over, k1, oneNull, one, store.Applied, nil, all(one)},
		{"overwrite inserts what is gone, whatever before says", all(two), over, k1, uno, one, store.Applied, nil, all(one, two)},
		{"overwrite leaves an equal row, whatever before says", all(one), over, k1, uno, one, store.Unchanged, nil, all(one)},
		{"overwrite writes a null over a value", all(one), over, k1, nil, oneNull, store.Applied, nil, all(oneNull)},
		{"overwrite writes a value over a null", all(oneNull), over, k1, nil, one, store.Applied, nil, all(one)},
		{"overwrite leaves an equal row", all(one), over, k1, nil, one, store.Unchanged, nil, all(one)},
		{"overwrite leaves an equal row with a null", all(oneNull), over, k1, nil, oneNull, store.Unchanged, nil, all(oneNull)},
		{"overwrite deletes", all(one, two), over, k1, nil, nil, store.Applied, nil, all(two)},
		{"overwrite has nothing to delete", all(two), over, k1, nil, nil, store.Unchanged, nil, all(two)},
		{"overwrite moves a key", all(one), over, k1, one, oneAtTwo, store.Applied, nil, all(oneAtTwo)},
		{"overwrite moves a key onto another row", all(one, two), over, k1, one, oneAtTwo, store.Applied, nil, all(oneAtTwo)},
		{"overwrite moves a key whose row is gone", nil, over, k1, one, oneAtTwo, store.Applied, nil, all(oneAtTwo)},
		{"overwrite moves a key whose row is gone onto another row", all(two), over, k1, one, oneAtTwo, store.Applied, nil, all(oneAtTwo)},
		{"overwrite has moved the key already", all(oneAtTwo), over, k1, one, oneAtTwo, store.Unchanged, nil, all(oneAtTwo)},

		{"expect inserts what is absent", all(two), exp, k1, nil, one, store.Applied, nil, all(one, two)},
		{"expect refuses to insert over a row", all(uno), exp, k1, nil, one, store.Refused, uno, all(uno)},
		{"expect updates what is as it was", all(uno), exp, k1, uno, one, store.Applied, nil, all(one)},
		{"expect compares nulls as equal", all(oneNull), exp, k1, oneNull, one, store.Applied, nil, all(one)},
		{"expect tells null from a value", all(one), exp, k1, oneNull, uno, store.Refused, one, all(one)},
		{"expect tells a value from null", all(oneNull), exp, k1, one, uno, store.Refused, oneNull, all(oneNull)},
		{"expect refuses to update what has changed", all(oneNull), exp, k1, uno, one, store.Refused, oneNull, all(oneNull)},
		{"expect refuses to update what is gone", all(two), exp, k1, uno, one, store.Refused, nil, all(two)},
		{"expect leaves a row that is to be what it is", all(one), exp, k1, one, one, store.Unchanged, nil, all(one)},
		{"expect deletes what is as it was", all(one, two), exp, k1, one, nil, store.Applied, nil, all(two)},
		{"expect refuses to delete what has changed", all(uno), exp, k1, one, nil, store.Refused, uno, all(uno)},
		{"expect refuses to delete what is gone", all(two), exp, k1, one, nil, store.Refused, nil, all(two)},
		{"expect moves a key", all(one), exp, k1, one, oneAtTwo, store.Applied, nil, all(oneAtTwo)},
		{"expect refuses to move what has changed", all(uno), exp, k1, one, oneAtTwo, store.Refused, uno, all(uno)},
		{"expect refuses to move onto a row", all(one, two), exp, k1, one, oneAtTwo, store.Refused, one, all(one, two)},
		{"expect refuses to move what is gone", nil, exp, k1, one, oneAtTwo, store.Refused, nil, nil},
		{"expect refuses to move what is gone and shows the row at the new key", all(two), exp, k1, one, oneAtTwo, store.Refused, two, all(two)},
		{"expect moves back", all(two), exp, k2, two, row(num(1), str("two"), num(2)), store.Applied, nil, all(row(num(1), str("two"), num(2)))},
	}
}

// check runs the write by Apply, then on the same rows by ApplyEach and by ApplyBeside.
func (o outcome) check(b *bundle) {
	rel := b.followItems()
	write := store.Write{Relation: rel, Guard: o.guard, Key: o.key, Before: o.before, After: o.after}
	for _, way := range []func(store.Tx, []store.Write) ([]store.Result, error){
		func(tx store.Tx, w []store.Write) ([]store.Result, error) { return tx.Apply(b.ctx, w) },
		func(tx store.Tx, w []store.Write) ([]store.Result, error) { return tx.ApplyEach(b.ctx, w) },
		b.applyBeside,
	} {
		b.user(remove("items", nil))
		for _, r := range o.initial {
			b.user(insert("items", Values{"id": r[0], "name": r[1], "n": r[2]}))
		}
		b.changes()
		b.ours(func(tx store.Tx) {
			results, err := way(tx, []store.Write{write})
			b.must(err)
			b.want("results", len(results), 1)
			b.want("outcome", results[0].Outcome, o.want)
			if o.want == store.Refused {
				b.wantRows("current", []store.Row{results[0].Current}, o.current)
			}
		})
		b.wantRows("rows", b.rows(rel), o.left...)
		if n := len(b.changes()); (n > 0) != (o.want == store.Applied) {
			b.Fatalf("%d changes in the log of a write that was to be %v", n, o.want)
		}
	}
}

func applyOrder(b *bundle) {
	rel := b.followItems()
	results := b.apply(upsert(rel, one), expect(rel, one, uno), expect(rel, one, oneNull),
		store.Write{Relation: rel, Key: row(num(1))}, upsert(rel, oneNull))
	var got []store.Outcome
	for _, r := range results {
		got = append(got, r.Outcome)
	}
	b.want("outcomes", got, []store.Outcome{store.Applied, store.Applied, store.Refused, store.Applied, store.Applied})
	b.wantRows("current", []store.Row{results[2].Current}, uno)
	b.wantRows("rows", b.rows(rel), oneNull)
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one}, seen{Op: store.Update, Before: one, After: uno},
		seen{Op: store.Delete, Before: uno}, seen{Op: store.Insert, After: oneNull})
}

func applyNothing(b *bundle) {
	b.useItems()
	b.want("results", len(b.apply()), 0)
}

func applyMany(b *bundle) {
	rel := b.followItems()
	const count = 2500
	var fresh, changed []store.Write
	for i := range int64(count) {
		before, after := row(num(i), str("x"), num(i)), row(num(i), str("y"), null)
		fresh = append(fresh, upsert(rel, before))
		changed = append(changed, expect(rel, before, after))
	}
	for _, writes := range [][]store.Write{fresh, changed} {
		for i, r := range b.apply(writes...) {
			if r.Outcome != store.Applied {
				b.Fatalf("write %d: outcome %v", i, r.Outcome)
			}
		}
	}
	b.want("rows", len(b.rows(rel)), count)
	b.want("changes", len(b.changes()), 2*count)
}

// applyOverwrites compares many writes of few rows, made at once, with what they come to one after the other: inserts,
// updates of rows that are there, are not, or are so already, and deletes.
func applyOverwrites(b *bundle) {
	rel := b.useItems()
	rng := rand.New(rand.NewPCG(1, 2))
	have := make(map[int64]store.Row)
	for _, c := range []struct{ writes, keys int64 }{{1, 1}, {30, 10}, {300, 10}, {1500, 400}, {1500, 2000}} {
		writes, want := make([]store.Write, c.writes), make([]store.Outcome, c.writes)
		for i := range writes {
			id := rng.Int64N(c.keys)
			w := store.Write{Relation: rel, Key: row(num(id))}
			if rng.IntN(5) > 0 {
				w.After = row(num(id), str(strings.Repeat("x", rng.IntN(20))), num(rng.Int64N(3)))
			}
			if rng.IntN(5) > 0 {
				w.Before = row(num(id), str("before"), null)
			}
			if want[i] = store.Applied; w.After.Equal(have[id]) {
				want[i] = store.Unchanged
			}
			writes[i], have[id] = w, w.After
		}
		for i, r := range b.apply(writes...) {
			if r.Outcome != want[i] {
				b.Fatalf("write %d of %d, to %v: outcome %v, not %v", i, c.writes, writes[i].Key, r.Outcome, want[i])
			}
		}
		var rows []store.Row
		for id := range c.keys {
			if have[id] != nil {
				rows = append(rows, have[id])
			}
		}
		b.wantRows("rows", b.rows(rel), rows...)
	}
}

// applyBeside makes writes while another transaction reads.
func (b *bundle) applyBeside(tx store.Tx, writes []store.Write) ([]store.Result, error) {
	worked := 0
	results, err := tx.ApplyBeside(b.ctx, writes, func() {
		worked++
		view, err := b.Store.View(b.ctx)
		b.must(err)
		_, err = view.Select(b.ctx, store.Query{Table: store.QueueTable})
		b.must(err)
		b.must(view.Close())
	})
	if worked > 1 {
		b.Fatalf("the work was called %d times", worked)
	}
	return results, err
}

func applyUnmapped(b *bundle) {
	b.useItems()
	rel, whole := b.relation("items", 1, "id", "name"), b.relation("items", 1, "id", "name", "n", "note")
	b.user(insert("items", Values{"id": num(1), "name": str("one"), "n": num(5), "note": str("mine")}))
	b.apply(upsert(rel, row(num(1), str("uno"))), upsert(rel, row(num(2), str("two"))))
	b.wantRows("rows", b.rows(whole), row(num(1), str("uno"), num(5), str("mine")), row(num(2), str("two"), null, str("none")))
	b.apply(expect(rel, row(num(1), str("uno")), row(num(3), str("three"))))
	b.wantRows("rows after a move", b.rows(whole), row(num(2), str("two"), null, str("none")), row(num(3), str("three"), num(5), str("mine")))
}

func applyDefaults(b *bundle) {
	b.useItems()
	whole := b.relation("items", 1, "id", "name", "note")
	rel := b.relation("items", 1, "id", "name")
	rel.Defaults = []store.ColumnDefault{{Column: whole.Columns[2], Value: str("given")}}
	b.user(insert("items", item(1, "one", null)))
	b.apply(upsert(rel, row(num(1), str("uno"))), upsert(rel, row(num(2), str("two"))), expect(rel, nil, row(num(3), str("three"))))
	b.wantRows("rows", b.rows(whole), row(num(1), str("uno"), str("none")), row(num(2), str("two"), str("given")),
		row(num(3), str("three"), str("given")))
	b.user(update("items", whereID(2), Values{"note": str("mine")}))
	b.apply(upsert(rel, row(num(2), str("dos"))))
	b.wantRows("rows", b.rows(whole)[1:2], row(num(2), str("dos"), str("mine")))
}

func applyMove(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	b.changes()
	b.apply(store.Write{Relation: rel, Key: row(num(1)), After: oneAtTwo})
	b.wantChanges(b.changes(), rel, seen{Op: store.Update, Before: one, After: oneAtTwo})
	b.apply(expect(rel, oneAtTwo, one))
	b.wantChanges(b.changes(), rel, seen{Op: store.Update, Before: oneAtTwo, After: one})
}

func applyComposite(b *bundle) {
	b.create(Table{Name: "pair", Key: []string{"a", "b"}, Columns: []Column{
		{Name: "v", Kind: store.Text}, {Name: "a", Kind: store.Integer, NotNull: true}, {Name: "b", Kind: store.Text, NotNull: true}}})
	rel := b.relation("pair", 2, "a", "b", "v")
	b.capture(rel)
	x, y := row(num(1), str("x"), null), row(num(1), str("y"), str("v"))
	b.apply(upsert(rel, x), upsert(rel, y))
	b.wantRows("rows", b.rows(rel), x, y)
	moved := row(num(0), str("x"), null)
	results := b.apply(expect(rel, x, moved), expect(rel, y, row(num(1), str("y"), null)), expect(rel, nil, moved))
	b.want("outcomes", []store.Outcome{results[0].Outcome, results[1].Outcome}, []store.Outcome{store.Applied, store.Applied})
	b.apply(store.Write{Relation: rel, Key: row(num(1), str("y"))})
	b.wantRows("rows", b.rows(rel), moved)
}

func applyFree(b *bundle) {
	rel := b.useItems()
	rel.Free = []int{2}
	b.user(insert("items", item(1, "one", num(77))))
	results := b.apply(expect(rel, one, uno))
	b.want("outcome", results[0].Outcome, store.Applied)
	b.wantRows("rows", b.rows(rel), uno)
	results = b.apply(expect(rel, one, uno))
	b.want("outcome of another before", results[0].Outcome, store.Refused)
	b.want("outcome when only a free column is written", b.apply(expect(rel, oneNullAs("uno"), row(num(1), str("uno"), num(5))))[0].Outcome, store.Applied)
	b.wantRows("rows", b.rows(rel), row(num(1), str("uno"), num(5)))
	b.want("outcome of a move", b.apply(expect(rel, oneNullAs("uno"), row(num(2), str("uno"), num(6))))[0].Outcome, store.Applied)
	b.wantRows("rows", b.rows(rel), row(num(2), str("uno"), num(6)))
	b.apply(expect(rel, row(num(2), str("uno"), null), nil))
	b.want("rows", len(b.rows(rel)), 0)
}

func oneNullAs(name string) store.Row { return row(num(1), str(name), null) }

func applyTrigger(b *bundle) {
	if !b.Features.Triggers {
		return
	}
	t := items()
	t.Triggers = []Trigger{{Name: "stamp", When: "name", Value: str("uno"), Set: "n", To: num(42)}}
	b.create(t)
	rel := b.relation("items", 1, "id", "name", "n")
	b.capture(rel)
	b.follow("")
	b.ours(func(tx store.Tx) {
		_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, uno)})
		b.must(err)
		rows, err := tx.Lookup(b.ctx, rel, []store.Row{row(num(1))})
		b.must(err)
		b.wantRows("row in the transaction", rows, row(num(1), str("uno"), num(42)))
	})
	got := b.changes()
	last := b.project(got, rel)[len(got)-1]
	b.wantRows("row in the log", []store.Row{last.After}, row(num(1), str("uno"), num(42)))
}
