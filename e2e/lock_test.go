package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// A table that a user keeps locked does not stop the link: its map alone goes to its queue, stays Running, and catches up.
func TestALockedTableStopsNoOtherMap(t *testing.T) {
	t.Parallel()
	l := postgresLink(t, things, things, thingMaps, "item", "other")

	release := l.Right.Hold("item")
	l.Left.Exec("BEGIN", "INSERT INTO item VALUES (1, 'left')", "INSERT INTO other VALUES (1, 'left')", "COMMIT")
	l.Right.Becomes("SELECT count(*) FROM other", "1")
	l.AwaitHealth("item", "catching-up")
	require.Equal(t, harness.Running, l.Status("item").Status)
	require.Equal(t, "ok", l.Status("other").Health)
	l.Left.Exec("UPDATE item SET value = 'again' WHERE id = 1", "INSERT INTO item VALUES (2, 'left')", "INSERT INTO other VALUES (2, 'left')")
	l.Right.Becomes("SELECT count(*) FROM other", "2")
	require.Equal(t, 0, l.Right.Int("SELECT count(*) FROM item"))

	release()
	l.Right.Becomes("SELECT count(*) FROM item", "2")
	l.AwaitHealth("item", "ok")
	l.Right.Exec("UPDATE item SET value = 'right' WHERE id = 2")
	l.Left.Becomes("SELECT value FROM item WHERE id = 2", "right")
	require.Equal(t, 2, l.Equal("item"))
	require.Empty(t, l.Failures("item"))
}
