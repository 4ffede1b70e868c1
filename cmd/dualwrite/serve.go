package main

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/dualwrite/dualwrite/activities"
	"github.com/dualwrite/dualwrite/cmd/dualwrite/devserver"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/store"
	"github.com/dualwrite/dualwrite/worker"
)

// serving is a worker at work in this process.
type serving struct {
	worker      *worker.Worker
	closeStores func()
}

// serve starts a worker for the link of the config and registers its maps.
func (s *session) serve(ctx context.Context, conn *starter.Connection, log *zap.Logger) (*serving, error) {
	e, closeStores, err := s.openPatiently(ctx, log)
	if err != nil {
		return nil, s.unreachable(err)
	}
	if err := e.Owner(ctx); err != nil && !errors.Is(err, store.ErrTransient) {
		closeStores()
		return nil, err
	}
	w := worker.New(*s.link(), activities.Adapter{Engine: e}, conn, log)
	v := &serving{worker: w, closeStores: closeStores}
	if err := w.Start(ctx); err != nil {
		v.closeStores()
		return nil, err
	}
	gone, err := w.Register(ctx)
	if err != nil {
		v.stop()
		return nil, err
	}
	if len(gone) > 0 {
		log.Warn("Temporal has maps that the config does not have", zap.Strings("maps", gone))
	}
	return v, nil
}

// openPatiently opens the databases; one that is locked for a while is waited for.
func (s *session) openPatiently(ctx context.Context, log *zap.Logger) (e *replication.Engine, done func(), err error) {
	err = patiently(ctx, func() error {
		e, done, err = openEngine(ctx, s.file)
		if errors.Is(err, store.ErrTransient) {
			log.Warn("a database does not answer", zap.Error(err))
		}
		return err
	})
	return e, done, err
}

// wait waits until the context ends, which is no error, or until the worker or the server (if any) cannot go on.
func (v *serving) wait(ctx context.Context, server *devserver.Server) error {
	var gone <-chan struct{}
	if server != nil {
		gone = server.Done()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-v.worker.Fatal():
		return fail(exitError, "worker", "the worker cannot go on: "+err.Error(), "start it again")
	case <-gone:
		return fail(exitError, "temporal_server", "Temporal's development server has ended", "see "+server.LogFile())
	}
}

// stop ends the work within a few seconds; other workers go on with it.
func (v *serving) stop() {
	v.worker.Stop()
	v.closeStores()
}
