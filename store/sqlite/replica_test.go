package sqlite_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store"
)

// shell runs statements in a process of the sqlite3 command line, as another application would.
func (u *users) shell(t *testing.T, script string) string {
	t.Helper()
	out, err := u.command(t, script).CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, out)
	return string(out)
}

// try is shell for statements that may fail.
func (u *users) try(t *testing.T, script string) {
	t.Helper()
	out, err := u.command(t, script).CombinedOutput()
	if err != nil {
		require.Contains(t, string(out), "rror", "%s", script)
	}
}

func (u *users) command(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("sqlite3")
	require.NoError(t, err, "these tests need the sqlite3 command on PATH: apt-get install sqlite3")
	c := exec.Command(path, u.path)
	c.Stdin = strings.NewReader(".timeout 5000\n" + script + "\n")
	return c
}

// replica is a table as the log tells it. It takes only changes whose images before are what it has.
type replica struct {
	u    *users
	rel  store.Relation
	log  store.Log
	rows map[string]store.Row
	seen []store.Change
	last store.Position
}

func (u *users) relation(t *testing.T, table string, key int, columns ...string) store.Relation {
	t.Helper()
	found, err := u.store.Describe(context.Background(), table)
	require.NoError(t, err)
	rel := store.Relation{Table: found[table].Name, Key: key}
	for _, name := range columns {
		i := slices.IndexFunc(found[table].Columns, func(c store.Column) bool { return c.Name == name })
		require.GreaterOrEqual(t, i, 0, "table %s has no column %s", table, name)
		rel.Columns = append(rel.Columns, found[table].Columns[i])
	}
	return rel
}

// replicate captures a table and starts a replica of what it has.
func (u *users) replicate(t *testing.T, rel store.Relation) *replica {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, u.store.Capture(ctx, rel))
	log, err := u.store.Open(ctx, "")
	require.NoError(t, err)
	r := &replica{u: u, rel: rel, log: log, rows: make(map[string]store.Row)}
	for _, row := range r.table(t) {
		r.rows[store.EncodeRow(rel.KeyOf(row))] = row
	}
	return r
}

// table reads the table itself.
func (r *replica) table(t *testing.T) []store.Row {
	t.Helper()
	v, err := r.u.store.View(context.Background())
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	rows, err := v.Scan(context.Background(), &r.rel, nil, 1_000_000)
	require.NoError(t, err)
	return rows
}

// follow reads the log to its end.
func (r *replica) follow(t *testing.T, limit int) {
	t.Helper()
	for {
		batch, err := r.log.Next(context.Background(), limit)
		require.NoError(t, err)
		if len(batch.Changes) == 0 {
			require.False(t, batch.More)
			return
		}
		for _, c := range batch.Changes {
			require.Greater(t, c.Position, r.last)
			r.last = c.Position
			if !c.Ledger && c.Table == r.rel.Table {
				r.take(t, c)
			}
		}
	}
}

func (r *replica) take(t *testing.T, c store.Change) {
	t.Helper()
	r.seen = append(r.seen, c)
	if c.Before != nil {
		at := store.EncodeRow(r.rel.KeyOf(c.Before))
		require.Equal(t, r.rows[at], c.Before, "before of %v", c)
		delete(r.rows, at)
	}
	if c.After != nil {
		at := store.EncodeRow(r.rel.KeyOf(c.After))
		_, taken := r.rows[at]
		require.False(t, taken, "key taken by %v", c)
		r.rows[at] = c.After
	}
}

// equal checks that the log has told everything.
func (r *replica) equal(t *testing.T, what string) {
	t.Helper()
	rows := r.table(t)
	require.Len(t, r.rows, len(rows), what)
	for _, row := range rows {
		require.Equal(t, row, r.rows[store.EncodeRow(r.rel.KeyOf(row))], what)
	}
}

// wait reads the log until something comes.
func (r *replica) wait(t *testing.T) {
	t.Helper()
	before := len(r.seen)
	require.Eventually(t, func() bool {
		r.follow(t, 1000)
		return len(r.seen) > before
	}, 5*time.Second, time.Millisecond)
}

func (r *replica) ops() string {
	var out []string
	for _, c := range r.seen {
		out = append(out, string(c.Op))
	}
	r.seen = nil
	return strings.Join(out, " ")
}

// shapes are tables with every kind of unique index that a REPLACE can hit.
func shapes() map[string]string {
	return map[string]string{
		"row number":    `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b, c INT DEFAULT 7, UNIQUE (b, c))`,
		"text key":      `CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, a TEXT COLLATE NOCASE UNIQUE, b REAL, c INT, UNIQUE (b, c))`,
		"no row number": `CREATE TABLE t (id INT NOT NULL, a TEXT UNIQUE, b NUMERIC, c INT, PRIMARY KEY (id), UNIQUE (c, b)) WITHOUT ROWID`,
		"partial": `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b, c INT);
			CREATE UNIQUE INDEX p ON t (a) WHERE c > 1; CREATE UNIQUE INDEX e ON t (lower(a) COLLATE NOCASE DESC, b) WHERE b > 0`,
		"expression": `CREATE TABLE t (id INT UNIQUE NOT NULL, a TEXT, b, c INT);
			CREATE UNIQUE INDEX e ON t (abs(c), coalesce(a, 'x')); CREATE UNIQUE INDEX n ON t (a COLLATE NOCASE)`,
		"generated": `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b, c INT GENERATED ALWAYS AS (length(a) % 3) STORED, UNIQUE (b, c))`,
	}
}

