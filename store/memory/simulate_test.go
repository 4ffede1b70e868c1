package memory_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
)

var (
	integer = store.Type{Name: "integer", Kind: store.Integer, Strict: true}
	text    = store.Type{Name: "text", Kind: store.Text, Strict: true}
	errHook = store.Transient(errors.New("as the test wants it"))
)

// bundle is a database with one captured table and its store.
type bundle struct {
	*testing.T
	db    *memory.Database
	store *memory.Store
	rel   *store.Relation
	hook  func(op string) error
}

func setup(t *testing.T, tables ...memory.Table) *bundle {
	t.Helper()
	b := &bundle{T: t}
	b.db = memory.New(memory.Options{OnCall: func(op string) error {
		if b.hook == nil {
			return nil
		}
		return b.hook(op)
	}})
	if len(tables) == 0 {
		tables = []memory.Table{{Name: "t", Key: []string{"id"}, Columns: []memory.Column{{Name: "id", Type: integer}, {Name: "v", Type: text}}}}
	}
	b.must(b.db.Create(tables...))
	b.store = b.db.Store()
	b.rel = &store.Relation{Table: tables[0].Name, Key: 1,
		Columns: []store.Column{{Name: "id", Type: integer}, {Name: "v", Type: text}}}
	b.must(b.store.Capture(t.Context(), *b.rel))
	return b
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

func (b *bundle) user(id int64, v string) {
	b.Helper()
	b.must(b.db.Exec(func(u *memory.User) error {
		return u.Insert("t", memory.Values{"id": store.Int(id), "v": store.Str(v)})
	}))
}

func (b *bundle) begin() (store.Tx, error) {
	b.Helper()
	c, err := b.store.Fence(b.Context(), "stream")
	b.must(err)
	return b.store.Begin(b.Context(), store.Marker{Writer: "stream", Epoch: c.Epoch, Seq: c.Seq + 1})
}

func row(id int64, v string) store.Row { return store.Row{store.Int(id), store.Str(v)} }

func (b *bundle) upsert(id int64, v string) store.Write {
	return store.Write{Relation: b.rel, Key: store.Row{store.Int(id)}, After: row(id, v)}
}

func TestCrashEndsWhatIsOpenAndKeepsWhatIsCommitted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.user(1, "kept")
	view, err := b.store.View(t.Context())
	b.must(err)
	log, err := b.store.Open(t.Context(), "")
	b.must(err)
	tx, err := b.begin()
	b.must(err)
	_, err = tx.Apply(t.Context(), []store.Write{b.upsert(2, "lost")})
	b.must(err)
	b.db.Crash()
	_, err = view.Scan(t.Context(), b.rel, nil, 1)
	b.want("view", errors.Is(err, store.ErrTransient), true)
	_, err = log.Next(t.Context(), 1)
	b.want("log", errors.Is(err, store.ErrTransient), true)
	b.want("commit", errors.Is(tx.Commit(t.Context(), ""), store.ErrTransient), true)
	b.must(tx.Rollback())
	b.want("rows", b.db.Rows("t"), []store.Row{row(1, "kept")})
	b.want("markers", len(b.db.LedgerRows(store.MarkerTable)), 0)
	b.user(3, "after")
	_, err = b.begin()
	b.must(err)
}

func TestUsersTransactionDiesInACrash(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u, err := b.db.Begin()
	b.must(err)
	b.must(u.Insert("t", memory.Values{"id": store.Int(1)}))
	b.db.Crash()
	b.want("commit", errors.Is(u.Commit(), store.ErrTransient), true)
	b.want("insert", errors.Is(u.Insert("t", memory.Values{"id": store.Int(2)}), store.ErrTransient), true)
	b.want("rows", len(b.db.Rows("t")), 0)
}

