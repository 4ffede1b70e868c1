package storetest

import (
	"errors"

	"github.com/dualwrite/dualwrite/store"
)

func transactionTests() []testCase {
	return []testCase{
		{"sees its own writes, which nobody else does before it commits", txOwnWrites},
		{"leaves nothing when it is rolled back", txRollback},
		{"rollback after commit or rollback does nothing", txRollbackAfter},
		{"is over after commit", txOver},
		{"after an error only rollback remains", txAfterError},
		{"a missing table or column is the map's fault", txMapFault},
		{"the limits allow writing", txLimits},
	}
}

func txOwnWrites(b *bundle) {
	rel := b.useItems()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	b.must(tx.Put(b.ctx, store.StatTable, statRow("m", 1)))
	rows, err := tx.Lookup(b.ctx, rel, []store.Row{row(num(1))})
	b.must(err)
	b.wantRows("own row", rows, one)
	rows, err = tx.Select(b.ctx, store.Query{Table: store.StatTable})
	b.must(err)
	b.wantRows("own ledger row", rows, statRow("m", 1))
	n, err := tx.Count(b.ctx, store.Query{Table: store.StatTable})
	b.must(err)
	b.want("own ledger rows", n, int64(1))
	b.want("rows of others", len(b.rows(rel))+len(b.selected(store.Query{Table: store.StatTable})), 0)
	b.commit(m, tx, "")
	b.wantRows("rows", b.rows(rel), one)
}

func txRollback(b *bundle) {
	rel := b.followItems()
	tx := b.begin(b.marker("stream"))
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	b.must(tx.Put(b.ctx, store.QueueTable, ledgerRow(definition(store.QueueTable), 0)))
	b.must(tx.Rollback())
	b.want("rows", len(b.rows(rel)), 0)
	for _, table := range []string{store.QueueTable, store.MarkerTable} {
		b.want("rows of "+table, len(b.selected(store.Query{Table: table})), 0)
	}
	b.want("changes", len(b.all()), 0)
}

func definition(name string) store.LedgerTable {
	for _, t := range store.Ledger() {
		if t.Name == name {
			return t
		}
	}
	return store.LedgerTable{}
}

func txRollbackAfter(b *bundle) {
	rel := b.useItems()
	m := b.marker("stream")
	tx := b.begin(m)
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	b.commit(m, tx, "")
	b.must(tx.Rollback())
	b.wantRows("rows", b.rows(rel), one)
	tx = b.begin(b.marker("stream"))
	b.must(tx.Rollback())
	b.must(tx.Rollback())
}

func txOver(b *bundle) {
	rel := b.useItems()
	m := b.marker("stream")
	tx := b.begin(m)
	b.commit(m, tx, "")
	if _, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)}); err == nil {
		b.Fatal("a committed transaction writes")
	}
	if err := tx.Commit(b.ctx, ""); err == nil {
		b.Fatal("a committed transaction commits again")
	}
	b.want("rows", len(b.rows(rel)), 0)
}

func txAfterError(b *bundle) {
	rel := b.useItems()
	gone := *rel
	gone.Table += "_gone"
	tx := b.begin(b.marker("stream"))
	_, err := tx.Apply(b.ctx, []store.Write{upsert(rel, one)})
	b.must(err)
	if _, err := tx.Lookup(b.ctx, &gone, []store.Row{row(num(1))}); err == nil {
		b.Fatal("a table that is not there was read")
	}
	if err := tx.Commit(b.ctx, ""); err == nil {
		b.Fatal("a transaction committed after an error")
	}
	b.must(tx.Rollback())
	b.want("rows", len(b.rows(rel)), 0)
	b.ours(func(store.Tx) {})
}

func txMapFault(b *bundle) {
	rel := b.useItems()
	gone, narrow := *rel, *rel
	gone.Table += "_gone"
	narrow.Columns = append(narrow.Columns[:2:2], store.Column{Name: "gone", Type: rel.Columns[2].Type})
	for _, wrong := range []*store.Relation{&gone, &narrow} {
		for _, each := range []bool{false, true} {
			tx := b.begin(b.marker("stream"))
			var err error
			if each {
				_, err = tx.ApplyEach(b.ctx, []store.Write{upsert(wrong, one)})
			} else {
				_, err = tx.Apply(b.ctx, []store.Write{upsert(wrong, one)})
			}
			b.want("table at fault", as[*store.MapError](b, err).Table, wrong.Table)
			if errors.Is(err, store.ErrTransient) {
				b.Fatalf("error %v is temporary", err)
			}
			b.must(tx.Rollback())
		}
	}
}

func txLimits(b *bundle) {
	if n := b.Store.Limits().CopyRows; n < 1 {
		b.Fatalf("%d rows in one transaction", n)
	}
}
