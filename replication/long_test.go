package replication_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// cutting is a link of which the logs deliver two changes at once, so that longer transactions arrive in parts. The left side
// wins.
func cutting(t *testing.T, tables [2][]memory.Table, names ...string) *world {
	t.Helper()
	var maps []tablemap.Map
	for _, name := range names {
		m := keyed()
		m.Name, m.Tables, m.Truncate = name, [2]string{name, name}, tablemap.TruncateApply
		maps = append(maps, m)
	}
	w := linkWith(t, memory.Options{Batch: 2}, maps, tables, tablemap.Left)
	require.NoError(t, w.settle())
	return w
}

// transaction inserts rows into tables, in one transaction of the left side.
func (w *world) transaction(t *testing.T, tables ...string) {
	t.Helper()
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		for i, name := range tables {
			if err := u.Insert(name, memory.Values{"k": store.Str(fmt.Sprint("k", i)), "u": store.Str(fmt.Sprint("u", i))}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// carry lets the stream from the left work until it has nothing to do, and returns how many rows of the tables the other side
// has had, one number after the other.
func (w *world) carry(t *testing.T, tables ...string) []int {
	t.Helper()
	var seen []int
	for range 100 {
		outcome, err := w.stream(tablemap.Left)
		require.NoError(t, err)
		n := 0
		for _, name := range tables {
			n += len(w.dbs[1].Rows(name))
		}
		seen = append(seen, n)
		if outcome == replication.Idle {
			return slices.Compact(seen)
		}
	}
	require.Fail(t, "the stream does not come to rest")
	return nil
}

func repeat(name string, n int) []string { return slices.Repeat([]string{name}, n) }

func TestALongTransactionIsSeenWhole(t *testing.T) {
	t.Parallel()
	w := cutting(t, [2][]memory.Table{{notUnique("a")}, {notUnique("a")}}, "a")
	w.transaction(t, repeat("a", 7)...)
	require.Equal(t, []int{0, 7}, w.carry(t, "a"))
	require.NoError(t, w.settle())
	require.Equal(t, w.dbs[0].Rows("a"), w.dbs[1].Rows("a"))
}

func TestALongTransactionWhoseEndConcernsNobody(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int{0, 1} { // its end is read with the part before
		w := cutting(t, [2][]memory.Table{{notUnique("a")}, {notUnique("a")}}, "a")
		w.engine.Ahead = ahead
		w.endsInNothing(t)
	}
}

func (w *world) endsInNothing(t *testing.T) {
	t.Helper()
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		for _, k := range []string{"x", "y", "z"} {
			if err := u.Insert("a", memory.Values{"k": store.Str(k), "u": store.Str(k)}); err != nil {
				return err
			}
		}
		for range 3 {
			if _, err := u.Update("a", memory.Values{"k": store.Str("x")}, memory.Values{"u": store.Str("x")}); err != nil {
				return err
			}
		}
		return nil
	}))
	require.Equal(t, []int{0, 3}, w.carry(t, "a"))
}

// It is not left open for as long as there is something to read that asks for nothing either.
func TestALongTransactionWhoseEndConcernsNobodyAmongOthers(t *testing.T) {
	t.Parallel()
	w := cutting(t, [2][]memory.Table{{notUnique("a")}, {notUnique("a")}}, "a")
	idle := func(u *memory.User) error {
		_, err := u.Update("a", memory.Values{"k": store.Str("k0")}, memory.Values{"u": store.Str("u0")})
		return err
	}
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		for i := range 3 {
			if err := u.Insert("a", memory.Values{"k": store.Str(fmt.Sprint("k", i)), "u": store.Str(fmt.Sprint("u", i))}); err != nil {
				return err
			}
		}
		return errors.Join(idle(u), idle(u), idle(u))
	}))
	for steps := 0; len(w.dbs[1].Rows("a")) == 0; steps++ {
		require.Less(t, steps, 20, "the transaction stays open")
		require.NoError(t, w.dbs[0].Exec(idle))
		_, err := w.stream(tablemap.Left)
		require.NoError(t, err)
	}
	require.Len(t, w.dbs[1].Rows("a"), 3)
}

