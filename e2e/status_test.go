package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// In every status, what its row of the table does not allow is refused: exit code 3 that names what is allowed, a
// rejected Update, a signal that is recorded as refused. Nothing changes by any of them. What is allowed works.
func TestAcceptance09StatusesAndActions(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, statusesAndActions, harness.Postgres)
}

func statusesAndActions(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, leftRange(1, 60000, "finops"), "")
	l.Work()
	refuses(t, l, harness.NotRunning, "pause", "resume", "stop", "discard")

	l.Do("run", "customers", "--no-wait")
	release := l.Right.Hold()
	refuses(t, l, harness.Initializing, "run", "pause", "resume", "stop", "skip-sync", "discard")
	release()
	l.Await("customers", harness.Running)
	refuses(t, l, harness.Running, "run", "resume", "skip-sync", "discard")

	l.Do("pause", "customers")
	refuses(t, l, harness.Paused, "pause", "stop", "skip-sync", "discard")
	l.Exits(3, "run", "customers", "--master", "finops")
	l.Left.Exec(leftRange(100001, 100100, "queued"))
	l.Until("they are queued", func() bool { return l.Status("customers").Queued() == [2]int{100, 0} })

	release = l.Right.Hold()
	l.Do("run", "customers", "--no-wait")
	refuses(t, l, harness.Resuming, "run", "pause", "resume", "stop", "skip-sync", "discard")
	release()
	l.Await("customers", harness.Running)
	l.Equal("customers")
	l.Do("stop", "customers")
	require.Equal(t, harness.NotRunning, l.Status("customers").Status)
	l.Do("skip-sync", "customers")
	require.Equal(t, harness.Running, l.Status("customers").Status)
}

// refuses checks that a map has a status and refuses commands by each of the three ways.
func refuses(t *testing.T, l *harness.Link, status harness.Status, commands ...string) {
	t.Helper()
	before := l.Await("customers", status)
	for _, command := range commands {
		require.NotContains(t, before.Actions, command)
		r := l.Exits(3, command, "customers", "-o", "json")
		var said struct {
			Error struct{ Code, Message, Hint string }
		}
		require.NoError(t, json.Unmarshal([]byte(r.Err), &said), r.Err)
		for _, action := range before.Actions {
			require.Contains(t, said.Error.Message+said.Error.Hint, action, "%s while %s names what is allowed", command, status)
		}
		update := l.TryTemporal("workflow", "update", "execute", "-w", l.Workflow("customers"), "--name", command)
		require.NotZero(t, update.Exit, "Update %s while %s", command, status)
		l.Temporal("workflow", "signal", "-w", l.Workflow("customers"), "--name", command, "--input", `{"actor": "`+marked(status, command)+`"}`)
		l.Until(command+" is recorded as refused while "+string(status), func() bool {
			details := l.Temporal("workflow", "metadata", "-w", l.Workflow("customers"), "-o", "json")
			_, refused, _ := strings.Cut(details, "Refused")
			return strings.Contains(refused, marked(status, command))
		})
	}
	after := l.Status("customers")
	require.Equal(t, before.Status, after.Status)
	require.Equal(t, before.Since, after.Since)
}

// marked names who sends a signal, so that it can be told from others.
func marked(status harness.Status, command string) string {
	return fmt.Sprintf("%s-%s", strings.ReplaceAll(strings.ToLower(string(status)), " ", "-"), command)
}

// Stop takes the map off both sides: no capture, no queue, no growing log; later writes stay where they are, while
// another map of the link is live. Run again, it pairs what has diverged.
func TestAcceptance10Stop(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, stopLeavesNothing, harness.Postgres, harness.PostgresSQLite)
}

func stopLeavesNothing(t *testing.T, pair harness.Pair) {
	// What the owner of a table has prepared stays, and with it the table's changes in the log.
	l := harness.New(t, harness.Setup{Pair: pair, Superuser: true, Left: leftCustomers + notes, Right: rightCustomers + notes, Maps: customers + notesMap})
	l.Left.Exec(leftRange(1, 100, "finops"))
	l.Work()
	l.Do("run", "note")
	l.Do("run", "customers")
	require.Equal(t, []string{"custtable", "note"}, l.Left.Captured())
	l.Do("stop", "customers")
	s := l.Status("customers")
	require.Equal(t, harness.NotRunning, s.Status)
	require.Equal(t, [2]int{0, 0}, s.Queued())
	require.Equal(t, []string{"note"}, l.Left.Captured())
	require.Equal(t, []string{"note"}, l.Right.Captured())

	l.Left.Exec(leftRange(1001, 2000, "later"), "DELETE FROM custtable WHERE account = 'C-000001'")
	l.Right.Exec(rightRange(3001, 4000, "later"), "UPDATE account SET fullname = 'dataverse' WHERE accountnumber = 'C-000002'")
	passed(t, l)
	require.Equal(t, 1099, l.Left.Int("SELECT count(*) FROM custtable"))
	require.Equal(t, 1100, l.Right.Int("SELECT count(*) FROM account"))
	require.Equal(t, "finops", l.Left.Text("SELECT name FROM custtable WHERE account = 'C-000002'"))
	l.Left.Forgets()
	l.Right.Forgets()
	require.Equal(t, [2]int{0, 0}, l.Status("customers").Queued())

	l.Do("stop", "note")
	require.Empty(t, l.Left.Captured())
	require.Empty(t, l.Right.Captured())
	l.Do("run", "customers")
	require.Equal(t, 2100, l.Equal("customers"))
	require.Equal(t, "dataverse", l.Left.Text("SELECT name FROM custtable WHERE account = 'C-000002'"))
}
