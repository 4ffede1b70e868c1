package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/dualwrite/dualwrite/config"
	"github.com/dualwrite/dualwrite/replication"
	"github.com/dualwrite/dualwrite/tablemap"
	"github.com/dualwrite/dualwrite/worker"
	"github.com/dualwrite/dualwrite/workflows"
)

// reach is how a program reaches the outside: the config file, Temporal, the two databases. The functions that open
// something return what closes it.
type reach struct {
	config   func(path string) (*config.File, error)
	temporal func(ctx context.Context, link string) (commander, func(), error)
	engine   func(ctx context.Context, file *config.File) (ledgers, func(), error)
}

// commander is what commands ask of Temporal; starter.Starter and progress of activities.
type commander interface {
	Send(ctx context.Context, name string, r workflows.Request) (tablemap.Report, error)
	Status(ctx context.Context, name string) (tablemap.Report, error)
	Await(ctx context.Context, name string, each func(tablemap.Report), statuses ...tablemap.Status) (tablemap.Report, error)
	List(ctx context.Context, names []string) ([]tablemap.Report, error)
	// Names are all maps of the link that Temporal knows, also those that have left the config.
	Names(ctx context.Context) ([]string, error)
	RunRelated(ctx context.Context, r workflows.RelatedRequest, each func(workflows.RelatedResult)) (workflows.RelatedResult, error)
	StartRelated(ctx context.Context, r workflows.RelatedRequest) (client.WorkflowRun, error)
	// Doing is how far the copy or replay of a map is; zero: none is under way.
	Doing(ctx context.Context, name string) (doing, error)
}

// ledgers is what commands ask of the databases: the engine.
type ledgers interface {
	Live(ctx context.Context) (map[string]replication.MapLive, error)
	Errors(ctx context.Context, q replication.ErrorQuery) ([]replication.RowFailure, error)
	CountErrors(ctx context.Context, q replication.ErrorQuery) (int64, error)
	Conflicts(ctx context.Context, mapName string, limit, offset int) ([]replication.Conflict, error)
	Restore(ctx context.Context, mapName string, id int64) error
	Draft(ctx context.Context) (*replication.Draft, error)
	Check(ctx context.Context, maps ...string) ([]replication.Finding, error)
	Diagnose(ctx context.Context) []replication.Finding
	Orphans(ctx context.Context, busy []string) ([]replication.Orphan, error)
	Remove(ctx context.Context, o replication.Orphan) error
	Dependencies(ctx context.Context) ([]tablemap.Edge, error)
	Retry(ctx context.Context, mapName string, key map[string]string) (retry, error)
	Preview(ctx context.Context, mapName string) (verification, error)
	Verify(ctx context.Context, mapName string, mode replication.VerifyMode) (verification, error)
}

// retry is a retry of held rows under way.
type retry interface {
	replication.Stepper
	Result() replication.RetryResult
}

// verification is a comparison under way.
type verification interface {
	replication.Stepper
	Progress() (done, total int64)
	Result() replication.VerifyResult
}

// session is what one command works with. Temporal and the databases are opened when they are first asked for.
type session struct {
	program  *program
	file     *config.File
	temporal commander
	ledgers  ledgers
	closers  []func()
}

// open reads the config.
func (p *program) open() (*session, error) {
	file, err := p.reach.config(p.config)
	if err != nil {
		return nil, p.explainConfig(err)
	}
	return &session{program: p, file: file}, nil
}

// inSession does a command's work in a session, within the time that the user gives it.
func (p *program) inSession(cmd *cobra.Command, work func(context.Context, *session) error) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := p.limited(cmd.Context())
	defer cancel()
	return work(ctx, s)
}

// onMap does the work of a command whose first argument is a map of the config.
func (p *program) onMap(cmd *cobra.Command, args []string, work func(context.Context, *session, string) error) error {
	return p.inSession(cmd, func(ctx context.Context, s *session) error {
		if err := s.known(args[0]); err != nil {
			return err
		}
		return work(ctx, s, args[0])
	})
}

func (s *session) close() {
	for _, c := range s.closers {
		c()
	}
}

func (s *session) link() *tablemap.Link { return &s.file.Link }

// names are all maps in the order of the config file.
func (s *session) names() []string {
	names := make([]string, len(s.link().Maps))
	for i, m := range s.link().Maps {
		names[i] = m.Name
	}
	return names
}

// known refuses names of maps that the config does not have.
func (s *session) known(names ...string) error {
	for _, name := range names {
		if _, ok := s.link().Map(name); !ok {
			return unknown("map", name, s.names())
		}
	}
	return nil
}

// knownStill is known for commands by which a map that has left the config can be looked at and stopped.
func (s *session) knownStill(ctx context.Context, name string) error {
	err := s.known(name)
	if err == nil || slices.Contains(s.left(ctx), name) {
		return nil
	}
	return err
}

// left are the maps that Temporal knows and the config does not have; none where Temporal cannot be asked.
func (s *session) left(ctx context.Context) []string {
	maps, err := s.maps(ctx)
	if err != nil {
		return nil
	}
	names, err := maps.Names(ctx)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(names, func(name string) bool { return s.known(name) == nil })
}

// maps connects to Temporal.
func (s *session) maps(ctx context.Context) (commander, error) {
	if s.temporal != nil {
		return s.temporal, nil
	}
	c, done, err := s.program.reach.temporal(ctx, s.link().Name)
	if err != nil {
		return nil, err
	}
	s.temporal, s.closers = c, append(s.closers, done)
	return c, nil
}

// rows connects to the databases.
func (s *session) rows(ctx context.Context) (ledgers, error) {
	if s.ledgers != nil {
		return s.ledgers, nil
	}
	l, done, err := s.program.reach.engine(ctx, s.file)
	if err != nil {
		return nil, s.unreachable(err)
	}
	s.ledgers, s.closers = l, append(s.closers, done)
	return l, nil
}

// unreachable is the error of databases that could not be opened.
func (s *session) unreachable(err error) error {
	var address *worker.URLError
	if errors.As(err, &address) {
		return fail(exitUsage, "config", err.Error(), address.Hint)
	}
	f := explain(err)
	if f.Code == "error" {
		f = fail(exitError, "database_unavailable", f.Message, "see that the URLs in "+s.program.config+" are right, and that both databases are up and this user may write them")
	}
	return f
}

// databasePatience bounds the wait for databases where a command can do without them.
const databasePatience = 5 * time.Second

// live is what the ledgers say about all maps; nil, with a warning, when the databases do not answer.
func (s *session) live(ctx context.Context) map[string]replication.MapLive {
	bounded, cancel := context.WithTimeout(ctx, databasePatience)
	defer cancel()
	l, err := s.rows(bounded)
	if err == nil {
		var live map[string]replication.MapLive
		if live, err = l.Live(bounded); err == nil {
			return live
		}
	}
	if ctx.Err() == nil {
		s.program.warn("live counters are missing: %s", reasonOf(err))
	}
	return nil
}

func reasonOf(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the databases do not answer"
	}
	return explain(err).Message
}
