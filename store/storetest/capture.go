package storetest

import (
	"crypto/sha256"
	"fmt"

	"github.com/dualwrite/dualwrite/store"
)

func captureTests() []testCase {
	return []testCase{
		{"without relations installs the whole ledger and captures no table", captureLedgerOnly},
		{"what commits later is in the log with full images", captureLater},
		{"what committed earlier is visible to a later view and may be missing from the log", captureEarlier},
		{"may be called again and changes nothing", captureAgain},
		{"may be called again with other columns", captureWider},
		{"drains open transactions, waiting only briefly", captureDrains},
		{"delivers neither columns that only the filter reads nor rows outside it", captureExtra},
		{"refuses a table or column that is not there as the map's fault", captureUnknown},
		{"lasts when the store is reopened", captureLasts},
		{"a log that was dormant until then begins with it", captureDormant},
	}
}

func captureLedgerOnly(b *bundle) {
	b.create(items())
	b.capture()
	for _, t := range store.Ledger() {
		b.want("rows of "+t.Name, len(b.selected(store.Query{Table: t.Name})), 0)
	}
	b.follow("")
	b.user(insert("items", item(1, "one", num(1))))
	b.want("changes of a table that is not captured", len(b.changes()), 0)
}

func captureDormant(b *bundle) {
	b.create(items())
	rel := b.relation("items", 1, "id", "name", "n")
	dormant := func() bool {
		d, err := b.Store.Dormant(b.ctx)
		b.must(err)
		return d
	}
	before := dormant()
	b.capture()
	b.want("dormant with a ledger", dormant(), before)
	b.put(store.StatTable, row(str("early"), num(1), num(2), num(3), num(4)))
	b.capture(rel)
	b.want("dormant while a table is captured", dormant(), false)
	b.user(insert("items", item(1, "one", num(1))))
	b.put(store.StatTable, row(str("late"), num(1), num(2), num(3), num(4)))
	b.follow("")
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: row(num(1), str("one"), num(1))})
	b.must(b.log.Close())
	b.must(b.retry(func() error { return b.Store.Release(b.ctx, "items") }))
	b.want("dormant without a table again", dormant(), before)
	b.put(store.StatTable, row(str("between"), num(1), num(2), num(3), num(4)))
	b.capture(rel)
	b.user(insert("items", item(2, "two", num(2))))
	b.follow("")
	var theirs, ours []store.Change
	for _, c := range b.all() {
		if c.Ledger {
			ours = append(ours, c)
		} else {
			theirs = append(theirs, c)
		}
	}
	if !before {
		theirs = theirs[len(theirs)-1:] // it still has what was not confirmed
	} else {
		b.want("since when", b.log.Since() > "", true)
		b.want("changes of ours from when it was dormant", len(ours), 0)
	}
	b.wantChanges(theirs, rel, seen{Op: store.Insert, After: row(num(2), str("two"), num(2))})
}

func captureLater(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "one", null)))
	b.user(update("items", whereID(1), Values{"n": num(5)}))
	b.user(remove("items", whereID(1)))
	b.wantChanges(b.changes(), rel,
		seen{Op: store.Insert, After: row(num(1), str("one"), null)},
		seen{Op: store.Update, Before: row(num(1), str("one"), null), After: row(num(1), str("one"), num(5))},
		seen{Op: store.Delete, Before: row(num(1), str("one"), num(5))})
}

func captureEarlier(b *bundle) {
	b.create(items())
	b.user(insert("items", item(1, "one", num(1))))
	rel := b.relation("items", 1, "id", "name", "n")
	b.capture(rel)
	b.wantRows("rows", b.rows(rel), row(num(1), str("one"), num(1)))
}

func captureAgain(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	b.put(store.StatTable, row(str("m"), num(1), num(2), num(3), num(4)))
	b.capture(rel)
	b.capture()
	b.user(insert("items", item(2, "two", num(2))))
	b.wantChanges(b.changes(), rel,
		seen{Op: store.Insert, After: row(num(1), str("one"), num(1))},
		seen{Op: store.Insert, After: row(num(2), str("two"), num(2))})
	b.want("ledger rows kept", len(b.selected(store.Query{Table: store.StatTable})), 1)
}

func captureWider(b *bundle) {
	b.create(items())
	narrow, wide := b.relation("items", 1, "id", "name"), b.relation("items", 1, "id", "name", "n", "note")
	b.capture(narrow)
	b.follow("")
	b.user(insert("items", item(1, "one", num(1))))
	b.capture(wide)
	b.user(update("items", whereID(1), Values{"n": num(7)}))
	got := b.changes()
	b.want("number of changes", len(got), 2)
	b.wantChanges(got[:1], narrow, seen{Op: store.Insert, After: row(num(1), str("one"))})
	b.wantChanges(got[1:], wide, seen{Op: store.Update,
		Before: row(num(1), str("one"), num(1), str("none")), After: row(num(1), str("one"), num(7), str("none"))})
}

