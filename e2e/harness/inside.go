package harness

import (
	"context"
	"os/exec"
	"time"
)

// What follows looks into a database as its administrator would, and differs by its kind.

// Captured are the tables of users whose changes reach the log, in the order of their names.
func (d *Database) Captured() []string {
	d.t.Helper()
	if d.named != "" { // what the owner has put into the publication stays there
		if d.Text("SELECT to_regclass('dualwrite.captured') IS NULL") == "t" {
			return nil
		}
		return d.Rows("SELECT substring(name from '[^.]*$') FROM dualwrite.captured WHERE active ORDER BY 1")
	}
	if d.url != "" {
		return d.Rows("SELECT tablename FROM pg_publication_tables WHERE pubname LIKE 'dualwrite%' AND schemaname = 'public' ORDER BY 1")
	}
	return d.Rows("SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'dualwrite%' ORDER BY 1")
}

// Uncapture takes away what makes the changes of a table reach the log, as somebody might who does not know better.
func (d *Database) Uncapture(table string) {
	d.t.Helper()
	if d.url != "" {
		d.Exec("ALTER PUBLICATION dualwrite_tables DROP TABLE " + table)
		return
	}
	for _, name := range d.Rows("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'dualwrite%' AND tbl_name = '" + table + "'") {
		d.Exec(`DROP TRIGGER "` + name + `"`)
	}
}

// Schema are the names of all tables, indexes and triggers, those of dualwrite too.
func (d *Database) Schema() []string {
	d.t.Helper()
	if d.url != "" {
		return d.Rows("SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text IN ('public', 'dualwrite') UNION ALL " +
			"SELECT tgname FROM pg_trigger UNION ALL SELECT pubname FROM pg_publication ORDER BY 1")
	}
	return d.Rows("SELECT name FROM sqlite_master ORDER BY name")
}

// Forgets waits until the log keeps next to nothing any more of what users have changed.
func (d *Database) Forgets() {
	d.t.Helper()
	kept := "SELECT count(*) FROM dualwrite_outbox"
	if d.url != "" {
		kept = keptBySlot
	}
	n := 0
	if !polled(Patience, func() bool { n = d.Int(kept); return n < 100 }) {
		d.t.Fatalf("the log of %s keeps %d changes", d.Side, n)
	}
}

// keptBySlot counts the changes of users' tables that a copy of the slot still delivers: the slot itself is in use.
const keptBySlot = `SELECT count(*) FROM pg_replication_slots s,
	LATERAL pg_copy_logical_replication_slot(s.slot_name, 'look_' || pg_backend_pid(), true) c,
	LATERAL pg_logical_slot_peek_binary_changes(c.slot_name, NULL, NULL, 'proto_version', '1', 'publication_names', 'dualwrite_tables') m
	WHERE s.database = current_database() AND NOT s.temporary AND get_byte(m.data, 0) IN (ascii('I'), ascii('U'), ascii('D'))`

// Sound checks that no page is broken and no row refers to one that is not there.
func (d *Database) Sound() {
	d.t.Helper()
	if d.url != "" {
		d.Exec(findOrphans)
		return
	}
	if found := d.Text("PRAGMA integrity_check"); found != "ok" {
		d.t.Fatalf("%s is broken: %s", d.Side, found)
	}
	if found := d.Rows("PRAGMA foreign_key_check"); len(found) > 0 {
		d.t.Fatalf("rows of %s refer to none: %s", d.Side, found)
	}
}

// findOrphans fails where a row refers to one that is not there: a session can write such rows.
const findOrphans = `DO $$ DECLARE k record; orphans bigint; BEGIN
	FOR k IN SELECT conrelid::regclass AS child, confrelid::regclass AS parent, conname,
			(SELECT string_agg(format('p.%I = c.%I', f.attname, a.attname), ' AND ') FROM unnest(conkey, confkey) AS u (own, their)
				JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = own JOIN pg_attribute f ON f.attrelid = confrelid AND f.attnum = their) AS pairs,
			(SELECT string_agg(format('c.%I IS NOT NULL', attname), ' AND ') FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey)) AS named
		FROM pg_constraint WHERE contype = 'f'
	LOOP
		EXECUTE format('SELECT count(*) FROM %s c WHERE %s AND NOT EXISTS (SELECT 1 FROM %s p WHERE %s)', k.child, k.named, k.parent, k.pairs) INTO orphans;
		IF orphans > 0 THEN RAISE '% rows of % refer to none by %', orphans, k.child, k.conname; END IF;
	END LOOP;
END $$`

// Unlocked reports whether nobody is in the way of a write: of SQLite, whether one gets through within a second, of
// PostgreSQL, whether no transaction that has written is open.
func (d *Database) Unlocked() bool {
	d.t.Helper()
	if d.url != "" {
		return d.Int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL") == 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "sqlite3", "-bail", "-cmd", ".timeout 1000", d.Path, "BEGIN IMMEDIATE; ROLLBACK;").Run() == nil
}
