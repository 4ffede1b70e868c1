package storetest

import (
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

func faultTests() []testCase {
	return []testCase{
		{"a null where none may be", faultNotNull},
		{"a duplicate of a unique index", faultUnique},
		{"a failed check", faultCheck},
		{"a missing parent, with its foreign key", faultMissingParent},
		{"a parent that still has children", faultChildren},
		{"a value of another type", faultType},
		{"an error raised by a user's trigger", faultRaised},
		{"apply ends at the first fault, and nothing of the transaction stays", faultEnds},
		{"apply each goes on, and the faulty write leaves no trace", faultEach},
		{"apply each mixes faults with every other outcome", faultEachMixed},
		{"apply each undoes what triggers and cascades did", faultEachEffects},
	}
}

const canary = "canary-7391"

// fault makes writes of which the last must fail, both ways, and returns the fault.
func (b *bundle) fault(writes ...store.Write) *store.RowError {
	b.Helper()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, writes)
	b.must(tx.Rollback())
	fault := as[*store.RowError](b, err)
	b.want("index", fault.Index, len(writes)-1)

	tx = b.begin(m)
	results, err := tx.ApplyEach(b.ctx, writes)
	b.must(err)
	last := results[len(writes)-1]
	b.want("outcome", last.Outcome, store.Failed)
	if last.Err == nil {
		b.Fatal("a failed write has no error")
	}
	b.must(tx.Rollback())
	for _, e := range []*store.RowError{fault, last.Err} {
		b.want("index", e.Index, len(writes)-1)
		b.want("table", e.Table, writes[len(writes)-1].Relation.Table)
		b.want("code", e.Code, fault.Code)
		b.want("column", e.Column, fault.Column)
		if strings.Contains(text(err), canary) || strings.Contains(e.Error(), canary) {
			b.Fatalf("error %q carries values", e.Error())
		}
	}
	return fault
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func faultNotNull(b *bundle) {
	rel := b.useItems()
	fault := b.fault(upsert(rel, two), upsert(rel, row(num(1), null, num(5))))
	b.want("code", fault.Code, store.CodeNotNull)
	b.want("column", fault.Column, "name")
	b.user(insert("items", item(1, canary, num(1))))
	fault = b.fault(upsert(rel, row(num(1), null, num(5))))
	b.want("code of an update", fault.Code, store.CodeNotNull)
}

func faultUnique(b *bundle) {
	t := items()
	t.Unique = [][]string{{"name"}, {"n", "note"}}
	b.create(t)
	rel := b.relation("items", 1, "id", "name", "n", "note")
	b.capture(rel)
	b.user(insert("items", item(1, canary, num(1))), insert("items", item(2, "two", num(2))))
	fault := b.fault(upsert(rel, row(num(3), str(canary), num(3), null)))
	b.want("code", fault.Code, store.CodeUnique)
	b.want("column", fault.Column, "name")
	fault = b.fault(expect(rel, row(num(2), str("two"), num(2), str("none")), row(num(2), str(canary), num(2), str("none"))))
	b.want("code of an update", fault.Code, store.CodeUnique)
	fault = b.fault(upsert(rel, row(num(3), str("three"), num(1), str("none"))))
	b.want("columns", fault.Column, "n, note")
	b.apply(upsert(rel, row(num(3), str("three"), null, str("none"))), upsert(rel, row(num(4), str("four"), null, str("none"))))
}

func faultCheck(b *bundle) {
	t := items()
	t.Checks = []Check{{Column: "n", Min: 0}}
	b.create(t)
	rel := b.relation("items", 1, "id", "name", "n")
	b.capture(rel)
	b.apply(upsert(rel, one), upsert(rel, row(num(2), str("null passes"), null)))
	fault := b.fault(upsert(rel, row(num(1), str(canary), num(-1))))
	b.want("code", fault.Code, store.CodeCheck)
}

func (b *bundle) useFamilies() (parents, strict, loose *store.Relation) {
	b.Helper()
	b.create(families()...)
	parents = b.relation("parents", 1, "id")
	strict, loose = b.relation("strict_children", 1, "id", "parent"), b.relation("loose_children", 1, "id", "parent")
	b.capture(parents, strict, loose)
	return parents, strict, loose
}

func faultMissingParent(b *bundle) {
	parents, strict, _ := b.useFamilies()
	b.apply(upsert(parents, row(num(1))), upsert(strict, row(num(1), num(1))), upsert(strict, row(num(2), null)))
	want := b.table("strict_children").ForeignKeys[0]
	for _, w := range []store.Write{upsert(strict, row(num(3), num(9))), upsert(strict, row(num(1), num(9))),
		expect(strict, row(num(2), null), row(num(2), num(9)))} {
		fault := b.fault(w)
		b.want("code", fault.Code, store.CodeMissingParent)
		b.want("foreign key", fault.Key, want)
		b.want("column", fault.Column, "parent")
	}
}

func faultChildren(b *bundle) {
	parents, strict, loose := b.useFamilies()
	b.apply(upsert(parents, row(num(1))), upsert(parents, row(num(2))), upsert(strict, row(num(1), num(1))), upsert(loose, row(num(1), num(2))))
	fault := b.fault(store.Write{Relation: parents, Key: row(num(1))})
	b.want("code", fault.Code, store.CodeForeignKey)
	fault = b.fault(expect(parents, row(num(1)), row(num(7))))
	b.want("code of a key that moves", fault.Code, store.CodeForeignKey)
	b.apply(store.Write{Relation: parents, Key: row(num(2))})
	b.want("cascaded children", len(b.rows(loose)), 0)
}

func faultType(b *bundle) {
	rel := b.useItems()
	wrong := row(num(1), str("one"), str(canary))
	if !b.Features.Strict {
		b.apply(upsert(rel, wrong))
		b.wantRows("rows", b.rows(rel), wrong)
		return
	}
	fault := b.fault(upsert(rel, wrong))
	b.want("code", fault.Code, store.CodeType)
	b.want("column", fault.Column, "n")
}

func faultRaised(b *bundle) {
	if !b.Features.Triggers {
		return
	}
	t := items()
	t.Triggers = []Trigger{{Name: "refuse", When: "name", Value: str(canary)}}
	b.create(t)
	rel := b.relation("items", 1, "id", "name", "n")
	b.capture(rel)
	fault := b.fault(upsert(rel, one), upsert(rel, row(num(1), str(canary), null)))
	b.want("code", fault.Code, store.CodeRaised)
}

func faultEnds(b *bundle) {
	rel := b.followItems()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, two)})
	b.must(err)
	results, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one), upsert(rel, row(num(5), null, null)), upsert(rel, row(num(6), str("six"), null))})
	b.want("index", as[*store.RowError](b, err).Index, 1)
	b.want("results", len(results), 0)
	if err := tx.Commit(b.ctx, ""); err == nil {
		b.Fatal("a transaction committed after an error")
	}
	b.must(tx.Rollback())
	b.want("rows", len(b.rows(rel)), 0)
	b.want("changes", len(b.all()), 0)
	b.want("transactions committed", b.fence("stream").Seq, int64(0))
}

