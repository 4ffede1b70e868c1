package replication_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// One change that is refused does not have a whole page of the queue made one by one, in one transaction: some are, and the pages grow
// again.
func TestARowsFaultInAQueue(t *testing.T) {
	t.Parallel()
	one := keyed()
	one.Name, one.Tables = "a", [2]string{"a", "a"}
	w := linkWith(t, memory.Options{CopyRows: 1000}, []tablemap.Map{one}, [2][]memory.Table{{notUnique("a")}, {unique("a")}}, tablemap.Left)
	require.NoError(t, w.settle())
	require.NoError(t, w.dbs[1].Exec(func(u *memory.User) error {
		return u.Insert("a", memory.Values{"k": store.Str("first"), "u": store.Str("u50")})
	}))
	w.maps[0].want = wantPaused
	require.NoError(t, w.settle())
	w.transaction(t, repeat("a", 900)...)
	w.carry(t, "a")
	require.Len(t, w.dbs[1].LedgerRows(store.QueueTable), 900)

	r, err := w.engine.NewReplay(w.ctx, "a", tablemap.Left)
	require.NoError(t, err)
	var left []int64
	for outcome := replication.Moved; outcome != replication.Done; {
		outcome, err = r.Step(w.ctx)
		require.NoError(t, err)
		if n := r.Progress().Left; len(left) == 0 || left[len(left)-1] != n {
			left = append(left, n)
		}
	}
	require.Equal(t, []int64{800, 700, 500, 100, 0}, left)
	require.Len(t, w.dbs[1].LedgerRows(store.HeldTable), 1)
	require.Len(t, w.dbs[1].Rows("a"), 900)
}
