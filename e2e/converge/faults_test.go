package converge_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// fault is something that goes wrong, on one side or for all. What it makes is over when it returns, but for what has to be
// mended by dualwrite.
type fault struct {
	name string
	make func(side int)
	on   kind // which the side has to be
}

// kind is what a database is.
type kind string

const (
	either kind = ""
	server kind = "server"
	file   kind = "file"
)

// points are where a worker may die: see worker/failpoint.go.
var points = []string{"after-capture", "before-fence", "after-fence", "after-begin", "after-open", "before-apply", "after-apply", "after-put",
	"before-commit", "after-commit", "after-read", "before-confirm", "after-confirm"}

// rare are points that are not passed for each transaction.
var rare = []string{"after-capture", "before-fence", "after-fence", "after-open", "before-confirm", "after-confirm"}

// faults are those that a pair of databases can have.
func (l *lane) faults() []fault {
	all := []fault{
		{name: "worker killed", make: func(int) {
			l.run.worker.Kill()
			l.run.worker = l.run.link.Work()
		}},
		{name: "worker frozen", make: func(int) {
			l.run.worker.Freeze()
			l.run.more()
			l.run.worker.Thaw()
		}},
		{name: "worker replaced", make: func(int) {
			other := l.run.link.Work()
			l.run.more()
			l.run.worker.Kill()
			l.run.worker = other
		}},
		{name: "Temporal killed", make: func(int) {
			l.temporal.Kill()
			l.run.more()
			l.temporal.Start()
		}},
		{name: "paused", make: func(int) {
			l.run.await(harness.Running)
			l.run.all("pause")
			l.run.more()
			l.run.all("resume")
		}},
		{name: "clock leaping", make: func(int) {
			l.run.worker.Kill()
			l.run.worker = l.run.link.Launch("DUALWRITE_CLOCK=24h")
			l.run.worker.AwaitLine("ready")
			l.run.more()
			l.run.worker.Kill()
			l.run.worker = l.run.link.Work()
		}},
		{name: "signals repeated", make: func(int) {
			l.run.await(harness.Running)
			l.run.signal("pause", "pause")
			l.run.link.Await("item", harness.Paused)
			l.run.more()
			l.run.signal("resume", "resume")
		}},
		{name: "map terminated", make: func(int) {
			l.run.await(harness.Running)
			l.run.link.Temporal("workflow", "terminate", "-w", l.run.link.Workflow("item"), "--reason", "a fault")
			l.run.more()
			l.run.worker.Kill()
			l.run.worker = l.run.link.Work() // it registers what runs by the ledgers
		}},
		{name: "map reset", make: func(int) {
			l.run.await(harness.Running)
			l.run.link.Temporal("workflow", "reset", "-w", l.run.link.Workflow("item"), "--type", "LastWorkflowTask", "--reason", "a fault")
		}},
		{name: "stopped and run again", make: func(int) { l.run.again() }},
		{name: "everything locked", make: func(side int) {
			release := l.run.sides()[side].Hold()
			l.run.moreOf(1 - side)
			release()
		}},
	}
	for _, point := range points {
		all = append(all, fault{name: "worker died " + point, make: func(int) { l.run.die(point) }})
	}
	for _, f := range l.serverFaults() {
		f.on = server
		all = append(all, f)
	}
	all = append(all, l.gaps()...)
	return slices.DeleteFunc(all, func(f fault) bool { return len(l.where(f)) == 0 })
}

// where are the sides that can have a fault.
func (l *lane) where(f fault) []int {
	var out []int
	for side, cluster := range l.clusters {
		if f.on == either || (f.on == server) == (cluster != nil) {
			out = append(out, side)
		}
	}
	return out
}

