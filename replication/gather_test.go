package replication

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// Changes of a row that are applied together are merged only where one begins with what the other has left: what the other side
// wrote between the two, their user has seen.
func TestChangesAreMergedWhereTheyFollowOnEachOther(t *testing.T) {
	t.Parallel()
	_, state, _ := between(t)
	state.def.Map.Coalesce = true
	row := func(v int64) store.Row { return store.Row{store.Int(1), store.Int(v)} }
	made := func(before, after store.Row, seen store.Position) *change {
		return &change{flow: state.flow, name: "items", entry: entry{Key: "k", Seen: seen}, before: before, after: after}
	}
	one := coalesce([]*change{made(row(1), row(2), "3"), made(row(2), row(3), "4")})
	require.Len(t, one, 1)
	require.Equal(t, []store.Row{row(1), row(3)}, []store.Row{one[0].before, one[0].after})
	require.Equal(t, store.Position("3"), one[0].entry.Seen)
	require.Equal(t, store.Position("4"), one[0].saw())

	require.Len(t, coalesce([]*change{made(row(1), row(2), "3"), made(row(7), row(3), "6")}), 2)
	require.Len(t, coalesce([]*change{made(row(1), nil, "3"), made(nil, row(3), "4")}), 1)
	require.Len(t, coalesce([]*change{made(row(1), nil, "3"), made(row(7), row(3), "6")}), 2)
}
