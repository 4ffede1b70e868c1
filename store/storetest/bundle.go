package storetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

// patience is how long the suite waits for something that must come.
const patience = 20 * time.Second

// bundle is what one test works with.
type bundle struct {
	*testing.T
	Harness
	ctx   context.Context
	cur   map[string]*store.Cursor // of writers
	log   store.Log
	tail  []store.Change // read from the log, not yet asked for
	marks int
}

func setup(t *testing.T, h Harness) *bundle {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*patience)
	t.Cleanup(cancel)
	return &bundle{T: t, Harness: h, ctx: ctx, cur: make(map[string]*store.Cursor)}
}

func (b *bundle) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("unexpected error: %v", err)
	}
}

func (b *bundle) want(what string, got, want any) {
	b.Helper()
	if !reflect.DeepEqual(got, want) {
		b.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// is checks that the error matches the sentinel.
func (b *bundle) is(err, sentinel error) {
	b.Helper()
	if !errors.Is(err, sentinel) {
		b.Fatalf("got error %v, want one that matches %q", err, sentinel)
	}
}

// as finds an error of a type.
func as[E error](b *bundle, err error) E {
	b.Helper()
	var e E
	if !errors.As(err, &e) {
		b.Fatalf("got error %v, want a %T", err, e)
	}
	return e
}

// retry repeats the work while it fails for a lock.
func (b *bundle) retry(work func() error) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for {
		err := work()
		if !errors.Is(err, store.ErrTransient) || time.Now().After(deadline) {
			return err
		}
		<-tick.C
	}
}

func (b *bundle) create(tables ...Table) {
	b.Helper()
	for _, t := range tables {
		b.must(b.Create(t))
	}
}

// exec runs the statements as one transaction of users.
func (b *bundle) exec(statements ...Statement) error {
	return b.retry(func() error {
		tx, err := b.Begin()
		if err != nil {
			return err
		}
		for _, s := range statements {
			if err := tx.Exec(s); err != nil {
				_ = tx.Rollback()
				return err
			}
		}
		return tx.Commit()
	})
}

func (b *bundle) user(statements ...Statement) {
	b.Helper()
	b.must(b.exec(statements...))
}

func insert(table string, set Values) Statement {
	return Statement{Op: store.Insert, Table: table, Set: set}
}

func update(table string, where, set Values) Statement {
	return Statement{Op: store.Update, Table: table, Where: where, Set: set}
}

func remove(table string, where Values) Statement {
	return Statement{Op: store.Delete, Table: table, Where: where}
}

// table describes one table.
func (b *bundle) table(name string) store.Table {
	b.Helper()
	found, err := b.Store.Describe(b.ctx, name)
	b.must(err)
	t, ok := found[name]
	if !ok {
		b.Fatalf("table %s is not described", name)
	}
	return t
}

// relation is a table's columns with the catalog's types, the first key of them being the key.
func (b *bundle) relation(table string, key int, columns ...string) *store.Relation {
	b.Helper()
	t := b.table(table)
	return &store.Relation{Table: t.Name, Key: key, Columns: columnsOf(b, t, columns...)}
}

func columnsOf(b *bundle, t store.Table, names ...string) []store.Column {
	b.Helper()
	var out []store.Column
	for _, name := range names {
		i := slices.IndexFunc(t.Columns, func(c store.Column) bool { return c.Name == name })
		if i < 0 {
			b.Fatalf("table %s has no column %s", t.Name, name)
		}
		out = append(out, t.Columns[i])
	}
	return out
}

func (b *bundle) capture(relations ...*store.Relation) {
	b.Helper()
	list := make([]store.Relation, len(relations))
	for i, r := range relations {
		list[i] = *r
	}
	b.must(b.retry(func() error { return b.Store.Capture(b.ctx, list...) }))
}

// reopen restarts the store.
func (b *bundle) reopen() {
	b.Helper()
	s, err := b.Reopen()
	b.must(err)
	b.Store, b.log, b.tail = s, nil, nil
}

// fence begins a new attempt of a writer.
func (b *bundle) fence(writer string) *store.Cursor {
	b.Helper()
	var c store.Cursor
	b.must(b.retry(func() (err error) {
		c, err = b.Store.Fence(b.ctx, writer)
		return err
	}))
	b.cur[writer] = &c
	return &c
}

// marker is the writer's next one.
func (b *bundle) marker(writer string) store.Marker {
	b.Helper()
	c := b.cur[writer]
	if c == nil {
		c = b.fence(writer)
	}
	return store.Marker{Writer: writer, Epoch: c.Epoch, Seq: c.Seq + 1, Position: "p", AtMs: 1}
}

func (b *bundle) begin(m store.Marker) store.Tx {
	b.Helper()
	var tx store.Tx
	b.must(b.retry(func() (err error) {
		tx, err = b.Store.Begin(b.ctx, m)
		return err
	}))
	b.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func (b *bundle) commit(m store.Marker, tx store.Tx, body string) {
	b.Helper()
	b.must(tx.Commit(b.ctx, body))
	b.cur[m.Writer].Seq = m.Seq
}

// ours makes one transaction of the writer `stream`.
func (b *bundle) ours(work func(tx store.Tx)) {
	b.Helper()
	m := b.marker("stream")
	tx := b.begin(m)
	work(tx)
	b.commit(m, tx, "")
}

// apply makes the writes in one transaction.
func (b *bundle) apply(writes ...store.Write) []store.Result {
	b.Helper()
	var out []store.Result
	b.ours(func(tx store.Tx) {
		var err error
		out, err = tx.Apply(b.ctx, writes)
		b.must(err)
		b.want("number of results", len(out), len(writes))
	})
	return out
}

func (b *bundle) put(table string, rows ...store.Row) {
	b.Helper()
	b.ours(func(tx store.Tx) { b.must(tx.Put(b.ctx, table, rows...)) })
}

// view opens a snapshot that is closed with the test.
func (b *bundle) view() store.View {
	b.Helper()
	v, err := b.Store.View(b.ctx)
	b.must(err)
	b.Cleanup(func() { _ = v.Close() })
	return v
}

// rows reads a whole relation.
func (b *bundle) rows(rel *store.Relation) []store.Row {
	b.Helper()
	v, err := b.Store.View(b.ctx)
	b.must(err)
	defer func() { b.must(v.Close()) }()
	out, err := v.Scan(b.ctx, rel, nil, 1_000_000)
	b.must(err)
	return out
}

// selected reads ledger rows.
func (b *bundle) selected(q store.Query) []store.Row {
	b.Helper()
	v, err := b.Store.View(b.ctx)
	b.must(err)
	defer func() { b.must(v.Close()) }()
	out, err := v.Select(b.ctx, q)
	b.must(err)
	return out
}

func (b *bundle) wantRows(what string, got []store.Row, want ...store.Row) {
	b.Helper()
	if !slices.EqualFunc(got, want, store.Row.Equal) {
		b.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func row(values ...store.Value) store.Row { return values }

func num(n int64) store.Value { return store.Int(n) }

func str(s string) store.Value { return store.Str(s) }

var null store.Value
