package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dualwrite/dualwrite/store"
)

// replicaConfig is how the role that reads the log connects: for commands on slots, and as a reader of the log.
type replicaConfig struct{ config *pgconn.Config }

func newReplicaConfig(address string) (replicaConfig, error) {
	config, err := poolConfig(address)
	if err != nil {
		return replicaConfig{}, err
	}
	return replicaConfig{&config.ConnConfig.Config}, nil
}

// command opens a connection for commands on slots.
func (r replicaConfig) command(ctx context.Context) (*pgconn.PgConn, error) {
	c, err := pgconn.ConnectConfig(ctx, r.config.Copy())
	return c, fault(err)
}

// stream opens a connection that can read the log. Its session has the same formats: the text of values in the log
// depends on them.
func (r replicaConfig) stream(ctx context.Context) (*pgconn.PgConn, error) {
	config := r.config.Copy()
	config.RuntimeParams["replication"] = "database"
	config.AfterNetConnect = gather
	c, err := pgconn.ConnectConfig(ctx, config)
	return c, fault(err)
}

// row runs a query on a connection of its own and returns its one row; nil where there is none.
func (r replicaConfig) row(ctx context.Context, sql string, params ...string) ([]string, error) {
	c, err := r.command(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = []byte(p)
	}
	result := c.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	if result.Err != nil || len(result.Rows) == 0 {
		return nil, result.Err
	}
	return texts(result.Rows[0]), nil
}

const (
	// Slots belong to the whole server, so the name says which database it is of.
	sqlSlotName = `SELECT 'dualwrite_' || oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`
	sqlSlot     = `SELECT s.plugin, s.database = pg_catalog.current_database(), s.active_pid, coalesce(s.confirmed_flush_lsn::text, '0/0'),
			s.wal_status, coalesce(s.restart_lsn::text, '0/0')
		FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1`
	sqlSystem = `SELECT system_identifier::text, (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()),
			CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' ELSE pg_catalog.pg_current_wal_lsn()::text END FROM pg_catalog.pg_control_system()`
	sqlOurSlot = `SELECT name, since, system, timeline, confirmed, idle FROM ` + slotTable + ` WHERE id = 1`
	sqlSetSlot = `INSERT INTO ` + slotTable + ` (id, name, since, system, timeline, confirmed, idle) VALUES (1, $1, $2, $3, $4::bigint, '', '')
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, since = excluded.since, system = excluded.system, timeline = excluded.timeline,
			confirmed = '', idle = ''`
	sqlForgetSlot = `DELETE FROM ` + slotTable + ` WHERE id = 1`
	sqlSetIdle    = `UPDATE ` + slotTable + ` SET confirmed = $1, idle = $2 WHERE id = 1`
	sqlCreateSlot = `SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')`
	sqlDropSlot   = `SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`
	sqlEndReader  = `SELECT pg_catalog.pg_terminate_backend(active_pid) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1
		AND active_pid IS NOT NULL`
	sqlAlone = `SELECT pg_catalog.pg_advisory_lock(7391006)`

	slotPatience  = 5 * time.Second // for transactions that are open when the slot is made
	leavePatience = 2 * time.Second // for a reader to be gone
)

// slot is a replication slot as the server has it.
type slot struct {
	plugin    string
	ours      bool // of this database
	reader    string
	confirmed pglogrepl.LSN
	status    string
}

// slotNote is what our own table says of the slot.
type slotNote struct {
	name      string
	since     pglogrepl.LSN // nothing was captured before
	system    string
	timeline  string
	confirmed store.Position // the engine had confirmed up to here …
	idle      pglogrepl.LSN  // … when the log was found to hold nothing for us up to there
}

// system tells which server this is.
type system struct {
	id       string
	timeline string
	end      pglogrepl.LSN // of the log
}

func (s *Store) system(ctx context.Context) (system, error) {
	var out system
	err := s.reading(ctx, func(c *session) error {
		return c.query(ctx, sqlSystem, nil, func(values [][]byte) (err error) {
			row := texts(values)
			out.id, out.timeline = row[0], row[1]
			if row[2] == "" {
				return store.Because("the server is recovering, or a standby", errors.New("server is in recovery"))
			}
			out.end, err = pglogrepl.ParseLSN(row[2])
			return err
		})
	})
	return out, err
}

// note reads what our table says of the slot; nil where it says nothing.
func note(ctx context.Context, c *session) (*slotNote, error) {
	var out *slotNote
	err := c.query(ctx, sqlOurSlot, nil, func(values [][]byte) (err error) {
		row := texts(values)
		out = &slotNote{name: row[0], system: row[2], timeline: row[3], confirmed: store.Position(row[4])}
		if out.since, err = pglogrepl.ParseLSN(row[1]); err != nil {
			return err
		}
		if row[5] != "" {
			out.idle, err = pglogrepl.ParseLSN(row[5])
		}
		return err
	})
	return out, fault(err)
}

func (s *Store) findSlot(ctx context.Context, name string) (*slot, error) {
	var out *slot
	err := s.reading(ctx, func(c *session) error {
		return c.query(ctx, sqlSlot, []param{textParam(name)}, func(values [][]byte) (err error) {
			row := texts(values)
			out = &slot{plugin: row[0], ours: row[1] == "t", reader: row[2], status: row[4]}
			out.confirmed, err = pglogrepl.ParseLSN(row[3])
			return err
		})
	})
	return out, err
}

func (s *Store) slotName(ctx context.Context) (string, error) {
	var name string
	err := s.reading(ctx, func(c *session) (err error) {
		name, err = c.text(ctx, sqlSlotName)
		return err
	})
	return name, err
}

