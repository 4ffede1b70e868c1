package storetest

import (
	"context"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

func fenceTests() []testCase {
	return []testCase{
		{"a new writer stands at nothing", fenceNew},
		{"tells what the writer committed last", fenceCursor},
		{"raises the epoch each time, for that writer only, durably", fenceEpoch},
		{"a transaction of an earlier attempt cannot begin", fenceStaleBegin},
		{"a transaction of an earlier attempt cannot commit", fenceStaleCommit},
		{"a sequence number is taken once", fenceSeqTaken},
		{"a sequence number that leaves some out is refused, of a writer that has none, too", fenceSeqSkipped},
		{"counts on beyond nine, apart from writers of like names", fenceCounts},
		{"a rolled back transaction does not take its number", fenceRollback},
		{"an error of commit that leaves the outcome open is told by fence", fenceLostCommit},
		{"begin with LockStream waits for the stream, and the stream for it", lockStream},
	}
}

func fenceNew(b *bundle) {
	b.capture()
	c := b.fence("stream")
	if c.Epoch < 1 {
		b.Fatalf("epoch %d", c.Epoch)
	}
	b.want("cursor", *c, store.Cursor{Writer: "stream", Epoch: c.Epoch})
}

func fenceCursor(b *bundle) {
	b.capture()
	for _, p := range []store.Position{"000", "007", ""} {
		m := b.marker("stream")
		m.Position, m.Body = p, `{"begin":1}`
		tx := b.begin(m)
		b.commit(m, tx, `{"end":"`+string(p)+`"}`)
		seq := b.cur["stream"].Seq
		c := b.fence("stream")
		b.want("cursor", *c, store.Cursor{Writer: "stream", Epoch: c.Epoch, Seq: seq, Position: p, Body: `{"end":"` + string(p) + `"}`})
	}
	b.want("number of transactions", b.cur["stream"].Seq, int64(3))
}

// fenceSeqSkipped: a writer that has counted further than the database knows has lost transactions to a crash.
func fenceSeqSkipped(b *bundle) {
	b.capture()
	b.fence("stream")
	refused := func(skipped int64) {
		m := b.marker("stream")
		m.Seq += skipped
		tx, err := b.Store.Begin(b.ctx, m)
		if err == nil {
			b.must(tx.Rollback())
			b.Fatalf("transaction %d began", m.Seq)
		}
	}
	refused(1)
	m := b.marker("stream")
	b.commit(m, b.begin(m), "")
	refused(1)
	refused(7)
	m = b.marker("stream")
	b.commit(m, b.begin(m), "")
}

func fenceEpoch(b *bundle) {
	b.capture()
	first := *b.fence("stream")
	other := *b.fence("replay/items")
	b.reopen()
	second := *b.fence("stream")
	if second.Epoch <= first.Epoch {
		b.Fatalf("epoch %d follows on %d", second.Epoch, first.Epoch)
	}
	b.cur[other.Writer] = &other
	m := b.marker(other.Writer)
	b.commit(m, b.begin(m), "")
}

func fenceStaleBegin(b *bundle) {
	b.capture()
	b.ours(func(store.Tx) {})
	old := b.marker("stream")
	b.fence("stream")
	err := b.retry(func() error {
		_, err := b.Store.Begin(b.ctx, old)
		return err
	})
	b.is(err, store.ErrFenced)
	b.ours(func(store.Tx) {})
}

// fenceStaleCommit accepts both ways: the newer attempt waits for the older one's transaction to end, or it does not
// and the older one cannot commit.
func fenceStaleCommit(b *bundle) {
	rel := b.useItems()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, row(num(1), str("zombie"), num(1)))})
	b.must(err)
	_, fenceErr := b.Store.Fence(b.ctx, "stream")
	commitErr := tx.Commit(b.ctx, "")
	if fenceErr == nil {
		b.is(commitErr, store.ErrFenced)
		b.want("rows after a fenced commit", len(b.rows(rel)), 0)
		return
	}
	b.is(fenceErr, store.ErrTransient)
	b.must(commitErr)
	b.want("transactions that the newer attempt sees", b.fence("stream").Seq, m.Seq)
}

func fenceSeqTaken(b *bundle) {
	b.capture()
	m := b.marker("stream")
	b.commit(m, b.begin(m), "")
	_, err := b.Store.Begin(b.ctx, m)
	b.is(err, store.ErrFenced)
	b.ours(func(store.Tx) {})
}

func fenceCounts(b *bundle) {
	b.capture()
	names := []string{"replay/a", "replay/ab", "replay/", "replay/a/1", "Replay/a", "replay/a'b\"%_"}
	for i, name := range names {
		for range 9 + i {
			m := b.marker(name)
			m.Position = store.Position(name)
			b.commit(m, b.begin(m), name)
		}
	}
	for i, name := range names {
		c := b.fence(name)
		b.want("cursor", *c, store.Cursor{Writer: name, Epoch: c.Epoch, Seq: int64(9 + i), Position: store.Position(name), Body: name})
		m := b.marker(name)
		b.commit(m, b.begin(m), "")
	}
}

