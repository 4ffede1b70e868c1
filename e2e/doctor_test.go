package e2e_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The doctor finds a link well that is well, and then what is wrong: no worker, what Temporal no longer knows of, a capture
// that somebody took away. What it cleans is gone from both databases, and the map runs again.
func TestDoctor(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, doctor, harness.Postgres)
}

func doctor(t *testing.T, pair harness.Pair) {
	l := harness.New(t, harness.Setup{Pair: pair, Left: leftCustomers + notes + leftRange(1, 20, "finops"),
		Right: rightCustomers + notes + rightRange(11, 30, "dataverse"), Maps: customers + notesMap})
	w := l.Work()
	require.Empty(t, ailments(t, l, 0), "before the first run")
	l.Do("run", "customers")
	require.Empty(t, ailments(t, l, 0), "Running")

	w.Kill()
	require.Contains(t, ailments(t, l, 4), "no_worker ")

	// What nobody knows of any more is a map that is neither in Temporal nor in the config: else a worker finds it again.
	for _, id := range []string{l.Workflow("customers"), l.Name + "/link"} {
		l.Temporal("workflow", "terminate", "-w", id, "--reason", "the state of Temporal is lost")
	}
	l.Configure(notesMap)
	w = l.Work()
	l.Await("note", harness.NotRunning)
	require.Contains(t, ailments(t, l, 0), "left_over customers")
	require.Contains(t, l.Do("doctor", "--clean", "--yes"), "removed: the capture and the queue of map customers")
	require.Empty(t, ailments(t, l, 0), "cleaned")
	require.Empty(t, l.Left.Captured())
	require.Empty(t, l.Right.Captured())
	if pair == harness.Postgres {
		require.Equal(t, 0, l.Left.Int("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"))
	}

	w.Stop()
	l.Configure(customers + notesMap)
	w = l.Work()
	l.Do("run", "customers")
	require.Equal(t, 30, l.Equal("customers"))
	w.Stop()
	l.Left.Uncapture("custtable")
	require.Contains(t, ailments(t, l, 4), "capture_changed ")
	l.Work()
	l.Await("customers", harness.NotRunning)
	require.Contains(t, ailments(t, l, 4), "gap customers")
}

// ailments are what the doctor finds, as codes and maps, less what the test servers lack on purpose.
func ailments(t *testing.T, l *harness.Link, exit int) []string {
	t.Helper()
	r := l.Exits(exit, "doctor", "-o", "json")
	var found []struct{ Code, Map, Message, Hint string }
	require.NoError(t, json.Unmarshal([]byte(r.Out), &found), r.Out)
	var out []string
	for _, f := range found {
		require.NotEmpty(t, f.Message)
		require.NotEmpty(t, f.Hint)
		out = append(out, f.Code+" "+f.Map)
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "durability " })
}