// serverFaults are those of databases that are servers.
func (l *lane) serverFaults() []fault {
	return []fault{
		{name: "server stopped", make: func(side int) {
			require.NoError(l.run.t, l.clusters[side].Stop(postgrestest.Immediate))
			require.NoError(l.run.t, l.clusters[side].Run())
		}},
		{name: "server restarted", make: func(side int) {
			require.NoError(l.run.t, l.clusters[side].Stop(postgrestest.Fast))
			require.NoError(l.run.t, l.clusters[side].Run())
		}},
		{name: "one table locked", make: func(side int) { l.run.lockOne(side) }},
		{name: "rows locked", make: func(side int) { l.run.lockRows(side) }},
		{name: "reader ended", make: func(side int) { l.run.end(side, "pg_terminate_backend", "backend_type = 'walsender'") }},
		{name: "sessions ended", make: func(side int) { l.run.end(side, "pg_terminate_backend", ours) }},
		{name: "statement cancelled", make: func(side int) { l.run.end(side, "pg_cancel_backend", ours+" AND state <> 'idle'") }},
		{name: "connections cut", make: func(side int) { l.run.cut(side) }},
		{name: "network stalled", make: func(side int) {
			l.networks[side].Stall(true)
			l.run.more()
			l.networks[side].Stall(false)
		}},
		{name: "network slow", make: func(side int) {
			l.networks[side].Slow([]time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}[l.run.chance.IntN(3)])
			l.run.more()
			l.networks[side].Slow(0)
		}},
		{name: "answers lost", make: func(side int) {
			network := l.networks[side]
			before := network.Lost()
			network.Mute(true)
			l.run.link.Until("an answer is lost", func() bool { return network.Lost() > before })
			network.Cut()
			network.Mute(false)
		}},
		{name: "connections refused", make: func(side int) {
			l.run.cut(side)
			l.networks[side].Refuse(true)
			l.networks[side].Cut()
			l.run.more()
			l.networks[side].Refuse(false)
		}},
		{name: "disk full", make: func(side int) { l.run.failing(side, "53100") }},
		{name: "out of memory", make: func(side int) { l.run.failing(side, "53200") }},
		{name: "deadlock", make: func(side int) { l.run.failing(side, "40P01") }},
		{name: "rows refused", make: func(side int) { l.run.refusing(side) }},
		{name: "checkpoints", make: func(side int) {
			goal := l.run.users.written() + 50
			l.run.link.Until("checkpoints enough", func() bool {
				_, err := l.run.sides()[side].Try("CHECKPOINT")
				require.NoError(l.run.t, err)
				return l.run.users.written() >= goal
			})
		}},
		{name: "old snapshot", make: func(side int) {
			p := &postgres{url: l.run.sides()[side].URL()}
			require.NoError(l.run.t, p.do("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM item"))
			l.run.more()
			p.close()
		}},
		{name: "triggers toggled", make: func(side int) { l.run.toggling(side) }},
		{name: "settings changed", make: func(side int) { l.run.settings(side) }},
	}
}

// ours are the sessions of dualwrite.
const ours = "application_name = 'dualwrite' AND backend_type = 'client backend'"

// again stops both maps and runs them again. The applications rest: what they wrote meanwhile on one side alone, the initial write
// would take for rows that always differed.
func (r *run) again() {
	r.t.Helper()
	r.await(harness.Running)
	r.rest()
	r.all("stop")
	r.link.Do("run", "part", "--related", "--yes")
	r.begin()
}

// toggling has a trigger that changes nothing come, go, and come again: where there is one, what a table makes of a write is compared.
func (r *run) toggling(side int) {
	r.t.Helper()
	const toggled = "SELECT tgenabled = '%s' FROM pg_trigger WHERE tgname = 'idle'"
	r.while(side, `CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
		CREATE TRIGGER idle BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION idle()`, fmt.Sprintf(toggled, "O"), "ALTER TABLE item DISABLE TRIGGER idle")
	r.while(side, "ALTER TABLE item ENABLE ALWAYS TRIGGER idle", fmt.Sprintf(toggled, "A"), "DROP FUNCTION idle CASCADE")
}

// failing has a server end some of dualwrite's transactions as it does when it has run out of something: at a row, or at the commit.
// A sequence, which no rollback takes back, tells that it has.
func (r *run) failing(side int, code string) {
	r.t.Helper()
	fail := fmt.Sprintf(`CREATE SEQUENCE failures; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF current_setting('application_name') = 'dualwrite' AND random() < 0.3 THEN PERFORM nextval('public.failures'); RAISE EXCEPTION 'a fault' USING ERRCODE = '%s'; END IF;
		RETURN NULL; END $$;`, code)
	when := ""
	if r.chance.IntN(2) == 0 {
		when = " DEFERRABLE INITIALLY DEFERRED"
	}
	for _, table := range tables {
		fail += fmt.Sprintf("CREATE CONSTRAINT TRIGGER fail_%[1]s AFTER INSERT OR UPDATE ON %[1]s%[2]s FOR EACH ROW EXECUTE FUNCTION fail();", table, when)
	}
	r.while(side, fail, "SELECT is_called FROM failures", "DROP FUNCTION fail CASCADE; DROP SEQUENCE failures")
}

