package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dualwrite/dualwrite/config"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, line string
		given      func(*bundle)
		exit       int
		code       string // of the JSON; "" on success
		says       string // part of message or hint
	}{
		{"no command", "", nil, exitDone, "", ""},
		{"unknown command", "preveiw", nil, exitUsage, "usage", `unknown command "preveiw"`},
		{"misspelt command", "lst", nil, exitUsage, "usage", "dualwrite list"},
		{"unknown flag", "list --nope", nil, exitUsage, "usage", "--nope"},
		{"flag without value", "list --timeout", nil, exitUsage, "usage", "--timeout"},
		{"bad duration", "list --timeout soon", nil, exitUsage, "usage", "soon"},
		{"negative duration", "list --timeout -1s", nil, exitUsage, "usage", "negative"},
		{"no map", "status", nil, exitUsage, "usage", "needs the name"},
		{"two maps", "pause a b", nil, exitUsage, "usage", "one map"},
		{"argument of list", "list customers", nil, exitUsage, "usage", "no arguments"},
		{"unknown map", "status customer", nil, exitUsage, "unknown_map", "did you mean customers?"},
		{"unknown map of check", "check zzz", nil, exitUsage, "unknown_map", "customers, customer-groups"},
		{"unknown side", "run customers --master dataverze", nil, exitUsage, "unknown_side", "dataverse"},
		{"unknown map of with", "run customers --with curencies", nil, exitUsage, "unknown_map", "currencies"},
		{"related and with", "run customers --related --with notes", nil, exitUsage, "usage", "together"},
		{"unknown phase", "errors customers --phase late", nil, exitUsage, "usage", "late"},
		{"negative limit", "errors customers --limit -1", nil, exitUsage, "usage", "negative"},
		{"key without value", "retry customers --key account", nil, exitUsage, "usage", "account"},
		{"ports", "up --port 1 --ui-port 1", nil, exitUsage, "usage", "two ports"},
		{"log level", "worker --log-level loud", nil, exitUsage, "usage", "loud"},
		{"config", "list", badConfig, exitUsage, "config", "line 3"},
		{"no config", "list --config nowhere.yaml", realConfig(""), exitUsage, "config", "there is no config file nowhere.yaml"},
		{"empty config", "list", realConfig("\n"), exitUsage, "config", "dualwrite.yaml"},
		{"database that is not supported", "check", realConfig(supported("mysql://u:hunter2@h/db")), exitUsage, "config", "not supported yet"},
		{"database that is not there", "check", realConfig(supported("sqlite:nothere.db")), exitError, "database_unavailable", "does not exist"},
		{"temporal down", "list", temporalDown, exitError, "temporal_unavailable", "dualwrite up"},
		{"databases down", "errors customers", databasesDown, exitError, "database_unavailable", "no route"},
		{"not allowed", "run customers", refusedWith(starter.CodeNotAllowed), exitRefused, "not_allowed", "allowed: pause"},
		{"refused", "run customers", refusedWith(starter.CodeRefused), exitRefused, "refused", "allowed: pause"},
		{"malformed", "run customers", refusedWith(starter.CodeMalformed), exitUsage, "malformed", ""},
		{"no worker", "run customers", refusedWith(starter.CodeNoWorker), exitError, "no_worker", ""},
		{"runs", "run customers", becomes(tablemap.Running, ""), exitDone, "", ""},
		{"failed rows", "run customers", becomes(tablemap.NotRunning, tablemap.SyncFailed), exitRows, "failed_rows", "dualwrite errors customers"},
		{"failed otherwise", "run customers", syncFails, exitError, "failed", "database is locked"},
		{"gap", "run customers", becomes(tablemap.NotRunning, tablemap.SyncSucceeded), exitError, "failed", "Not running"},
		{"breaker", "resume customers", becomes(tablemap.Paused, tablemap.SyncSucceeded), exitError, "failed", "Paused"},
		{"timeout", "run customers --timeout 1ms", hangs, exitTimeout, "timeout", "still Initializing"},
		{"timeout told by Temporal", "pause customers --timeout 1h", late, exitTimeout, "timeout", "still Running after 1h0m0s: a trouble"},
		{"no wait", "run customers --no-wait", hangs, exitDone, "", ""},
		{"differ", "verify customers", nil, exitRows, "different", "--repair"},
		{"equal", "verify customers", equal, exitDone, "", ""},
		{"left", "retry customers", left, exitRows, "failed_rows", "3 changes"},
		{"no such conflict", "conflicts customers --restore 9", nil, exitRefused, "refused", "no conflict"},
		{"restored", "conflicts customers --restore 7", nil, exitDone, "", ""},
		{"check finds errors", "check", findings("error"), exitRows, "check", "1 error"},
		{"check finds warnings", "check", findings("warning"), exitDone, "", ""},
		{"related fail", "run customers --related", relatedFail(workflows.ErrorNotAllowed, 0), exitRefused, "not_allowed", "currencies"},
		{"related have failed rows", "run customers --related", relatedFail(workflows.ErrorFailed, 3), exitRows, "failed_rows", "dualwrite errors currencies"},
		{"related fail otherwise", "run customers --related", relatedFail(workflows.ErrorFailed, 0), exitError, "failed", "currencies"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			if c.given != nil {
				c.given(b)
			}
			if exit := b.run(t, c.line+" -o json"); exit != c.exit {
				t.Fatalf("exit %d, want %d; stderr: %s", exit, c.exit, b.err)
			}
			if c.code == "" {
				return
			}
			var got struct{ Error failure }
			if err := json.Unmarshal(b.err.Bytes(), &got); err != nil {
				t.Fatalf("stderr is not one JSON object: %v: %s", err, b.err)
			}
			if got.Error.Code != c.code || got.Error.Message == "" || !strings.Contains(got.Error.Message+" "+got.Error.Hint, c.says) {
				t.Errorf("got %+v, want code %s and %q", got.Error, c.code, c.says)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for line, says := range map[string]string{"list --output xml": "-o json", "list -o csv": "-o json", "errors customers -o yaml": "-o csv"} {
		b := setup(t)
		if exit := b.run(t, line); exit != exitUsage || !strings.Contains(b.err.String(), says) {
			t.Errorf("%s: exit %d: %s", line, exit, b.err)
		}
	}
}

func badConfig(b *bundle) {
	b.program.reach.config = func(string) (*config.File, error) { return nil, errors.New("dualwrite.yaml line 3: unknown key") }
}

// realConfig has the config read from a file with the text given, and databases opened as they really are; "": from
// where the command line says.
func realConfig(text string) func(*bundle) {
	return func(b *bundle) {
		b.program.reach.engine = openLedgers
		b.program.reach.config = func(path string) (*config.File, error) {
			if text == "" {
				return config.Load(path)
			}
			return config.Parse(path, text, func(string) (string, bool) { return "", false })
		}
	}
}

func supported(url string) string {
	return "link: contoso\nsides:\n  finops: " + url + "\n  dataverse: sqlite:other.db\nmaps:\n  currencies: {}\n"
}

func TestEveryProblemOfAConfigIsShown(t *testing.T) {
	t.Parallel()
	const text = "link: A B\nsides:\n  finops: sqlite:a.db\n  dataverse: sqlite:b.db\nmaps:\n  currencies: {tabels: {}}\n  x: {relatd: []}\n"
	for format, want := range map[string]int{"table": 2, "json": 1} {
		b := setup(t)
		realConfig(text)(b)
		if exit := b.run(t, "list -o "+format); exit != exitUsage {
			t.Errorf("exit %d: %s", exit, b.err)
		}
		if n := strings.Count(b.err.String(), "error: ") + strings.Count(b.err.String(), `"error":`); n != want {
			t.Errorf("%d errors: %s", n, b.err)
		}
		for _, says := range []string{"dualwrite.yaml line 6", "tabels", "dualwrite.yaml line 7", "relatd"} {
			if !strings.Contains(b.err.String(), says) {
				t.Errorf("nothing of %q: %s", says, b.err)
			}
		}
	}
}

// The password of a database reaches no output, whatever is wrong.
func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:hunter2@h/db", "postgres://u:hunter2@h:port/db", "hunter2:hunter2", "sqlite://u:hunter2@h/x.db", "hunter2://x"} {
		for _, line := range []string{"check", "list", "check -o json"} {
			b := setup(t)
			realConfig(supported(url))(b)
			b.run(t, line)
			if strings.Contains(b.out.String()+b.err.String(), "hunter2") {
				t.Errorf("%s: %s%s", url, b.out, b.err)
			}
		}
	}
}

