package replication_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/store/memory"
	"github.com/dualwrite/dualwrite/tablemap"
)

// A map that has to be dropped in the middle takes nothing of the others with it, though what comes next has been read already.
func TestAMapThatIsDroppedWhileTheStreamReadsAhead(t *testing.T) {
	t.Parallel()
	m := func(name string) tablemap.Map {
		one := keyed()
		one.Name, one.Tables = name, [2]string{name, name}
		return one
	}
	both := []memory.Table{notUnique("goes"), notUnique("stays")}
	w := linkOf(t, []tablemap.Map{m("goes"), m("stays")}, [2][]memory.Table{both, both}, tablemap.Left)
	w.engine.Ahead = 1
	require.NoError(t, w.settle())
	require.NoError(t, w.dbs[1].DropColumn("goes", "u"))
	require.NoError(t, w.dbs[0].Exec(func(u *memory.User) error {
		row := memory.Values{"k": store.Str("x"), "u": store.Str("y")}
		return errors.Join(u.Insert("stays", row), u.Insert("goes", row))
	}))
	for range 200 {
		if outcome, err := w.stream(tablemap.Left); err == nil && outcome == replication.Idle {
			break
		}
	}
	require.Len(t, w.dbs[1].Rows("stays"), 1, "of the other map nothing is lost")
	require.Empty(t, w.dbs[1].Rows("goes"))
}
