package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

// sick is a link of which everything is wrong that the doctor looks for.
func sick(b *bundle) {
	running(b)
	customers := b.temporal.reports["customers"]
	customers.Health, customers.Reason = tablemap.HealthRetrying, "database is locked"
	groups := b.temporal.reports["customer-groups"]
	groups.InitialSync.State, groups.Reason = tablemap.SyncFailed, "3 rows failed"
	currencies := b.temporal.reports["currencies"]
	currencies.Health, currencies.Reason = tablemap.HealthGap, "the replication slot is gone"
	b.temporal.reports = map[string]tablemap.Report{"customers": customers, "customer-groups": groups, "currencies": currencies,
		"stopped": {Map: "stopped", Status: tablemap.NotRunning, Reason: "a TRUNCATE."},
		"paused":  {Map: "paused", Status: tablemap.Paused, Reason: "1,000 rows failed"}}
	b.ledgers.live["paused"] = replication.MapLive{Streams: [2]tablemap.StreamStats{{Queued: 200_000}, {}}}
	b.ledgers.condition = []replication.Finding{{Code: "log_held", Side: "finops", Severity: "warning", Message: "the server keeps 2 GB of log", Hint: "see to it"}}
	findings("error")(b)
}

// leftOver is a link of which things are left on the databases.
func leftOver(b *bundle) {
	b.ledgers.orphans = []replication.Orphan{{Map: "notes"}, {Side: "finops", Table: "old"}, {Side: "dataverse"}}
}

// Nothing is removed but what a person agrees to, and that no map needs by then.
func TestDoctorRemovesWhatIsAgreedTo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer, line string
		meanwhile          tablemap.Report
		exit               int
		removed            []string
	}{
		{"agreed", "y\n", "doctor --clean", tablemap.Report{}, exitDone, []string{"notes", "old", ""}},
		{"refused", "n\n", "doctor --clean", tablemap.Report{}, exitDone, nil},
		{"no answer", "", "doctor --clean", tablemap.Report{}, exitDone, nil},
		{"run meanwhile", "y\n", "doctor --clean", tablemap.Report{Status: tablemap.Running}, exitDone, []string{"old", ""}},
		{"kept for skip-sync", "y\n", "doctor --clean", tablemap.Report{Status: tablemap.NotRunning, Actions: []tablemap.Command{tablemap.Run, tablemap.SkipSync, tablemap.Discard}},
			exitDone, []string{"old", ""}},
		{"looked at", "", "doctor", tablemap.Report{}, exitDone, nil},
		{"nobody to ask", "", "doctor --clean -o json", tablemap.Report{}, exitUsage, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			leftOver(b)
			b.program.terminal.in = true
			b.program.in = reader(func() string {
				if c.meanwhile.Status != "" {
					c.meanwhile.Map = "notes"
					b.temporal.reports["notes"] = c.meanwhile
				}
				return c.answer
			})
			if exit := b.run(t, c.line); exit != c.exit {
				t.Errorf("exit code %d: %s", exit, b.err)
			}
			var removed []string
			for _, o := range b.ledgers.removed {
				removed = append(removed, o.Map+o.Table)
			}
			if !slices.Equal(removed, c.removed) {
				t.Errorf("removed %q, expected %q", removed, c.removed)
			}
		})
	}
}

// reader is an input that says what a function returns, once it is read.
type reader func() string

func (r reader) Read(p []byte) (int, error) { return strings.NewReader(r()).Read(p) }

// What the doctor finds is in docs/checks.md, with the same severity.
func TestAilmentsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/checks.md")
	if err != nil {
		t.Fatal(err)
	}
	for code, severity := range ailments() {
		row := regexp.MustCompile("(?m)^\\| (`[a-z_]+`, )?`" + code + "`(, `[a-z_]+`)? \\| " + severity + " \\|")
		if !row.Match(page) {
			t.Errorf("docs/checks.md does not have %s as %s", code, severity)
		}
	}
}
