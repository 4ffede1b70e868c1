package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

var update = flag.Bool("update", false, "write the golden files")

// TestOutput compares what commands print, to the byte, with files of testdata.
func TestOutput(t *testing.T) {
	t.Parallel()
	cases := []struct {
		file, line string
		given      func(*bundle)
	}{
		{"help", "--help", nil},
		{"list", "list", running},
		{"list.json", "list -o json", running},
		{"list-left", "list", leftBehind},
		{"status-left", "status old", leftBehind},
		{"stop-left", "stop old", leftBehind},
		{"list-without-databases", "list", func(b *bundle) { running(b); databasesDown(b) }},
		{"status", "status customers", running},
		{"status.json", "status customers -o json", running},
		{"status-not-run.json", "status notes -o json", nil},
		{"related", "related customers", running},
		{"related.json", "related customers -o json", running},
		{"related-none", "related notes", nil},
		{"run", "run customers", becomes(tablemap.Running, tablemap.SyncSucceeded)},
		{"run.json", "run customers -o json", becomes(tablemap.Running, tablemap.SyncSucceeded)},
		{"run-failed", "run customers", becomes(tablemap.NotRunning, tablemap.SyncFailed)},
		{"run-related", "run customers --related", relatedFail(workflows.ErrorFailed, 3)},
		{"run-related.json", "run customers --related -o json", relatedFail(workflows.ErrorFailed, 3)},
		{"run-broken-order", "run customers --related --order customers,currencies", nil},
		{"errors", "errors customers", failed},
		{"errors-page", "errors customers --limit 1 --offset 1", failed},
		{"errors.json", "errors customers -o json", failed},
		{"errors.csv", "errors customers -o csv", failed},
		{"errors-none", "errors customers", nil},
		{"conflicts", "conflicts customers", conflicting},
		{"conflicts.json", "conflicts customers -o json", conflicting},
		{"check", "check", findings("error")},
		{"check.json", "check -o json", findings("warning")},
		{"check-well", "check", nil},
		{"doctor", "doctor", sick},
		{"doctor.json", "doctor -o json", sick},
		{"doctor-well", "doctor", running},
		{"doctor-clean", "doctor --clean --yes", leftOver},
		{"doctor-without-temporal", "doctor", func(b *bundle) { leftOver(b); temporalDown(b) }},
		{"preview", "preview customers", different},
		{"preview.json", "preview customers -o json", different},
		{"verify", "verify customers", different},
		{"verify.json", "verify customers -o json", different},
		{"verify-repair", "verify customers --repair", func(b *bundle) { different(b); b.ledgers.verified.OK = true }},
		{"verify-repair-left", "verify customers --repair", different},
		{"retry", "retry customers", left},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if c.given != nil {
				c.given(b)
			}
			exit := b.run(t, c.line)
			compare(t, c.file, "$ dualwrite "+c.line+"\n"+b.out.String()+"--- stderr, exit "+string(rune('0'+exit))+"\n"+b.err.String())
		})
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", path, got, want)
	}
	for line := range strings.Lines(got) {
		if strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
			t.Errorf("blanks at the end of %q", line)
		}
	}
}

func running(b *bundle) {
	b.temporal.reports["customers"] = tablemap.Report{Map: "customers", Status: tablemap.Running, Since: moment(), Master: "dataverse",
		Actions: []tablemap.Command{tablemap.Pause, tablemap.Stop}, Related: []string{"customer-groups", "currencies"},
		InitialSync: tablemap.InitialSync{State: tablemap.SyncSucceeded, Legs: []tablemap.Leg{
			{From: "dataverse", To: "finops", Read: 1000, Inserted: 500, Equal: 500},
			{From: "finops", To: "dataverse", Read: 12000, Inserted: 500, Updated: 1, Equal: 500, Skipped: 10999}}},
		Health: tablemap.HealthOK, Pending: "the config has changed since this run began; it takes effect at the next run"}
	delete(b.temporal.reports, "notes")
	b.ledgers.live = map[string]replication.MapLive{"customers": {Streams: [2]tablemap.StreamStats{
		{From: "finops", To: "dataverse", Applied: 12345, Queued: 0, LagMs: 3},
		{From: "dataverse", To: "finops", Applied: 7, Queued: 10, Held: 2, Conflicts: 1, LagMs: 65_000}}}}
}

// leftBehind has Temporal know a map that the config no longer has.
func leftBehind(b *bundle) {
	b.temporal.reports["old"] = tablemap.Report{Map: "old", Status: tablemap.NotRunning, Since: moment(), Master: "dataverse",
		Actions: []tablemap.Command{tablemap.Run}, Pending: "the config no longer has this map"}
}

func failed(b *bundle) {
	b.ledgers.failures = []replication.RowFailure{
		{ID: 1, Phase: "initial", From: "finops", To: "dataverse", Key: map[string]any{"customeraccount": "C-1"}, Column: "name",
			Code: string(store.CodeNotNull), Message: "name must not be null", Attempts: 1, At: moment(),
			Values: map[string]any{"customeraccount": "C-1", "organizationname": nil, "creditlimit": "10.50"}},
		{ID: 2, Phase: "live", From: "dataverse", To: "finops", Key: map[string]any{"accountnumber": "C-2"}, Column: "custgroup",
			Code: string(store.CodeMissingParent), Message: "custgroup has no row 30; run customer-groups", Attempts: 3, At: moment(),
			Values: map[string]any{"accountnumber": "C-2", "name": "Fabrikam, \"Inc\"\x1b[2J", "code": 7}},
	}
}

func conflicting(b *bundle) {
	b.ledgers.conflicts = []replication.Conflict{
		{ID: 7, At: moment(), Key: map[string]any{"accountnumber": "C-1"}, Winner: "dataverse",
			Winning: map[string]any{"name": "B"}, Losing: map[string]any{"name": "A"}},
		{ID: 8, At: moment(), Key: map[string]any{"accountnumber": "C-2"}, Winner: "dataverse", Winning: map[string]any{"name": "B"}}}
}

func different(b *bundle) {
	b.ledgers.verified = replication.VerifyResult{Map: "customers", OnlyLeft: 1, OnlyRight: 2, Different: 3, Equal: 9994}
}
