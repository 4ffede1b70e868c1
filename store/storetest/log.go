package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

func logTests() []testCase {
	return []testCase{
		{"delivers changes in the order of commits and, within one, of statements", logOrder},
		{"delivers full images, before and after, null and empty", logImages},
		{"delivers an update of the key as one update", logKeyUpdate},
		{"keeps every image of a row that one transaction changes again and again", logRepeated},
		{"delivers nothing of what was rolled back", logRollback},
		{"delivers what foreign keys cascade to", logCascade},
		{"delivers what users' triggers do, of users' writes and of ours", logTriggers},
		{"a row that enters the filter is an insert, one that leaves it a delete, one outside is not reported", logFilter},
		{"the filter may read columns that are not delivered", logFilterExtra},
		{"delivers a truncation as one change without images", logTruncate},
		{"positions ascend and compare bytewise", logPositions},
		{"tells the time of the commit", logTime},
		{"returns an empty batch at once when there is nothing new", logEmpty},
		{"cuts at transactions, or says that it did not", logWhole},
		{"delivers a transaction much longer than the limit", logLong},
		{"delivers changes of many megabytes", logLarge},
		{"wait returns when something is new, when the context ends, and after a while", logWait},
	}
}

func logOrder(b *bundle) {
	rel := b.followItems()
	b.create(Table{Name: "other", Key: []string{"id"}, Columns: []Column{{Name: "id", Kind: store.Integer, NotNull: true}}})
	b.capture(rel, b.relation("other", 1, "id"))
	b.user(insert("items", item(2, "a", null)), insert("other", whereID(1)), insert("items", item(1, "b", null)))
	b.apply(upsert(rel, row(num(3), str("c"), null)))
	b.user(update("items", whereID(2), Values{"n": num(1)}), remove("other", whereID(1)), remove("items", whereID(2)))
	var got []string
	for _, c := range b.changes() {
		got = append(got, fmt.Sprint(c.Op, " ", c.Table == rel.Table))
	}
	b.want("changes", got, []string{"insert true", "insert false", "insert true", "insert true", "update true", "delete false", "delete true"})
}

func logImages(b *bundle) {
	b.create(items())
	rel := b.relation("items", 1, "id", "name", "n", "note", "active")
	b.capture(rel)
	b.follow("")
	b.user(insert("items", Values{"id": num(1), "name": str(""), "note": null}))
	b.user(update("items", whereID(1), Values{"name": str("x"), "n": num(0), "note": str("")}))
	b.user(update("items", whereID(1), Values{"n": null}))
	b.user(remove("items", nil))
	states := []store.Row{
		row(num(1), str(""), null, null, num(1)), row(num(1), str("x"), num(0), str(""), num(1)), row(num(1), str("x"), null, str(""), num(1))}
	b.wantChanges(b.changes(), rel,
		seen{Op: store.Insert, After: states[0]}, seen{Op: store.Update, Before: states[0], After: states[1]},
		seen{Op: store.Update, Before: states[1], After: states[2]}, seen{Op: store.Delete, Before: states[2]})
}

func logKeyUpdate(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	b.user(update("items", whereID(1), Values{"id": num(2)}))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one}, seen{Op: store.Update, Before: one, After: oneAtTwo})
}

func logRepeated(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))), update("items", whereID(1), Values{"name": str("uno")}),
		update("items", whereID(1), Values{"name": str("one")}), remove("items", whereID(1)), insert("items", item(1, "uno", num(1))))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one}, seen{Op: store.Update, Before: one, After: uno},
		seen{Op: store.Update, Before: uno, After: one}, seen{Op: store.Delete, Before: one}, seen{Op: store.Insert, After: uno})
}

func logRollback(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	tx, err := b.Begin()
	b.must(err)
	b.must(tx.Exec(insert("items", item(2, "two", num(2)))))
	b.must(tx.Exec(remove("items", whereID(1))))
	b.must(tx.Rollback())
	ours := b.begin(b.marker("stream"))
	_, err = ours.Apply(b.ctx, []store.Write{upsert(rel, two)})
	b.must(err)
	b.must(ours.Rollback())
	if b.exec(insert("items", item(3, "three", null)), insert("items", item(3, "again", null))) == nil {
		b.Fatal("a duplicate key was accepted")
	}
	b.user(insert("items", item(4, "four", null)))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one}, seen{Op: store.Insert, After: row(num(4), str("four"), null)})
}

