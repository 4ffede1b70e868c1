// Package workflowstest has what tests of workflows and of their clients share: activities that do what a test tells
// them, and a Temporal server.
package workflowstest

import (
	"context"
	"slices"
	"sync"

	"github.com/dualwrite/dualwrite/tablemap"
)

// Engine stands in for the activities. It counts what was asked of it and does what a test tells it; by default
// everything succeeds at once, and live writes and streams go on until they are cancelled.
type Engine struct {
	Asked Record

	OnAttach  func(ctx context.Context, in tablemap.AttachRequest) error
	OnCopy    func(ctx context.Context, in tablemap.MapRun) (tablemap.CopyResult, error)
	OnReplay  func(ctx context.Context, in tablemap.MapRun) error
	OnLive    func(ctx context.Context, in tablemap.MapRun) (tablemap.LiveResult, error)
	OnPause   func(ctx context.Context, in tablemap.MapRun) error
	OnStop    func(ctx context.Context, in tablemap.MapRun) error
	OnDiscard func(ctx context.Context, in tablemap.MapRun) error
	OnStream  func(ctx context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error)
	OnLink    func(ctx context.Context, in tablemap.LinkRequest) error
}

var _ tablemap.Activities = (*Engine)(nil)

// Record is what an Engine was asked to do.
type Record struct {
	mu       sync.Mutex
	calls    []string
	attached []tablemap.AttachRequest
	replays  []tablemap.MapRun
}

// Calls are the names of the activities that were called, in order.
func (r *Record) Calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// Attached are the requests to attach.
func (r *Record) Attached() []tablemap.AttachRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.attached)
}

// Replays are the requests to replay.
func (r *Record) Replays() []tablemap.MapRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.replays)
}

func (r *Record) note(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, name)
}

// Attach implements tablemap.Activities.
func (e *Engine) Attach(ctx context.Context, in tablemap.AttachRequest) (tablemap.AttachResult, error) {
	e.Asked.note("Attach")
	e.Asked.mu.Lock()
	e.Asked.attached = append(e.Asked.attached, in)
	e.Asked.mu.Unlock()
	return tablemap.AttachResult{}, call(ctx, e.OnAttach, in)
}

// InitialCopy implements tablemap.Activities.
func (e *Engine) InitialCopy(ctx context.Context, in tablemap.MapRun) (tablemap.CopyResult, error) {
	e.Asked.note("InitialCopy")
	if e.OnCopy != nil {
		return e.OnCopy(ctx, in)
	}
	return tablemap.CopyResult{Legs: []tablemap.Leg{{From: "finops", To: "dataverse", Read: 3, Inserted: 3}}}, nil
}

// Replay implements tablemap.Activities.
func (e *Engine) Replay(ctx context.Context, in tablemap.MapRun) (tablemap.ReplayResult, error) {
	e.Asked.note("Replay")
	e.Asked.mu.Lock()
	e.Asked.replays = append(e.Asked.replays, in)
	e.Asked.mu.Unlock()
	return tablemap.ReplayResult{}, call(ctx, e.OnReplay, in)
}

// LiveWrites implements tablemap.Activities.
func (e *Engine) LiveWrites(ctx context.Context, in tablemap.MapRun) (tablemap.LiveResult, error) {
	e.Asked.note("LiveWrites")
	if e.OnLive != nil {
		return e.OnLive(ctx, in)
	}
	return tablemap.LiveResult{}, UntilCancelled(ctx)
}

// Pause implements tablemap.Activities.
func (e *Engine) Pause(ctx context.Context, in tablemap.MapRun) error {
	e.Asked.note("Pause")
	return call(ctx, e.OnPause, in)
}

// Stop implements tablemap.Activities.
func (e *Engine) Stop(ctx context.Context, in tablemap.MapRun) error {
	e.Asked.note("Stop")
	return call(ctx, e.OnStop, in)
}

// Discard implements tablemap.Activities.
func (e *Engine) Discard(ctx context.Context, in tablemap.MapRun) error {
	e.Asked.note("Discard")
	return call(ctx, e.OnDiscard, in)
}

// Stream implements tablemap.Activities.
func (e *Engine) Stream(ctx context.Context, in tablemap.StreamRequest) (tablemap.StreamResult, error) {
	e.Asked.note("Stream")
	if e.OnStream != nil {
		return e.OnStream(ctx, in)
	}
	return tablemap.StreamResult{}, UntilCancelled(ctx)
}

// EnsureLink implements tablemap.Activities.
func (e *Engine) EnsureLink(ctx context.Context, in tablemap.LinkRequest) error {
	e.Asked.note("EnsureLink")
	return call(ctx, e.OnLink, in)
}

func call[In any](ctx context.Context, f func(context.Context, In) error, in In) error {
	if f == nil {
		return nil
	}
	return f(ctx, in)
}
