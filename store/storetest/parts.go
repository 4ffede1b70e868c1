package storetest

import (
	"github.com/dualwrite/dualwrite/store"
)

func partTests() []testCase {
	return []testCase{
		{"parts become visible together, and are transactions of their own to who reads the log", partsCommit},
		{"rollback takes all parts back", partsRollback},
		{"a part is made again after a row's fault", partsAgain},
		{"a part is made again though nothing has failed", partsAgainAtWill},
		{"what is asked ahead of a part sees the parts before", partsAhead},
		{"a part is refused whose number does not follow, or whose attempt is over", partsFenced},
		{"only a part can be made again", partsNone},
	}
}

// goOn begins the writer's next part.
func (b *bundle) goOn(tx store.Tx, m *store.Marker, body string) {
	b.Helper()
	m.Seq++
	m.Position += "+"
	b.must(tx.Continue(b.ctx, body, *m))
}

func partsCommit(b *bundle) {
	rel := b.followItems()
	first := b.marker("stream")
	b.all()
	m := first
	tx := b.begin(m)
	for i := range int64(3) {
		if i > 0 {
			b.goOn(tx, &m, `{"part": 1}`)
		}
		_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, row(num(i), str("x"), null))})
		b.must(err)
		b.must(tx.Put(b.ctx, store.StatTable, statRow("m", i)))
		b.want("rows that others see", len(b.rows(rel)), 0)
	}
	batch, err := b.log.Next(b.ctx, readLimit)
	b.must(err)
	b.want("changes before the end", len(batch.Changes), 0)
	b.commit(m, tx, `{"last": 1}`)
	b.want("rows", len(b.rows(rel)), 3)
	var what []string
	var seqs []int64
	for _, c := range b.all() {
		if !c.Ledger || c.Table != store.MarkerTable {
			what, seqs = append(what, c.Table), append(seqs, 0)
			continue
		}
		what, seqs = append(what, c.After[2].S), append(seqs, c.After[1].Int64())
	}
	one := []string{store.MarkerBegin, rel.Table, store.MarkerEnd}
	b.want("changes", what, append(append(append([]string(nil), one...), one...), one...))
	n := first.Seq
	b.want("their numbers", seqs, []int64{n, 0, n, n + 1, 0, n + 1, n + 2, 0, n + 2})
	c := b.fence("stream")
	b.want("cursor", []any{c.Seq, c.Position, c.Body}, []any{n + 2, first.Position + "++", `{"last": 1}`})
}

func partsRollback(b *bundle) {
	rel := b.followItems()
	first := b.marker("stream")
	m := first
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	b.goOn(tx, &m, "")
	_, err = tx.Apply(b.ctx, []store.Write{upsert(rel, two)})
	b.must(err)
	b.must(tx.Rollback())
	b.want("rows", len(b.rows(rel)), 0)
	b.want("changes", len(b.all()), 0)
	b.want("the writer's last transaction", b.fence("stream").Seq, first.Seq-1)
	b.ours(func(store.Tx) {})
}

func partsAgain(b *bundle) {
	parents, strict, _ := b.useFamilies()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(parents, row(num(1)))})
	b.must(err)
	b.goOn(tx, &m, "")
	b.must(tx.Put(b.ctx, store.StatTable, statRow("m", 1)))
	_, err = tx.Apply(b.ctx, []store.Write{upsert(strict, row(num(1), num(1))), upsert(strict, row(num(2), num(7)))})
	as[*store.RowError](b, err)
	for range 2 {
		b.must(tx.Again(b.ctx))
		n, err := tx.Count(b.ctx, store.Query{Table: store.StatTable})
		b.must(err)
		b.want("ledger rows of the part", n, int64(0))
		results, err := tx.ApplyEach(b.ctx, []store.Write{upsert(strict, row(num(1), num(1))), upsert(strict, row(num(2), num(7)))})
		b.must(err)
		b.want("outcomes", []store.Outcome{results[0].Outcome, results[1].Outcome}, []store.Outcome{store.Applied, store.Failed})
	}
	b.goOn(tx, &m, "")
	_, err = tx.Apply(b.ctx, []store.Write{upsert(strict, row(num(3), num(1)))})
	b.must(err)
	b.commit(m, tx, "")
	b.wantRows("parents", b.rows(parents), row(num(1)))
	b.wantRows("children", b.rows(strict), row(num(1), num(1)), row(num(3), num(1)))
}

func partsAgainAtWill(b *bundle) {
	rel := b.useItems()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	b.goOn(tx, &m, "")
	b.must(tx.Put(b.ctx, store.QueueTable, ledgerRow(definition(store.QueueTable), 0)))
	_, err = tx.Apply(b.ctx, []store.Write{upsert(rel, two), {Relation: rel, Guard: store.Overwrite, Key: row(num(1))}})
	b.must(err)
	b.must(tx.Again(b.ctx))
	b.commit(m, tx, "")
	b.wantRows("rows", b.rows(rel), one)
	b.want("queue", len(b.selected(store.Query{Table: store.QueueTable})), 0)
	b.want("the writer's last transaction", b.fence("stream").Seq, m.Seq)
}

func partsAhead(b *bundle) {
	b.useItems()
	q := store.Query{Table: store.StatTable}
	m := b.marker("stream")
	tx := b.begin(m)
	b.must(tx.Put(b.ctx, store.StatTable, statRow("m", 1)))
	m.Ahead = []store.Query{q}
	b.goOn(tx, &m, "")
	rows, err := tx.Select(b.ctx, q)
	b.must(err)
	b.wantRows("asked ahead", rows, statRow("m", 1))
	b.must(tx.Put(b.ctx, store.StatTable, statRow("m", 2)))
	b.must(tx.Again(b.ctx))
	rows, err = tx.Select(b.ctx, q)
	b.must(err)
	b.wantRows("once more", rows, statRow("m", 1))
}

func partsFenced(b *bundle) {
	b.capture()
	for _, wrong := range []func(m *store.Marker){
		func(m *store.Marker) { m.Epoch-- },
		func(*store.Marker) {}, // the number of the part before
		func(m *store.Marker) { m.Seq += 2 },
	} {
		m := b.marker("stream")
		tx := b.begin(m)
		wrong(&m)
		if err := tx.Continue(b.ctx, "", m); err == nil {
			b.Fatalf("part %d of epoch %d begins", m.Seq, m.Epoch)
		}
		if err := tx.Commit(b.ctx, ""); err == nil {
			b.Fatal("a transaction committed without its part")
		}
		b.must(tx.Rollback())
	}
	b.ours(func(store.Tx) {})
}

func partsNone(b *bundle) {
	b.useItems()
	tx := b.begin(b.marker("stream"))
	if err := tx.Again(b.ctx); err == nil {
		b.Fatal("a transaction without parts was made again")
	}
	b.must(tx.Rollback())
	if err := tx.Continue(b.ctx, "", b.marker("stream")); err == nil {
		b.Fatal("a transaction that is over goes on")
	}
}
