package converge_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/checker"
	"github.com/dualwrite/dualwrite/e2e/harness"
)

// settle waits until everything has been carried across: what is written last has come to the other side, in each map; nothing is
// queued; what failed for a reference has been tried again by itself; and what that has had sent has come, too.
func (r *run) settle() {
	r.t.Helper()
	r.carry()
	for side, d := range r.sides() {
		for _, table := range []string{"queue", "held"} {
			d.Becomes(r.lane.ledger(side, "SELECT count(*) FROM %s", table), "0")
		}
	}
	r.carry()
}

// carry writes rows on each side that nobody else writes, and waits until the other has them.
func (r *run) carry() {
	r.t.Helper()
	sides := r.sides()
	for side, a := range r.users.both {
		statements, tokens := a.both(a.prefix + "-last")
		sides[side].Exec(statements)
		for i, name := range tables {
			sides[1-side].Becomes(fmt.Sprintf("SELECT count(*) FROM %s WHERE token = '%s'", name, tokens[i]), "1")
		}
	}
}

// judge hands the checker what is there in the end.
func (r *run) judge(live [2]int64) {
	r.t.Helper()
	judged := &checker.Run{Master: r.master,
		Writers: func(_, key string) checker.Writers {
			return checker.Writers{Side: strings.IndexByte("FD", key[0]), Held: strings.HasPrefix(key[1:], family)}
		},
		Live: func(token string) bool {
			n, err := strconv.ParseInt(strings.Trim(token, "FD"+checker.Tombstone), 10, 64)
			return err == nil && n > live[strings.IndexByte("FD", token[0])]
		},
		Rest: func(token string) string { return strconv.Itoa(value(token)) }}
	r.settle()
	if r.seed%silentEvery == 0 {
		r.silence()
	}
	silent := r.noted()
	for _, name := range tables {
		if v := r.link.Try("verify", name); v.Exit != 0 {
			r.t.Errorf("%s%s", v.Out, v.Err)
		}
	}
	for side, d := range r.sides() {
		judged.Sides[side] = checker.Side{Name: d.Side, Prefix: "FD"[side : side+1]}
		for _, row := range d.Rows(events) {
			f := strings.Split(row, "|")
			judged.Sides[side].Events = append(judged.Sides[side].Events, checker.Event{Table: f[0], Key: f[1], Old: f[2], New: f[3]})
		}
		for _, row := range append(d.Rows(finalItems), d.Rows(finalParts)...) {
			f := strings.Split(row, "|")
			judged.Sides[side].Rows = append(judged.Sides[side].Rows, checker.Row{Table: f[0], Key: f[1], Token: f[2], Rest: f[3]})
		}
		r.events += len(judged.Sides[side].Events)
		d.Sound()
		require.Equal(r.t, untouched, d.Text(unmapped), "what is not mapped: %v", d.Rows("SELECT * FROM spoiled"))
		require.Empty(r.t, r.users.both[side].failures, "of the applications of %s", d.Side)
	}
	require.Equal(r.t, silent, r.noted(), "changes of rows, though nobody writes")
	judged.Losses = append(r.losses, r.conflicts()...)
	if wrong := judged.Check(); len(wrong) > 0 {
		r.t.Fatalf("%d findings:\n%s", len(wrong), strings.Join(wrong[:min(len(wrong), 30)], "\n"))
	}
}

// Of every so many seeds one is watched for so long in the end.
const (
	silentEvery = 8
	silentFor   = 30 * time.Second
)

// silence requires that nothing is done any more once everything has been carried across: no row is changed, nothing is queued or held, no
// map has an alarm, and each stream writes its cursor down once at most, so that they do not answer each other for ever.
func (r *run) silence() {
	r.t.Helper()
	cursors := func() (out [2]int) {
		for side, d := range r.sides() {
			out[side] = d.Int(r.lane.ledger(side, "SELECT max(seq) FROM %s WHERE writer = 'stream'", "marker"))
		}
		return out
	}
	rows, began := r.noted(), cursors()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for since := time.Now(); time.Since(since) < silentFor; <-tick.C {
		require.Equal(r.t, rows, r.noted(), "changes of rows, though nobody writes")
		for side, d := range r.sides() {
			for _, table := range []string{"queue", "held", "token", "alarm"} {
				require.Zero(r.t, d.Int(r.lane.ledger(side, "SELECT count(*) FROM %s", table)), "%s of %s", table, d.Side)
			}
		}
	}
	for side, seq := range cursors() {
		require.LessOrEqual(r.t, seq-began[side], 1, "transactions of the stream into %s, though nobody writes", r.sides()[side].Side)
	}
	r.lane.series.looked("silence")
}

// noted is how many changes of rows the triggers of both sides have noted.
func (r *run) noted() (out [2]int) {
	r.t.Helper()
	for side, d := range r.sides() {
		out[side] = d.Int("SELECT count(*) FROM audit")
	}
	return out
}

// conflicts is the list of conflicts.
func (r *run) conflicts() []checker.Loss {
	r.t.Helper()
	var out []checker.Loss
	for _, name := range tables {
		var conflicts []harness.Conflict
		r.link.Read(&conflicts, "conflicts", name, "--limit", "100000")
		for _, c := range conflicts {
			token, _ := c.Losing["token"].(string)
			out = append(out, checker.Loss{Table: name, Key: fmt.Sprint(c.Key["id"]), Token: token})
		}
	}
	return out
}

// longest is how many events the history of a workflow may have: Temporal suggests to continue as new after 4,096.
const longest = 5_000

// leavesNothing waits until nothing is left of a link whose maps were stopped: no slot, no publication, and, once its worker has ended,
// no session. Histories of workflows have bounds.
func (r *run) leavesNothing() {
	r.t.Helper()
	for _, query := range []string{"pg_replication_slots WHERE database = current_database()", "pg_publication"} {
		r.servers(func(d *harness.Database) { d.Becomes("SELECT count(*) FROM "+query, "0") })
	}
	r.worker.Stop()
	r.servers(func(d *harness.Database) {
		d.Becomes("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dualwrite'", "0")
	})
	for _, name := range tables {
		id := r.link.Workflow(name)
		var described struct {
			Info struct {
				Length string `json:"historyLength"`
			} `json:"workflowExecutionInfo"`
		}
		require.NoError(r.t, json.Unmarshal([]byte(r.link.Temporal("workflow", "describe", "-w", id, "-o", "json")), &described))
		length, err := strconv.Atoi(described.Info.Length)
		require.NoError(r.t, err, id)
		require.Less(r.t, length, longest, "the history of %s", id)
	}
}

// servers does something for each side that is a server.
func (r *run) servers(do func(d *harness.Database)) {
	for side, d := range r.sides() {
		if r.lane.clusters[side] != nil {
			do(d)
		}
	}
}
