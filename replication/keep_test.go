package replication_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// A transaction of many changes of a map writes down on the other side, itself, what it has sent: a row of keys, and the position of the
// last. One of fewer does not. Both are forgotten once the master's log has told that the other side knew them.
func TestALargeTransactionWritesDownWhatItHasSent(t *testing.T) {
	t.Parallel()
	m := keyed()
	m.Name, m.Tables = "a", [2]string{"a", "a"}
	w := linkWith(t, memory.Options{}, []tablemap.Map{m}, [2][]memory.Table{{notUnique("a")}, {notUnique("a")}}, tablemap.Left)
	w.engine.Keep = 3
	require.NoError(t, w.settle())
	kept := func() []store.Row { return w.dbs[1].LedgerRows(store.ReplayedTable) }

	w.does(t, tablemap.Left, change{"insert", "few", "1"})
	require.Equal(t, []int{1}, w.carry(t, "a"))
	require.Empty(t, kept())
	w.transaction(t, repeat("a", 4)...)
	require.Equal(t, []int{5}, w.carry(t, "a"))
	require.Len(t, kept(), 1)
	const half = 16 // bytes of a key's hash
	require.Len(t, kept()[0][3].S, 4*half)
	require.Len(t, w.dbs[1].LedgerRows(store.SentTable), 1, "where the last of it was")

	w.does(t, tablemap.Right, change{"update", "few", "2"}) // by a user who has seen it
	require.NoError(t, w.settle())
	w.does(t, tablemap.Left, change{"update", "few", "3"})
	require.NoError(t, w.settle())
	require.Empty(t, kept())
	require.Equal(t, w.dbs[0].Rows("a"), w.dbs[1].Rows("a"))
}
