package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// tableMap is one run of the workflow of a map: as long as the map keeps one status.
type tableMap struct {
	state   State
	inbox   []*pending
	open    map[string]*pending // by request id, until settled
	signals workflow.ReceiveChannel
	wake    workflow.Channel        // an Update has entered the inbox
	cancel  workflow.ReceiveChannel // closed by a cancel request of the workflow
	heard   bool                    // the cancel request has been dealt with
	leaving bool                    // the status has changed; this run is about to end
}

// TableMap is the workflow of one table map: it owns the map's status and does what commands ask for. It never ends by
// itself. Each of its runs holds one status; a change of status continues as a new run with the state carried over.
func TableMap(root workflow.Context, state State) error {
	if state.Version > stateVersion {
		panic(fmt.Sprintf("state of version %d needs a newer worker than this (%d)", state.Version, stateVersion)) // fails the task only: it is tried again
	}
	ctx, stop := workflow.NewDisconnectedContext(root)
	defer stop()
	m := &tableMap{
		state:   state,
		open:    map[string]*pending{},
		signals: signals(ctx),
		wake:    workflow.NewBufferedChannel(ctx, 1),
		cancel:  root.Done(),
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	next := m.phase(ctx)
	return m.leave(ctx, next)
}

// begin makes this run known: attributes, details, handlers; and tells those who wait for a status that stays.
func (m *tableMap) begin(ctx workflow.Context) error {
	s := &m.state
	if s.Since.IsZero() {
		s.Since = workflow.Now(ctx)
	}
	err := workflow.UpsertTypedSearchAttributes(ctx,
		keyword(AttributeStatus).ValueSet(string(s.Status)), keyword(AttributeHealth).ValueSet(string(s.Health)),
		keyword(AttributeLink).ValueSet(s.Link), keyword(AttributeMap).ValueSet(s.Map))
	if err != nil {
		return fmt.Errorf("set search attributes: %w", err)
	}
	if err := workflow.SetQueryHandler(ctx, QueryStatus, func() (tablemap.Report, error) { return s.Report(), nil }); err != nil {
		return fmt.Errorf("handle query: %w", err)
	}
	if err := m.handleUpdates(ctx); err != nil {
		return fmt.Errorf("handle updates: %w", err)
	}
	for _, r := range s.Inbox {
		m.enter(&pending{Request: r})
	}
	s.Inbox = nil
	m.show(ctx)
	m.answerAll(ctx)
	return nil
}

// phase does what the status is about and returns the next one, or the same to go on in a new run.
func (m *tableMap) phase(ctx workflow.Context) tablemap.Status {
	switch m.state.Status {
	case tablemap.Initializing:
		return m.initializing(ctx)
	case tablemap.Running:
		return m.running(ctx)
	case tablemap.Paused:
		return m.paused(ctx)
	case tablemap.Resuming:
		return m.resuming(ctx)
	}
	return m.notRunning(ctx)
}

// leave ends this run with the next status. Nothing that has arrived is lost: Updates end, signals are carried over.
func (m *tableMap) leave(ctx workflow.Context, next tablemap.Status) error {
	m.leaving = true
	if next != m.state.Status {
		m.state.Status, m.state.Since = next, workflow.Now(ctx)
	}
	m.show(ctx)
	err := workflow.UpsertTypedSearchAttributes(ctx, keyword(AttributeStatus).ValueUnset())
	if err != nil {
		return fmt.Errorf("unset search attribute: %w", err)
	}
	if err := m.drain(ctx); err != nil {
		return err
	}
	for _, p := range m.inbox {
		m.state.Inbox = append(m.state.Inbox, p.Request)
	}
	return workflow.NewContinueAsNewError(ctx, TypeTableMap, m.state)
}

// drain takes up all signals and lets all Updates end.
func (m *tableMap) drain(ctx workflow.Context) error {
	for {
		var a arrival
		for m.signals.ReceiveAsync(&a) {
			m.receive(ctx, a)
		}
		m.sendBack()
		if workflow.AllHandlersFinished(ctx) {
			if m.signals.Len() == 0 {
				return nil
			}
			continue
		}
		err := workflow.Await(ctx, func() bool {
			return workflow.AllHandlersFinished(ctx) || m.signals.Len() > 0 || len(m.inbox) > 0 && m.inbox[len(m.inbox)-1].update
		})
		if err != nil {
			return fmt.Errorf("wait for updates: %w", err)
		}
	}
}

// sendBack ends the Updates that have not been looked at: their senders repeat them.
func (m *tableMap) sendBack() {
	var kept []*pending
	for _, p := range m.inbox {
		if p.update {
			m.settle(p, again())
			continue
		}
		kept = append(kept, p)
	}
	m.inbox = kept
}

// event is why wait returned.
type event int

const (
	commanded event = iota // a command that the status allows
	finished               // the work given to wait has ended
	cancelled              // the workflow was asked to cancel
	full                   // the history is long: go on in a new run
)

// wait returns the next thing to deal with. Commands that the status does not allow are refused on the way.
func (m *tableMap) wait(ctx workflow.Context, work workflow.Future) (event, *pending) {
	for {
		if work != nil && work.IsReady() {
			return finished, nil
		}
		if p := m.admit(ctx); p != nil {
			return commanded, p
		}
		if m.signals.Len() == 0 {
			if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
				return full, nil
			}
		}
		if m.sleep(ctx, work) {
			return cancelled, nil
		}
	}
}

// admit returns the first command that is allowed, and refuses those before it.
func (m *tableMap) admit(ctx workflow.Context) *pending {
	for len(m.inbox) > 0 {
		p := m.inbox[0]
		m.inbox = m.inbox[1:]
		if m.underWay(ctx, p) {
			continue
		}
		err := m.refusal(p.Request)
		if err == nil {
			return p
		}
		m.refuse(ctx, p, err)
	}
	return nil
}

// underWay deals with a request of RunMap for a status that the map has, or is about to have by itself.
func (m *tableMap) underWay(ctx workflow.Context, p *pending) bool {
	if p.ReplyTo == "" || p.Command == tablemap.Discard {
		return false
	}
	goal, status := Goal(p.Command), m.state.Status
	coming := goal == tablemap.Running && (status == tablemap.Initializing || status == tablemap.Resuming)
	if goal != status && !coming {
		return false
	}
	m.state.remember(p.ID, "")
	m.settle(p, nil)
	if coming {
		m.await(p.Request)
		return true
	}
	m.answer(ctx, p.ReplyTo, Answer{Request: p.ID, Report: m.state.Report(), Already: true})
	return true
}

// Goal is the status that a command is to end in.
func Goal(c tablemap.Command) tablemap.Status {
	switch c {
	case tablemap.Run, tablemap.Resume, tablemap.SkipSync:
		return tablemap.Running
	case tablemap.Pause:
		return tablemap.Paused
	}
	return tablemap.NotRunning
}

// sleep blocks until something happens and takes up what came; it reports a cancel request.
func (m *tableMap) sleep(ctx workflow.Context, work workflow.Future) (asked bool) {
	s := workflow.NewSelector(ctx)
	s.AddReceive(m.signals, func(c workflow.ReceiveChannel, _ bool) {
		var a arrival
		c.Receive(ctx, &a)
		m.receive(ctx, a)
	})
	s.AddReceive(m.wake, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
	if work != nil {
		s.AddFuture(work, func(workflow.Future) {})
	}
	if !m.heard {
		s.AddReceive(m.cancel, func(workflow.ReceiveChannel, bool) { m.heard, asked = true, true })
	}
	s.Select(ctx)
	return asked
}