// captured reports whether any table is.
func (s *Store) captured(ctx context.Context) (bool, error) {
	var all []*layout
	err := s.reading(ctx, func(c *session) (err error) {
		all, err = layouts(ctx, c)
		return err
	})
	return len(all) > 0, err
}

// Dormant reports whether there is nothing to decode.
func (s *Store) Dormant(ctx context.Context) (bool, error) {
	some, err := s.captured(ctx)
	if errors.Is(err, errNoLedger) {
		return true, nil
	}
	return !some, err
}

// provideSlot makes the slot where there is none, or one whose maker died before it could note it. While tables are captured
// one that is missing was taken away, and another in its place would hide what was lost: Open tells.
func (s *Store) provideSlot(ctx context.Context) error {
	name, err := s.slotName(ctx)
	if err != nil {
		return err
	}
	found, err := s.findSlot(ctx, name)
	if err != nil {
		return err
	}
	if some, err := s.captured(ctx); err != nil || some {
		return err
	}
	if found != nil {
		noted, err := s.noted(ctx, name)
		if err != nil || noted || !found.ours {
			return err
		}
		if _, err := s.replica.row(ctx, sqlDropSlot, name); err != nil {
			return fault(err)
		}
	}
	// What is noted of an earlier slot must not be taken for this one's. The publications went with that.
	err = s.writing(ctx, func(c *session) error {
		if _, err := c.change(ctx, sqlForgetSlot); err != nil {
			return err
		}
		return publish(ctx, c)
	})
	if err != nil {
		return err
	}
	lsn, err := s.createSlot(ctx, name)
	if err != nil {
		return err
	}
	sys, err := s.system(ctx)
	if err != nil {
		return err
	}
	return s.writing(ctx, func(c *session) error {
		_, err := c.change(ctx, sqlSetSlot, textParam(name), textParam(lsn), textParam(sys.id), textParam(sys.timeline))
		return err
	})
}

// noted reports whether our table knows of the slot.
func (s *Store) noted(ctx context.Context, name string) (bool, error) {
	var about *slotNote
	err := s.reading(ctx, func(c *session) (err error) {
		about, err = note(ctx, c)
		return err
	})
	return about != nil && about.name == name, err
}

// createSlot waits until the transactions that are open now have ended.
func (s *Store) createSlot(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, slotPatience)
	defer cancel()
	row, err := s.replica.row(ctx, sqlCreateSlot, name)
	switch {
	case state(err) == stateDuplicateObject:
		return "", store.Busy(err) // another worker was faster; it notes it
	case errors.Is(err, context.DeadlineExceeded):
		return "", store.Because("a transaction that is open for long keeps the replication slot from being made", err)
	case state(err) == statePrivilege:
		return "", fmt.Errorf("create replication slot: the role that reads the log needs REPLICATION (docs/postgresql.md): %w", err)
	case state(err) == stateNotPrerequisites:
		return "", fmt.Errorf("create replication slot: set wal_level = logical and restart the server: %w", err)
	case err != nil:
		return "", fmt.Errorf("create replication slot: %w", fault(err))
	}
	return row[0], nil
}

// dropIdleSlot drops the slot, and then the publications, when no table is captured and nobody reads it. A slot that nobody needs
// holds the log.
func (s *Store) dropIdleSlot(ctx context.Context) error {
	name, err := s.slotName(ctx)
	if err != nil {
		return err
	}
	// The server needs a moment to notice that a reader has gone; one that goes on reading is not waited for.
	for deadline := time.Now().Add(leavePatience); ; {
		err = s.alone(ctx, func() error {
			some, err := s.captured(ctx)
			if err != nil || some {
				return err
			}
			if _, err = s.replica.row(ctx, sqlDropSlot, name); err != nil && state(err) != stateUndefinedObject {
				return err
			}
			return s.writing(ctx, func(c *session) error { return withdraw(ctx, c) }) // what a slot is read by must be there for as long as it is
		})
		if state(err) != stateObjectInUse || s.following() || time.Now().After(deadline) || wait(ctx, 20*time.Millisecond) != nil {
			break
		}
	}
	if state(err) == stateObjectInUse {
		return nil // its reader drops it in the end
	}
	return fault(err)
}

// alone does something while nobody else, in any process, puts a table under capture, or makes or drops the slot: what is
// captured needs the slot that was there when it was looked for.
func (s *Store) alone(ctx context.Context, work func() error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	c, err := s.replica.command(ctx) // not of the pool: those who wait here would keep who works from getting any
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	if _, err := c.Exec(ctx, sqlAlone).ReadAll(); err != nil {
		return fault(err)
	}
	return work()
}

// following reports whether a log of this store is open.
func (s *Store) following() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log != nil && !s.log.over.Load()
}

// endReader ends who reads the slot, if that is one of ours: whoever opens the log last is the one who reads.
func (s *Store) endReader(ctx context.Context, name string) error {
	for deadline := time.Now().Add(slotPatience); ; {
		found, err := s.findSlot(ctx, name)
		if err != nil || found == nil || found.reader == "" {
			return err
		}
		if time.Now().After(deadline) {
			return store.Because("another reader holds the replication slot", fmt.Errorf("slot %s is read by process %s", name, found.reader))
		}
		if _, err := s.replica.row(ctx, sqlEndReader, name); err != nil {
			return fault(err)
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// lsnText is an LSN as the server writes it.
func lsnText(lsn pglogrepl.LSN) string {
	return strings.ToUpper(strconv.FormatUint(uint64(lsn)>>32, 16) + "/" + strconv.FormatUint(uint64(uint32(lsn)), 16))
}