func TestARowsFaultInALongTransaction(t *testing.T) {
	t.Parallel()
	w := cutting(t, [2][]memory.Table{{notUnique("a")}, {unique("a")}}, "a")
	require.NoError(t, w.dbs[1].Exec(func(u *memory.User) error {
		return u.Insert("a", memory.Values{"k": store.Str("first"), "u": store.Str("u5")})
	}))
	w.transaction(t, repeat("a", 7)...)
	require.Equal(t, []int{1, 7}, w.carry(t, "a"))
	require.Len(t, w.dbs[1].LedgerRows(store.HeldTable), 1)
	w.does(t, tablemap.Right, change{"update", "first", "free"})
	require.NoError(t, w.retry())
	require.NoError(t, w.settle())
	require.Len(t, w.dbs[1].Rows("a"), 8)
	require.Equal(t, w.dbs[0].Rows("a"), w.dbs[1].Rows("a"))
}

func TestALockInALongTransaction(t *testing.T) {
	t.Parallel()
	both := []memory.Table{notUnique("a"), notUnique("b")}
	w := cutting(t, [2][]memory.Table{both, both}, "a", "b")
	locked := true
	w.engine.Stores[1] = locking{w.engine.Stores[1], func(writes []store.Write) bool {
		return locked && slices.ContainsFunc(writes, func(w store.Write) bool { return w.Relation.Table == "b" })
	}}
	w.streams[tablemap.Left] = nil
	w.transaction(t, "a", "a", "a", "b", "b", "b", "a")
	require.Equal(t, []int{0, 4}, w.carry(t, "a", "b"), "without the map that is locked, but otherwise whole")
	require.Len(t, w.dbs[1].LedgerRows(store.QueueTable), 3)
	locked = false
	require.NoError(t, w.settle())
	require.Len(t, w.dbs[1].Rows("b"), 3)
}

func TestAMapThatIsDroppedInALongTransaction(t *testing.T) {
	t.Parallel()
	both := []memory.Table{notUnique("a"), notUnique("b")}
	w := cutting(t, [2][]memory.Table{both, both}, "a", "b")
	require.NoError(t, w.dbs[1].DropColumn("b", "u"))
	w.transaction(t, "a", "a", "a", "b", "b", "a")
	require.Equal(t, []int{0, 4}, w.carry(t, "a"))
	require.Empty(t, w.dbs[1].Rows("b"))
}

func TestAWorkerThatDiesInALongTransaction(t *testing.T) {
	t.Parallel()
	w := cutting(t, [2][]memory.Table{{notUnique("a")}, {notUnique("a")}}, "a")
	w.transaction(t, repeat("a", 7)...)
	for n := range 6 {
		for range n {
			_, err := w.stream(tablemap.Left)
			require.NoError(t, err)
		}
		require.Empty(t, w.dbs[1].Rows("a"))
		w.streams[tablemap.Left] = nil
		w.dbs[1].Abort()
	}
	require.Equal(t, []int{0, 7}, w.carry(t, "a"))
}

// A stream that is ended lets go of the transaction that it is in the middle of.
func TestAStreamThatIsClosedInALongTransaction(t *testing.T) {
	t.Parallel()
	w := cutting(t, [2][]memory.Table{{notUnique("a")}, {notUnique("a")}}, "a")
	w.transaction(t, repeat("a", 7)...)
	for range 3 {
		_, err := w.stream(tablemap.Left)
		require.NoError(t, err)
	}
	busy := func(*memory.User) error { return nil }
	require.ErrorIs(t, w.dbs[1].Exec(busy), store.ErrBusy)
	require.NoError(t, w.streams[tablemap.Left].Close())
	require.NoError(t, w.dbs[1].Exec(busy))
	require.Empty(t, w.dbs[1].Rows("a"))
}

func TestATruncateInALongTransaction(t *testing.T) {
	t.Parallel()
	w := cutting(t, [2][]memory.Table{{notUnique("a")}, {notUnique("a")}}, "a")
	w.transaction(t, "a")
	require.NoError(t, w.settle())
	for n := range 4 { // wherever it stands among the parts
		require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
			insert := func(k string) error {
				return u.Insert("a", memory.Values{"k": store.Str(k), "u": store.Str(k)})
			}
			for i := range n {
				if err := insert(fmt.Sprint("before", i)); err != nil {
					return err
				}
			}
			if err := u.Truncate("a"); err != nil {
				return err
			}
			for i := range 3 {
				if err := insert(fmt.Sprint("after", n, i)); err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, w.settle())
		require.Len(t, w.dbs[1].Rows("a"), 3)
		require.Equal(t, w.dbs[0].Rows("a"), w.dbs[1].Rows("a"))
	}
}