func faultEach(b *bundle) {
	rel := b.followItems()
	m := b.marker("stream")
	tx := b.begin(m)
	results, err := tx.ApplyEach(b.ctx, []store.Write{upsert(rel, one), upsert(rel, row(num(1), null, null)), upsert(rel, two)})
	b.must(err)
	b.want("outcomes", []store.Outcome{results[0].Outcome, results[1].Outcome, results[2].Outcome},
		[]store.Outcome{store.Applied, store.Failed, store.Applied})
	b.want("index", results[1].Err.Index, 1)
	b.must(tx.Put(b.ctx, store.StatTable, row(str("m"), num(1), num(2), num(3), num(4))))
	b.commit(m, tx, "")
	b.wantRows("rows", b.rows(rel), one, two)
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one}, seen{Op: store.Insert, After: two})
	b.want("ledger rows", len(b.selected(store.Query{Table: store.StatTable})), 1)
}

func faultEachMixed(b *bundle) {
	rel := b.useItems()
	b.user(insert("items", item(1, "one", num(1))), insert("items", item(2, "two", num(2))))
	b.ours(func(tx store.Tx) {
		results, err := tx.ApplyEach(b.ctx, []store.Write{
			upsert(rel, row(num(9), null, null)), expect(rel, uno, oneNull), upsert(rel, two), expect(rel, one, uno), expect(rel, uno, row(num(1), null, null))})
		b.must(err)
		var got []store.Outcome
		for _, r := range results {
			got = append(got, r.Outcome)
		}
		b.want("outcomes", got, []store.Outcome{store.Failed, store.Refused, store.Unchanged, store.Applied, store.Failed})
		b.wantRows("current", []store.Row{results[1].Current}, one)
	})
	b.wantRows("rows", b.rows(rel), uno, two)
}

func faultEachEffects(b *bundle) {
	parents, strict, loose := b.useFamilies()
	b.follow("")
	b.apply(upsert(parents, row(num(1))), upsert(loose, row(num(1), num(1))), upsert(strict, row(num(1), num(1))))
	b.changes()
	b.ours(func(tx store.Tx) {
		results, err := tx.ApplyEach(b.ctx, []store.Write{{Relation: parents, Key: row(num(1))}})
		b.must(err)
		b.want("outcome", results[0].Outcome, store.Failed)
	})
	b.wantRows("children", b.rows(loose), row(num(1), num(1)))
	b.want("changes", len(b.changes()), 0)
}