func TestEveryStatementIsInTheLog(t *testing.T) {
	t.Parallel()
	for name, create := range shapes() {
		for _, recursive := range []string{"OFF", "ON"} {
			t.Run(name+" recursive "+recursive, func(t *testing.T) {
				t.Parallel()
				u := newUsers(t, "")
				u.shell(t, create+";")
				rel := u.relation(t, "t", 1, "id", "a", "b", "c")
				r := u.replicate(t, rel)
				w := newWriters(len(name)*7+len(recursive), strings.Contains(create, "GENERATED"))
				for round := range 40 {
					script := "PRAGMA recursive_triggers=" + recursive + ";\n"
					for range 12 {
						script += w.statement() + ";\n"
					}
					u.try(t, script)
					r.follow(t, 1+round%5)
					r.equal(t, script)
				}
			})
		}
	}
}

// writers make statements at random, the same for the same seed.
type writers struct {
	state     uint64
	generated bool
	open      bool // in a transaction
}

func newWriters(seed int, generated bool) *writers {
	return &writers{state: uint64(seed)*2654435761 + 1, generated: generated}
}

func (w *writers) n(below int) int {
	w.state = w.state*6364136223846793005 + 1442695040888963407
	return int((w.state >> 33) % uint64(below))
}

func (w *writers) pick(from ...string) string { return from[w.n(len(from))] }

func (w *writers) id() string { return fmt.Sprint(w.n(6)) }

func (w *writers) value() string {
	return w.pick("NULL", "0", "1", "2", "'a'", "'A'", "'b'", "1.5", "x'00ff'", "'1'", "-1", "'x'", "1e3", "''", "x''", "char(0,97)")
}

func (w *writers) row() string {
	id := w.id()
	if w.n(12) == 0 {
		id = "NULL"
	}
	if w.generated {
		return "(id, a, b) VALUES (" + id + ", " + w.value() + ", " + w.value() + ")"
	}
	return "(id, a, b, c) VALUES (" + id + ", " + w.value() + ", " + w.value() + ", " + fmt.Sprint(w.n(4)) + ")"
}

func (w *writers) set() string {
	column := w.pick("a", "b", "c", "id")
	if w.generated && column == "c" {
		column = "b"
	}
	if column == "id" {
		return "id = " + w.id()
	}
	return column + " = " + w.value()
}

func (w *writers) statement() string {
	switch w.n(16) {
	case 0, 1:
		return "INSERT INTO t " + w.row()
	case 2:
		return "REPLACE INTO t " + w.row()
	case 3:
		_, second, _ := strings.Cut(w.row(), "VALUES")
		return "INSERT OR REPLACE INTO t " + w.row() + "," + second
	case 4:
		return "INSERT OR IGNORE INTO t " + w.row()
	case 5:
		return "INSERT OR FAIL INTO t " + w.row()
	case 6:
		return "INSERT INTO t " + w.row() + " ON CONFLICT DO NOTHING"
	case 7:
		return "INSERT INTO t " + w.row() + " ON CONFLICT (id) DO UPDATE SET " + w.set()
	case 8:
		return "UPDATE t SET " + w.set() + ", " + w.set() + " WHERE id = " + w.id()
	case 9:
		return "UPDATE OR REPLACE t SET " + w.set() + " WHERE id = " + w.id()
	case 10:
		return "UPDATE OR REPLACE t SET " + w.set()
	case 11:
		return "UPDATE OR IGNORE t SET " + w.set()
	case 12:
		return "DELETE FROM t WHERE id = " + w.id()
	case 13:
		return "REPLACE INTO t SELECT * FROM t WHERE id = " + w.id()
	case 14:
		return w.transaction()
	}
	return "UPDATE t SET id = -id WHERE id = " + w.id()
}

// transaction makes statements in one that ends either way, with a savepoint in it.
func (w *writers) transaction() string {
	if w.open {
		return "DELETE FROM t WHERE id = " + w.id()
	}
	w.open = true
	defer func() { w.open = false }()
	return "BEGIN;\n" + w.statement() + ";\nSAVEPOINT s;\n" + w.statement() + ";\n" + w.statement() + ";\n" +
		w.pick("ROLLBACK TO s", "RELEASE s") + ";\n" + w.statement() + ";\n" + w.pick("COMMIT", "ROLLBACK", "COMMIT")
}
