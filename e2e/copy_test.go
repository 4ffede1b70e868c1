package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// The initial write with writers on both sides. Customers up to C-001500 and those named L-… are written in finops
// alone, from C-003001 on and R-… in dataverse alone, the others in both. What only one side writes must be, on both
// sides, what that side's application left: no write lost, reverted or resurrected, and no row inserted twice.
func TestAcceptance03InitialWriteUnderLoad(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, initialWriteUnderLoad, harness.Postgres, harness.PostgresSQLite)
}

func initialWriteUnderLoad(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, auditLeft+leftRange(1, 3000, "finops"), auditRight+rightRange(1501, 4500, "dataverse"))
	l.Work()
	stopLeft := l.Left.Load(func(i int) string { return loadOf(i, names{"custtable", "account", "name", "L", 1}) })
	stopRight := l.Right.Load(func(i int) string { return loadOf(i, names{"account", "accountnumber", "fullname", "R", 3001}) })
	l.Right.Exceeds("SELECT count(*) FROM account WHERE accountnumber LIKE 'R-%'", 20)
	l.Left.Exceeds("SELECT count(*) FROM custtable WHERE account LIKE 'L-%'", 20)
	l.Do("run", "customers")
	after := l.Left.Int("SELECT max(n) FROM audit")
	l.Left.Exceeds("SELECT max(n) FROM audit", after+200)
	require.Greater(t, stopLeft(), 200)
	require.Greater(t, stopRight(), 200)

	ownLeft := "SELECT account, name FROM custtable WHERE account <= 'C-001500' OR account LIKE 'L-%' ORDER BY account"
	ownRight := "SELECT accountnumber, fullname FROM account WHERE accountnumber BETWEEN 'C-003001' AND 'C-999999' OR accountnumber LIKE 'R-%' ORDER BY accountnumber"
	wantLeft, wantRight := l.Left.Rows(ownLeft), l.Right.Rows(ownRight)
	l.Equal("customers")
	l.Same(allLeft, allRight)
	require.Equal(t, wantLeft, l.Left.Rows(ownLeft), "what finops alone has written, in finops")
	require.Equal(t, wantRight, l.Right.Rows(ownRight), "what dataverse alone has written, in dataverse")
	const twice = "SELECT account FROM audit WHERE op = 'i' AND account LIKE '%s' GROUP BY account HAVING count(*) > 1"
	require.Empty(t, l.Right.Rows(fmt.Sprintf(twice, "L-%")))
	require.Empty(t, l.Left.Rows(fmt.Sprintf(twice, "R-%")))
}

// names are the table of customers on one side, what its own new customers are called, and the first of those that are
// its own.
type names struct {
	table, key, name, prefix string
	first                    int
}

// loadOf is statement i of the load: an insert, an update of it, a delete of every third one, an update of a customer
// that this side alone writes (from first on), one of a customer that both write.
func loadOf(i int, of names) string {
	switch i % 5 {
	case 0:
		return fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES ('%s-%06d', 'inserted')", of.table, of.key, of.name, of.prefix, i)
	case 1:
		return fmt.Sprintf("UPDATE %s SET %s = 'updated' WHERE %s = '%s-%06d'", of.table, of.name, of.key, of.prefix, i-1)
	case 2:
		if i/5%3 == 0 {
			return fmt.Sprintf("DELETE FROM %s WHERE %s = '%s-%06d'", of.table, of.key, of.prefix, i-2)
		}
		return fmt.Sprintf("DELETE FROM %s WHERE %s = 'C-%06d'", of.table, of.key, of.first+i*7%1500)
	case 3:
		return fmt.Sprintf("UPDATE %s SET %s = '%s-%d' WHERE %s = 'C-%06d'", of.table, of.name, of.prefix, i, of.key, 1501+i*11%1500)
	}
	return fmt.Sprintf("UPDATE %s SET %s = '%s-%d' WHERE %s = 'C-%06d'", of.table, of.name, of.prefix, i, of.key, of.first+i*3%1500)
}

// A worker and Temporal are killed in the middle of the initial write. Started again, it goes on by itself and ends the
// same: every row on both sides, each inserted once.
func TestAcceptance04InitialWriteAfterCrash(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, initialWriteAfterCrash, harness.Postgres)
}

