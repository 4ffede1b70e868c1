package workflows

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// beginRun does what comes before a run leaves Not running: capture on both sides, the link's streams and, where no
// initial sync and nothing queued comes in between, going live. An error leaves the map as it was.
func (m *tableMap) beginRun(ctx workflow.Context, p *pending) (tablemap.Status, error) {
	status, err := next(&m.state, p.Request)
	if err != nil {
		return "", err
	}
	before := m.state
	if p.Command == tablemap.Run || !m.state.Queueing {
		if err := m.attach(ctx, p); err != nil {
			m.state = m.restored(before)
			return "", err
		}
	}
	if status == tablemap.Initializing {
		m.state.Sync = tablemap.InitialSync{State: tablemap.SyncRunning, Legs: m.state.Sync.Legs}
	} else {
		m.state.Sync.State = tablemap.SyncSkipped
	}
	err = m.ensureLink(ctx)
	if err == nil && status == tablemap.Running {
		err = m.goLive(ctx)
	}
	if err != nil {
		m.undo(ctx, before.Queueing)
		m.state = m.restored(before)
		return "", asRefusal(err)
	}
	m.state.Reason, m.state.Health, m.state.Queueing = "", tablemap.HealthOK, false
	return status, nil
}

// restored is an earlier state with what has come in since.
func (m *tableMap) restored(before State) State {
	before.Config, before.Refused = m.state.Config, m.state.Refused
	before.Handled, before.Waiting = m.state.Handled, m.state.Waiting
	before.Run = m.state.Run
	return before
}

// attach puts the map under capture. A rerun after a failed initial sync keeps its number and its queue.
func (m *tableMap) attach(ctx workflow.Context, p *pending) error {
	s := &m.state
	if !s.Queueing {
		s.Run++
		s.Sync.Legs = nil
	}
	s.Definition, s.Master, s.Request = s.Config.Definition, s.master(p.Request), p.ID
	in := tablemap.AttachRequest{MapRun: s.mapRun(), Definition: s.Definition, Master: s.Master, Request: s.Request}
	_, err := start(ctx, s.Link, tablemap.Activities.Attach, in).get(ctx)
	if err == nil {
		return nil
	}
	if failureOf(err).Type != tablemap.ErrorRefused {
		m.undo(ctx, s.Queueing)
	}
	return asRefusal(err)
}

// undo takes off what a run that could not begin may have put under capture, unless it was there before. It tries
// once, briefly: the databases may be what is down, and the next run or stop finds it again.
func (m *tableMap) undo(ctx workflow.Context, wasQueueing bool) {
	if wasQueueing {
		return
	}
	name := methodName(tablemap.Activities.Discard)
	o := options(m.state.Link, name)
	o.ScheduleToCloseTimeout = undoPatience
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), name, m.state.mapRun()).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Warn("could not take off what the run had begun", "error", err)
	}
}

// goLive turns a map live that has nothing queued. A cancel request gives it up.
func (m *tableMap) goLive(ctx workflow.Context) error {
	work, stop := m.replay(ctx)
	s := workflow.NewSelector(ctx)
	s.AddFuture(work.Future, func(workflow.Future) {})
	if !m.heard {
		s.AddReceive(m.cancel, func(workflow.ReceiveChannel, bool) {
			m.heard = true
			stop()
		})
	}
	s.Select(ctx)
	_, err := work.get(ctx)
	return err
}

// initializing copies pre-existing rows, plays back what was queued meanwhile and ends live, or in Not running with
// the errors kept and changes still queued.
func (m *tableMap) initializing(ctx workflow.Context) tablemap.Status {
	copyCtx, stopCopy := workflow.WithCancel(ctx)
	work := start(copyCtx, m.state.Link, tablemap.Activities.InitialCopy, m.state.mapRun())
	if ev, _ := m.wait(ctx, work.Future); ev != finished {
		stopCopy()
		_, _ = work.get(ctx)
		return m.copyEnded(ev)
	}
	result, err := work.get(ctx)
	if err != nil {
		return m.syncFailed(ctx, err)
	}
	m.state.Sync.Legs = result.Legs
	if result.Failed > 0 {
		return m.rowsFailed(result.Failed)
	}
	replay, stopReplay := m.replay(ctx)
	if ev, _ := m.wait(ctx, replay.Future); ev != finished {
		stopReplay()
		_, _ = replay.get(ctx)
		return m.copyEnded(ev)
	}
	if _, err := replay.get(ctx); err != nil {
		return m.syncFailed(ctx, err)
	}
	return m.nowLive()
}

// copyEnded is where an initial sync goes that was interrupted.
func (m *tableMap) copyEnded(why event) tablemap.Status {
	if why == full {
		return tablemap.Initializing
	}
	return m.keepQueueing("initial sync was cancelled")
}

func (m *tableMap) rowsFailed(rows int64) tablemap.Status {
	m.state.Health = tablemap.HealthHeld
	if rows == 1 {
		return m.keepQueueing("initial sync failed: 1 row could not be copied")
	}
	return m.keepQueueing(fmt.Sprintf("initial sync failed: %d rows could not be copied", rows))
}

// syncFailed is the end of an initial sync by an error. A gap or a fault has taken the map off: nothing is queued.
func (m *tableMap) syncFailed(ctx workflow.Context, err error) tablemap.Status {
	f := failureOf(err)
	if f.Type == tablemap.ErrorGap || f.Type == tablemap.ErrorFault {
		return m.takeOff(ctx, f)
	}
	return m.keepQueueing("initial sync failed: " + f.Message)
}

func (m *tableMap) keepQueueing(reason string) tablemap.Status {
	m.state.Sync.State, m.state.Queueing, m.state.Reason = tablemap.SyncFailed, true, reason
	return tablemap.NotRunning
}

// insist runs an activity of a status change until it is done: a change of status that has begun is not given up.
func (m *tableMap) insist(ctx workflow.Context, method func(tablemap.Activities, context.Context, tablemap.MapRun) error) {
	for {
		err := do(ctx, m.state.Link, method, m.state.mapRun())
		if err == nil {
			return
		}
		workflow.GetLogger(ctx).Error("change of status is tried again", "error", err)
		if workflow.Sleep(ctx, streamPause) != nil {
			return
		}
	}
}

// asRefusal is an activity's error as the one who asked gets it.
func asRefusal(err error) error {
	f := failureOf(err)
	if f.Type == "" {
		f.Type = ErrorFailed
	}
	var cause *temporal.ApplicationError
	if errors.As(err, &cause) {
		return temporal.NewNonRetryableApplicationError(f.Message, f.Type, nil, f.Hint)
	}
	return temporal.NewNonRetryableApplicationError(f.Message, f.Type, nil)
}
