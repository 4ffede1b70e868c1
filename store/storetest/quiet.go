package storetest

import (
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

func quietTests() []testCase {
	return []testCase{
		{"keeps users' rows of the transaction out of the log, and nothing else", quietRows},
		{"is over with the transaction, and leaves nothing when that is undone", quietOver},
		{"leaves in the log what others do meanwhile", quietOthers},
		{"is for one transaction at a time", quietOne},
		{"is refused where a write may write other rows", quietSpreads},
	}
}

// quiets reports whether the store can be quiet at all; it must say so.
func (b *bundle) quiets() bool {
	b.Helper()
	if b.Store.Limits().QuietRows > 0 {
		return true
	}
	rel := b.followItems()
	b.ours(func(tx store.Tx) {
		b.hush(tx, false, rel)
		_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
		b.must(err)
	})
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one})
	return false
}

func (b *bundle) hush(tx store.Tx, want bool, relations ...*store.Relation) {
	b.Helper()
	quiet, err := tx.Quiet(b.ctx, relations...)
	b.must(err)
	b.want("quiet", quiet, want)
}

func quietRows(b *bundle) {
	if !b.quiets() {
		return
	}
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	b.ours(func(tx store.Tx) {
		_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, two)})
		b.must(err)
		b.hush(tx, true, rel)
		_, err = tx.Apply(b.ctx, []store.Write{upsert(rel, uno), upsert(rel, row(num(3), str("three"), null)), {Relation: rel, Key: row(num(2))}})
		b.must(err)
		_, err = tx.ApplyEach(b.ctx, []store.Write{upsert(rel, row(num(4), str("four"), null))})
		b.must(err)
		b.must(tx.Put(b.ctx, store.ResendTable, ledgerRow(definition(store.ResendTable), 0)))
	})
	b.user(remove("items", whereID(3)))
	var got []string
	for _, c := range b.all() {
		got = append(got, fmt.Sprint(c.Op, " ", c.Table))
	}
	b.want("changes", got, []string{"insert " + rel.Table, "insert marker", "insert " + rel.Table, "insert resend", "insert marker", "delete " + rel.Table})
	b.wantRows("rows", b.rows(rel), uno, row(num(4), str("four"), null))
}

func quietOver(b *bundle) {
	if !b.quiets() {
		return
	}
	rel := b.followItems()
	tx := b.begin(b.marker("stream"))
	b.hush(tx, true, rel)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	b.must(tx.Rollback())
	b.user(insert("items", item(3, "three", null)))
	for range 2 {
		b.ours(func(tx store.Tx) {
			b.hush(tx, true, rel)
			_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one), upsert(rel, uno)})
			b.must(err)
		})
	}
	b.apply(upsert(rel, two))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: row(num(3), str("three"), null)}, seen{Op: store.Insert, After: two})
}

func quietOthers(b *bundle) {
	if !b.quiets() || b.Features.OneWriter {
		return
	}
	rel := b.followItems()
	user, err := b.Begin()
	b.must(err)
	b.must(user.Exec(insert("items", item(1, "one", num(1)))))
	m := b.marker("stream")
	tx := b.begin(m)
	b.hush(tx, true, rel)
	_, err = tx.Apply(b.ctx, []store.Write{upsert(rel, two)})
	b.must(err)
	b.must(user.Exec(update("items", whereID(1), Values{"name": str("uno")})))
	b.user(insert("items", item(3, "three", null)))
	b.commit(m, tx, "")
	b.must(user.Exec(remove("items", whereID(2))))
	b.must(user.Commit())
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: row(num(3), str("three"), null)}, seen{Op: store.Insert, After: one},
		seen{Op: store.Update, Before: one, After: uno}, seen{Op: store.Delete, Before: two})
}

func quietOne(b *bundle) {
	if !b.quiets() || b.Features.OneWriter {
		return
	}
	rel := b.followItems()
	first := b.begin(b.marker("stream"))
	b.hush(first, true, rel)
	m := b.marker("ops")
	second := b.begin(m)
	b.hush(second, false, rel)
	_, err := second.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	b.commit(m, second, "")
	b.must(first.Rollback())
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one})
}

func quietSpreads(b *bundle) {
	if !b.quiets() {
		return
	}
	parents, strict, loose := b.useFamilies()
	b.follow("")
	m := b.marker("stream")
	for _, c := range []struct {
		relations []*store.Relation
		want      bool
	}{{[]*store.Relation{parents}, false}, {[]*store.Relation{loose, parents}, false}, {[]*store.Relation{strict, loose}, true}} {
		tx := b.begin(m)
		b.hush(tx, c.want, c.relations...)
		b.must(tx.Rollback())
	}
	if !b.Features.Triggers {
		return
	}
	t := items()
	t.Triggers = []Trigger{{Name: "stamp", When: "name", Value: str("uno"), Set: "n", To: num(42)}}
	b.create(t)
	tx := b.begin(m)
	b.hush(tx, false, b.relation("items", 1, "id", "name"))
	b.must(tx.Rollback())
}