// refusing has some rows refused on one side, which are tried again once they no longer are. All are of the kind that others refer to:
// a change that failed is skipped by what its row has become.
func (r *run) refusing(side int) {
	r.t.Helper()
	r.await(harness.Running) // an initial write would fail
	r.while(side, "ALTER TABLE item ADD CONSTRAINT refused CHECK (id NOT LIKE '_"+family+"-%' OR v <> 3) NOT VALID",
		r.lane.ledger(side, "SELECT count(*) > 0 FROM %s", "held"), "ALTER TABLE item DROP CONSTRAINT refused")
	r.link.Until("no rows to be held", func() bool {
		r.link.Try("retry", "item")
		r.link.Try("retry", "part")
		held, err := r.sides()[side].Try(r.lane.ledger(side, "SELECT count(*) FROM %s", "held"))
		return err == nil && held == "0"
	})
}

// settings changes what sessions begin with, has all sessions begin anew, and the same for the way back.
func (r *run) settings(side int) {
	r.t.Helper()
	database := r.sides()[side].Text("SELECT current_database()")
	change := func(each string, of ...string) (out string) {
		for _, setting := range of {
			out += fmt.Sprintf(each, database, setting) + ";"
		}
		return out + fmt.Sprintf("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '%s' AND pid <> pg_backend_pid()", database)
	}
	r.while(side, change("ALTER DATABASE %s SET %s", "datestyle = 'SQL, DMY'", "timezone = 'Asia/Kolkata'", "intervalstyle = 'sql_standard'",
		"bytea_output = 'escape'", "extra_float_digits = -15", "array_nulls = off", "default_transaction_isolation = 'serializable'",
		"default_transaction_read_only = off", "synchronous_commit = off", "statement_timeout = '20s'", "lock_timeout = '100ms'",
		"idle_in_transaction_session_timeout = '10s'", "plan_cache_mode = 'force_custom_plan'", "row_security = off"), "SELECT current_setting('datestyle') = 'SQL, DMY'",
		change("ALTER DATABASE %s RESET %s", "ALL"))
}

// while makes something on a server that ends when a query says that it has had an effect, and the applications have done a little more.
func (r *run) while(side int, begin, effect, end string) {
	r.t.Helper()
	p := &postgres{url: r.sides()[side].URL()}
	defer p.close()
	do := func(statements string) {
		r.link.Until("done: "+statements, func() bool { return p.do(statements) == nil }) // it may be the one that gives way in a deadlock
	}
	do(begin)
	r.more()
	r.link.Until("so: "+effect, func() bool {
		so, err := r.sides()[side].Try(effect)
		return err == nil && so == "t"
	})
	do(end)
}

// signal sends signals to the workflow of the items, by Temporal's own command.
func (r *run) signal(names ...string) {
	r.t.Helper()
	for _, name := range names {
		r.link.Temporal("workflow", "signal", "-w", r.link.Workflow("item"), "--name", name)
	}
}

// end has the server end, or cancel, what some of its processes do.
func (r *run) end(side int, how, which string) {
	r.t.Helper()
	url := r.lane.clusters[side].URL("postgres")
	r.link.Until("a process that "+how+" concerns", func() bool {
		return one(r.t, url, fmt.Sprintf("SELECT count(%s(pid)) FROM pg_stat_activity WHERE %s", how, which)) != "0"
	})
}

// lockOne keeps a table locked until its map has gone to its queue for it.
func (r *run) lockOne(side int) {
	r.t.Helper()
	r.await(harness.Running)
	table := tables[r.chance.IntN(len(tables))]
	release := r.sides()[side].Hold(table)
	mode := fmt.Sprintf(r.lane.ledger(side, "SELECT mode FROM %s WHERE map = '", "mode")+"%s'", table)
	r.link.Until("the map of a locked table is in its queue", func() bool {
		got, err := r.sides()[side].Try(mode)
		return err == nil && got == "queue"
	})
	release()
}

// lockRows keeps some rows locked for a while.
func (r *run) lockRows(side int) {
	r.t.Helper()
	p := &postgres{url: r.sides()[side].URL()}
	r.link.Until("rows to be locked", func() bool { // it may be the one that gives way in a deadlock
		return p.do("BEGIN; SELECT id FROM item WHERE id LIKE 'S-%' FOR UPDATE") == nil
	})
	r.moreOf(1 - side)
	p.close()
}

func (r *run) cut(side int) {
	r.t.Helper()
	r.link.Until("a connection to cut", func() bool { return r.lane.networks[side].Cut() > 0 })
}

// die has the worker die at a point that it passes now or a little later.
func (r *run) die(point string) {
	r.t.Helper()
	r.worker.Kill()
	times := r.chance.IntN(10)
	if slices.Contains(rare, point) {
		times %= 2
	}
	first := r.link.Launch(fmt.Sprintf("DUALWRITE_FAILPOINT=%s@%d", point, times))
	r.link.Until("the worker has died "+point, func() bool { return !first.Alive() })
	r.worker = r.link.Work()
}
