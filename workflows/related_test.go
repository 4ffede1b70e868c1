package workflows_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// contacts is a request for four maps: contacts need customers, which need groups; currencies stand alone.
func contacts(command tablemap.Command) workflows.RelatedRequest {
	return workflows.RelatedRequest{Link: link, Request: "r1", Command: command, Maps: []workflows.RelatedMap{
		{Map: "groups", Related: true},
		{Map: "currencies", Related: true},
		{Map: "customers", Parents: []string{"groups"}, Related: true},
		{Map: "contacts", Parents: []string{"customers"}},
	}}
}

// children makes the named maps fail and all others succeed; it returns the order in which they were asked.
func (b *bundle) children(failing ...string) *[]string {
	var asked []string
	b.OnWorkflow(workflows.TypeRunMap, mock.Anything, mock.Anything).Return(
		func(_ workflow.Context, in workflows.MapRequest) (workflows.MapResult, error) {
			asked = append(asked, in.Map)
			out := workflows.MapResult{Map: in.Map, Outcome: workflows.Reached, Status: workflows.Goal(in.Command)}
			if slices.Contains(failing, in.Map) {
				out.Outcome, out.Reason, out.FailedRows = workflows.Failed, "2 rows could not be copied", 2
				return out, temporal.NewNonRetryableApplicationError(out.Reason, workflows.ErrorFailed, nil, out)
			}
			return out, nil
		})
	return &asked
}

func outcomes(r workflows.RelatedResult) string {
	var said []string
	for _, m := range r.Maps {
		one := m.Map + " " + string(m.Outcome)
		if len(m.WaitingFor) > 0 {
			one += " for " + strings.Join(m.WaitingFor, "+")
		}
		said = append(said, one)
	}
	return strings.Join(said, ", ")
}

func TestRunRelatedOrder(t *testing.T) {
	t.Parallel()
	parentsFirst := []string{"groups", "currencies", "customers", "contacts"}
	dependantsFirst := []string{"contacts", "customers", "currencies", "groups"}
	for command, want := range map[tablemap.Command][]string{
		tablemap.Run: parentsFirst, tablemap.Resume: parentsFirst, tablemap.Pause: dependantsFirst, tablemap.Stop: dependantsFirst,
	} {
		t.Run(string(command), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			asked := b.children()
			b.ExecuteWorkflow(workflows.TypeRunRelated, contacts(command))
			require.NoError(t, b.GetWorkflowError())
			require.Equal(t, want, *asked)
			var result workflows.RelatedResult
			require.NoError(t, b.GetWorkflowResult(&result))
			for _, m := range result.Maps {
				require.Equal(t, workflows.Reached, m.Outcome)
				require.Equal(t, workflows.Goal(command), m.Status)
			}
		})
	}
}

func TestRunRelatedWhenAMapFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command tablemap.Command
		fails   string
		want    string
	}{
		{tablemap.Run, "groups", "groups failed, currencies done, customers waiting for groups, contacts waiting for customers"},
		{tablemap.Run, "contacts", "groups done, currencies done, customers done, contacts failed"},
		{tablemap.Pause, "contacts", "contacts failed, customers waiting for contacts, currencies done, groups waiting for customers"},
		{tablemap.Stop, "customers", "contacts done, customers failed, currencies done, groups waiting for customers"},
	} {
		t.Run(string(c.command)+" "+c.fails, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.children(c.fails)
			b.ExecuteWorkflow(workflows.TypeRunRelated, contacts(c.command))
			var app *temporal.ApplicationError
			require.ErrorAs(t, b.GetWorkflowError(), &app)
			require.Equal(t, workflows.ErrorFailed, app.Type())
			require.Contains(t, app.Message(), c.fails+": 2 rows could not be copied")
			var result workflows.RelatedResult
			require.NoError(t, app.Details(&result))
			require.Equal(t, c.want, outcomes(result))
			for _, m := range result.Maps {
				if m.Map == c.fails {
					require.Equal(t, int64(2), m.FailedRows)
				}
			}
		})
	}
}

// A cycle of parents has no order: each waits only for those that were taken before it.
func TestRunRelatedWithACycle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	asked := b.children()
	b.ExecuteWorkflow(workflows.TypeRunRelated, workflows.RelatedRequest{Link: link, Command: tablemap.Run, Maps: []workflows.RelatedMap{
		{Map: "a", Parents: []string{"b"}}, {Map: "b", Parents: []string{"a", "b"}}}})
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, []string{"a", "b"}, *asked)
}

