// Package worker wires config, stores, the engine, activities and workflows into Temporal workers. It is the one place
// that names every store.
package worker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"

	"github.com/dualwrite/dualwrite/activities"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/starter"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/workflows"
)

// Limits of one worker.
const (
	copiesAtOnce = 4    // initial writes and replays
	livesAtOnce  = 2000 // live writes and streams: they mostly wait
	stopTimeout  = 5 * time.Second
	beat         = time.Second // shortest time between heartbeats, by which a cancellation is heard
)

// Worker serves one link: its workflows and short activities, its copies, its live writes.
type Worker struct {
	link    tablemap.Link
	engine  Engine
	conn    *starter.Connection
	logger  *zap.Logger
	workers []worker.Worker
	fatal   chan error
	rest    func() // ends the lookout; nil: it has not begun
}

// Engine is what a worker needs of the engine.
type Engine interface {
	activities.Engine
	Diagnoser
	// Dependencies are the foreign keys between mapped tables, and what the config declares.
	Dependencies(ctx context.Context) ([]tablemap.Edge, error)
	// Definition is that of a map's last run.
	Definition(ctx context.Context, mapName string) (replication.Definition, error)
}

// New makes a worker for a link. The connection stays the caller's, the stores stay with the one who opened them.
func New(link tablemap.Link, e Engine, conn *starter.Connection, logger *zap.Logger) *Worker {
	w := &Worker{link: link, engine: e, conn: conn, logger: logger, fatal: make(chan error, 3)}
	acts := activities.New(e, &temporalSide{conn, link}, activities.DefaultPace())
	main := w.add(workflows.Queue(link.Name), worker.Options{Interceptors: workflows.Interceptors()}, acts)
	workflows.Register(main)
	w.add(workflows.CopyQueue(link.Name), worker.Options{
		DisableWorkflowWorker: true, MaxConcurrentActivityExecutionSize: copiesAtOnce}, acts)
	w.add(workflows.LiveQueue(link.Name), worker.Options{
		DisableWorkflowWorker: true, MaxConcurrentActivityExecutionSize: livesAtOnce}, acts)
	return w
}

func (w *Worker) add(queue string, o worker.Options, acts *activities.Activities) worker.Worker {
	o.WorkerStopTimeout = stopTimeout
	o.MaxHeartbeatThrottleInterval = beat
	o.DefaultHeartbeatThrottleInterval = beat
	o.OnFatalError = func(err error) {
		select {
		case w.fatal <- fmt.Errorf("worker of %s: %w", queue, err):
		default: // one is enough
		}
	}
	one := worker.New(w.conn.Client, queue, o)
	one.RegisterActivity(acts)
	w.workers = append(w.workers, one)
	return one
}

// Start makes Temporal know our search attributes and begins to work. Fatal tells when it cannot go on.
func (w *Worker) Start(ctx context.Context) error {
	if err := ensureAttributes(ctx, w.conn); err != nil {
		return err
	}
	for _, one := range w.workers {
		if err := one.Start(); err != nil {
			w.Stop()
			return fmt.Errorf("start worker: %w", err)
		}
	}
	w.lookOut()
	return nil
}

// lookOut begins to look at the databases beside the work, until Stop.
func (w *Worker) lookOut() {
	ctx, cancel := context.WithCancel(context.Background())
	var look sync.WaitGroup
	look.Go(func() { newLookout(w.engine, w.logger).keep(ctx, lookEvery+time.Duration(len(w.link.Maps))*lookPerMap) })
	w.rest = func() { cancel(); look.Wait() }
}

// Fatal delivers an error after which the worker does not work any more.
func (w *Worker) Fatal() <-chan error { return w.fatal }

// Stop ends the work within a few seconds: streams and copies are handed over to other workers.
func (w *Worker) Stop() {
	if w.rest != nil {
		w.rest()
	}
	var all sync.WaitGroup
	for _, one := range w.workers {
		all.Go(one.Stop)
	}
	all.Wait()
}

// Register makes the maps of the config known in Temporal. It returns the names of maps there that the config does not
// have. While a database is down, maps are registered with what the config alone says of them.
func (w *Worker) Register(ctx context.Context) ([]string, error) {
	edges, err := w.engine.Dependencies(ctx)
	if err != nil {
		w.logger.Warn("related maps are taken from the config alone", zap.String("why", err.Error()))
		edges = declared(w.link)
	}
	live, err := w.engine.Live(ctx)
	if err != nil {
		w.logger.Warn("the ledgers could not be read", zap.String("why", err.Error()))
	}
	maps := make([]starter.Registration, len(w.link.Maps))
	for i, m := range w.link.Maps {
		maps[i] = starter.Registration{Map: m, Related: parents(edges, m.Name)}
		if modes, ok := live[m.Name]; ok {
			maps[i].Found = w.found(ctx, m.Name, modes.Modes)
		}
	}
	return starter.New(w.conn, w.link.Name).Register(ctx, w.link, maps)
}

// found is where a map stands by the ledgers, for a Temporal that has lost its record.
func (w *Worker) found(ctx context.Context, name string, modes [2]string) starter.Found {
	definition, err := w.engine.Definition(ctx, name)
	if err != nil {
		return starter.Found{} // it was never run
	}
	switch {
	case modes == [2]string{"live", "live"}:
		return starter.Found{Status: tablemap.Running, Map: definition.Map}
	case !slices.Contains(modes[:], "off") && !slices.Contains(modes[:], ""):
		return starter.Found{Status: tablemap.Paused, Map: definition.Map}
	}
	return starter.Found{}
}

// parents are the maps that a map depends on directly, less itself.
func parents(edges []tablemap.Edge, child string) []string {
	var names []string
	for _, e := range edges {
		if e.Child == child && e.Parent != child && !slices.Contains(names, e.Parent) {
			names = append(names, e.Parent)
		}
	}
	return names
}

func declared(link tablemap.Link) []tablemap.Edge {
	var edges []tablemap.Edge
	for _, m := range link.Maps {
		for _, parent := range m.Related {
			edges = append(edges, tablemap.Edge{Child: m.Name, Parent: parent})
		}
	}
	return edges
}
