package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/dualwrite/dualwrite/tablemap"
)

// linkRun is one run of the workflow of a link.
type linkRun struct {
	in      tablemap.LinkRequest
	attach  workflow.ReceiveChannel
	streams [2]*stream // of each direction, by the side it begins at
	leaving bool       // the history is long: streams end, a new run follows
}

// stream is one direction.
type stream struct {
	future workflow.Future // nil while no map is attached
	cancel workflow.CancelFunc
	failed string // how the last attempt ended, when by an error or a gap
	again  bool   // a map has been attached since it was started: one that ends meanwhile may not have seen it
}

// Link is the workflow of a link: it keeps one Stream activity per direction going while any map is attached. It does
// not take cancel requests: that would leave maps Running of which nothing is carried across; stop the maps instead.
func Link(root workflow.Context, in tablemap.LinkRequest) error {
	ctx, stop := workflow.NewDisconnectedContext(root)
	defer stop()
	err := workflow.UpsertTypedSearchAttributes(ctx, keyword(AttributeLink).ValueSet(in.Link))
	if err != nil {
		return fmt.Errorf("set search attribute: %w", err)
	}
	l := &linkRun{in: in, attach: workflow.GetSignalChannel(ctx, SignalAttach)}
	for side := range l.streams {
		l.streams[side] = &stream{}
	}
	l.drainAttach() // of the map that has started this
	l.startIdle(ctx)
	for l.busy() {
		l.show(ctx)
		l.next(ctx)
		if !l.leaving && workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			l.leaving = true
			l.endAll()
		}
	}
	if l.leaving || l.attach.Len() > 0 {
		l.drainAttach()
		return workflow.NewContinueAsNewError(ctx, TypeLink, in)
	}
	return nil
}

func (l *linkRun) busy() bool {
	return l.streams[tablemap.Left].future != nil || l.streams[tablemap.Right].future != nil
}

// startIdle starts the streams that have ended.
func (l *linkRun) startIdle(ctx workflow.Context) {
	for side, s := range l.streams {
		if s.future == nil {
			l.start(ctx, tablemap.StreamRequest{Link: l.in.Link, From: tablemap.Side(side)})
		}
	}
}

func (l *linkRun) start(ctx workflow.Context, in tablemap.StreamRequest) {
	s := l.streams[in.From]
	streamCtx, cancel := workflow.WithCancel(ctx)
	s.future, s.cancel, s.again = start(streamCtx, l.in.Link, tablemap.Activities.Stream, in).Future, cancel, false
}

func (l *linkRun) endAll() {
	for _, s := range l.streams {
		if s.future != nil {
			s.cancel()
		}
	}
}

// next waits for one thing to happen: a map is attached, or a stream has ended.
func (l *linkRun) next(ctx workflow.Context) {
	s := workflow.NewSelector(ctx)
	s.AddReceive(l.attach, func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		for _, one := range l.streams {
			one.again = true
		}
		if !l.leaving {
			l.startIdle(ctx)
		}
	})
	for side, one := range l.streams {
		if one.future != nil {
			s.AddFuture(one.future, func(workflow.Future) { l.ended(ctx, tablemap.Side(side)) })
		}
	}
	s.Select(ctx)
}

// changeAgain is since when a stream that ends while a map is attached is started again.
const changeAgain = "stream-again"

// ended deals with the end of a stream: without a map there is nothing to do; otherwise another one goes on. After a
// gap that is beyond it: the maps concerned have been taken off. One that has found no map may have looked just before one
// was attached, so it is to look again.
func (l *linkRun) ended(ctx workflow.Context, from tablemap.Side) {
	s := l.streams[from]
	var result tablemap.StreamResult
	err := s.future.Get(ctx, &result)
	s.future = nil
	switch {
	case err != nil:
		s.failed = failureOf(err).Message
	case result.Alarm.Kind != tablemap.AlarmNone:
		s.failed = result.Alarm.Message
	default:
		s.failed = ""
		if s.again && !l.leaving && workflow.GetVersion(ctx, changeAgain, workflow.DefaultVersion, 1) == 1 {
			l.start(ctx, tablemap.StreamRequest{Link: l.in.Link, From: from, Look: true})
		}
		return
	}
	if l.leaving {
		return
	}
	l.show(ctx)
	s.future, s.cancel = l.later(ctx, from)
}

// later starts a stream again after a pause; until then its future stands in for it.
func (l *linkRun) later(ctx workflow.Context, from tablemap.Side) (workflow.Future, workflow.CancelFunc) {
	ctx, cancel := workflow.WithCancel(ctx)
	future, settle := workflow.NewFuture(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		var result tablemap.StreamResult
		err := workflow.Sleep(ctx, streamPause)
		if err == nil {
			result, err = start(ctx, l.in.Link, tablemap.Activities.Stream, tablemap.StreamRequest{Link: l.in.Link, From: from}).get(ctx)
		}
		settle.Set(result, err)
	})
	return future, cancel
}

func (l *linkRun) drainAttach() {
	for l.attach.ReceiveAsync(nil) {
		continue
	}
}

// show tells how the streams are in the Web UI.
func (l *linkRun) show(ctx workflow.Context) {
	text := "## Streams\n\n"
	for side, s := range l.streams {
		from := tablemap.Side(side)
		how := "carries changes across"
		switch {
		case s.failed != "":
			how = "ended and is started again: " + plain(s.failed)
		case s.future == nil:
			how = "no map is attached"
		}
		text += fmt.Sprintf("* %s → %s: %s\n", l.in.Sides[from], l.in.Sides[from.Other()], how)
	}
	workflow.SetCurrentDetails(ctx, text+"\nThis workflow ends by itself when no map is attached; a cancel request is not heard.\n")
}
