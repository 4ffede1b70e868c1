package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/dualwrite/dualwrite/config"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// bundle is a program on buffers, over a Temporal and databases that answer what a test has them answer.
type bundle struct {
	program  *program
	out, err *bytes.Buffer
	temporal *fakeTemporal
	ledgers  *fakeLedgers
}

// setup makes a bundle for the link contoso: customers depends on customer-groups and currencies, the former on
// currencies too.
func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{out: &bytes.Buffer{}, err: &bytes.Buffer{}, temporal: newFakeTemporal(), ledgers: &fakeLedgers{}}
	b.program = &program{in: strings.NewReader(""), out: b.out, err: b.err, reach: reach{
		config: func(string) (*config.File, error) { return contoso(), nil },
		temporal: func(context.Context, string) (commander, func(), error) {
			return b.temporal, func() {}, b.temporal.down
		},
		engine: func(context.Context, *config.File) (ledgers, func(), error) {
			return b.ledgers, func() {}, b.ledgers.down
		},
	}}
	return b
}

// run runs a command line, words separated by blanks.
func (b *bundle) run(t *testing.T, line string) int {
	t.Helper()
	return b.program.run(t.Context(), strings.Fields(line))
}

func contoso() *config.File {
	link := tablemap.Link{Name: "contoso", Sides: [2]string{"finops", "dataverse"}, Master: tablemap.Right}
	for _, m := range [][3]string{{"customers", "custtable", "account"}, {"customer-groups", "custgroup", "msdyn_customergroup"},
		{"currencies", "currency", "transactioncurrency"}, {"notes", "notes", "notes"}} {
		link.Maps = append(link.Maps, tablemap.Map{Name: m[0], Tables: [2]string{m[1], m[2]}})
	}
	return &config.File{Link: link}
}

func contosoEdges() []tablemap.Edge {
	return []tablemap.Edge{
		{Child: "customers", Parent: "customer-groups", Reason: "custtable.custgroup references custgroup on finops"},
		{Child: "customers", Parent: "currencies", Reason: "custtable.currency references currency on finops"},
		{Child: "customer-groups", Parent: "currencies", Reason: "the config says so"},
	}
}

func contosoGraph() *tablemap.Graph {
	g := &tablemap.Graph{Edges: contosoEdges()}
	for _, m := range contoso().Link.Maps {
		g.Names = append(g.Names, m.Name)
	}
	return g
}

func moment() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// fakeTemporal is a commander with one report per map.
type fakeTemporal struct {
	mu      sync.Mutex
	down    error
	reports map[string]tablemap.Report
	refused error             // of Send
	becomes []tablemap.Report // what a map becomes after Send, one per look
	sent    []workflows.Request
	related workflows.RelatedRequest
	result  workflows.RelatedResult
	failed  error // of RunRelated
	working doing
	hangs   bool // Await does not end by itself
}

func newFakeTemporal() *fakeTemporal {
	f := &fakeTemporal{reports: map[string]tablemap.Report{}}
	for _, m := range contoso().Link.Maps {
		f.reports[m.Name] = tablemap.Report{Map: m.Name, Status: tablemap.NotRunning, Since: moment(), Master: "dataverse",
			Actions: []tablemap.Command{tablemap.Run, tablemap.SkipSync}, InitialSync: tablemap.InitialSync{State: tablemap.SyncNone},
			Health: tablemap.HealthOK}
	}
	return f
}

func (f *fakeTemporal) set(name string, s tablemap.Status) {
	r := f.reports[name]
	r.Status = s
	f.reports[name] = r
}

func (f *fakeTemporal) Send(_ context.Context, name string, r workflows.Request) (tablemap.Report, error) {
	f.sent = append(f.sent, r)
	if f.refused != nil {
		return tablemap.Report{}, f.refused
	}
	return f.look(name), nil
}

// look is the next of what the map becomes, or its report.
func (f *fakeTemporal) look(name string) tablemap.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.becomes) > 0 {
		f.reports[name] = f.becomes[0]
		f.becomes = f.becomes[1:]
	}
	return f.reports[name]
}

func (f *fakeTemporal) Status(_ context.Context, name string) (tablemap.Report, error) {
	r, ok := f.reports[name]
	if !ok {
		return r, &starter.Error{Code: starter.CodeUnknownMap, Message: "not registered", Hint: "start up"}
	}
	return r, nil
}

func (f *fakeTemporal) Await(ctx context.Context, name string, each func(tablemap.Report), statuses ...tablemap.Status) (tablemap.Report, error) {
	for {
		r := f.look(name)
		each(r)
		for _, s := range statuses {
			if r.Status == s && !f.hangs {
				return r, nil
			}
		}
		if f.hangs {
			<-ctx.Done()
			return r, ctx.Err()
		}
	}
}

func (f *fakeTemporal) List(ctx context.Context, names []string) ([]tablemap.Report, error) {
	var all []tablemap.Report
	for _, name := range names {
		r, err := f.Status(ctx, name)
		if err != nil {
			r = tablemap.Report{Map: name, Reason: err.Error()}
		}
		all = append(all, r)
	}
	return all, nil
}

