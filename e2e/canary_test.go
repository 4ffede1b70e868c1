package e2e_test

import (
	"bytes"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// Values of rows and passwords reach neither Temporal's store and log nor the worker's log, whatever fails: an initial
// write, live writes, a conflict, a refused value, a server that goes away. Lists of errors show values: they are asked
// of the databases.
func TestCanaries(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, canaries, harness.Postgres)
}

const (
	canaryCell     = "canary-of-a-cell"
	canaryKey      = "canary-of-a-key"
	canaryPassword = "canary-of-a-password"
)

func canaries(t *testing.T, pair harness.Pair) {
	server := harness.StartTemporal(t)
	unique := "CREATE UNIQUE INDEX one ON account (fullname);"
	l := harness.New(t, harness.Setup{Pair: pair, Server: server, Maps: customers, Password: canaryPassword,
		Left:  leftCustomers + "INSERT INTO custtable (account, name) VALUES ('" + canaryKey + "-1', '" + canaryCell + "'), ('" + canaryKey + "-2', '" + canaryCell + "'), ('" + canaryKey + "-9', '" + canaryCell + " 9')",
		Right: rightCustomers + unique})
	w := l.Work()
	l.Exits(4, "run", "customers") // the second row is refused
	require.Contains(t, l.Do("errors", "customers"), canaryCell)
	l.Do("skip-sync", "customers")
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('" + canaryKey + "-3', '" + canaryCell + "')")
	l.AwaitHealth("customers", "held")
	l.Do("pause", "customers")
	l.Left.Exec("UPDATE custtable SET name = '" + canaryCell + " left' WHERE account = '" + canaryKey + "-9'")
	l.Right.Exec("UPDATE account SET fullname = '" + canaryCell + " right' WHERE accountnumber = '" + canaryKey + "-9'")
	l.Do("resume", "customers")
	l.Until("a conflict is listed", func() bool { return l.Status("customers").Streams[0].Conflicts > 0 })
	l.Exits(4, "retry", "customers")
	require.Contains(t, l.Do("conflicts", "customers"), canaryCell)
	l.Do("stop", "customers")
	w.Stop()

	said := w.Output()
	require.Contains(t, said, "ready", "the worker's log is looked at")
	for _, canary := range []string{canaryCell, canaryKey, canaryPassword} {
		require.NotContains(t, said, canary, "the worker's log")
	}
	server.Kill()
	files := 0
	require.NoError(t, filepath.WalkDir(server.Folder(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, canary := range []string{canaryCell, canaryKey, canaryPassword, url.QueryEscape(canaryCell)} {
			require.False(t, bytes.Contains(data, []byte(canary)), "%s is in %s", canary, path)
		}
		if bytes.Contains(data, []byte(l.Workflow("customers"))) {
			files++
		}
		return err
	}))
	require.NotZero(t, files, "the store was looked at: it knows the map")
}
