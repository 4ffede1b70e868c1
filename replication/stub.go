package replication

import (
	"context"
	"errors"

	"github.com/dualwrite/dualwrite/tablemap"
)

var errUnbuilt = errors.New("not built yet")

func (e *Engine) Attach(ctx context.Context, in tablemap.AttachRequest) (tablemap.AttachResult, error) {
	return tablemap.AttachResult{}, errUnbuilt
}
func (e *Engine) Pause(ctx context.Context, mapName string) error   { return errUnbuilt }
func (e *Engine) Stop(ctx context.Context, mapName string) error    { return errUnbuilt }
func (e *Engine) Discard(ctx context.Context, mapName string) error { return errUnbuilt }
func (e *Engine) Attached(ctx context.Context) ([]string, error)    { return nil, errUnbuilt }
func (e *Engine) NewStream(ctx context.Context, from tablemap.Side) (*Stream, error) {
	return nil, errUnbuilt
}
func (e *Engine) NewCopy(ctx context.Context, mapName string, run int) (*Copy, error) {
	return nil, errUnbuilt
}
func (e *Engine) NewReplay(ctx context.Context, mapName string, from tablemap.Side, withoutSync bool) (*Replay, error) {
	return nil, errUnbuilt
}
func (e *Engine) NewRetry(ctx context.Context, mapName string, key map[string]string) (*Retry, error) {
	return nil, errUnbuilt
}
func (e *Engine) NewVerify(ctx context.Context, mapName string, mode VerifyMode) (*Verify, error) {
	return nil, errUnbuilt
}
func (e *Engine) Restore(ctx context.Context, mapName string, id int64) error { return errUnbuilt }
func (e *Engine) Live(ctx context.Context) (map[string]MapLive, error)        { return nil, errUnbuilt }
func (e *Engine) Errors(ctx context.Context, q ErrorQuery) ([]RowFailure, error) {
	return nil, errUnbuilt
}
func (e *Engine) CountErrors(ctx context.Context, q ErrorQuery) (int64, error) { return 0, errUnbuilt }
func (e *Engine) Conflicts(ctx context.Context, mapName string, limit, offset int) ([]Conflict, error) {
	return nil, errUnbuilt
}
func (e *Engine) Legs(ctx context.Context, mapName string, run int) ([]tablemap.Leg, error) {
	return nil, errUnbuilt
}
func (e *Engine) Definition(ctx context.Context, mapName string) (Definition, error) {
	return Definition{}, errUnbuilt
}

type Stream struct{}

func (s *Stream) Step(ctx context.Context) (Outcome, error) { return Idle, errUnbuilt }
func (s *Stream) Wait(ctx context.Context) error            { return errUnbuilt }
func (s *Stream) Progress() tablemap.StreamProgress         { return tablemap.StreamProgress{} }
func (s *Stream) Close() error                              { return nil }

type Copy struct{}

func (c *Copy) Step(ctx context.Context) (Outcome, error) { return Idle, errUnbuilt }
func (c *Copy) Progress() tablemap.CopyProgress           { return tablemap.CopyProgress{} }
func (c *Copy) Result() tablemap.CopyResult               { return tablemap.CopyResult{} }

type Replay struct{}

func (r *Replay) Step(ctx context.Context) (Outcome, error) { return Idle, errUnbuilt }
func (r *Replay) Progress() tablemap.ReplayProgress         { return tablemap.ReplayProgress{} }

type Retry struct{}

func (r *Retry) Step(ctx context.Context) (Outcome, error) { return Idle, errUnbuilt }
func (r *Retry) Result() RetryResult                       { return RetryResult{} }

type Verify struct{}

func (v *Verify) Step(ctx context.Context) (Outcome, error) { return Idle, errUnbuilt }
func (v *Verify) Progress() (done, total int64)             { return 0, 0 }
func (v *Verify) Result() VerifyResult                      { return VerifyResult{} }
