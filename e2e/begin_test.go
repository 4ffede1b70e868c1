package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// A registered map is Not running in list, status and the Web UI; nothing of it is in the databases, and a write stays
// where it is, while another map of the link is live.
func TestAcceptance01NotRunning(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, notRunning, harness.Postgres, harness.PostgresSQLite)
}

func notRunning(t *testing.T, pair harness.Pair) {
	l := beside(t, pair)
	l.Work()
	var list []harness.Report
	l.Read(&list, "list")
	require.Len(t, list, 2)
	for _, r := range list {
		require.Equal(t, harness.NotRunning, r.Status, r.Map)
	}
	s := l.Status("customers")
	require.Equal(t, harness.NotRunning, s.Status)
	require.Equal(t, "none", s.InitialSync.State)
	require.Contains(t, s.Actions, "run")
	require.Contains(t, webUI(t, l, "customers"), "Not running")
	require.Empty(t, l.Left.Captured())
	require.Empty(t, l.Right.Captured())

	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('C-1', 'before')")
	l.Do("run", "note")
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('C-2', 'after')")
	l.Right.Exec("INSERT INTO account (accountnumber, fullname) VALUES ('C-3', 'after')")
	passed(t, l)
	require.Equal(t, 2, l.Left.Int("SELECT count(*) FROM custtable"))
	require.Equal(t, 1, l.Right.Int("SELECT count(*) FROM account"))
	require.Equal(t, []string{"note"}, l.Left.Captured())
	require.Equal(t, []string{"note"}, l.Right.Captured())
	require.Equal(t, [2]int{0, 0}, l.Status("customers").Queued())
}

// webUI is what the Web UI gets to show about a map's open workflow, as JSON.
func webUI(t *testing.T, l *harness.Link, name string) string {
	t.Helper()
	query := url.QueryEscape("WorkflowId='" + l.Workflow(name) + "' AND ExecutionStatus='Running'")
	shown := ""
	l.Until("the Web UI shows "+name, func() bool {
		answer, err := http.Get(l.UI() + "/api/v1/namespaces/default/workflows?query=" + query)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		var page struct {
			Executions []struct {
				SearchAttributes struct {
					IndexedFields map[string]struct{ Data string }
				}
			}
		}
		var raw json.RawMessage
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&raw))
		require.NoError(t, json.Unmarshal(raw, &page))
		shown = decoded(string(raw))
		return len(page.Executions) == 1
	})
	return shown
}

// The initial write copies what was there before, both ways: keys on one side only come across, where both have a key
// the master's row stays. Meanwhile the map is Initializing; then it is Running, and live each way at once.
func TestAcceptance02InitialWriteBothWays(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, initialWriteBothWays, harness.Postgres, harness.PostgresSQLite)
}

func initialWriteBothWays(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, leftRange(1, 1000, "finops"), rightRange(501, 1500, "dataverse"))
	l.Work()
	require.Equal(t, harness.NotRunning, l.Status("customers").Status)
	var s harness.Report
	l.Read(&s, "run", "customers", "--no-wait")
	require.Equal(t, harness.Initializing, s.Status)
	require.Equal(t, "running", s.InitialSync.State)
	require.Empty(t, s.Actions)
	s = l.Await("customers", harness.Running)
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('D-1', 'at once')")
	l.Right.Exec("INSERT INTO account (accountnumber, fullname) VALUES ('D-2', 'at once')")
	l.Right.Becomes("SELECT fullname FROM account WHERE accountnumber = 'D-1'", "at once")
	l.Left.Becomes("SELECT name FROM custtable WHERE account = 'D-2'", "at once")

	require.Equal(t, "succeeded", s.InitialSync.State)
	require.Len(t, s.InitialSync.Legs, 2)
	for _, leg := range s.InitialSync.Legs {
		require.Equal(t, leg.Read, leg.Inserted+leg.Updated+leg.Equal+leg.Skipped+leg.Failed, "%+v", leg)
		require.Equal(t, 1000, leg.Read, "%+v", leg)
		require.Equal(t, 500, leg.Inserted, "%+v", leg)
	}
	rows := l.Same(allLeft, allRight)
	require.Len(t, rows, 1502)
	require.Equal(t, 500, strings.Count(strings.Join(rows, "\n"), "|finops|"))
	require.Equal(t, 1000, strings.Count(strings.Join(rows, "\n"), "|dataverse|"))
	require.Equal(t, "dataverse", l.Left.Text("SELECT name FROM custtable WHERE account = 'C-000501'"))
	require.Equal(t, "finops", l.Right.Text("SELECT fullname FROM account WHERE accountnumber = 'C-000500'"))
	l.Equal("customers")
}
