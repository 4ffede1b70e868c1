// Package sqlite is the store on SQLite. The users' applications are other processes with a SQLite of their own; the
// file is all that they and we share. So the log is a table in it: triggers on the captured tables write every change
// into an outbox, and the ledger's own rows are put there by the transactions that write them.
//
// SQLite lets one transaction write at a time. All of ours go through one connection, hold the lock shortly, and
// leave the users four times as long before the next begins.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dualwrite/dualwrite/store"
)

const (
	copyRows  = 1000 // so that the write lock is held for about 20 ms
	idleConns = 4    // connections kept for views
)

var _ store.Store = (*Store)(nil)

// Store is one SQLite database.
type Store struct {
	path   string
	file   fs.FileInfo // of the file that was opened, to notice when another takes its place
	writer *writer
	reader atomic.Int64 // number of the Log that delivers; others have ended

	mu     sync.Mutex
	ledger map[string]*ledgerTable
	news   chan struct{} // holds something when we have committed

	idle   []*conn
	all    map[*conn]struct{} // open connections that read
	plans  *plans
	closed bool
}

// Open opens the database that the URL names (see Path), which must exist. The error is a sentence for the operator; a
// locked database matches store.ErrBusy.
func Open(ctx context.Context, address string) (*Store, error) {
	path, err := Path(address)
	if err != nil {
		return nil, err
	}
	info, err := stat(path)
	if err != nil {
		return nil, err
	}
	c, err := connect(ctx, path, quirksAsUsers)
	if err != nil {
		return nil, explain(path, err)
	}
	if err := prepare(ctx, c); err != nil {
		_ = c.close()
		return nil, explain(path, err)
	}
	return &Store{path: path, file: info, writer: newWriter(c), all: make(map[*conn]struct{}), plans: newPlans(), ledger: ledgerTables(),
		news: make(chan struct{}, 1)}, nil
}

// prepare makes the write connection what it must be. Reading a page finds out what cannot be read; that waits for whoever
// commits to a database that is not in WAL mode yet.
func prepare(ctx context.Context, c *conn) error {
	if _, err := c.number(ctx, sqlSchemaVersion); err != nil {
		return err
	}
	for _, pragma := range writerPragmas() {
		if err := c.exec(ctx, pragma); err != nil {
			return err
		}
	}
	return nil
}

const sqlUseWAL = "PRAGMA journal_mode=WAL"

// useWAL puts the database into WAL mode, where readers and a writer do not block each other.
func useWAL(ctx context.Context, c *conn) error {
	mode, err := c.text(ctx, "PRAGMA journal_mode")
	if err == nil && mode != "wal" {
		mode, err = c.text(ctx, sqlUseWAL)
	}
	// An application that writes without pause leaves the file free for microseconds only.
	for end := time.Now().Add(patience); code(err)&0xff == codeBusy && time.Now().Before(end); {
		if err := wait(ctx, 100*time.Microsecond); err != nil {
			return err
		}
		mode, err = c.text(ctx, sqlUseWAL)
	}
	switch {
	case code(err)&0xff == codeBusy:
		return store.Busy(errors.New("database is in use and cannot be put into WAL mode now"))
	case err != nil:
		return fault(err)
	case mode != "wal":
		return fmt.Errorf("journal mode of the database is %s and cannot be made WAL", mode)
	}
	return nil
}

// Dormant is always false: the outbox takes in our own rows, too, and would grow.
func (s *Store) Dormant(context.Context) (bool, error) { return false, nil }

// Limits says how many rows of a copy one transaction may write.
func (s *Store) Limits() store.Limits { return store.Limits{CopyRows: copyRows} }

// Close ends every transaction, view and log of the store; what was not committed is undone.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	all := s.all
	s.all, s.idle = make(map[*conn]struct{}), nil
	s.mu.Unlock()
	s.reader.Add(1)
	err := s.writer.conn.close()
	for c := range all {
		err = errors.Join(err, c.close())
	}
	return err
}

// same checks that the path still leads to the file that was opened.
func (s *Store) same() error {
	info, err := os.Stat(s.path)
	if err == nil && os.SameFile(info, s.file) {
		return nil
	}
	return &store.GapError{Reason: "the database file has been replaced or removed while it was open: restart the worker"}
}

// connection takes a connection for reading.
func (s *Store) connection(ctx context.Context) (*conn, error) {
	if err := s.same(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	c, err := connect(ctx, s.path, quirksNone)
	if err != nil {
		return nil, fault(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(errClosed, c.close())
	}
	s.all[c] = struct{}{}
	return c, nil
}

// giveBack returns a connection that is in no transaction.
func (s *Store) giveBack(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed && len(s.idle) < idleConns {
		s.idle = append(s.idle, c)
		return
	}
	s.drop(c)
}

// discard closes a connection.
func (s *Store) discard(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(c)
}

// drop closes a connection; s.mu is held.
func (s *Store) drop(c *conn) {
	delete(s.all, c)
	_ = c.close()
}

// reading calls work in a read transaction: one state of the database.
func (s *Store) reading(ctx context.Context, work func(c *conn) error) error {
	c, err := s.connection(ctx)
	if err != nil {
		return err
	}
	defer s.giveBack(c)
	return snapshot(ctx, c, func() error { return work(c) })
}

// snapshot calls work in a read transaction on the connection.
func snapshot(ctx context.Context, c *conn, work func() error) error {
	if err := c.exec(ctx, sqlBegin); err != nil {
		return fault(err)
	}
	err := work()
	if endErr := c.exec(context.WithoutCancel(ctx), sqlRollback); err == nil && endErr != nil {
		err = fault(endErr)
	}
	return err
}

// wake tells the log's reader that there is something new.
func (s *Store) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}
