package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Mended in part, a rerun leaves the rest and writes only what was missing; mended wholly, the map is Running. A run
// with nothing to do writes nothing.
func TestAcceptance20Rerun(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, rerunWritesWhatIsMissing, harness.Postgres)
}

func rerunWritesWhatIsMissing(t *testing.T, pair harness.Pair) {
	l := badLink(t, pair)
	l.Exits(4, "run", "person")
	l.Left.Exec("UPDATE person SET name = 'mended' WHERE name IS NULL", "UPDATE person SET credit = 7 WHERE credit = 'much'", "UPDATE person SET grp = '10' WHERE grp = 'none'")
	audited := [2]int{l.Left.Int("SELECT count(*) FROM audit"), l.Right.Int("SELECT count(*) FROM audit")}
	l.Exits(4, "run", "person")
	require.Equal(t, 7, l.Status("person").InitialSync.Legs[0].Failed)
	require.Len(t, l.Failures("person"), 7)
	require.Equal(t, audited[0], l.Left.Int("SELECT count(*) FROM audit"))
	require.Equal(t, audited[1]+30, l.Right.Int("SELECT count(*) FROM audit"), "only what was missing")
	l.Left.Exec("UPDATE person SET email = id WHERE id BETWEEN 'P-09001' AND 'P-09007'")
	l.Do("run", "person")
	require.Equal(t, audited[1]+37, l.Right.Int("SELECT count(*) FROM audit"))
	require.Empty(t, l.Failures("person"))
	require.Equal(t, 10000, l.Equal("person"))

	l.Do("stop", "person")
	audited = [2]int{l.Left.Int("SELECT count(*) FROM audit"), l.Right.Int("SELECT count(*) FROM audit")}
	l.Do("run", "person")
	for _, leg := range l.Status("person").InitialSync.Legs {
		require.Equal(t, 10000, leg.Equal)
		require.Zero(t, leg.Inserted+leg.Updated+leg.Failed)
	}
	require.Equal(t, audited, [2]int{l.Left.Int("SELECT count(*) FROM audit"), l.Right.Int("SELECT count(*) FROM audit")})
}
