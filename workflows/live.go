package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// running supervises live writes until a command or an alarm ends them.
func (m *tableMap) running(ctx workflow.Context) tablemap.Status {
	for {
		liveCtx, stop := workflow.WithCancel(ctx)
		work := start(liveCtx, m.state.Link, tablemap.Activities.LiveWrites, m.state.mapRun())
		ev, p := m.waitLive(ctx, work.Future)
		stop()
		result, err := work.get(ctx)
		if alarm := alarmOf(result, err); alarm.Kind != tablemap.AlarmNone {
			m.putBack(p)
			return m.alarmed(ctx, alarm)
		}
		switch ev {
		case commanded:
			return m.endLive(ctx, p)
		case full:
			return tablemap.Running
		}
		if workflow.Sleep(ctx, streamPause) != nil { // ended without a reason: another attempt takes over
			return tablemap.Running
		}
	}
}

// waitLive is wait, where a cancel request is refused.
func (m *tableMap) waitLive(ctx workflow.Context, work workflow.Future) (event, *pending) {
	for {
		ev, p := m.wait(ctx, work)
		if ev != cancelled {
			return ev, p
		}
		m.refuseCancel(ctx)
	}
}

// putBack returns a command to the front of the inbox: it is looked at again in the status that follows.
func (m *tableMap) putBack(p *pending) {
	if p != nil {
		m.inbox = append([]*pending{p}, m.inbox...)
	}
}

// endLive pauses or stops the map, after its supervision has ended.
func (m *tableMap) endLive(ctx workflow.Context, p *pending) tablemap.Status {
	m.state.Reason = ""
	if p.Command == tablemap.Pause {
		m.insist(ctx, tablemap.Activities.Pause)
		m.accept(p)
		return tablemap.Paused
	}
	m.insist(ctx, tablemap.Activities.Stop)
	m.state.Health = tablemap.HealthOK
	m.accept(p)
	return tablemap.NotRunning
}

// alarmed takes the map out of live writes for the reason that the engine found.
func (m *tableMap) alarmed(ctx workflow.Context, alarm tablemap.Alarm) tablemap.Status {
	switch alarm.Kind {
	case tablemap.AlarmBreaker:
		m.state.Health = tablemap.HealthHeld
		return m.backToPaused(ctx, alarm.Message)
	case tablemap.AlarmGap:
		return m.takeOff(ctx, failure{Type: tablemap.ErrorGap, Message: alarm.Message})
	}
	return m.takeOff(ctx, failure{Type: tablemap.ErrorFault, Message: alarm.Message})
}

// alarmOf reads an alarm from how live writes ended. An error that is none of ours ends nothing.
func alarmOf(result tablemap.LiveResult, err error) tablemap.Alarm {
	if err == nil {
		return result.Alarm
	}
	f := failureOf(err)
	switch f.Type {
	case tablemap.ErrorGap:
		return tablemap.Alarm{Kind: tablemap.AlarmGap, Message: f.Message}
	case tablemap.ErrorFault, tablemap.ErrorRefused:
		return tablemap.Alarm{Kind: tablemap.AlarmFault, Message: f.Message}
	}
	return tablemap.Alarm{}
}