func captureDrains(b *bundle) {
	b.create(items())
	b.capture()
	b.follow("")
	rel := b.relation("items", 1, "id", "name", "n")
	tx, err := b.Begin()
	b.must(err)
	b.must(tx.Exec(insert("items", item(1, "one", num(1)))))
	b.is(b.Store.Capture(b.ctx, *rel), store.ErrTransient)
	b.must(tx.Commit())
	b.capture(rel)
	b.wantRows("rows", b.rows(rel), row(num(1), str("one"), num(1)))
	b.user(insert("items", item(2, "two", num(2))))
	got := b.changes()
	b.wantChanges(got[len(got)-1:], rel, seen{Op: store.Insert, After: row(num(2), str("two"), num(2))})
}

func captureExtra(b *bundle) {
	b.create(items())
	rel := b.relation("items", 1, "id", "name")
	rel.Filter, rel.Extra = FilterActive, columnsOf(b, b.table("items"), "active")
	b.capture(rel)
	b.follow("")
	b.user(insert("items", item(1, "one", num(1))))
	b.user(insert("items", Values{"id": num(2), "name": str("two"), "active": num(0)}))
	got := b.changes()
	b.wantChanges(got, rel, seen{Op: store.Insert, After: row(num(1), str("one"))})
	b.want("columns", got[0].Columns, rel.Names())
}

func captureUnknown(b *bundle) {
	rel := b.useItems()
	missing := *rel
	missing.Table += "_gone"
	fault := as[*store.MapError](b, b.Store.Capture(b.ctx, missing))
	b.want("table at fault", fault.Table, missing.Table)
	wrong := *rel
	wrong.Columns = append(wrong.Columns[:2:2], store.Column{Name: "gone", Type: rel.Columns[1].Type})
	fault = as[*store.MapError](b, b.Store.Capture(b.ctx, wrong))
	b.want("table at fault", fault.Table, rel.Table)
}

func captureLasts(b *bundle) {
	rel := b.useItems()
	b.reopen()
	b.follow("")
	b.user(insert("items", item(1, "one", num(1))))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: row(num(1), str("one"), num(1))})
}

func releaseTests() []testCase {
	return []testCase{
		{"keeps the table's later changes out of the log", releaseStops},
		{"of a wide table, while another is captured", releaseWide},
		{"leaves nothing of ours on the table", releaseCleans},
		{"ignores tables that are not captured", releaseOthers},
		{"may be followed by another capture", releaseThenCapture},
	}
}

func releaseStops(b *bundle) {
	rel := b.followItems()
	b.create(Table{Name: "other", Key: []string{"id"}, Columns: []Column{{Name: "id", Kind: store.Integer, NotNull: true}}})
	other := b.relation("other", 1, "id")
	b.capture(rel, other)
	b.must(b.Store.Release(b.ctx, rel.Table))
	b.user(insert("items", item(1, "one", num(1))), insert("other", whereID(1)))
	b.wantChanges(b.changes(), other, seen{Op: store.Insert, After: row(num(1))})
}

// releaseWide ends the capture of a table about which there is much to note, and begins it again.
func releaseWide(b *bundle) {
	rel := b.followItems()
	columns := []Column{{Name: "id", Kind: store.Integer, NotNull: true}}
	names := []string{"id"}
	for n := range 400 {
		names = append(names, fmt.Sprintf("column_%03d_%x", n, sha256.Sum256([]byte{byte(n), byte(n >> 8)}))[:40])
		columns = append(columns, Column{Name: names[n+1], Kind: store.Integer})
	}
	b.create(Table{Name: "wide", Key: []string{"id"}, Columns: columns})
	wide := b.relation("wide", 1, names...)
	b.capture(wide)
	b.user(insert("wide", whereID(1)))
	b.want("changes of the wide table", len(b.changes()), 1)
	b.must(b.Store.Release(b.ctx, wide.Table))
	b.user(insert("wide", whereID(2)), insert("items", item(1, "one", num(1))))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: row(num(1), str("one"), num(1))})
	b.capture(wide)
	b.user(insert("wide", whereID(3)))
	b.want("changes after it is captured again", len(b.changes()), 1)
}

func releaseCleans(b *bundle) {
	b.create(items())
	before := b.table("items")
	b.capture(b.relation("items", 1, "id", "name"))
	b.must(b.Store.Release(b.ctx, before.Name))
	b.want("table after release", b.table("items"), before)
	b.must(b.DropColumn("items", "n"))
	b.user(insert("items", Values{"id": num(1), "name": str("one")}))
}

func releaseOthers(b *bundle) {
	rel := b.followItems()
	b.create(Table{Name: "other", Key: []string{"id"}, Columns: []Column{{Name: "id", Kind: store.Integer, NotNull: true}}})
	b.must(b.Store.Release(b.ctx, b.table("other").Name, "nothing"))
	b.must(b.Store.Release(b.ctx))
	b.user(insert("items", item(1, "one", num(1))))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: row(num(1), str("one"), num(1))})
}

func releaseThenCapture(b *bundle) {
	rel := b.followItems()
	b.must(b.Store.Release(b.ctx, rel.Table))
	b.user(insert("items", item(1, "one", num(1))))
	b.capture(rel)
	b.user(insert("items", item(2, "two", num(2))))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: row(num(2), str("two"), num(2))})
	b.reopen()
	b.follow("")
	b.want("log after reopening", len(b.changes()), 1)
}
