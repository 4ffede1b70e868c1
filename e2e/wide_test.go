package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Tables that are wider than the server lets a function be, by which rows are written together, go every way that others do.
func TestWideTable(t *testing.T) {
	t.Parallel()
	const columns = 1500
	var list strings.Builder
	for n := range columns {
		fmt.Fprintf(&list, ", c%d int", n)
	}
	table := "CREATE TABLE item (id int PRIMARY KEY" + list.String() + ")"
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Left: table, Right: table, Maps: "item: {}", Master: "finops"})
	l.Left.Exec("INSERT INTO item (id, c1) VALUES (1, 1), (2, 2), (3, 3), (4, 4)")
	l.Work()
	l.Do("run", "item", "--yes")
	require.Equal(t, 4, l.Equal("item"))
	l.Left.Exec("INSERT INTO item (id, c7, c1499) VALUES (5, 5, 5)", "UPDATE item SET c1499 = id, c5 = NULL, c1 = 0 WHERE id < 3", "DELETE FROM item WHERE id = 3")
	l.Right.Becomes("SELECT count(*) FROM item WHERE id = 3", "0")
	require.Equal(t, 4, l.Equal("item"))
	l.Right.Exec("UPDATE item SET c1200 = 1 WHERE id = 5", "UPDATE item SET id = 10 WHERE id = 1")
	l.Left.Becomes("SELECT count(*) FROM item WHERE id = 10", "1")
	l.Do("pause", "item")
	l.Right.Exec("UPDATE item SET c3 = 3", "DELETE FROM item WHERE id = 2", "INSERT INTO item (id, c1499) VALUES (6, 6)")
	l.Do("resume", "item")
	require.Equal(t, 4, l.Equal("item"))
	require.Equal(t, 4, l.Left.Int("SELECT count(*) FROM item"))
	require.Empty(t, l.Failures("item"))
}
