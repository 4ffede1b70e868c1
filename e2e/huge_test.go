package e2e_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Values of many megabytes go every way that others do: copied, live, through the queue, and away again.
func TestHugeValues(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, func(t *testing.T, pair harness.Pair) {
		const table = "CREATE TABLE item (id int PRIMARY KEY, value text NOT NULL)"
		l := harness.New(t, harness.Setup{Pair: pair, Left: table, Right: table, Maps: "item: {}", Master: "finops"})
		long := "repeat('dualwrite ', %d * 104858)"
		if pair == harness.SQLite {
			long = "replace(hex(zeroblob(%d * 104858)), '00', 'dualwrite ')"
		}
		huge := func(id, megabytes int) string {
			return fmt.Sprintf("INSERT INTO item VALUES (%d, '%[1]d' || "+long+") ON CONFLICT (id) DO UPDATE SET value = excluded.value || 'again'", id, megabytes)
		}
		l.Left.Exec(huge(1, 1), huge(2, 9), huge(3, 20))
		w := l.Work()
		l.Do("run", "item", "--yes")
		require.Equal(t, 3, l.Equal("item"))
		l.Left.Exec(huge(4, 1), huge(5, 9), huge(6, 20), huge(3, 16))
		l.Right.Becomes("SELECT count(*) FROM item", "6")
		require.Equal(t, 6, l.Equal("item"))
		l.Right.Exec("UPDATE item SET id = id + 100 WHERE id > 4", "DELETE FROM item WHERE id < 4")
		l.Left.Becomes("SELECT count(*) FROM item", "3")
		l.Do("pause", "item")
		l.Left.Exec(huge(7, 9), huge(8, 20))
		l.Do("resume", "item")
		require.Equal(t, 5, l.Equal("item"))
		require.Empty(t, l.Failures("item"))
		_, most := memory(t, w)
		t.Logf("the worker had at most %d MiB", most)
	}, harness.Postgres, harness.PostgresSQLite)
}
