package main

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		flags    runFlags
		maps     string
		skip     string
		warnings int
		wrong    string
	}{
		{"alone", runFlags{}, "customers", "", 0, ""},
		{"related", runFlags{related: true}, "currencies customer-groups customers", "", 0, ""},
		{"with one", runFlags{with: "currencies"}, "currencies customers", "", 0, ""},
		{"with, parents first all the same", runFlags{with: "customer-groups, currencies"}, "currencies customer-groups customers", "", 0, ""},
		{"with one that is not related", runFlags{with: "notes,currencies"}, "currencies notes customers", "", 0, ""},
		{"with itself", runFlags{with: "customers"}, "customers", "", 0, ""},
		{"order", runFlags{related: true, order: "customer-groups,currencies,customers"}, "customer-groups currencies customers", "", 1, ""},
		{"order of some", runFlags{related: true, order: "customer-groups,currencies"}, "customer-groups currencies customers", "", 1, ""},
		{"order breaks all", runFlags{related: true, order: "customers,customer-groups,currencies"}, "customers customer-groups currencies", "", 3, ""},
		{"order alone chooses", runFlags{order: "currencies,customers"}, "currencies customers", "", 0, ""},
		{"order of others", runFlags{related: true, order: "notes,customers"}, "", "", 0, "notes"},
		{"order twice", runFlags{related: true, order: "currencies,currencies"}, "", "", 0, "twice"},
		{"no initial sync", runFlags{related: true, noInitial: everyMap}, "currencies customer-groups customers", "currencies customer-groups customers", 0, ""},
		{"no initial sync of one", runFlags{related: true, noInitial: "currencies"}, "currencies customer-groups customers", "currencies", 0, ""},
		{"no initial sync of another", runFlags{noInitial: "currencies"}, "", "", 0, "currencies"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := c.flags.plan("customers", contosoGraph())
			if c.wrong != "" {
				if err == nil || explain(err).Exit != exitUsage || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("got %v, want a usage error with %q", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(p.maps, " "); got != c.maps {
				t.Errorf("maps %s, want %s", got, c.maps)
			}
			if got := strings.Join(p.skip, " "); got != c.skip {
				t.Errorf("without initial sync %s, want %s", got, c.skip)
			}
			if len(p.warnings) != c.warnings {
				t.Errorf("warnings %q, want %d", p.warnings, c.warnings)
			}
		})
	}
}

func TestRunFlagsReachTheRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.temporal.set("currencies", tablemap.Paused)
	if exit := b.run(t, "run customers --related --master finops --no-initial-sync=customers,currencies"); exit != exitDone {
		t.Fatalf("exit %d: %s", exit, b.err)
	}
	no := false
	want := []workflows.RelatedMap{
		{Map: "currencies", Related: true}, // paused: resumed, which takes no options
		{Map: "customer-groups", Related: true, Parents: []string{"currencies"}, Master: "finops"},
		{Map: "customers", Parents: []string{"customer-groups", "currencies"}, Master: "finops", InitialSync: &no}}
	if got := b.temporal.related; got.Command != tablemap.Run || !reflect.DeepEqual(got.Maps, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNoInitialSyncOfOneMap(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.temporal.set("customers", tablemap.Running)
	if exit := b.run(t, "run customers --no-initial-sync --master finops"); exit != exitDone {
		t.Fatalf("exit %d: %s", exit, b.err)
	}
	sent := b.temporal.sent[0]
	if sent.InitialSync == nil || *sent.InitialSync || sent.Master != "finops" || sent.Command != tablemap.Run {
		t.Errorf("sent %+v", sent)
	}
}

func TestRelatedOfPauseAndStop(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"pause customer-groups": "currencies customer-groups customers",
		"stop currencies":       "currencies customer-groups customers",
		"resume customers":      "currencies customer-groups customers",
		"resume currencies":     "currencies",
	} {
		b := setup(t)
		if exit := b.run(t, command+" --related"); exit != exitDone {
			t.Fatalf("%s: exit %d: %s", command, exit, b.err)
		}
		var got []string
		for _, m := range b.temporal.related.Maps {
			got = append(got, m.Map)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %s, want %s", command, got, want)
		}
	}
}

func TestCircles(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	edges := []tablemap.Edge{{Child: "a", Parent: "b", Reason: "a.b"}, {Child: "b", Parent: "a", Reason: "b.a"},
		{Child: "b", Parent: "c", Reason: "b.c"}, {Child: "a", Parent: "a", Reason: "a.a"}}
	g := &tablemap.Graph{Names: names, Edges: edges}
	if got := whyRelated(g, "a", "b"); got != "a.b; and depends on a itself" {
		t.Errorf("why b: %s", got)
	}
	if got := loops(g, "a"); len(got) != 1 || !strings.Contains(got[0], "a.a") {
		t.Errorf("loops: %q", got)
	}
}

func TestPrompt(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]choice{"y\n": chooseAll, "YES\n": chooseAll, "n\n": chooseAlone, " no \n": chooseAlone,
		"q\n": chooseNone, "": chooseNone, "what\ny\n": chooseAll, "\n\n\n": chooseNone, "y": chooseAll} {
		got, err := ask(t.Context(), strings.NewReader(typed), &strings.Builder{}, "?")
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", typed, got, err, want)
		}
	}
}

func TestPromptEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ask(ctx, blocked{}, &strings.Builder{}, "?"); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

type blocked struct{}

func (blocked) Read([]byte) (int, error) { select {} }

func TestRunAsksOnATerminal(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, line, typed string
		status            tablemap.Status // of the related maps
		asked             bool
		sent, together    int // single commands, maps of one request
	}{
		{"yes", "run customers", "y\n", tablemap.NotRunning, true, 0, 3},
		{"no", "run customers", "n\n", tablemap.NotRunning, true, 1, 0},
		{"quit", "run customers", "q\n", tablemap.NotRunning, true, 0, 0},
		{"all run already", "run customers", "", tablemap.Running, false, 1, 0},
		{"--yes", "run customers --yes", "", tablemap.NotRunning, false, 1, 0},
		{"--related", "run customers --related", "", tablemap.NotRunning, false, 0, 3},
		{"nothing related", "run notes", "", tablemap.NotRunning, false, 1, 0},
		{"json", "run customers -o json", "", tablemap.NotRunning, false, 1, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.program.terminal = terminal{in: true, out: true, err: true, width: 80}
			b.program.in = strings.NewReader(c.typed)
			b.temporal.set("currencies", c.status)
			b.temporal.set("customer-groups", c.status)
			b.run(t, c.line)
			if asked := strings.Contains(b.err.String(), "[y]es"); asked != c.asked {
				t.Errorf("asked: %v, want %v: %s", asked, c.asked, b.err)
			}
			if len(b.temporal.sent) != c.sent || len(b.temporal.related.Maps) != c.together {
				t.Errorf("sent %d, together %d: %s", len(b.temporal.sent), len(b.temporal.related.Maps), b.err)
			}
		})
	}
}
