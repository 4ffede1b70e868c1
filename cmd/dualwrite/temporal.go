package main

import (
	"context"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// service is Temporal as commands see it.
type service struct {
	*starter.Starter
	conn *starter.Connection
	link string
}

var _ commander = (*service)(nil)

// dialEnvironment connects as the `temporal` command would.
func dialEnvironment(ctx context.Context, link string) (commander, func(), error) {
	conn, err := starter.Dial(ctx, silent{})
	if err != nil {
		return nil, nil, err
	}
	return newService(conn, link), conn.Close, nil
}

func newService(conn *starter.Connection, link string) *service {
	return &service{starter.New(conn, link), conn, link}
}

// Doing reads how far the copy or replay of a map is from the heartbeats of its activities.
func (s *service) Doing(ctx context.Context, name string) (doing, error) {
	d, err := s.conn.DescribeWorkflowExecution(ctx, workflows.MapID(s.link, name), "")
	if err != nil {
		return doing{}, err
	}
	var found doing
	for _, a := range d.GetPendingActivities() {
		if work := doingOf(a.GetActivityType().GetName(), a.GetHeartbeatDetails()); work.What != "" {
			found = work
		}
		if trouble := a.GetLastFailure().GetMessage(); trouble != "" {
			found.Trouble = trouble
		}
	}
	return found, nil
}

// doingOf understands the heartbeat of an activity; zero: there is none yet, or it is about something else.
func doingOf(activity string, beat *commonpb.Payloads) doing {
	from := converter.GetDefaultDataConverter()
	switch activity {
	case "InitialCopy":
		var p tablemap.CopyProgress
		d := doing{What: "initial write"}
		if beat != nil && from.FromPayloads(beat, &p) == nil {
			d.Total = p.Total
			for _, l := range p.Legs {
				d.Done += l.Read
			}
		}
		return d
	case "Replay":
		var p tablemap.ReplayProgress
		d := doing{What: "replay"}
		if beat != nil && from.FromPayloads(beat, &p) == nil {
			d.Done, d.Total = p.Applied, p.Applied+p.Left
		}
		return d
	}
	return doing{}
}

// silent keeps the Temporal SDK from writing where commands print.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
