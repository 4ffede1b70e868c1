package workflows

import (
	"encoding/json"
	"errors"
	"slices"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// pending is a request that this run of the workflow has taken up.
type pending struct {
	Request
	update bool // an Update waits for it
	done   bool
	err    error // why it was refused, for an Update
}

// handleUpdates registers an Update for each command.
func (m *tableMap) handleUpdates(ctx workflow.Context) error {
	for _, command := range Commands() {
		handle := func(uctx workflow.Context, raw converter.RawValue) (tablemap.Report, error) {
			uctx, stop := workflow.NewDisconnectedContext(uctx) // a cancel request of the workflow must not end it
			defer stop()
			return m.update(uctx, command, raw)
		}
		validate := func(vctx workflow.Context, raw converter.RawValue) error {
			return m.validate(vctx, command, raw)
		}
		options := workflow.UpdateHandlerOptions{Validator: validate, Description: about(command)}
		if err := workflow.SetUpdateHandlerWithOptions(ctx, string(command), handle, options); err != nil {
			return err
		}
	}
	return nil
}

// validate refuses an Update at once, before it leaves a trace in the history.
func (m *tableMap) validate(ctx workflow.Context, command tablemap.Command, raw converter.RawValue) error {
	r, err := decode(command, raw.Payload().GetData())
	if err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorMalformed, nil)
	}
	if m.known(updateID(ctx, r)) {
		return nil
	}
	if m.leaving {
		return again()
	}
	return m.refusal(r)
}

// update waits until its command has changed the status, or been refused. A repeated request joins the first.
func (m *tableMap) update(ctx workflow.Context, command tablemap.Command, raw converter.RawValue) (tablemap.Report, error) {
	r, err := decode(command, raw.Payload().GetData())
	if err != nil {
		return tablemap.Report{}, temporal.NewNonRetryableApplicationError(err.Error(), ErrorMalformed, nil)
	}
	r.ID = updateID(ctx, r)
	if h, ok := m.state.handled(r.ID); ok {
		return m.state.Report(), refusedBefore(h)
	}
	p := m.open[r.ID]
	if p == nil {
		p = m.enter(&pending{Request: r, update: true})
		m.wake.SendAsync(true)
	}
	if err := workflow.Await(ctx, func() bool { return p.done }); err != nil {
		return tablemap.Report{}, err
	}
	return m.state.Report(), p.err
}

func refusedBefore(h Handled) error {
	if h.Reason == "" {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(h.Reason, ErrorNotAllowed, nil)
}

// updateID is the request's own id, or else that of the Update.
func updateID(ctx workflow.Context, r Request) string {
	if info := workflow.GetCurrentUpdateInfo(ctx); r.ID == "" && info != nil {
		return info.ID
	}
	return r.ID
}

func again() error {
	return temporal.NewApplicationError("the map is changing its status; send the request again", ErrorAgain)
}

// known reports whether a request of that id has been taken up or decided.
func (m *tableMap) known(id string) bool {
	_, done := m.state.handled(id)
	return done || m.open[id] != nil
}

// enter puts a request at the end of the queue.
func (m *tableMap) enter(p *pending) *pending {
	m.inbox = append(m.inbox, p)
	if p.ID != "" {
		m.open[p.ID] = p
	}
	return p
}

// refusal says why a request is not allowed now, as an error for an Update; nil: it is.
func (m *tableMap) refusal(r Request) error {
	if err := m.state.check(r); err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorMalformed, nil)
	}
	if _, err := next(&m.state, r); err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), ErrorNotAllowed, nil)
	}
	return nil
}

// receive takes up one signal.
func (m *tableMap) receive(ctx workflow.Context, a arrival) {
	switch {
	case a.Name == SignalConfigure:
		m.configure(ctx, a)
	case a.Name == SignalHealth:
		m.noteHealth(ctx, a)
	case !slices.Contains(Commands(), tablemap.Command(a.Name)):
		m.record(ctx, Request{Command: tablemap.Command(a.Name)}, errors.New("there is no such signal"))
	default:
		r, err := decode(tablemap.Command(a.Name), a.Data)
		if err != nil {
			m.record(ctx, r, err)
			return
		}
		m.enterSignal(ctx, r)
	}
}

// enterSignal queues a request that came as a signal, unless it is one that came before.
func (m *tableMap) enterSignal(ctx workflow.Context, r Request) {
	if h, ok := m.state.handled(r.ID); ok {
		m.await(r)
		m.answerAgain(ctx, r, h)
		return
	}
	if m.open[r.ID] != nil && r.ID != "" {
		m.await(r)
		return
	}
	m.enter(&pending{Request: r})
}

// configure takes note of what the config file says now.
func (m *tableMap) configure(ctx workflow.Context, a arrival) {
	var c Configuration
	err := json.Unmarshal(a.Data, &c)
	if err == nil && !c.Gone && c.Definition.Name != m.state.Map {
		err = errors.New("it is about another map")
	}
	switch {
	case err != nil:
		m.record(ctx, Request{Command: SignalConfigure}, err)
	case c.Gone:
		m.state.Config.Gone = true
	default:
		m.state.Config = c
	}
	m.show(ctx)
}

// noteHealth takes note of what the supervisor of live writes says.
func (m *tableMap) noteHealth(ctx workflow.Context, a arrival) {
	var h tablemap.Health
	if err := json.Unmarshal(a.Data, &h); err != nil {
		m.record(ctx, Request{Command: SignalHealth}, err)
		return
	}
	if m.state.Status == tablemap.Running && !m.leaving {
		m.setHealth(ctx, h)
	}
}

// refuse ends a request that is not allowed.
func (m *tableMap) refuse(ctx workflow.Context, p *pending, err error) {
	f := failureOf(err)
	reason := f.Message
	if !p.update {
		m.record(ctx, p.Request, errors.New(reason))
	}
	m.state.remember(p.ID, reason)
	m.settle(p, err)
	if p.ReplyTo != "" {
		m.answer(ctx, p.ReplyTo, Answer{Request: p.ID, Report: m.state.Report(), Refused: reason, Hint: f.Hint, Code: f.Type})
	}
}

// accept ends a request that has been done.
func (m *tableMap) accept(p *pending) {
	m.state.remember(p.ID, "")
	m.settle(p, nil)
	m.await(p.Request)
}

func (m *tableMap) settle(p *pending, err error) {
	p.done, p.err = true, err
	delete(m.open, p.ID)
}

// record shows a refused signal in the details of the workflow.
func (m *tableMap) record(ctx workflow.Context, r Request, err error) {
	m.state.Refused = last(append(m.state.Refused, RefusedCommand{
		Command: string(r.Command), Actor: r.Actor, At: workflow.Now(ctx), Reason: err.Error()}), keptRefused)
	workflow.GetLogger(ctx).Warn("command refused", "command", r.Command, "reason", err.Error())
	m.show(ctx)
}