func (f *fakeTemporal) Names(context.Context) ([]string, error) {
	var names []string
	for name := range f.reports {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (f *fakeTemporal) RunRelated(_ context.Context, r workflows.RelatedRequest, each func(workflows.RelatedResult)) (workflows.RelatedResult, error) {
	f.related = r
	each(f.result)
	return f.result, f.failed
}

func (f *fakeTemporal) StartRelated(_ context.Context, r workflows.RelatedRequest) (client.WorkflowRun, error) {
	f.related = r
	return startedRun{}, nil
}

func (f *fakeTemporal) Doing(context.Context, string) (doing, error) { return f.working, nil }

type startedRun struct{ client.WorkflowRun }

func (startedRun) GetID() string { return "contoso/run/1" }

// fakeLedgers are ledgers with what a test puts into them.
type fakeLedgers struct {
	down      error
	live      map[string]replication.MapLive
	failures  []replication.RowFailure
	conflicts []replication.Conflict
	findings  []replication.Finding
	draft     *replication.Draft
	retried   replication.RetryResult
	verified  replication.VerifyResult
	work      *scriptedWork
	key       map[string]string
	mode      replication.VerifyMode
	restored  int64
	condition []replication.Finding
	orphans   []replication.Orphan
	removed   []replication.Orphan
}

func (f *fakeLedgers) Diagnose(context.Context) []replication.Finding { return f.condition }

func (f *fakeLedgers) Orphans(_ context.Context, busy []string) ([]replication.Orphan, error) {
	return slices.DeleteFunc(slices.Clone(f.orphans), func(o replication.Orphan) bool { return slices.Contains(busy, o.Map) }), nil
}

func (f *fakeLedgers) Remove(_ context.Context, o replication.Orphan) error {
	f.removed = append(f.removed, o)
	return nil
}

func (f *fakeLedgers) Live(context.Context) (map[string]replication.MapLive, error) {
	if f.live == nil {
		return map[string]replication.MapLive{}, nil
	}
	return f.live, nil
}

func (f *fakeLedgers) selected(q replication.ErrorQuery) []replication.RowFailure {
	var rows []replication.RowFailure
	for _, r := range f.failures {
		if (q.Phase == "" || q.Phase == r.Phase) && (q.Code == "" || q.Code == r.Code) {
			rows = append(rows, r)
		}
	}
	return rows
}

func (f *fakeLedgers) Errors(_ context.Context, q replication.ErrorQuery) ([]replication.RowFailure, error) {
	return slicePage(f.selected(q), q.Limit, q.Offset), nil
}

func (f *fakeLedgers) CountErrors(_ context.Context, q replication.ErrorQuery) (int64, error) {
	return int64(len(f.selected(q))), nil
}

func (f *fakeLedgers) Conflicts(_ context.Context, _ string, limit, offset int) ([]replication.Conflict, error) {
	return slicePage(f.conflicts, limit, offset), nil
}

func slicePage[T any](all []T, limit, offset int) []T {
	offset = min(offset, len(all))
	return all[offset:min(offset+limit, len(all))]
}

func (f *fakeLedgers) Restore(_ context.Context, _ string, id int64) error {
	if id != 7 {
		return &replication.Refusal{Message: "there is no conflict of that id", Hint: "see dualwrite conflicts"}
	}
	f.restored = id
	return nil
}

func (f *fakeLedgers) Draft(context.Context) (*replication.Draft, error) { return f.draft, nil }

func (f *fakeLedgers) Preview(context.Context, string) (verification, error) {
	return fakeVerify{f.script(), f.verified}, nil
}

func (f *fakeLedgers) Check(context.Context, ...string) ([]replication.Finding, error) {
	return f.findings, nil
}

func (f *fakeLedgers) Dependencies(context.Context) ([]tablemap.Edge, error) {
	return contosoEdges(), nil
}

func (f *fakeLedgers) Retry(_ context.Context, _ string, key map[string]string) (retry, error) {
	f.key = key
	return fakeRetry{f.script(), f.retried}, nil
}

func (f *fakeLedgers) Verify(_ context.Context, _ string, mode replication.VerifyMode) (verification, error) {
	f.mode = mode
	return fakeVerify{f.script(), f.verified}, nil
}

func (f *fakeLedgers) script() *scriptedWork {
	if f.work == nil {
		f.work = &scriptedWork{}
	}
	return f.work
}

// scriptedWork ends its steps as it is told, and then is done.
type scriptedWork struct {
	errors []error
	taken  int
}

func (s *scriptedWork) Step(context.Context) (replication.Outcome, error) {
	s.taken++
	if len(s.errors) == 0 {
		return replication.Done, nil
	}
	err := s.errors[0]
	s.errors = s.errors[1:]
	return replication.Moved, err
}

type fakeRetry struct {
	*scriptedWork
	result replication.RetryResult
}

func (f fakeRetry) Result() replication.RetryResult { return f.result }

type fakeVerify struct {
	*scriptedWork
	result replication.VerifyResult
}

func (f fakeVerify) Progress() (done, total int64)    { return 1, 2 }
func (f fakeVerify) Result() replication.VerifyResult { return f.result }

var errSome = errors.New("something else")
