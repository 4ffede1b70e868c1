package replication

import (
	"context"
	"errors"

	"github.com/dualwrite/dualwrite/tablemap"
)

var errUnbuilt = errors.New("not built yet")

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







type Retry struct{}

func (r *Retry) Step(ctx context.Context) (Outcome, error) { return Idle, errUnbuilt }
func (r *Retry) Result() RetryResult                       { return RetryResult{} }

type Verify struct{}

func (v *Verify) Step(ctx context.Context) (Outcome, error) { return Idle, errUnbuilt }
func (v *Verify) Progress() (done, total int64)             { return 0, 0 }
func (v *Verify) Result() VerifyResult                      { return VerifyResult{} }