func TestLostAnswerOfACommit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op      string
		durable bool
	}{{"commit", false}, {"committed", true}} {
		b := setup(t)
		tx, err := b.begin()
		b.must(err)
		_, err = tx.Apply(t.Context(), []store.Write{b.upsert(1, "x")})
		b.must(err)
		b.hook = func(op string) error {
			if op == c.op {
				return errHook
			}
			return nil
		}
		b.want("answer", errors.Is(tx.Commit(t.Context(), "body"), store.ErrTransient), true)
		b.hook = nil
		b.must(tx.Rollback())
		cursor, err := b.store.Fence(t.Context(), "stream")
		b.must(err)
		b.want(c.op, []bool{cursor.Seq == 1, len(b.db.Rows("t")) == 1}, []bool{c.durable, c.durable})
	}
}

// TestHookIsCalledByEveryMethod uses a user's write in each call, as a simulation does.
func TestHookIsCalledByEveryMethod(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var got []string
	next := int64(100)
	b.hook = func(op string) error {
		got = append(got, op)
		next++
		err := b.db.Exec(func(u *memory.User) error { return u.Insert("t", memory.Values{"id": store.Int(next)}) })
		if !errors.Is(err, store.ErrBusy) {
			return err
		}
		return nil
	}
	ctx := t.Context()
	b.must(b.store.Capture(ctx))
	b.must(b.store.Release(ctx))
	_, err := b.store.Describe(ctx)
	b.must(err)
	tx, err := b.begin()
	b.must(err)
	b.must(everyMethod(ctx, tx, b.rel))
	b.must(tx.Commit(ctx, ""))
	view, err := b.store.View(ctx)
	b.must(err)
	_, err = view.Scan(ctx, b.rel, nil, 1)
	b.must(err)
	_, err = view.Size(ctx, b.rel)
	b.must(err)
	log, err := b.store.Open(ctx, "")
	b.must(err)
	_, err = log.Next(ctx, 1)
	b.must(err)
	b.must(log.Wait(ctx))
	b.must(log.Confirm(ctx, ""))
	b.want("calls", got, []string{"capture", "release", "describe", "fence", "fenced", "begin", "apply", "apply each", "put",
		"delete", "lookup", "select", "count", "commit", "committed", "view", "scan", "size", "open", "next", "wait", "confirm"})
}

func everyMethod(ctx context.Context, tx store.Tx, rel *store.Relation) error {
	_, e1 := tx.Apply(ctx, nil)
	_, e2 := tx.ApplyEach(ctx, nil)
	e3 := tx.Put(ctx, store.MetTable, store.Row{store.Str("w"), store.Int(1), store.Str("p")})
	e4 := tx.Delete(ctx, store.Query{Table: store.MetTable})
	_, e5 := tx.Lookup(ctx, rel, nil)
	_, e6 := tx.Select(ctx, store.Query{Table: store.MetTable})
	_, e7 := tx.Count(ctx, store.Query{Table: store.MetTable})
	return errors.Join(e1, e2, e3, e4, e5, e6, e7)
}

// TestErrorOfAHookSpoilsTheTransaction shows that nothing of it can be committed afterwards.
func TestErrorOfAHookSpoilsTheTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx, err := b.begin()
	b.must(err)
	b.hook = func(op string) error { return errHook }
	_, err = tx.Lookup(t.Context(), b.rel, nil)
	b.want("lookup", errors.Is(err, store.ErrTransient), true)
	b.hook = nil
	if tx.Commit(t.Context(), "") == nil {
		t.Fatal("the transaction committed after an error")
	}
	b.must(tx.Rollback())
	_, err = b.begin()
	b.must(err)
}

func TestOneWriteTransactionAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	u, err := b.db.Begin()
	b.must(err)
	_, err = b.store.Fence(t.Context(), "stream")
	b.want("fence", errors.Is(err, store.ErrBusy), true)
	b.want("capture", errors.Is(b.store.Capture(t.Context()), store.ErrBusy), true)
	b.want("another user", errors.Is(b.db.Exec(func(*memory.User) error { return nil }), store.ErrBusy), true)
	u.Rollback()
	_, err = b.begin()
	b.must(err)
	_, err = b.store.Begin(t.Context(), store.Marker{Writer: "stream", Epoch: 1, Seq: 1})
	b.want("begin", errors.Is(err, store.ErrBusy), true)
	b.must(b.store.Close())
	b.user(1, "the dead worker's transaction is gone")
}