func logCascade(b *bundle) {
	_, _, loose := b.useFamilies()
	b.follow("")
	b.user(insert("parents", whereID(1)), insert("loose_children", Values{"id": num(5), "parent": num(1)}))
	b.changes()
	b.user(remove("parents", whereID(1)))
	var children []store.Change
	got := b.changes()
	for _, c := range got {
		if c.Table == loose.Table {
			children = append(children, c)
		}
	}
	b.want("changes", len(got), 2)
	b.wantChanges(children, loose, seen{Op: store.Delete, Before: row(num(5), num(1))})
}

func logTriggers(b *bundle) {
	if !b.Features.Triggers {
		return
	}
	t := items()
	t.Triggers = []Trigger{{Name: "stamp", When: "name", Value: str("uno"), Set: "n", To: num(42)}}
	b.create(t)
	rel := b.relation("items", 1, "id", "name", "n")
	b.capture(rel)
	b.follow("")
	want := row(num(1), str("uno"), num(42))
	b.user(insert("items", item(1, "uno", num(1))))
	got := b.project(b.changes(), rel)
	b.wantRows("row in the log", []store.Row{got[len(got)-1].After}, want)
	b.apply(store.Write{Relation: rel, Key: row(num(1))}, upsert(rel, uno))
	got = b.project(b.changes(), rel)
	b.wantRows("row in the log of ours", []store.Row{got[len(got)-1].After}, want)
}

func logFilter(b *bundle) {
	b.create(items())
	rel := b.relation("items", 1, "id", "name", "n")
	rel.Filter = FilterPositive
	b.capture(rel)
	b.follow("")
	set := func(n store.Value) Statement { return update("items", whereID(1), Values{"n": n}) }
	b.user(insert("items", item(1, "one", num(0))), set(num(-1)), set(null), set(num(1)), set(num(2)), set(null), set(num(0)))
	b.user(insert("items", item(2, "two", num(2))), remove("items", whereID(1)), remove("items", whereID(2)))
	second := row(num(1), str("one"), num(2))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one}, seen{Op: store.Update, Before: one, After: second},
		seen{Op: store.Delete, Before: second}, seen{Op: store.Insert, After: two}, seen{Op: store.Delete, Before: two})
}

func logFilterExtra(b *bundle) {
	b.create(items())
	rel := b.relation("items", 1, "id", "name")
	rel.Filter, rel.Extra = FilterActive, columnsOf(b, b.table("items"), "active")
	b.capture(rel)
	b.follow("")
	b.user(insert("items", item(1, "one", null)))
	b.user(update("items", whereID(1), Values{"active": num(0)}))
	b.user(update("items", whereID(1), Values{"name": str("uno")}))
	b.user(update("items", whereID(1), Values{"active": num(1)}))
	a, z := row(num(1), str("one")), row(num(1), str("uno"))
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: a}, seen{Op: store.Delete, Before: a}, seen{Op: store.Insert, After: z})
}

func logTruncate(b *bundle) {
	if !b.Features.Truncate {
		return
	}
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	b.user(Statement{Op: store.Truncate, Table: "items"})
	b.wantChanges(b.changes(), rel, seen{Op: store.Insert, After: one}, seen{Op: store.Truncate})
}

func logPositions(b *bundle) {
	rel := b.followItems()
	for i := range int64(20) {
		b.user(insert("items", item(2*i, "x", null)), insert("items", item(2*i+1, "x", null)))
		b.apply(upsert(rel, row(num(100+i), str("x"), null)))
	}
	var last store.Position
	for _, c := range b.all() {
		if c.Position <= last {
			b.Fatalf("position %q follows on %q", c.Position, last)
		}
		last = c.Position
	}
}