func temporalDown(b *bundle) {
	b.temporal.down = &starter.Error{Code: starter.CodeTemporalDown, Message: "Temporal does not answer", Hint: "start `dualwrite up`"}
}

func databasesDown(b *bundle) { b.ledgers.down = store.Transient(errors.New("no route to host")) }

func refusedWith(c starter.Code) func(*bundle) {
	return func(b *bundle) {
		b.temporal.refused = &starter.Error{Code: c, Message: "run is not allowed while Running; allowed: pause, stop"}
	}
}

func becomes(s tablemap.Status, sync tablemap.SyncState) func(*bundle) {
	return func(b *bundle) {
		end := tablemap.Report{Map: "customers", Status: s, InitialSync: tablemap.InitialSync{State: sync, Legs: []tablemap.Leg{{Failed: 3}}}}
		b.temporal.becomes = []tablemap.Report{{Map: "customers", Status: tablemap.Initializing}, end}
	}
}

func syncFails(b *bundle) {
	b.temporal.becomes = []tablemap.Report{{Map: "customers", Status: tablemap.Initializing}, {Map: "customers", Status: tablemap.NotRunning,
		Reason: "initial sync failed: database is locked", InitialSync: tablemap.InitialSync{State: tablemap.SyncFailed}}}
}

func hangs(b *bundle) {
	b.temporal.hangs = true
	b.temporal.set("customers", tablemap.Initializing)
}