func TestFailedStatementLeavesNothingAndTheTransactionGoesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.db.Exec(func(u *memory.User) error {
		b.must(u.Insert("t", memory.Values{"id": store.Int(1)}))
		if u.Insert("t", memory.Values{"id": store.Int(1)}) == nil {
			b.Fatal("a duplicate was accepted")
		}
		n, err := u.Update("t", nil, memory.Values{"v": store.Str("x")})
		b.want("rows updated", n, 1)
		return err
	}))
	b.want("rows", b.db.Rows("t"), []store.Row{row(1, "x")})
	err := b.db.Exec(func(u *memory.User) error {
		b.must(u.Insert("t", memory.Values{"id": store.Int(2)}))
		got, err := u.Get("t", memory.Values{"v": store.Value{}})
		b.want("rows got", got, []store.Row{{store.Int(2), {}}})
		b.must(err)
		return fmt.Errorf("changed my mind")
	})
	b.want("error", err.Error(), "changed my mind")
	b.want("rows", len(b.db.Rows("t")), 1)
}

func TestBatchOptionCutsTransactions(t *testing.T) {
	t.Parallel()
	db := memory.New(memory.Options{Batch: 1})
	s := db.Store()
	if err := s.Capture(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &bundle{T: t, db: db, store: s}
	tx, err := b.begin()
	b.must(err)
	b.must(tx.Commit(t.Context(), ""))
	log, err := s.Open(t.Context(), "")
	b.must(err)
	var more []bool
	for range 3 {
		batch, err := log.Next(t.Context(), 100)
		b.must(err)
		more = append(more, batch.More)
	}
	b.want("more", more, []bool{true, false, false})
}

func TestTriggersAndActions(t *testing.T) {
	t.Parallel()
	parent := memory.Table{Name: "t", Key: []string{"id"}, Columns: []memory.Column{{Name: "id", Type: integer}, {Name: "v", Type: text}}}
	parent.Triggers = []memory.Trigger{{Name: "history", After: func(u *memory.User, op store.Op, _, _ store.Row) error {
		return u.Insert("history", memory.Values{"what": store.Str(string(op))})
	}}}
	ref := func(name string, action memory.Action) memory.Table {
		return memory.Table{Name: name, Key: []string{"id"}, Columns: []memory.Column{{Name: "id", Type: integer}, {Name: "up", Type: integer}},
			ForeignKeys: []memory.ForeignKey{{Columns: []string{"up"}, Table: "t", References: []string{"id"}, OnDelete: action, OnUpdate: action}}}
	}
	history := memory.Table{Name: "history", Key: []string{"n"}, Columns: []memory.Column{{Name: "n", Type: integer, Auto: true}, {Name: "what", Type: text}}}
	b := setup(t, parent, ref("cascading", memory.Cascade), ref("nulling", memory.SetNull), history)
	b.must(b.db.Exec(func(u *memory.User) error {
		b.must(u.Insert("t", memory.Values{"id": store.Int(1)}))
		for _, name := range []string{"cascading", "nulling"} {
			b.must(u.Insert(name, memory.Values{"id": store.Int(5), "up": store.Int(1)}))
		}
		_, err := u.Update("t", memory.Values{"id": store.Int(1)}, memory.Values{"id": store.Int(2)})
		return err
	}))
	b.want("cascading", b.db.Rows("cascading"), []store.Row{{store.Int(5), store.Int(2)}})
	b.want("nulling", b.db.Rows("nulling"), []store.Row{{store.Int(5), {}}})
	tx, err := b.begin()
	b.must(err)
	_, err = tx.Apply(t.Context(), []store.Write{{Relation: b.rel, Key: store.Row{store.Int(2)}}})
	b.must(err)
	b.must(tx.Commit(t.Context(), ""))
	b.want("cascading", len(b.db.Rows("cascading")), 0)
	var what []string
	for _, r := range b.db.Rows("history") {
		what = append(what, r[1].S)
	}
	b.want("history", what, []string{"insert", "update", "delete"})
}
