package replication_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// newPair makes a link of one map between two tables, of which the left wins, and runs it until it is live.
func newPair(t *testing.T, m tablemap.Map, tables [2]memory.Table) *world {
	t.Helper()
	return newPairOf(t, m, tables, tablemap.Left)
}

// newPairOf is newPair with another side that wins.
func newPairOf(t *testing.T, m tablemap.Map, tables [2]memory.Table, master tablemap.Side) *world {
	t.Helper()
	w := pairOf(t, m, tables, master)
	require.NoError(t, w.settle())
	return w
}

// pairOf makes a link of one map that has not been run.
func pairOf(t *testing.T, m tablemap.Map, tables [2]memory.Table, master tablemap.Side) *world {
	t.Helper()
	m.Name, m.Tables = "pair", [2]string{tables[0].Name, tables[1].Name}
	return linkOf(t, []tablemap.Map{m}, [2][]memory.Table{{tables[0]}, {tables[1]}}, master)
}

// linkOf makes a link that has not been run, on databases that nothing happens to but what a test does.
func linkOf(t *testing.T, maps []tablemap.Map, tables [2][]memory.Table, master tablemap.Side) *world {
	t.Helper()
	return linkWith(t, memory.Options{}, maps, tables, master)
}

// linkWith is linkOf on databases with options.
func linkWith(t *testing.T, options memory.Options, maps []tablemap.Map, tables [2][]memory.Table, master tablemap.Side) *world {
	t.Helper()
	w := &world{rand: rand.New(rand.NewPCG(1, 1)), ctx: context.Background(), story: newStory(), hooked: true, ending: true}
	w.plan.withSync, w.plan.master = true, master
	for side := range w.dbs {
		options.CopyRows, options.Clock = cmp.Or(options.CopyRows, 100), func() int64 { return w.nowMs }
		options.OnCall = func(op string) error {
			if w.calls != nil {
				w.calls(tablemap.Side(side), op)
			}
			return nil
		}
		w.dbs[side] = memory.New(options)
		require.NoError(t, w.dbs[side].Create(tables[side]...))
	}
	link := tablemap.Link{Name: "pair", Sides: [2]string{"left", "right"}, Master: master, Maps: maps}
	w.engine = &replication.Engine{Link: link, Stores: [2]store.Store{w.dbs[0].Store(), w.dbs[1].Store()},
		Now: func() time.Time { return time.UnixMilli(w.nowMs) }}
	for _, m := range maps {
		w.maps = append(w.maps, &controller{world: w, def: m, want: wantLive})
	}
	return w
}

func table(name string, triggers ...memory.Trigger) memory.Table {
	return memory.Table{Name: name, Key: []string{"k"}, Triggers: triggers, Columns: []memory.Column{
		{Name: "k", Type: words(), NotNull: true}, {Name: "v", Type: words()}, {Name: "n", Type: number64(), Default: store.Int(7)}}}
}

func (w *world) write(t *testing.T, side tablemap.Side, values memory.Values) {
	t.Helper()
	name := w.maps[0].def.Tables[side]
	require.NoError(t, w.dbs[side].Exec(func(u *memory.User) error {
		n, err := u.Update(name, memory.Values{"k": values["k"]}, values)
		if err == nil && n == 0 {
			err = u.Insert(name, values)
		}
		return err
	}))
	require.NoError(t, w.settle())
}

func (w *world) both() [2][]store.Row {
	return [2][]store.Row{w.dbs[0].Rows(w.maps[0].def.Tables[0]), w.dbs[1].Rows(w.maps[0].def.Tables[1])}
}

// appends is a trigger that changes column v at each write.
func appends(text string) memory.Trigger {
	return memory.Trigger{Name: "append", Before: func(op store.Op, _, row store.Row) (store.Row, error) {
		if op == store.Delete {
			return row, nil
		}
		return store.Row{row[0], store.Str(row[1].S + text), row[2]}, nil
	}}
}

func TestWhatATriggerMakesOfOurWriteFlowsBackOnce(t *testing.T) {
	t.Parallel()
	for _, side := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		tables := [2]memory.Table{table("a"), table("b")}
		tables[side].Triggers = []memory.Trigger{appends("!")}
		w := newPair(t, tablemap.Map{}, tables)
		w.write(t, side.Other(), memory.Values{"k": store.Str("x"), "v": store.Str("hello")})
		want := []store.Row{{store.Str("x"), store.Str("hello!"), store.Int(7)}}
		require.Equal(t, [2][]store.Row{want, want}, w.both())
		require.Zero(t, w.held())
	}
}

func TestARowThatNeverSettlesIsHeldAsALoop(t *testing.T) {
	t.Parallel()
	w := newPair(t, tablemap.Map{}, [2]memory.Table{table("a", appends("a")), table("b", appends("b"))})
	w.write(t, tablemap.Left, memory.Values{"k": store.Str("x"), "v": store.Str("")})
	w.write(t, tablemap.Left, memory.Values{"k": store.Str("y"), "v": store.Str("")})
	errors, err := w.engine.Errors(t.Context(), replication.ErrorQuery{Map: "pair", Code: string(store.CodeLoop)})
	require.NoError(t, err)
	require.Len(t, errors, 2)
}