func logTime(b *bundle) {
	b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	got := b.changes()
	b.want("changes", len(got), 1)
	if off := time.Since(time.UnixMilli(got[0].AtMs)).Abs(); off > time.Hour {
		b.Fatalf("the time of the commit is off by %v", off)
	}
}

func logEmpty(b *bundle) {
	b.followItems()
	b.all()
	batch, err := b.log.Next(b.ctx, readLimit)
	b.must(err)
	b.want("batch", []any{len(batch.Changes), batch.More}, []any{0, false})
}

// logWhole makes transactions of three rows of one number and reads in small stretches.
func logWhole(b *bundle) {
	rel := b.followItems()
	const count = 30
	for i := range int64(count) {
		b.user(insert("items", item(3*i, "x", num(i))), insert("items", item(3*i+1, "x", num(i))), insert("items", item(3*i+2, "x", num(i))))
	}
	total := 0
	for total < 3*count {
		batch, err := b.log.Next(b.ctx, 4)
		b.must(err)
		for i, r := range b.project(batch.Changes, rel) {
			b.want("row", r.After[0], num(int64(total+i)))
		}
		total += len(batch.Changes)
		if b.Features.Whole && !batch.More && total%3 != 0 {
			b.Fatalf("a batch ends after %d changes, inside a transaction", total)
		}
		if len(batch.Changes) > 4+3 {
			b.Fatalf("a batch of %d changes where about 4 were asked for", len(batch.Changes))
		}
		if len(batch.Changes) == 0 {
			b.must(b.log.Wait(b.ctx))
		}
	}
	b.want("changes afterwards", len(b.changes()), 0)
}

func logLong(b *bundle) {
	rel := b.followItems()
	const count = 500
	var writes []store.Write
	for i := range int64(count) {
		writes = append(writes, upsert(rel, row(num(i), str("x"), null)))
	}
	b.apply(writes...)
	var got []store.Change
	for len(got) < count+2 {
		batch, err := b.log.Next(b.ctx, 10)
		b.must(err)
		if len(batch.Changes) == 0 {
			b.must(b.log.Wait(b.ctx))
			continue
		}
		got = append(got, batch.Changes...)
		if batch.More == (len(got) == count+2) {
			b.Fatalf("after %d of %d changes more is %v", len(got), count+2, batch.More)
		}
	}
	b.want("changes", len(got), count+2)
	b.want("first and last", []string{got[0].After[2].S, got[count+1].After[2].S}, []string{store.MarkerBegin, store.MarkerEnd})
}

// logLarge has changes that are larger than what a reader may hold, alone and between others.
func logLarge(b *bundle) {
	rel := b.followItems()
	large := str(strings.Repeat("megabytes ", 1<<20))
	b.user(insert("items", item(1, "small", null)))
	b.user(insert("items", Values{"id": num(2), "name": large}))
	b.user(insert("items", item(3, "small", null)), update("items", whereID(3), Values{"name": large}), update("items", whereID(2), Values{"name": str(large.S + "!")}),
		update("items", whereID(2), Values{"name": str("small again")}), insert("items", item(4, "small", null)))
	at := slices.IndexFunc(rel.Columns, func(c store.Column) bool { return c.Name == "name" })
	var got []int
	for _, c := range b.changes() {
		_, after, err := c.Images()
		b.must(err)
		got = append(got, len(after[at].S))
	}
	n := len(large.S)
	b.want("lengths of names", got, []int{5, n, 5, n, n + 1, 11, 5})
}

func logWait(b *bundle) {
	b.followItems()
	b.all()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	b.must(b.log.Wait(ctx))
	b.user(insert("items", item(1, "one", num(1))))
	for len(b.tail) == 0 {
		b.must(b.log.Wait(ctx))
		batch, err := b.log.Next(b.ctx, readLimit)
		b.must(err)
		b.tail = batch.Changes
	}
	ended, end := context.WithCancel(b.ctx)
	end()
	if err := b.log.Wait(ended); !errors.Is(err, context.Canceled) {
		b.Fatalf("wait returned %v when its context had ended", err)
	}
}