func fenceRollback(b *bundle) {
	b.capture()
	b.follow("")
	m := b.marker("stream")
	b.must(b.begin(m).Rollback())
	b.want("transactions committed", b.fence("stream").Seq, int64(0))
	b.ours(func(store.Tx) {})
	b.want("markers delivered", len(b.ledgerChanges(store.MarkerTable)), 2)
}

// fenceLostCommit cancels the context of a commit: it fails or not, and Fence knows.
func fenceLostCommit(b *bundle) {
	rel := b.useItems()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, row(num(1), str("one"), num(1)))})
	b.must(err)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	err = tx.Commit(ctx, "")
	_ = tx.Rollback()
	c := b.fence("stream")
	if err == nil {
		b.want("transactions committed", c.Seq, int64(1))
	}
	b.want("rows", int64(len(b.rows(rel))), c.Seq)
}

func lockStream(b *bundle) {
	b.capture()
	for _, names := range [][2]string{{"ops", "stream"}, {"stream", "ops"}} {
		holder, waiter := b.marker(names[0]), b.marker(names[1])
		holder.LockStream, waiter.LockStream = names[0] == "ops", names[1] == "ops"
		tx := b.begin(holder)
		b.locked(waiter)
		b.commit(holder, tx, "")
		b.must(b.begin(waiter).Rollback())
	}
}

// locked checks that a transaction cannot begin now.
func (b *bundle) locked(m store.Marker) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	tx, err := b.Store.Begin(ctx, m)
	if err == nil {
		_ = tx.Rollback()
		b.Fatalf("writer %s began while the stream's lock was held", m.Writer)
	}
	if ctx.Err() == nil {
		b.is(err, store.ErrBusy)
	}
}

func markerTests() []testCase {
	return []testCase{
		{"every transaction of ours is delivered between its begin and its end row", markerBrackets},
		{"a transaction without effects has both rows", markerEmpty},
		{"the begin row tells position, map, body and time", markerFields},
		{"deleted marker rows are not delivered and their numbers stay taken", markerDelete},
		{"the cursor survives the deletion of older markers", markerPurge},
	}
}

func markerBrackets(b *bundle) {
	rel := b.followItems()
	b.user(insert("items", item(1, "one", num(1))))
	b.apply(upsert(rel, row(num(2), str("two"), num(2))))
	b.user(insert("items", item(3, "three", num(3))))
	got := b.all()
	var what []string
	for _, c := range got {
		if c.Ledger {
			what = append(what, c.Table+" "+c.After[2].S)
		} else {
			what = append(what, c.After[1].S)
		}
	}
	b.want("order", what, []string{"one", "marker begin", "two", "marker end", "three"})
}

func markerEmpty(b *bundle) {
	b.capture()
	b.follow("")
	b.ours(func(store.Tx) {})
	b.want("changes", len(b.all()), 2)
}

func markerFields(b *bundle) {
	b.capture()
	b.follow("")
	m := b.marker("replay/items")
	m.Position, m.Map, m.Body, m.AtMs = "00017", "items", `{"x":1}`, 1234567
	b.commit(m, b.begin(m), `{"y":2}`)
	got := b.all()
	b.want("changes", len(got), 2)
	for _, c := range got {
		b.want("op", c.Op, store.Insert)
		b.want("image before", len(c.Before), 0)
		b.want("columns", c.Columns, ledgerColumns(store.MarkerTable))
	}
	b.wantRows("begin row", []store.Row{got[0].After}, row(str("replay/items"), num(1), str(store.MarkerBegin), str("00017"),
		str("items"), str(`{"x":1}`), num(1234567)))
	end := got[1].After
	b.wantRows("end row", []store.Row{{end[0], end[1], end[2], end[5]}}, row(str("replay/items"), num(1), str(store.MarkerEnd), str(`{"y":2}`)))
}

func ledgerColumns(table string) []string {
	var out []string
	for _, t := range store.Ledger() {
		if t.Name == table {
			for _, c := range t.Columns {
				out = append(out, c.Name)
			}
		}
	}
	return out
}

func markerDelete(b *bundle) {
	b.capture()
	b.follow("")
	for range 3 {
		b.ours(func(store.Tx) {})
	}
	b.want("markers", len(b.selected(store.Query{Table: store.MarkerTable})), 6)
	b.want("delivered", len(b.all()), 6)
	b.ours(func(tx store.Tx) { b.deleteMarkers(tx, 3) })
	b.want("delivered by the deletion", len(b.all()), 2)
	b.ours(func(store.Tx) {})
}

// deleteMarkers removes those of the stream below a sequence number.
func (b *bundle) deleteMarkers(tx store.Tx, below int64) {
	b.Helper()
	b.must(tx.Delete(b.ctx, store.Query{Table: store.MarkerTable, Where: []store.Cond{
		store.Where("writer", store.Eq, str("stream")), store.Where("seq", store.Lt, num(below))}}))
}

func markerPurge(b *bundle) {
	b.capture()
	for range 3 {
		b.ours(func(store.Tx) {})
	}
	b.ours(func(tx store.Tx) { b.deleteMarkers(tx, 4) })
	b.want("transactions committed", b.fence("stream").Seq, int64(4))
	b.ours(func(store.Tx) {})
}
