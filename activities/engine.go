// Package activities is Temporal's view of the engine: heartbeats, cancellation, error mapping, nothing else.
package activities

import (
	"context"

	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
)

// Engine is what activities need of the engine: commands, a look at the ledgers, and work done in steps.
type Engine interface {
	Commands
	Observer
	Work
}

// Commands change the mode of one map.
type Commands interface {
	Attach(ctx context.Context, in tablemap.AttachRequest) (tablemap.AttachResult, error)
	Pause(ctx context.Context, mapName string) error
	Stop(ctx context.Context, mapName string) error
	Discard(ctx context.Context, mapName string) error
}

// Observer reads the ledgers.
type Observer interface {
	// Attached names the maps whose mode is not off on either side.
	Attached(ctx context.Context) ([]string, error)
	// Live is what the ledgers say about all maps.
	Live(ctx context.Context) (map[string]replication.MapLive, error)
}

// Work begins work that is done in steps.
type Work interface {
	NewStream(ctx context.Context, from tablemap.Side) (Stream, error)
	NewCopy(ctx context.Context, mapName string, run int) (Copy, error)
	NewReplay(ctx context.Context, mapName string, from tablemap.Side) (Replay, error)
	// NewAgain tries again what is held of a map; nil: there is nothing that this could mend.
	NewAgain(ctx context.Context, mapName string) (replication.Stepper, error)
}

// Stream is one direction of a link.
type Stream interface {
	replication.Stepper
	Wait(ctx context.Context) error
	Dormant() bool
	Progress() tablemap.StreamProgress
	Close() error
}

// Copy is an initial write.
type Copy interface {
	replication.Stepper
	Progress() tablemap.CopyProgress
	Result() tablemap.CopyResult
	Close() error
}

// Replay is the playing back of one direction's queue.
type Replay interface {
	replication.Stepper
	Progress() tablemap.ReplayProgress
}

// Adapter is the engine as an Engine.
type Adapter struct{ *replication.Engine }

var _ Engine = Adapter{}

// NewStream implements Engine.
func (e Adapter) NewStream(ctx context.Context, from tablemap.Side) (Stream, error) {
	return orNil[Stream](e.Engine.NewStream(ctx, from))
}

// NewCopy implements Engine.
func (e Adapter) NewCopy(ctx context.Context, mapName string, run int) (Copy, error) {
	return orNil[Copy](e.Engine.NewCopy(ctx, mapName, run))
}

// NewReplay implements Engine.
func (e Adapter) NewReplay(ctx context.Context, mapName string, from tablemap.Side) (Replay, error) {
	return orNil[Replay](e.Engine.NewReplay(ctx, mapName, from))
}

// NewAgain implements Engine.
func (e Adapter) NewAgain(ctx context.Context, mapName string) (replication.Stepper, error) {
	return e.Engine.NewAgain(ctx, mapName)
}

// orNil turns a concrete result into an interface that is nil when there is an error.
func orNil[I any](concrete I, err error) (I, error) {
	if err != nil {
		var none I
		return none, err
	}
	return concrete, nil
}
