package replication_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// A TRUNCATE deletes what the queue of a paused map brings, once: the next one has nothing to add.
func TestTruncatesOfAPausedMap(t *testing.T) {
	t.Parallel()
	const rows = 250
	m := keyed()
	m.Truncate = tablemap.TruncateApply
	w := newPairOf(t, m, [2]memory.Table{notUnique("a"), notUnique("b")}, tablemap.Left)
	w.maps[0].want = wantPaused
	require.NoError(t, w.settle())
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		for i := range rows {
			if err := u.Insert("a", memory.Values{"k": store.Str(fmt.Sprintf("%03d", i)), "u": store.Str("x")}); err != nil {
				return err
			}
		}
		return nil
	}))
	for range 5 {
		require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error { return u.Truncate("a") }))
		require.NoError(t, w.settle())
	}
	// Each of the later ones deletes again what came before the first: that is not looked for further on in the queue.
	require.LessOrEqual(t, len(w.dbs[1].LedgerRows(store.QueueTable)), 6*rows)
	w.maps[0].want = wantLive
	require.NoError(t, w.settle())
	require.Equal(t, [2][]store.Row{{}, {}}, w.both())
}
