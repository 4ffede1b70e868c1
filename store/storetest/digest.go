package storetest

import "github.com/dualwrite/dualwrite/store"

func viewSkip(b *bundle) {
	rel := b.useItems()
	for id := range int64(7) {
		b.user(insert("items", item(id, "x", num(1))))
	}
	v := b.view()
	for _, c := range []struct {
		after store.Row
		n     int
		want  store.Row
	}{{nil, 1, row(num(0))}, {nil, 7, row(num(6))}, {nil, 8, nil}, {row(num(2)), 2, row(num(4))}, {row(num(6)), 1, nil}, {row(num(-5)), 1, row(num(0))}} {
		got, err := v.Skip(b.ctx, rel, c.after, c.n)
		b.must(err)
		if !got.Equal(c.want) {
			b.Fatalf("the key of row %d after %v is %v, not %v", c.n, c.after, got, c.want)
		}
	}
}

func viewDigest(b *bundle) {
	b.create(items(), Table{Name: "twin", Key: []string{"id"}, Columns: items().Columns})
	rel, twin := b.relation("items", 1, "id", "name", "n"), b.relation("twin", 1, "id", "name", "n")
	sum := func(rel *store.Relation, after, upTo store.Row) store.Sum {
		v := b.view()
		d, err := v.Digest(b.ctx, rel, after, upTo)
		b.must(err)
		s, err := d.Result(b.ctx)
		b.must(err)
		b.must(v.Close())
		return s
	}
	if d, err := b.view().Digest(b.ctx, rel, nil, nil); err != nil || d == nil {
		b.must(err)
		b.want("form of digests where none are made", b.Store.Limits().Digest, "")
		return
	}
	b.want("sum of no rows", sum(rel, nil, nil), sum(twin, nil, nil))
	for id := range int64(6) {
		b.user(insert("items", item(id, "x", num(id))), insert("twin", item(5-id, "x", num(5-id))))
	}
	b.user(update("items", whereID(3), Values{"n": null}), update("twin", whereID(3), Values{"n": null}))
	b.want("rows summed up", sum(rel, nil, nil).Rows, int64(6))
	b.want("sum of equal rows", sum(rel, nil, nil), sum(twin, nil, nil))
	b.want("rows of a range", sum(rel, row(num(1)), row(num(4))).Rows, int64(3))
	b.want("sum of an equal range", sum(rel, row(num(1)), row(num(4))), sum(twin, row(num(1)), row(num(4))))
	b.user(update("twin", whereID(4), Values{"name": str("y")}))
	if sum(rel, nil, nil) == sum(twin, nil, nil) {
		b.Fatal("rows that differ have the same sum")
	}
	b.want("sum before the difference", sum(rel, nil, row(num(3))), sum(twin, nil, row(num(3))))
	b.want("sum after the difference", sum(rel, row(num(4)), nil), sum(twin, row(num(4)), nil))
	b.user(update("twin", whereID(4), Values{"name": str("x"), "n": num(5)}), update("twin", whereID(5), Values{"n": num(4)}))
	if sum(rel, nil, nil) == sum(twin, nil, nil) {
		b.Fatal("rows that have each other's values have the same sum")
	}
	b.user(update("twin", whereID(4), Values{"n": null}), update("twin", whereID(5), Values{"n": num(5)}))
	if sum(rel, nil, nil) == sum(twin, nil, nil) {
		b.Fatal("a null has the sum of a number")
	}
}