// late is a map that Temporal stops waiting for by itself.
func late(b *bundle) {
	b.temporal.refused = &starter.Error{Code: starter.CodeTimeout, Message: "no answer in time"}
	b.temporal.working = doing{Trouble: "a trouble"}
	b.temporal.set("customers", tablemap.Running)
}

func equal(b *bundle) { b.ledgers.verified.OK = true }

func left(b *bundle) { b.ledgers.retried = replication.RetryResult{Tried: 5, Applied: 2, Left: 3} }

func findings(severity string) func(*bundle) {
	return func(b *bundle) {
		b.ledgers.findings = []replication.Finding{{Code: "no_key", Map: "customers", Side: "finops", Message: "no key", Hint: "add one", Severity: severity}}
	}
}

func relatedFail(code string, rows int64) func(*bundle) {
	return func(b *bundle) {
		b.temporal.result = workflows.RelatedResult{Maps: []workflows.MapResult{
			{Map: "currencies", Outcome: workflows.Failed, Reason: "it is Initializing", Code: code, FailedRows: rows},
			{Map: "customers", Outcome: workflows.Blocked, WaitingFor: []string{"currencies"}}}}
		b.temporal.failed = &starter.Error{Code: starter.CodeFailed, Message: "2 of 2 maps did not get there"}
	}
}

func TestExplainKnowsErrorsInsideOthers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		err  error
		exit int
		code string
	}{
		{fmt.Errorf("a: %w", &replication.Refusal{Message: "m"}), exitRefused, "refused"},
		{fmt.Errorf("a: %w", replication.ErrNoDefinition), exitRefused, "not_allowed"},
		{fmt.Errorf("a: %w", &store.MapError{Table: "t", Reason: "gone"}), exitError, "map"},
		{errSome, exitError, "error"},
	}
	for _, c := range cases {
		if f := explain(c.err); f.Exit != c.exit || f.Code != c.code {
			t.Errorf("%v: got %+v", c.err, f)
		}
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"one": "one",
		"open finops: failed to connect:\n\t127.0.0.1:1 (a): refused\n\t127.0.0.1:1 (a): refused\n\t[::1]:1 (a): refused": "open finops: failed to connect: 127.0.0.1:1 (a): refused; [::1]:1 (a): refused",
		"": "",
	} {
		if got := sentence(message); got != want {
			t.Errorf("%q becomes %q", message, got)
		}
	}
}
