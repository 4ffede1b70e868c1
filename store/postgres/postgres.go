// Package postgres is the store on PostgreSQL. The log is logical decoding by pgoutput: one replication slot for the
// whole database, one publication for the ledger and one for the tables of users that are captured. Nothing is put
// on those tables but REPLICA IDENTITY FULL, which Release takes back.
//
// Everything crosses the wire as PostgreSQL's own text, in sessions whose formats are fixed, so that a value read by
// a query and the same value read from the log are the same text whatever the server's settings are.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dualwrite/dualwrite/store"
)

const (
	copyRows = 10_000
	maxConns = 64 // a server has 100 by default; idle ones are given up
	idleTime = 5 * time.Minute

	acquirePatience = 15 * time.Second
)

var _ store.Store = (*Store)(nil)

// Store is one PostgreSQL database.
type Store struct {
	pool     *pgxpool.Pool
	replica  replicaConfig
	ledger   map[string]*ledgerTable
	plans    *plans
	patience patience

	turn chan struct{} // full while somebody is alone

	ledgered atomic.Bool // a ledger has been seen
	loud     atomic.Bool // the publication cannot be changed in passing

	mu     sync.Mutex
	open   map[*session]struct{} // in use
	log    *Log                  // that delivers; others have ended
	recent map[uint32]struct{}
}

// Open opens the database that the URL names. The error is a sentence for the operator and holds no password.
func Open(ctx context.Context, address string) (*Store, error) { return OpenAs(ctx, address, address) }

// OpenAs is Open with another URL, of the same database, for the role that reads the log.
func OpenAs(ctx context.Context, address, replication string) (*Store, error) {
	config, err := poolConfig(address)
	if err != nil {
		return nil, err
	}
	replica, err := newReplicaConfig(replication)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, explain(err)
	}
	s := &Store{pool: pool, replica: replica, ledger: ledgerTables(), plans: newPlans(), patience: usualPatience, turn: make(chan struct{}, 1),
		open: make(map[*session]struct{})}
	if err := s.reading(ctx, func(c *session) error { return ours(ctx, c) }); err != nil {
		pool.Close()
		return nil, explain(err)
	}
	return s, nil
}

// errPooler says that the URL does not lead to the server itself.
var errPooler = errors.New("this is a connection pooler, such as pgbouncer, which passes sessions on and their settings not: name the server itself")

// ours sees whether a session has the settings that we have asked for.
func ours(ctx context.Context, c *session) error {
	got, err := c.text(ctx, "SELECT pg_catalog.current_setting('enable_mergejoin')")
	if err == nil && got != sessionSettings()["enable_mergejoin"] {
		return errPooler
	}
	return fault(err)
}

// Limits says how many rows of a copy one transaction may write.
func (s *Store) Limits() store.Limits {
	return store.Limits{CopyRows: copyRows, QuietRows: quietRows, SkipTriggers: true, Relaxed: true, Bulk: bulkForm, Digest: digestForm}
}

// Close ends every transaction, view and log of the store; what was not committed is undone.
func (s *Store) Close() error {
	s.mu.Lock()
	log := s.log
	s.mu.Unlock()
	var err error
	if log != nil {
		err = log.Close()
	}
	s.mu.Lock()
	for c := range s.open {
		_ = c.conn.Conn().PgConn().Conn().Close() // whoever uses it gets an error and gives it back
	}
	s.open = nil
	s.mu.Unlock()
	go s.pool.Close() // it waits for what is given back
	return err
}

var errClosed = errors.New("store is closed")

// session takes a connection. Whoever gets it calls release.
func (s *Store) session(ctx context.Context) (*session, error) {
	bounded, cancel := context.WithTimeout(ctx, acquirePatience)
	defer cancel()
	conn, err := s.pool.Acquire(bounded)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = store.Because("no connection to the server is free", err)
	}
	if err != nil {
		return nil, fault(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		conn.Release()
		return nil, errClosed
	}
	c := &session{conn: conn, s: s}
	s.open[c] = struct{}{}
	return c, nil
}

// reading calls work in a read-only transaction: one state of the database.
func (s *Store) reading(ctx context.Context, work func(c *session) error) error {
	return s.within(ctx, sqlBeginRead, work)
}

// writing calls work in a transaction without markers: schema and bookkeeping of our own.
func (s *Store) writing(ctx context.Context, work func(c *session) error) error {
	return s.within(ctx, sqlBegin, work)
}

func (s *Store) within(ctx context.Context, begin string, work func(c *session) error) error {
	c, err := s.session(ctx)
	if err != nil {
		return err
	}
	defer c.release()
	if err := c.exec(ctx, begin); err != nil {
		return fault(err)
	}
	if err := work(c); err != nil {
		c.rollback()
		return fault(err)
	}
	return fault(c.exec(ctx, sqlCommit))
}

// delivered notes which transactions the log has just delivered.
func (s *Store) delivered(xids []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = make(map[uint32]struct{}, len(xids))
	for _, x := range xids {
		s.recent[x] = struct{}{}
	}
}

// unseen reports whether a snapshot, as pg_current_snapshot() writes it, does not yet see a transaction that the log has
// delivered: the server sends a transaction when it is durable, which is a moment before it is visible.
func (s *Store) unseen(snapshot string) bool {
	_, running, _ := strings.Cut(snapshot, ":")
	next, running, _ := strings.Cut(running, ":")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range strings.Split(running, ",") {
		if xid, err := strconv.ParseUint(text, 10, 64); err == nil {
			if _, ok := s.recent[uint32(xid)]; ok {
				return true
			}
		}
	}
	limit, err := strconv.ParseUint(next, 10, 64)
	for xid := range s.recent {
		if err == nil && int32(xid-uint32(limit)) >= 0 {
			return true
		}
	}
	return false
}

// explain is an error of opening as a sentence.
func explain(err error) error {
	if e := pgError(err); e != nil && e.Code == stateProtocol && strings.Contains(e.Message, "startup parameter") {
		err = errPooler
	}
	if errors.Is(err, store.ErrTransient) || errors.Is(err, errPooler) {
		return err
	}
	return fmt.Errorf("database cannot be opened: %w", fault(err))
}
