package converge_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// gaps are faults by which changes are lost to dualwrite. It has to notice before it goes on.
func (l *lane) gaps() []fault {
	return []fault{
		{name: "capture taken away", make: func(side int) {
			l.run.gap(side, tables[1:], false, func(write func()) {
				l.run.sides()[side].Uncapture(tables[1])
				write()
			})
		}},
		{name: "cursor set back", make: func(side int) {
			l.run.gap(1-side, tables, true, func(write func()) {
				old := l.run.overtaken(side)
				l.run.without(func() {
					write()
					l.run.sides()[side].Exec(l.ledger(side, "DELETE FROM %s WHERE writer = 'stream' AND seq > ", "marker") + old)
				})
			})
		}},
		{name: "log emptied", on: file, make: func(side int) {
			l.run.gap(side, tables, false, func(write func()) {
				l.run.without(func() {
					write()
					l.run.sides()[side].Exec("DELETE FROM dualwrite_outbox")
				})
			})
		}},
		{name: "slot dropped", on: server, make: func(side int) {
			l.run.gap(side, tables, false, func(write func()) {
				l.run.without(func() {
					l.run.dropSlot(side)
					write()
				})
			})
		}},
		{name: "slot made anew", on: server, make: func(side int) {
			l.run.gap(side, tables, false, func(write func()) {
				l.run.without(func() {
					name := l.run.dropSlot(side)
					write()
					l.run.sides()[side].Exec("SELECT 1 FROM pg_create_logical_replication_slot('" + name + "', 'pgoutput')")
				})
			})
		}},
		{name: "table truncated", on: server, make: func(side int) { l.run.truncated(side) }},
		{name: "log removed", on: server, make: func(side int) {
			l.run.gap(side, tables, false, func(write func()) { l.run.without(func() { write(); l.run.outrun(side) }) })
		}},
	}
}

// gap has a side lose changes, one of which it writes when it is told to. The applications rest: what a log has lost may be a delete,
// and the initial write that follows would bring such a row back. both: it is a gap of both streams.
func (r *run) gap(side int, maps []string, both bool, lose func(write func())) {
	r.t.Helper()
	r.await(harness.Running)
	r.rest()
	var tokens [2]string
	lose(func() {
		a, statements := r.users.both[side], ""
		statements, tokens = a.both(fmt.Sprintf("%s-gap%d", a.prefix, r.faults)) // one that has never been: of rows that differ the master's would stay
		r.sides()[side].Exec(statements)
	})
	for i, name := range tables {
		if !slices.Contains(maps, name) {
			continue
		}
		r.link.Reaches(name, "Not running, for a gap", func(now harness.Report) bool {
			return now.Status == harness.NotRunning && strings.HasPrefix(now.Reason, "gap in the log")
		})
		require.Equal(r.t, "0", r.sides()[1-side].Text(fmt.Sprintf("SELECT count(*) FROM %s WHERE token = '%s'", name, tokens[i])), "carried over a gap")
	}
	run := []string{"run", "part", "--related", "--yes"}
	if both { // they notice one after the other
		if first := r.link.Try(run...); first.Exit != 0 {
			require.Contains(r.t, first.Out+first.Err, "gap in the log")
		}
	}
	r.link.Do(run...)
	r.begin()
}

// truncated has a table of its own truncated, whose map joins the others for it and leaves them again. From the master that empties the
// other side, where a row is written at the same time; on the other side it stops the map, and the rows come back with its next run.
func (r *run) truncated(side int) {
	r.t.Helper()
	const rows = 50
	count := "SELECT count(*) FROM " + scrap
	both := r.sides()
	for _, d := range both {
		d.Exec("DELETE FROM " + scrap)
	}
	both[side].Exec(fmt.Sprintf("INSERT INTO %s SELECT 'row ' || value FROM generate_series(1, %d)", scrap, rows))
	r.link.Do("run", scrap, "--yes")
	both[1-side].Becomes(count, fmt.Sprint(rows))
	both[side].Exec("TRUNCATE " + scrap)
	both[1-side].Exec("INSERT INTO " + scrap + " VALUES ('another')")
	if side == r.master {
		both[1-side].Becomes(count+" WHERE id LIKE 'row %'", "0")
	} else {
		r.link.Reaches(scrap, "Not running, for a TRUNCATE", func(now harness.Report) bool {
			return now.Status == harness.NotRunning && strings.Contains(now.Reason, "was truncated")
		})
		require.Equal(r.t, rows+1, both[1-side].Int(count))
		r.link.Do("run", scrap, "--yes")
		both[side].Becomes(count, fmt.Sprint(rows+1))
	}
	r.link.Do("verify", scrap)
	r.link.Do("stop", scrap)
}

// without does something while no worker runs.
func (r *run) without(do func()) {
	r.t.Helper()
	r.worker.Stop()
	do()
	r.worker = r.link.Work()
}

// overtaken is the number of a transaction of the stream into a side, not its last, beyond which the other side's log has been confirmed, so
// that what followed on it will not be delivered again. That the log holds nothing for dualwrite is not confirmation.
func (r *run) overtaken(side int) string {
	r.t.Helper()
	here, there := r.sides()[side], r.sides()[1-side]
	began, confirmed := "SELECT '0'", "SELECT printf('%020d', confirmed) FROM dualwrite_log"
	if r.lane.clusters[1-side] != nil {
		began = "SELECT upper(lpad(to_hex((since::pg_lsn - '0/0')::bigint), 16, '0')) FROM dualwrite.slot"
		confirmed = "SELECT CASE WHEN idle <> '' THEN confirmed ELSE upper(lpad(to_hex((confirmed_flush_lsn - '0/0')::bigint), 16, '0')) END " +
			"FROM pg_replication_slots, dualwrite.slot WHERE slot_name = name"
	}
	number := ""
	r.link.Until("an older cursor, beyond which the log is confirmed", func() bool {
		first := r.lane.ledger(side, "SELECT seq || ' ' || position FROM %s WHERE writer = 'stream' AND position > '", "marker")
		oldest := strings.Fields(here.Text(first + there.Text(began) + "' ORDER BY seq LIMIT 1"))
		if len(oldest) != 2 {
			return false
		}
		number = oldest[0]
		return there.Text(confirmed) > oldest[1]
	})
	return number
}

// dropSlot drops the slot of a side, which the connection of the worker that has ended may hold for a moment, and returns its name.
func (r *run) dropSlot(side int) string {
	r.t.Helper()
	const ours = " FROM pg_replication_slots WHERE database = current_database()"
	name := r.sides()[side].Text("SELECT slot_name" + ours)
	require.NotEmpty(r.t, name)
	r.link.Until("the slot to be dropped", func() bool {
		_, err := r.sides()[side].Try("SELECT pg_drop_replication_slot(slot_name)" + ours)
		return err == nil
	})
	return name
}

// outrun has a server write more of its log than it keeps for a slot.
func (r *run) outrun(side int) {
	r.t.Helper()
	d := r.sides()[side]
	d.Exec("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT 1 FROM pg_reload_conf()")
	r.link.Until("the log to be removed", func() bool {
		d.Exec("SELECT 1 FROM pg_logical_emit_message(true, 'nobody', 'nothing')", "SELECT 1 FROM pg_switch_wal()", "CHECKPOINT")
		return d.Text("SELECT wal_status FROM pg_replication_slots WHERE database = current_database()") == "lost"
	})
	d.Exec("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT 1 FROM pg_reload_conf()")
}
