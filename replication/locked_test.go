package replication_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// locking is a database of which a user keeps something locked.
type locking struct {
	store.Store
	locked func(writes []store.Write) bool
}

func (s locking) Begin(ctx context.Context, m store.Marker) (store.Tx, error) {
	tx, err := s.Store.Begin(ctx, m)
	return lockingTx{tx, s.locked}, err
}

type lockingTx struct {
	store.Tx
	locked func(writes []store.Write) bool
}

func (tx lockingTx) Apply(ctx context.Context, writes []store.Write) ([]store.Result, error) {
	if tx.locked(writes) {
		return nil, store.Busy(errors.New("a user has locked the table"))
	}
	return tx.Tx.Apply(ctx, writes)
}

// A table that somebody keeps locked does not stop the others: its map goes to its queue, and catches up in the end.
func TestALockedTableStopsItsMapAlone(t *testing.T) {
	t.Parallel()
	maps := []tablemap.Map{{Name: "one", Tables: [2]string{"one", "one"}}, {Name: "two", Tables: [2]string{"two", "two"}}}
	w := linkOf(t, maps, [2][]memory.Table{{table("one"), table("two")}, {table("one"), table("two")}}, tablemap.Left)
	require.NoError(t, w.settle())
	locked := "one"
	w.engine.Stores[1] = locking{w.engine.Stores[1], func(writes []store.Write) bool {
		return slices.ContainsFunc(writes, func(w store.Write) bool { return w.Relation.Table == locked })
	}}
	w.streams[tablemap.Left] = nil
	write := func(key string) {
		require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
			for _, name := range []string{"one", "two"} {
				if err := u.Insert(name, memory.Values{"k": store.Str(key)}); err != nil {
					return err
				}
			}
			return nil
		}))
		for range 5 {
			_, err := w.stream(tablemap.Left)
			require.NoError(t, err)
		}
	}
	modes := func(name string) [2]string {
		live, err := w.engine.Live(t.Context())
		require.NoError(t, err)
		return live[name].Modes
	}

	write("x")
	write("y")
	require.Empty(t, w.dbs[1].Rows("one"))
	require.Len(t, w.dbs[1].Rows("two"), 2)
	require.Equal(t, [2]string{"live", "queue"}, modes("one"))
	require.Equal(t, [2]string{"live", "live"}, modes("two"))
	require.Len(t, w.dbs[1].LedgerRows(store.QueueTable), 2)

	locked = ""
	require.NoError(t, w.settle())
	require.Equal(t, w.dbs[0].Rows("one"), w.dbs[1].Rows("one"))
	require.Equal(t, [2]string{"live", "live"}, modes("one"))
}

// A lock that is let go of while it is waited for stops nothing.
func TestALockThatIsLetGoOfInTime(t *testing.T) {
	t.Parallel()
	w := newPair(t, tablemap.Map{}, [2]memory.Table{table("a"), table("b")})
	tries := 0
	w.engine.Stores[1] = locking{w.engine.Stores[1], func([]store.Write) bool { tries++; return tries <= 2 }}
	w.streams[tablemap.Left] = nil
	w.write(t, tablemap.Left, memory.Values{"k": store.Str("x")})
	require.Equal(t, 3, tries)
	require.Len(t, w.dbs[1].Rows("b"), 1)
	live, err := w.engine.Live(t.Context())
	require.NoError(t, err)
	require.Equal(t, [2]string{"live", "live"}, live["pair"].Modes)
}
