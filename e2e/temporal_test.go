package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The stock `temporal` command alone lists maps by status, reads details and heartbeats, signals every command, and
// has a failed initial sync tried again. No value of a row is to be seen by it.
func TestAcceptance25TemporalAlone(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, temporalAlone)
}

func temporalAlone(t *testing.T, pair harness.Pair) {
	l := badLink(t, pair)
	w := l.Workflow("person")
	signal := func(name string) { l.Temporal("workflow", "signal", "-w", w, "--name", name) }
	awaits := func(status harness.Status) {
		t.Helper()
		l.Until("Temporal lists the map as "+string(status), func() bool {
			listed := l.Temporal("workflow", "list", "-q", fmt.Sprintf("DualwriteStatus='%s' AND DualwriteLink='%s' AND ExecutionStatus='Running'", status, l.Name))
			return strings.Contains(listed, w) && asked(t, l, w).Status == status
		})
	}
	awaits(harness.NotRunning)
	signal("run")
	l.Until("the initial sync has failed", func() bool { return asked(t, l, w).InitialSync.State == "failed" })
	awaits(harness.NotRunning)
	require.Contains(t, l.Temporal("workflow", "metadata", "-w", w), "37")
	signal("skip-sync")
	awaits(harness.Running)
	metadata := l.Temporal("workflow", "metadata", "-w", w)
	require.Contains(t, metadata, "--name pause")
	_, signals, _ := strings.Cut(metadata, "Signal Definitions")
	signals, _, _ = strings.Cut(signals, "Update Definitions")
	for _, name := range []string{"run", "pause", "resume", "stop", "skip-sync", "discard"} {
		require.Contains(t, signals, "    "+name+" ", "a signal that people can send")
	}
	l.Left.Exec("UPDATE person SET name = 'a secret' WHERE id = 'P-00001'")
	l.Right.Becomes("SELECT name FROM person WHERE id = 'P-00001'", "a secret")
	l.Until("the heartbeats count it", func() bool {
		described := l.Temporal("workflow", "describe", "-w", w, "-o", "json")
		return strings.Contains(described, "LiveWrites") && strings.Contains(strings.ToLower(described), "applied")
	})
	signal("pause")
	awaits(harness.Paused)
	signal("resume")
	awaits(harness.Running)
	l.Temporal("workflow", "update", "execute", "-w", w, "--name", "pause", "--input", `{"actor": "somebody"}`)
	awaits(harness.Paused)
	l.Temporal("workflow", "update", "execute", "-w", w, "--name", "run")
	awaits(harness.Running)
	signal("stop")
	awaits(harness.NotRunning)
	l.Left.Exec("UPDATE person SET name = 'x' WHERE name IS NULL", "UPDATE person SET credit = 7 WHERE credit = 'much'",
		"UPDATE person SET grp = '10' WHERE grp = 'none'", "UPDATE person SET email = id WHERE email = 'e1'")
	signal("run")
	awaits(harness.Running)
	require.NotContains(t, l.Temporal("workflow", "show", "-w", w, "-o", "json"), "a secret")
}

// asked is the answer of the workflow's query.
func asked(t *testing.T, l *harness.Link, workflow string) harness.Report {
	t.Helper()
	r := l.TryTemporal("workflow", "query", "-w", workflow, "--type", "status", "-o", "json")
	var answer struct{ QueryResult []harness.Report }
	if r.Exit != 0 || json.Unmarshal([]byte(r.Out), &answer) != nil || len(answer.QueryResult) != 1 {
		return harness.Report{} // between two runs of the workflow
	}
	return answer.QueryResult[0]
}