func TestAColumnThatTheTargetFillsFlowsBack(t *testing.T) {
	t.Parallel()
	m := tablemap.Map{Key: []tablemap.Column{{Names: [2]string{"k", "k"}}}, Columns: []tablemap.Column{
		{Names: [2]string{"v", "v"}}, {Names: [2]string{"n", "n"}, Direction: tablemap.RightToLeft}}}
	left := table("a")
	left.Columns[2].Default = store.Value{}
	w := newPair(t, m, [2]memory.Table{left, table("b")})
	w.write(t, tablemap.Left, memory.Values{"k": store.Str("x"), "v": store.Str("hello")})
	want := []store.Row{{store.Str("x"), store.Str("hello"), store.Int(7)}}
	require.Equal(t, [2][]store.Row{want, want}, w.both())
}

func TestWhatATriggerMakesOfACopiedRowFlowsBack(t *testing.T) {
	t.Parallel()
	for _, side := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		tables := [2]memory.Table{table("a"), table("b")}
		tables[side].Triggers = []memory.Trigger{appends("!")}
		w := pairOf(t, tablemap.Map{}, tables, tablemap.Left)
		require.NoError(t, w.dbs[side.Other()].Exec(func(u *memory.User) error {
			return u.Insert(tables[side.Other()].Name, memory.Values{"k": store.Str("x"), "v": store.Str("hello")})
		}))
		require.NoError(t, w.settle())
		want := []store.Row{{store.Str("x"), store.Str("hello!"), store.Int(7)}}
		require.Equal(t, [2][]store.Row{want, want}, w.both())
	}
}

// A copy's own rows are not taken for what the database made of them: they do not go back, where a user has changed the row.
func TestARowThatIsCopiedIntoATableWithTriggersDoesNotGoBack(t *testing.T) {
	t.Parallel()
	audit := memory.Trigger{Name: "audit", After: func(*memory.User, store.Op, store.Row, store.Row) error { return nil }}
	for _, master := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		w := pairOf(t, tablemap.Map{}, [2]memory.Table{table("a", audit), table("b", audit)}, master)
		own := master.Other()
		change := func(value string) error {
			return w.dbs[own].Exec(func(u *memory.User) error {
				n, err := u.Update(w.maps[0].def.Tables[own], memory.Values{"k": store.Str("x")}, memory.Values{"v": store.Str(value)})
				if err == nil && n == 0 {
					err = u.Insert(w.maps[0].def.Tables[own], memory.Values{"k": store.Str("x"), "v": store.Str(value)})
				}
				return err
			})
		}
		require.NoError(t, change("before"))
		changed := false
		w.calls = func(side tablemap.Side, op string) {
			if side == master && op == "committed" && !changed && len(w.both()[master]) > 0 {
				changed = true
				require.NoError(t, change("after"))
			}
			if side == own && op == "committed" && changed {
				require.Equal(t, "after", w.both()[own][0][1].S, "only users of this side write the row")
			}
		}
		require.NoError(t, w.settle())
		require.True(t, changed, "the row was copied")
		want := []store.Row{{store.Str("x"), store.Str("after"), store.Int(7)}}
		require.Equal(t, [2][]store.Row{want, want}, w.both())
		conflicts, err := w.engine.Conflicts(t.Context(), "pair", 10, 0)
		require.NoError(t, err)
		require.Empty(t, conflicts)
	}
}

// meanwhile is a database where, once we have written, users of other connections have inserted a row wherever there is none:
// what is not there cannot be locked.
type meanwhile struct {
	store.Store
	row store.Row
}

func (s meanwhile) Begin(ctx context.Context, m store.Marker) (store.Tx, error) {
	tx, err := s.Store.Begin(ctx, m)
	return &meanwhileTx{Tx: tx, row: s.row}, err
}

type meanwhileTx struct {
	store.Tx
	row     store.Row
	written bool
}

func (tx *meanwhileTx) Apply(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	tx.written = true
	return tx.Tx.Apply(ctx, writes)
}

func (tx *meanwhileTx) Lookup(ctx context.Context, rel *store.Relation, keys []store.Row) ([]store.Row, error) {
	rows, err := tx.Tx.Lookup(ctx, rel, keys)
	for i := range rows {
		if rows[i] == nil && tx.written {
			rows[i] = tx.row
		}
	}
	return rows, err
}

// A row that a user inserts where we had nothing to delete is not what the database made of our delete.
func TestARowThatIsInsertedBesideAnIdleDeleteIsItsUsers(t *testing.T) {
	t.Parallel()
	audit := memory.Trigger{Name: "audit", After: func(*memory.User, store.Op, store.Row, store.Row) error { return nil }}
	for _, master := range []tablemap.Side{tablemap.Left, tablemap.Right} {
		w := newPairOf(t, tablemap.Map{}, [2]memory.Table{table("a", audit), table("b", audit)}, master)
		w.write(t, tablemap.Left, memory.Values{"k": store.Str("x"), "v": store.Str("1")})
		w.engine.Stores[1] = meanwhile{w.engine.Stores[1], store.Row{store.Str("x"), store.Str("a user's"), store.Int(7)}}
		w.streams = [2]*replication.Stream{}
		for side, name := range w.maps[0].def.Tables {
			require.NoError(t, w.dbs[side].Exec(func(u *memory.User) error {
				_, err := u.Delete(name, memory.Values{"k": store.Str("x")})
				return err
			}))
		}
		require.NoError(t, w.settle())
		require.Equal(t, [2][]store.Row{{}, {}}, w.both())
	}
}
