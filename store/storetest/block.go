package storetest

import (
	"strings"

	"github.com/dualwrite/dualwrite/store"
)

func blockTests() []testCase {
	return []testCase{
		{"carry a table's rows, as they were when its view was opened, into another", blockRows},
		{"leave rows out by their place", blockWithout},
		{"name the row's fault with the import or the call that follows it", blockFault},
		{"leave nothing of an import that is undone", blockUndone},
		{"are read no further than they are wanted", blockClose},
	}
}

// useTwins makes two tables of the same columns, one with rows of 10 kB, and begins to export it. nil: the store
// has no blocks; it must say so.
func (b *bundle) useTwins(rows int64) (full, twin *store.Relation, out store.Export) {
	b.Helper()
	b.create(items(), Table{Name: "twin", Key: []string{"id"}, Columns: items().Columns})
	full, twin = b.relation("items", 1, "id", "name", "n"), b.relation("twin", 1, "id", "name", "n")
	b.capture(twin)
	if b.Store.Limits().Bulk == "" {
		rows = 1
	}
	var statements []Statement
	for id := range rows {
		statements = append(statements, insert("items", item(id, strings.Repeat("ä", 5000), num(-id))))
	}
	b.user(statements...)
	out, err := b.view().Export(b.ctx, full)
	b.must(err)
	if out == nil {
		b.want("form of blocks where there are none", b.Store.Limits().Bulk, "")
		return nil, nil, nil
	}
	b.Cleanup(func() { _ = out.Close() })
	return full, twin, out
}

// blocks reads all that is left of an export.
func (b *bundle) blocks(out store.Export, size int) []store.Block {
	b.Helper()
	var all []store.Block
	for {
		next, err := out.Next(b.ctx, size)
		b.must(err)
		if next == nil {
			return all
		}
		all = append(all, next)
	}
}

func blockRows(b *bundle) {
	const rows = 300
	full, twin, out := b.useTwins(rows)
	if out == nil {
		return
	}
	before := b.rows(full)
	b.user(insert("items", item(rows, "later", null)), update("items", whereID(1), Values{"name": str("later")}))
	n := 0
	for _, block := range b.blocks(out, 1<<20) {
		keys, err := block.Keys()
		b.must(err)
		b.want("keys of a block", len(keys), block.Rows())
		b.want("first key of a block", keys[0], full.KeyOf(before[n]))
		b.ours(func(tx store.Tx) {
			b.must(tx.Import(b.ctx, twin, block))
			found, err := tx.Lookup(b.ctx, twin, keys[:1])
			b.must(err)
			b.want("first row of a block", found[0], before[n])
		})
		n += len(keys)
	}
	b.wantRows("imported rows", b.rows(twin), before...)
}

func blockWithout(b *bundle) {
	full, twin, out := b.useTwins(250)
	if out == nil {
		return
	}
	var want []store.Row
	rows := b.rows(full)
	for _, block := range b.blocks(out, 1<<20) {
		n := block.Rows()
		switch {
		case n >= 3: // but the first, the last and one between them
			want = append(append(want, rows[1:n/2]...), rows[n/2+1:n-1]...)
			block = block.Without([]int{0, n / 2, n - 1})
		default:
			block = block.Without(places(n))
		}
		rows = rows[n:]
		b.ours(func(tx store.Tx) {
			b.must(tx.Import(b.ctx, twin, block.Without(nil)))
			b.must(tx.Import(b.ctx, twin, block.Without(places(block.Rows()))))
		})
	}
	b.wantRows("imported rows", b.rows(twin), want...)
}

// places are all of so many.
func places(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// importAll imports blocks in one transaction, up to the first error.
func (b *bundle) importAll(tx store.Tx, rel *store.Relation, all []store.Block) error {
	for _, block := range all {
		if err := tx.Import(b.ctx, rel, block); err != nil {
			return err
		}
	}
	return nil
}

func blockFault(b *bundle) {
	_, twin, out := b.useTwins(200)
	if out == nil {
		return
	}
	b.user(insert("twin", item(199, "here", null)))
	all := b.blocks(out, 64<<20)
	tx := b.begin(b.marker("stream"))
	err := b.importAll(tx, twin, all)
	if err == nil {
		_, err = tx.Count(b.ctx, store.Query{Table: store.ResendTable})
	}
	fault := as[*store.RowError](b, err)
	b.want("code", fault.Code, store.CodeUnique)
	if err := tx.Commit(b.ctx, ""); err == nil {
		b.Fatal("a transaction was committed whose import had failed")
	}
	b.must(tx.Rollback())
	b.want("rows", len(b.rows(twin)), 1)
}

func blockUndone(b *bundle) {
	_, twin, out := b.useTwins(200)
	if out == nil {
		return
	}
	all := b.blocks(out, 64<<20)
	m := b.marker("stream")
	tx := b.begin(m)
	b.must(b.importAll(tx, twin, all))
	b.must(tx.Rollback())
	b.want("rows", len(b.rows(twin)), 0)
	tx = b.begin(m)
	b.must(b.importAll(tx, twin, all))
	b.commit(m, tx, "")
	b.want("rows, the next time", len(b.rows(twin)), 200)
}

func blockClose(b *bundle) {
	_, _, out := b.useTwins(2500)
	if out == nil {
		return
	}
	_, err := out.Next(b.ctx, 1)
	b.must(err)
	b.must(out.Close())
}
