package e2e_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The machine takes `up` away in the middle of its work, so that it can clean nothing up. The next one, with the same
// state and ports, finds nothing in its way, and the maps go on from where they were.
func TestCrashUpGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, crashUpGoesOnWhereItWas)
}

func crashUpGoesOnWhereItWas(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, auditLeft, auditRight)
	up := l.Up("--port", "0", "--ui-port", "0")
	l.Do("run", "customers")
	carried(l, "first")
	server := serverOf(t, l)
	up.Kill()
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('F-1', 'while it was down')")
	l.Until("no Temporal server is left", func() bool { return syscall.Kill(server, 0) == syscall.ESRCH })
	_, port, _ := strings.Cut(l.Address(), ":")
	again := l.Up("--port", port, "--ui-port", "0")
	require.NotEqual(t, server, serverOf(t, l))
	require.Equal(t, harness.Running, l.Status("customers").Status)
	l.Right.Becomes("SELECT fullname FROM account WHERE accountnumber = 'F-1'", "while it was down")
	carried(l, "second")
	once(t, l, "F")
	again.Stop()
	require.NoFileExists(t, filepath.Join(l.Folder, ".dualwrite", "temporal.pid"))
}

// serverOf is the process of the Temporal server that `up` has started.
func serverOf(t *testing.T, l *harness.Link) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.Folder, ".dualwrite", "temporal.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return pid
}