func TestRunMap(t *testing.T) {
	t.Parallel()
	report := func(status tablemap.Status, reason string) tablemap.Report {
		return tablemap.Report{Map: "customers", Status: status, Reason: reason}
	}
	for _, c := range []struct {
		name    string
		command tablemap.Command
		related bool
		answer  workflows.Answer
		want    workflows.Outcome
		reason  string
	}{
		{"reached", tablemap.Run, false, workflows.Answer{Report: report(tablemap.Running, "")}, workflows.Reached, ""},
		{"there before", tablemap.Run, true, workflows.Answer{Report: report(tablemap.Running, ""), Already: true}, workflows.Already, ""},
		{"failed sync", tablemap.Run, false, workflows.Answer{Report: report(tablemap.NotRunning, "3 rows")}, workflows.Failed, "3 rows"},
		{"refused", tablemap.Pause, false, workflows.Answer{Report: report(tablemap.NotRunning, ""), Refused: "no"}, workflows.Failed, "no"},
		{"related that is off", tablemap.Pause, true, workflows.Answer{Report: report(tablemap.NotRunning, ""), Refused: "no"}, workflows.Alone, ""},
		{"related that copies", tablemap.Pause, true, workflows.Answer{Report: report(tablemap.Initializing, ""), Refused: "no"}, workflows.Failed, "no"},
		{"paused meanwhile", tablemap.Resume, false, workflows.Answer{Report: report(tablemap.Paused, "")}, workflows.Failed, "Paused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.OnSignalExternalWorkflow(mock.Anything, "contoso/map/customers", mock.Anything, string(c.command), mock.Anything).Return(nil)
			b.RegisterDelayedCallback(func() { b.SignalWorkflow(workflows.SignalAnswer, c.answer) }, soon)
			b.ExecuteWorkflow(workflows.TypeRunMap, workflows.MapRequest{
				Link: link, Command: c.command, RelatedMap: workflows.RelatedMap{Map: "customers", Related: c.related}})
			var result workflows.MapResult
			if c.want != workflows.Failed {
				require.NoError(t, b.GetWorkflowError())
				require.NoError(t, b.GetWorkflowResult(&result))
				require.Equal(t, c.want, result.Outcome)
				return
			}
			var app *temporal.ApplicationError
			require.ErrorAs(t, b.GetWorkflowError(), &app)
			require.NoError(t, app.Details(&result))
			require.Contains(t, result.Reason, c.reason)
		})
	}
}

func TestRunMapAsksAgainWithTheSameRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var asked []workflows.Request
	b.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, "run", mock.Anything).Return(
		func(_, _, _, _ string, r any) error {
			asked = append(asked, r.(workflows.Request))
			return nil
		})
	b.RegisterDelayedCallback(func() {
		b.SignalWorkflow(workflows.SignalAnswer, workflows.Answer{Report: tablemap.Report{Status: tablemap.Running}})
	}, time.Hour)
	b.ExecuteWorkflow(workflows.TypeRunMap, workflows.MapRequest{
		Link: link, Command: tablemap.Run, RelatedMap: workflows.RelatedMap{Map: "customers", Master: "finops"}})
	require.NoError(t, b.GetWorkflowError())
	require.Greater(t, len(asked), 5)
	require.Less(t, len(asked), 15, "it asks more and more rarely")
	for _, r := range asked {
		require.Equal(t, asked[0], r)
		require.Equal(t, r.ID, r.ReplyTo)
		require.Equal(t, "finops", r.Master)
	}
}

func TestRunMapOfAMapThatIsNotRegistered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(errors.New("not found"))
	b.ExecuteWorkflow(workflows.TypeRunMap, workflows.MapRequest{Link: link, Command: tablemap.Run, RelatedMap: workflows.RelatedMap{Map: "customers"}})
	var app *temporal.ApplicationError
	require.ErrorAs(t, b.GetWorkflowError(), &app)
	require.Equal(t, workflows.ErrorUnknownMap, app.Type())
}

// What a map answers to RunMap, from the status it is in.
func TestMapAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from    workflows.State
		command tablemap.Command
		already bool
		refused bool
	}{
		{in(tablemap.Running), tablemap.Run, true, false},
		{in(tablemap.Paused), tablemap.Pause, true, false},
		{in(tablemap.NotRunning), tablemap.Stop, true, false},
		{in(tablemap.NotRunning), tablemap.Pause, false, true},
		{in(tablemap.Initializing), tablemap.Pause, false, true},
	} {
		t.Run(string(c.from.Status)+"/"+string(c.command), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.endless()
			var got []workflows.Answer
			b.OnSignalExternalWorkflow(mock.Anything, "me", mock.Anything, workflows.SignalAnswer, mock.Anything).Return(
				func(_, _, _, _ string, a any) error {
					got = append(got, a.(workflows.Answer))
					return nil
				})
			b.signalAt(soon, c.command, workflows.Request{ID: "one", ReplyTo: "me"})
			b.end()
			s := b.run(c.from)
			require.Len(t, got, 1)
			require.Equal(t, c.already, got[0].Already)
			require.Equal(t, c.refused, got[0].Refused != "")
			require.Equal(t, c.from.Status, got[0].Report.Status)
			require.Equal(t, c.refused, len(s.Refused) == 1, "a map that is there is left alone, and nothing is recorded")
		})
	}
}

// The answer to a run comes when the copy has ended, from a later run of the workflow.
func TestAnswerComesAtTheEnd(t *testing.T) {
	t.Parallel()
	first := setup(t)
	first.signalAt(soon, tablemap.Run, workflows.Request{ID: "one", ReplyTo: "me"})
	s := first.run(in(tablemap.NotRunning))
	require.Equal(t, []workflows.Waiter{{Request: "one", ReplyTo: "me"}}, s.Waiting)

	second := setup(t)
	second.signalAt(0, tablemap.Run, workflows.Request{ID: "one", ReplyTo: "me"}) // it asks again
	s = second.run(s)
	require.Equal(t, tablemap.Running, s.Status)
	require.Len(t, s.Waiting, 1)

	third := setup(t)
	var got []workflows.Answer
	third.OnSignalExternalWorkflow(mock.Anything, "me", mock.Anything, workflows.SignalAnswer, mock.Anything).Return(
		func(_, _, _, _ string, a any) error {
			got = append(got, a.(workflows.Answer))
			return nil
		})
	third.end()
	s = third.run(s)
	require.Len(t, got, 1)
	require.Equal(t, tablemap.Running, got[0].Report.Status)
	require.Empty(t, s.Waiting)
}
