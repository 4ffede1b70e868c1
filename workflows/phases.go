package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// notRunning waits for a command that begins a run, or gives up the queue of one that failed.
func (m *tableMap) notRunning(ctx workflow.Context) tablemap.Status {
	for {
		ev, p := m.wait(ctx, nil)
		switch ev {
		case cancelled:
			m.refuseCancel(ctx)
		case full:
			return tablemap.NotRunning
		default:
			if status := m.leaveNotRunning(ctx, p); status != tablemap.NotRunning {
				return status
			}
			m.answerAll(ctx)
		}
	}
}

func (m *tableMap) leaveNotRunning(ctx workflow.Context, p *pending) tablemap.Status {
	if p.Command == tablemap.Discard {
		m.discard(ctx, p)
		return tablemap.NotRunning
	}
	status, err := m.beginRun(ctx, p)
	if err != nil {
		m.state.Reason = fmt.Sprintf("%s was refused: %s", p.Command, failureOf(err).Message)
		m.refuse(ctx, p, err)
		m.show(ctx)
		return tablemap.NotRunning
	}
	m.accept(p)
	return status
}

// discard gives up what a failed initial sync has kept.
func (m *tableMap) discard(ctx workflow.Context, p *pending) {
	if err := do(ctx, m.state.Link, tablemap.Activities.Discard, m.state.mapRun()); err != nil {
		m.refuse(ctx, p, asRefusal(err))
		return
	}
	m.state.Queueing, m.state.Reason = false, "what a failed initial sync had queued was given up"
	m.setHealth(ctx, tablemap.HealthOK)
	m.accept(p)
	m.show(ctx)
}

// paused waits for the command to resume.
func (m *tableMap) paused(ctx workflow.Context) tablemap.Status {
	for {
		ev, p := m.wait(ctx, nil)
		switch ev {
		case cancelled:
			m.refuseCancel(ctx)
		case full:
			return tablemap.Paused
		default:
			m.state.Reason = ""
			m.accept(p)
			return tablemap.Resuming
		}
	}
}

// resuming plays back the queue, as often as it takes.
func (m *tableMap) resuming(ctx workflow.Context) tablemap.Status {
	if err := m.ensureLink(ctx); err != nil {
		return m.backToPaused(ctx, failureOf(err).Message)
	}
	work, stop := m.replay(ctx)
	switch ev, _ := m.wait(ctx, work.Future); ev {
	case cancelled:
		stop()
		_, _ = work.get(ctx)
		return m.backToPaused(ctx, "resuming was cancelled")
	case full:
		stop()
		_, _ = work.get(ctx)
		return tablemap.Resuming
	}
	if _, err := work.get(ctx); err != nil {
		return m.replayFailed(ctx, failureOf(err))
	}
	return m.nowLive()
}

// replayFailed ends a replay that cannot go on: without its log the map is off, otherwise it goes on queueing.
func (m *tableMap) replayFailed(ctx workflow.Context, f failure) tablemap.Status {
	if f.Type == tablemap.ErrorGap || f.Type == tablemap.ErrorFault {
		return m.takeOff(ctx, f)
	}
	return m.backToPaused(ctx, f.Message)
}

func (m *tableMap) backToPaused(ctx workflow.Context, reason string) tablemap.Status {
	m.insist(ctx, tablemap.Activities.Pause)
	m.state.Reason = reason
	return tablemap.Paused
}

// takeOff ends in Not running because changes may have been lost, or the map cannot work as it is defined.
func (m *tableMap) takeOff(ctx workflow.Context, f failure) tablemap.Status {
	m.insist(ctx, tablemap.Activities.Stop)
	m.state.Reason, m.state.Queueing = f.Message, false
	if m.state.Sync.State == tablemap.SyncRunning {
		m.state.Sync.State = tablemap.SyncFailed
	}
	if f.Type == tablemap.ErrorGap {
		m.state.Health = tablemap.HealthGap
	}
	return tablemap.NotRunning
}

// nowLive is the end of Initializing and Resuming.
func (m *tableMap) nowLive() tablemap.Status {
	m.state.Queueing, m.state.Health, m.state.Reason = false, tablemap.HealthOK, ""
	if m.state.Sync.State == tablemap.SyncRunning {
		m.state.Sync.State = tablemap.SyncSucceeded
	}
	return tablemap.Running
}

// replay starts the activity that turns the map live.
func (m *tableMap) replay(ctx workflow.Context) (started[tablemap.ReplayResult], workflow.CancelFunc) {
	ctx, stop := workflow.WithCancel(ctx)
	return start(ctx, m.state.Link, tablemap.Activities.Replay, m.state.mapRun()), stop
}

func (m *tableMap) ensureLink(ctx workflow.Context) error {
	in := tablemap.LinkRequest{Link: m.state.Link, Sides: m.state.Config.Sides}
	return do(ctx, m.state.Link, tablemap.Activities.EnsureLink, in)
}

// refuseCancel records a cancel request that the status does not allow.
func (m *tableMap) refuseCancel(ctx workflow.Context) {
	m.record(ctx, Request{Command: "cancel"}, errors.New("cancel is allowed while Initializing or Resuming only; stop ends a run"))
}
