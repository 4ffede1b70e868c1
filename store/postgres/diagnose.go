package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dualwrite/dualwrite/store"
)

// patience is from when on a diagnosis speaks.
type patience struct {
	held int64         // bytes of log kept for us
	open string        // interval that a transaction is open
	ends time.Duration // until a certificate ends
}

var usualPatience = patience{held: 1 << 30, open: "10 minutes", ends: 14 * 24 * time.Hour}

const (
	sqlSlots = `SELECT s.slot_name, coalesce(s.database::text, ''), s.database = pg_catalog.current_database(), s.active, coalesce(s.wal_status, ''),
			coalesce(pg_catalog.pg_wal_lsn_diff(CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_wal_lsn() END,
				s.restart_lsn), 0)::bigint
		FROM pg_catalog.pg_replication_slots s WHERE s.slot_name LIKE 'dualwrite\_%' ORDER BY s.slot_name`
	sqlLongest = `SELECT a.pid, coalesce(a.usename::text, ''), pg_catalog.extract('epoch', pg_catalog.now() - a.xact_start)::bigint
		FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database() AND a.backend_xid IS NOT NULL
			AND a.xact_start < pg_catalog.now() - $1::text::interval ORDER BY a.xact_start LIMIT 1`
	hintAfresh = "stop the maps of this database and run them again: their initial sync finds what was missed"
)

// Diagnose looks at the slot, the publication and the captured tables.
func (s *Store) Diagnose(ctx context.Context) (store.Condition, error) {
	name, err := s.slotName(ctx)
	if err != nil {
		return store.Condition{}, fmt.Errorf("diagnose: %w", err)
	}
	d := &diagnosis{slot: name, patience: s.patience}
	err = s.reading(ctx, func(c *session) error { return d.tables(ctx, c) })
	if errors.Is(err, errNoLedger) {
		err = nil
	}
	if err == nil {
		err = s.reading(ctx, func(c *session) error { return d.server(ctx, c) })
	}
	if err != nil {
		return store.Condition{}, fmt.Errorf("diagnose: %w", err)
	}
	return d.out, nil
}

// diagnosis collects what is found.
type diagnosis struct {
	slot     string
	patience patience
	out      store.Condition
}

func (d *diagnosis) add(code store.RemarkCode, table, hint, format string, args ...any) {
	d.out.Remarks = append(d.out.Remarks, store.Remark{Code: code, Table: table, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// tables looks at what was put under capture.
func (d *diagnosis) tables(ctx context.Context, c *session) error {
	all, err := layouts(ctx, c)
	if err != nil {
		return err
	}
	for _, l := range all {
		d.out.Captured = append(d.out.Captured, l.name)
		entry, err := c.text(ctx, sqlEntry, textParam(fmt.Sprint(l.relid)))
		if err != nil {
			return fault(err)
		}
		if entry != l.entry {
			d.add(store.RemarkCaptureChanged, l.name, hintAfresh, "the table is gone, or was taken out of the publication %s", usersPublication)
			continue
		}
		found, err := identitiesOf(ctx, c, fmt.Sprint(l.relid))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(f identity) bool { return f.ident != identityFull }) {
			d.add(store.RemarkCaptureChanged, l.name, hintAfresh, "its REPLICA IDENTITY is no longer FULL, so that old rows are missing in the log")
		}
	}
	slices.Sort(d.out.Captured)
	return nil
}

// server looks at the slots of ours, and at transactions that hold them up.
func (d *diagnosis) server(ctx context.Context, c *session) error {
	found := false
	err := c.query(ctx, sqlSlots, nil, func(values [][]byte) error {
		row := texts(values)
		held, err := strconv.ParseInt(row[5], 10, 64)
		if err != nil {
			return fmt.Errorf("read slot: %w", err)
		}
		switch {
		case row[0] == d.slot && row[2] == "t":
			found = true
			d.ours(row[3] == "t", row[4], held)
		case row[3] != "t" && held > d.patience.held:
			d.add(store.RemarkSlotElsewhere, "", "see to that link with its own config, or, if it is no more, in that database: SELECT pg_drop_replication_slot('"+row[0]+"')",
				"slot %s of database %s keeps %s of log, and nobody reads it", row[0], row[1], size(held))
		}
		return nil
	})
	if err != nil {
		return fault(err)
	}
	if !found && len(d.out.Captured) > 0 {
		d.add(store.RemarkLogLost, "", hintAfresh, "the replication slot %s is gone: what was changed since is lost to the log", d.slot)
	}
	d.certificate(c.conn.Conn().PgConn().Conn())
	row, err := one(ctx, c, sqlLongest, textParam(d.patience.open))
	if err == nil && row != nil {
		d.add(store.RemarkTransaction, "", "end it, or see what it waits for: SELECT * FROM pg_stat_activity WHERE pid = "+row[0],
			"a transaction of role %s (process %s) is open for %s s: until it ends the server keeps its log, and no slot can be made", row[1], row[0], row[2])
	}
	return err
}

// certificate looks at what the server shows of itself on a connection. Who connects anew once it has ended, and verifies it, is refused.
func (d *diagnosis) certificate(conn net.Conn) {
	secure, ok := conn.(*tls.Conn)
	if !ok || len(secure.ConnectionState().PeerCertificates) == 0 {
		return
	}
	ends := secure.ConnectionState().PeerCertificates[0].NotAfter
	if time.Until(ends) > d.patience.ends {
		return
	}
	d.add(store.RemarkCertificate, "", "give the server a new one (ssl_cert_file), and reload it", "the TLS certificate of the server is valid until %s only", ends.UTC().Format(time.RFC3339))
}

// ours looks at the slot of this database.
func (d *diagnosis) ours(read bool, status string, held int64) {
	captured := len(d.out.Captured) > 0
	switch {
	case !captured && !read:
		d.add(store.RemarkSlotIdle, "", "dualwrite doctor --clean", "no table is captured, but the replication slot %s keeps %s of log", d.slot, size(held))
	case status == "lost":
		d.add(store.RemarkLogLost, "", hintAfresh, "the server has removed log that the replication slot %s needed (max_slot_wal_keep_size)", d.slot)
	case !read:
		d.add(store.RemarkLogUnread, "", "start a worker (dualwrite up or dualwrite worker), see whether the other database answers, or stop the maps",
			"nobody reads the replication slot %s, for which the server keeps %s of log", d.slot, size(held))
	case status == "unreserved" || held > d.patience.held:
		d.add(store.RemarkLogHeld, "", "see whether the other side is slow, locked or down; the log goes once changes are applied or queued there",
			"the server keeps %s of log for the replication slot %s", size(held), d.slot)
	}
}

// size is a number of bytes as people read it.
func size(bytes int64) string { return humanize.Bytes(uint64(max(0, bytes))) }
