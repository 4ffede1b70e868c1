package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// await keeps in mind that a workflow waits for the outcome of a request.
func (m *tableMap) await(r Request) {
	w := Waiter{Request: r.ID, ReplyTo: r.ReplyTo}
	if r.ReplyTo != "" && !slices.Contains(m.state.Waiting, w) {
		m.state.Waiting = append(m.state.Waiting, w)
	}
}

// answerAll tells those who wait, once the status is one that stays.
func (m *tableMap) answerAll(ctx workflow.Context) {
	if !m.steady() {
		return
	}
	for _, w := range m.state.Waiting {
		m.answer(ctx, w.ReplyTo, Answer{Request: w.Request, Report: m.state.Report()})
	}
	m.state.Waiting = nil
}

// answerAgain answers a request that has been decided before.
func (m *tableMap) answerAgain(ctx workflow.Context, r Request, h Handled) {
	if r.ReplyTo == "" || !m.steady() && h.Reason == "" {
		return
	}
	m.state.Waiting = slices.DeleteFunc(m.state.Waiting, func(w Waiter) bool { return w.Request == r.ID })
	m.answer(ctx, r.ReplyTo, Answer{Request: r.ID, Report: m.state.Report(), Refused: h.Reason})
}

// steady reports whether the status changes by command only (or by an alarm). A run that is leaving lets the next
// one answer.
func (m *tableMap) steady() bool {
	s := m.state.Status
	return !m.leaving && s != tablemap.Initializing && s != tablemap.Resuming
}

// answer tells one workflow. That it may be gone is its own business.
func (m *tableMap) answer(ctx workflow.Context, to string, a Answer) {
	if err := workflow.SignalExternalWorkflow(ctx, to, "", SignalAnswer, a).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("nobody took the answer", "workflow", to, "error", err)
	}
}

// setHealth shows the health where it has changed.
func (m *tableMap) setHealth(ctx workflow.Context, h tablemap.Health) {
	if h == m.state.Health {
		return
	}
	m.state.Health = h
	if err := workflow.UpsertTypedSearchAttributes(ctx, keyword(AttributeHealth).ValueSet(string(h))); err != nil {
		workflow.GetLogger(ctx).Error("health is not shown", "error", err)
	}
	m.show(ctx)
}
