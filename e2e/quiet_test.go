package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Copies, backlogs of both sides that meet each other, and queues that are played back stay out of the logs that we read
// ourselves, and the two sides are as they would be otherwise.
func TestLargeTransactionsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	// It takes a role that owns the publication.
	const table = "CREATE TABLE item (id int PRIMARY KEY, value text NOT NULL, n int)"
	l := harness.New(t, harness.Setup{Pair: harness.Postgres, Superuser: true, Left: table, Right: table, Maps: "item: {}", Master: "finops"})
	w := l.Work()
	wrote := func() [2]int { // rows of the table that tells of such transactions, of which none is left
		const sql = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM dualwrite.wrote_id_seq"
		for _, side := range []*harness.Database{l.Left, l.Right} {
			require.Zero(t, side.Int("SELECT count(*) FROM dualwrite.wrote"))
			require.Equal(t, "true", side.Text("SELECT (pubinsert AND pubupdate AND pubdelete AND pubtruncate)::text FROM pg_publication WHERE pubname = 'dualwrite_tables'"))
		}
		return [2]int{l.Left.Int(sql), l.Right.Int(sql)}
	}
	l.Left.Exec("INSERT INTO item SELECT value, 'old', value FROM generate_series(1, 4000)")
	l.Do("run", "item", "--yes")
	l.Equal("item")
	copied := wrote()
	require.Positive(t, copied[1], "the copy")

	w.Stop()
	l.Left.Exec("UPDATE item SET value = 'left' WHERE id <= 3000", "DELETE FROM item WHERE id BETWEEN 2900 AND 3000",
		"INSERT INTO item SELECT value, 'new left', 1 FROM generate_series(5001, 5600)")
	l.Right.Exec("UPDATE item SET value = 'right' WHERE id > 2000", "DELETE FROM item WHERE id BETWEEN 3900 AND 4000",
		"INSERT INTO item SELECT value, 'new right', 1 FROM generate_series(6001, 6600)")
	l.Work()
	l.Right.Becomes("SELECT count(*) FROM item WHERE value = 'left'", "2899")
	l.Left.Becomes("SELECT count(*) FROM item WHERE value = 'right'", "899")
	l.Left.Becomes("SELECT count(*) FROM item WHERE id > 5000", "1200")
	l.Right.Becomes("SELECT count(*) FROM item WHERE id > 5000", "1200")
	require.Zero(t, l.Right.Int("SELECT count(*) FROM item WHERE id BETWEEN 2900 AND 3000"))
	l.Equal("item")
	drained := wrote()
	require.Greater(t, drained[0], copied[0], "the right side's backlog")
	require.Greater(t, drained[1], copied[1], "the left side's backlog")

	l.Do("pause", "item")
	l.Left.Exec("UPDATE item SET value = 'paused' WHERE id <= 1500")
	l.Right.Exec("UPDATE item SET n = 7 WHERE id > 3000")
	l.Do("resume", "item")
	l.Right.Becomes("SELECT count(*) FROM item WHERE value = 'paused'", "1500")
	l.Left.Becomes("SELECT count(*) FROM item WHERE n = 7 AND id > 3000", "2099")
	l.Equal("item")
	played := wrote()
	require.Greater(t, played[0], drained[0], "the right side's queue")
	require.Greater(t, played[1], drained[1], "the left side's queue")
	require.Empty(t, l.Failures("item"))
}
