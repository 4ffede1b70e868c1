package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Shared is a server that the tests of a process share: each has databases of its own there. It is started when it is
// first asked for. Tests that are given a URL in the environment use that server.
type Shared struct {
	variable string
	once     sync.Once
	cluster  *Cluster
	base     string // URL of a server that was given
	err      error
	count    atomic.Int64
}

// NewShared names the environment variable that may hold the URL of a server to be used instead:
// DUALWRITE_TEST_POSTGRES_A, say.
func NewShared(variable string) *Shared { return &Shared{variable: variable} }

// Database makes a database that is removed with the test, with its replication slots, and returns its URL.
func (s *Shared) Database(t testing.TB) string {
	t.Helper()
	s.once.Do(func() {
		if s.base = os.Getenv(s.variable); s.base == "" {
			s.cluster, s.err = Start(Options{})
		} else {
			s.err = s.logical()
		}
	})
	if s.err != nil {
		t.Fatalf("start a PostgreSQL server: %v", s.err)
	}
	name := fmt.Sprintf("dw_%d_%x_%d", os.Getpid(), time.Now().UnixMilli(), s.count.Add(1))
	// Nobody is ever connected to template0, so databases can be made at once.
	if err := s.exec("CREATE DATABASE " + name + " TEMPLATE template0"); err != nil {
		t.Fatalf("make database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Drop(name); err != nil {
			t.Errorf("remove database: %v", err)
		}
	})
	return s.URL(name)
}

// logical checks that the server that was given is set up for what tests do.
func (s *Shared) logical() error {
	err := s.exec("DO $$ BEGIN IF current_setting('wal_level') <> 'logical' THEN RAISE 'wal_level must be logical'; END IF; END $$")
	if err != nil {
		return fmt.Errorf("use the server that %s names: %w", s.variable, err)
	}
	return nil
}

// URL is that of a database of the server.
func (s *Shared) URL(database string) string {
	if s.cluster != nil {
		return s.cluster.URL(database)
	}
	u, err := url.Parse(s.base)
	if err != nil {
		return s.base
	}
	u.Path = "/" + database
	return u.String()
}

// Drop removes a database and its slots.
func (s *Shared) Drop(name string) error {
	end := "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL AND database = '" + name + "'"
	drop := "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '" + name + "'"
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var err error
	for range 500 {
		if err = errors.Join(s.exec(end), s.exec(drop)); err == nil {
			break
		}
		<-tick.C
	}
	return errors.Join(err, s.exec("DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"))
}

// Admin carries out statements in the server's own database.
func (s *Shared) Admin(sql string) error { return s.exec(sql) }

func (s *Shared) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	address := s.base
	if s.cluster != nil {
		address = s.cluster.URL(superuser)
	}
	c, err := pgconn.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("%s: %w", strings.SplitN(sql, "\n", 2)[0], err)
	}
	return nil
}

// Remove ends the server, if one was started.
func (s *Shared) Remove() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Remove()
}