func initialWriteAfterCrash(t *testing.T, pair harness.Pair) {
	server := harness.StartTemporal(t)
	l := harness.New(t, harness.Setup{Pair: pair, Server: server, Maps: customers,
		Left:  leftCustomers + auditLeft + leftRange(1, 50000, "finops"),
		Right: rightCustomers + auditRight + rightRange(40001, 70000, "dataverse")})
	w := l.Work()
	l.Do("run", "customers", "--no-wait")
	l.Right.Exceeds("SELECT count(*) FROM account", 31000)
	w.Kill()
	server.Kill()
	require.Less(t, l.Right.Int("SELECT count(*) FROM account"), 70000, "killed in the middle")
	server.Start()
	l.Work()
	s := l.Await("customers", harness.Running)
	require.Equal(t, "succeeded", s.InitialSync.State)
	require.Equal(t, 70000, l.Equal("customers"))
	l.Same(allLeft, allRight)
	const twice = "SELECT account FROM audit WHERE op = 'i' GROUP BY account HAVING count(*) > 1"
	require.Empty(t, l.Left.Rows(twice))
	require.Empty(t, l.Right.Rows(twice))
	require.Equal(t, 0, l.Right.Int("SELECT count(*) FROM audit WHERE op <> 'i'"))
}

// A map is Running only when live both ways: rows written as soon as any reader sees Running arrive, each way. Its past
// is in Temporal: one run of its workflow per status.
func TestAcceptance05RunningIsLiveBothWays(t *testing.T) {
	t.Parallel()
	harness.Pairs(t, runningIsLiveBothWays, harness.Postgres)
}

func runningIsLiveBothWays(t *testing.T, pair harness.Pair) {
	l := customersLink(t, pair, leftRange(1, 20000, "finops"), "")
	l.Work()
	l.Do("run", "customers", "--no-wait")
	var seen []harness.Status
	l.Until("customers is Running", func() bool {
		now := l.Status("customers").Status
		seen = append(seen, now)
		return now == harness.Running
	})
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('D-1', 'at once')")
	l.Right.Exec("INSERT INTO account (accountnumber, fullname) VALUES ('D-2', 'at once')")
	l.Right.Becomes("SELECT fullname FROM account WHERE accountnumber = 'D-1'", "at once")
	l.Left.Becomes("SELECT name FROM custtable WHERE account = 'D-2'", "at once")
	require.Equal(t, []harness.Status{harness.Initializing, harness.Running}, slices.Compact(seen))
	require.Equal(t, []string{"Not running", "Initializing", "Running"}, past(t, l, "customers"))
}

// past are the statuses that a map has had: what each run of its workflow began with, oldest first.
func past(t *testing.T, l *harness.Link, name string) []string {
	t.Helper()
	var runs []struct {
		Execution struct{ RunID string }
		StartTime string
	}
	query := "WorkflowId='" + l.Workflow(name) + "'"
	l.Until("Temporal lists the open run of "+name, func() bool {
		require.NoError(t, json.Unmarshal([]byte(l.Temporal("workflow", "list", "-q", query, "-o", "json")), &runs))
		open := l.Temporal("workflow", "count", "-q", query+" AND ExecutionStatus='Running'")
		return strings.Contains(open, "1")
	})
	slices.SortFunc(runs, func(a, b struct {
		Execution struct{ RunID string }
		StartTime string
	}) int {
		return strings.Compare(a.StartTime, b.StartTime)
	})
	var all []string
	for _, r := range runs {
		var history struct {
			Events []struct {
				Started struct {
					Input struct{ Payloads []struct{ Data []byte } }
				} `json:"workflowExecutionStartedEventAttributes"`
			}
		}
		out := l.Temporal("workflow", "show", "-w", l.Workflow(name), "-r", r.Execution.RunID, "-o", "json")
		require.NoError(t, json.Unmarshal([]byte(out), &history))
		require.NotEmpty(t, history.Events)
		input := history.Events[0].Started.Input.Payloads
		require.Len(t, input, 1)
		var began struct{ Status string }
		require.NoError(t, json.Unmarshal(input[0].Data, &began))
		all = append(all, began.Status)
	}
	return all
}
