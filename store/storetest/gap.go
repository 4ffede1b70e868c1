package storetest

import (
	"errors"

	"github.com/dualwrite/dualwrite/store"
)

func openTests() []testCase {
	return []testCase{
		{"delivers again what was never confirmed, also up to the cursor", openUnconfirmed},
		{"delivers from the last confirmed position on", openConfirmed},
		{"confirm never goes back", confirmMonotonic},
		{"confirm is durable", confirmDurable},
		{"a second log ends the first", openSecond},
		{"a closed log can be opened again", openClosed},
		{"reading on after a confirm loses nothing", confirmMeanwhile},
	}
}

// three makes three transactions and returns their rows and where each ends.
func (b *bundle) three() (*store.Relation, []store.Position) {
	b.Helper()
	rel := b.followItems()
	var ends []store.Position
	for i := range int64(3) {
		b.user(insert("items", item(i, "x", null)))
		got := b.changes()
		b.want("changes", len(got), 1)
		ends = append(ends, got[0].Position)
	}
	return rel, ends
}

// ids are the keys of changes.
func ids(changes []store.Change) []int64 {
	out := []int64{}
	for _, c := range changes {
		out = append(out, c.After[0].Int64())
	}
	return out
}

func openUnconfirmed(b *bundle) {
	_, ends := b.three()
	for _, cursor := range []store.Position{"", ends[0], ends[2]} {
		b.must(b.log.Close())
		b.follow(cursor)
		b.want("changes", ids(b.changes()), []int64{0, 1, 2})
	}
}

func openConfirmed(b *bundle) {
	_, ends := b.three()
	b.must(b.log.Confirm(b.ctx, ends[0]))
	for _, cursor := range []store.Position{ends[0], ends[1], ends[2]} {
		b.must(b.log.Close())
		b.follow(cursor)
		b.want("changes", ids(b.changes()), []int64{1, 2})
	}
}

func confirmMonotonic(b *bundle) {
	_, ends := b.three()
	b.must(b.log.Confirm(b.ctx, ends[1]))
	b.must(b.log.Confirm(b.ctx, ends[0]))
	b.must(b.log.Confirm(b.ctx, ""))
	b.must(b.log.Close())
	b.follow(ends[1])
	b.want("changes", ids(b.changes()), []int64{2})
}

func confirmDurable(b *bundle) {
	_, ends := b.three()
	b.must(b.log.Confirm(b.ctx, ends[1]))
	b.reopen()
	b.follow(ends[2])
	b.want("changes", ids(b.changes()), []int64{2})
}

func openSecond(b *bundle) {
	b.three()
	first := b.log
	b.follow("")
	if _, err := first.Next(b.ctx, readLimit); err == nil {
		b.Fatal("the first log delivers beside the second")
	}
	b.want("changes", ids(b.changes()), []int64{0, 1, 2})
}

func openClosed(b *bundle) {
	b.three()
	closed := b.log
	b.must(closed.Close())
	if _, err := closed.Next(b.ctx, readLimit); err == nil {
		b.Fatal("a closed log delivers")
	}
	b.user(insert("items", item(7, "x", null)))
	b.follow("")
	b.want("changes", ids(b.changes()), []int64{0, 1, 2, 7})
}

func confirmMeanwhile(b *bundle) {
	b.followItems()
	for i := range int64(10) {
		b.user(insert("items", item(i, "x", null)))
		got := b.changes()
		b.want("changes", ids(got), []int64{i})
		if i%2 == 0 {
			b.must(b.log.Confirm(b.ctx, got[0].Position))
		}
	}
}

func gapTests() []testCase {
	return []testCase{
		{"changes after the cursor that are lost are a gap, never a hole", gapLost},
		{"changes up to the cursor may be lost", gapBefore},
		{"changes that were confirmed are lost to an older cursor", gapConfirmed},
		{"a database restored from a backup is a gap", gapRestored},
		{"an open log meets changes that are lost", gapWhileOpen},
		{"a gap tells where reading can go on", gapNext},
		{"a capture that was removed for a while is a gap of that table until it is released", gapUncaptured},
		{"a mapped column that is gone is the map's fault, or a gap of that table", gapColumn},
	}
}

func gapLost(b *bundle) {
	_, ends := b.three()
	b.must(b.Lose(ends[1]))
	b.want("table", b.gap(ends[0]).Table, "")
	b.want("table", b.gap("").Table, "")
}

func gapBefore(b *bundle) {
	_, ends := b.three()
	b.must(b.Lose(ends[1]))
	b.follow(ends[1])
	b.want("changes", ids(b.changes()), []int64{2})
}

func gapConfirmed(b *bundle) {
	_, ends := b.three()
	b.must(b.log.Confirm(b.ctx, ends[1]))
	b.want("table", b.gap(ends[0]).Table, "")
}

func gapRestored(b *bundle) {
	b.three()
	restore, err := b.Backup()
	b.must(err)
	b.user(insert("items", item(7, "x", null)))
	got := b.changes()
	b.want("changes", ids(got), []int64{7})
	s, err := restore()
	b.must(err)
	b.Store, b.log, b.tail, b.cur = s, nil, nil, make(map[string]*store.Cursor)
	b.want("table", b.gap(got[0].Position).Table, "")
}

func gapWhileOpen(b *bundle) {
	_, ends := b.three()
	b.must(b.log.Close())
	b.follow(ends[0])
	b.must(b.Lose(ends[1]))
	_, err := b.tryAll()
	b.want("table", as[*store.GapError](b, err).Table, "")
}

func gapNext(b *bundle) {
	_, ends := b.three()
	b.must(b.Lose(ends[1]))
	gap := b.gap(ends[0])
	if gap.Next <= ends[0] || gap.Reason == "" {
		b.Fatalf("gap %q goes on at %q", gap.Reason, gap.Next)
	}
	b.follow(gap.Next)
	b.user(insert("items", item(9, "x", null)))
	got := ids(b.changes())
	b.want("last change", got[len(got)-1], int64(9))
}

func gapUncaptured(b *bundle) {
	if b.Uncapture == nil {
		return
	}
	rel, ends := b.three()
	b.must(b.Uncapture("items"))
	b.user(insert("items", item(7, "x", null)))
	b.must(b.log.Close())
	b.want("table", b.gap(ends[2]).Table, rel.Table)
	b.must(b.retry(func() error { return b.Store.Release(b.ctx, rel.Table) }))
	b.follow(ends[2])
	b.all()
}

func gapColumn(b *bundle) {
	rel := b.followItems()
	b.create(Table{Name: "other", Key: []string{"id"}, Columns: []Column{{Name: "id", Kind: store.Integer, NotNull: true}}})
	other := b.relation("other", 1, "id")
	b.capture(rel, other)
	b.user(insert("items", item(1, "one", num(1))))
	b.changes()
	b.must(b.DropColumn("items", "n"))
	b.user(insert("items", Values{"id": num(2), "name": str("two")}))
	_, err := b.tryAll()
	var fault *store.MapError
	var gap *store.GapError
	switch {
	case errors.As(err, &fault):
		b.want("table", fault.Table, rel.Table)
	case errors.As(err, &gap):
		b.want("table", gap.Table, rel.Table)
	default:
		b.Fatalf("got error %v, want a fault of the table", err)
	}
	b.must(b.retry(func() error { return b.Store.Release(b.ctx, rel.Table) }))
	b.must(b.log.Close())
	b.follow("")
	b.user(insert("other", whereID(5)))
	got := b.changes()
	b.wantChanges(got[len(got)-1:], other, seen{Op: store.Insert, After: row(num(5))})
}
