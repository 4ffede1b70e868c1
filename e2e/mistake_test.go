package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/e2e/harness"
)

// mistake is a command that cannot do what it was asked to, and what it says: a code for scripts, words of the sentence
// and of its mend.
type mistake struct {
	exit    int
	code    string
	message string
	hint    string
}

// says requires that a command ends as the mistake wants: as one sentence and its mend, and likewise as JSON.
func (m mistake) says(t *testing.T, l *harness.Link, args ...string) {
	t.Helper()
	r := l.Exits(m.exit, args...)
	require.Empty(t, r.Out)
	lines := strings.Split(strings.TrimSuffix(r.Err, "\n"), "\n")
	require.Len(t, lines, 2, "a sentence and its mend: %s", r.Err)
	require.True(t, strings.HasPrefix(lines[0], "error: "), lines[0])
	require.Contains(t, lines[0], m.message)
	require.Contains(t, lines[1], m.hint)
	r = l.Exits(m.exit, append([]string{"-o", "json"}, args...)...)
	var told struct {
		Error struct{ Code, Message, Hint string }
	}
	require.NoError(t, json.Unmarshal([]byte(r.Err), &told), r.Err)
	require.Equal(t, m.code, told.Error.Code)
	require.Contains(t, told.Error.Message, m.message)
	require.Contains(t, told.Error.Hint, m.hint)
}

func TestMistakesInTheConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make    func(t *testing.T, l *harness.Link)
		command []string
		mistake
	}{
		"no config": {func(t *testing.T, l *harness.Link) { require.NoError(t, os.Remove(l.Config)) }, []string{"list"},
			mistake{2, "config", "there is no config file", "--config"}},
		"no URL": {func(t *testing.T, l *harness.Link) { l.Readdress("sqlite:finops.db", "finops.db") }, []string{"check"},
			mistake{2, "config", "line 4: side finops is not a URL", "sqlite:/path/file.db"}},
		"another kind of database": {func(t *testing.T, l *harness.Link) { l.Readdress("sqlite:finops.db", "oracle://host/db") }, []string{"check"},
			mistake{2, "config", "begins with oracle:", "sqlite:/path/file.db"}},
		"no file": {func(t *testing.T, l *harness.Link) { l.Readdress("sqlite:finops.db", "sqlite:finop.db") }, []string{"check"},
			mistake{1, "database_unavailable", "finop.db does not exist", "are right"}},
		"no database": {func(t *testing.T, l *harness.Link) { l.Readdress("sqlite:finops.db", "sqlite:dualwrite.yaml") }, []string{"worker"},
			mistake{1, "database_unavailable", "is not a SQLite database", "are right"}},
		"the same file twice": {func(t *testing.T, l *harness.Link) { l.Readdress("sqlite:finops.db", "sqlite:dataverse.db") }, []string{"check"},
			mistake{2, "config", "both sides are the same database", "of its own"}},
		"unknown map":     {func(*testing.T, *harness.Link) {}, []string{"run", "custmers"}, mistake{2, "unknown_map", `no map "custmers"`, "did you mean customers?"}},
		"no map":          {func(*testing.T, *harness.Link) {}, []string{"pause"}, mistake{2, "usage", "needs the name of a map", "dualwrite pause MAP"}},
		"unknown command": {func(*testing.T, *harness.Link) {}, []string{"strat"}, mistake{2, "usage", `unknown command "strat"`, "--help"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := customersLink(t, harness.SQLite, "", "")
			c.make(t, l)
			c.says(t, l, c.command...)
		})
	}
}

// A map whose key is not unique on a side cannot run; what it lacks is named, and it stays as it was.
func TestMistakeNoKey(t *testing.T) {
	t.Parallel()
	l := harness.New(t, harness.Setup{Left: "CREATE TABLE custtable (account TEXT, name TEXT, credit INTEGER);",
		Right: rightCustomers, Maps: customers})
	l.Work()
	mistake{3, "refused", "account", "unique"}.says(t, l, "run", "customers")
	require.Equal(t, harness.NotRunning, l.Status("customers").Status)
	require.Empty(t, l.Right.Captured())
	findings := l.Exits(4, "check", "customers", "-o", "json").Out
	require.Contains(t, findings, `"severity": "error"`)
}

// Without Temporal nothing is asked of the databases; commands say at once how to get it.
func TestMistakeNoTemporal(t *testing.T) {
	t.Parallel()
	l := customersLink(t, harness.SQLite, "", "")
	l.Elsewhere("127.0.0.1:1")
	for _, command := range [][]string{{"list"}, {"status", "customers"}, {"run", "customers"}, {"worker"}} {
		mistake{1, "temporal_unavailable", "Temporal does not answer at 127.0.0.1:1", "dualwrite up"}.says(t, l, command...)
	}
	require.NoFileExists(t, filepath.Join(l.Folder, "finops.db-wal"))
}

// Without a worker commands say so instead of waiting for ever.
func TestMistakeNoWorker(t *testing.T) {
	t.Parallel()
	l := customersLink(t, harness.SQLite, "", "")
	l.Work().Stop()
	mistake{1, "no_worker", "no worker answers", "dualwrite worker"}.says(t, l, "run", "customers", "--timeout", "1m")
}

// A file that nothing may be written to: the worker says so and ends; once it may, the worker works.
func TestMistakeReadOnlyFile(t *testing.T) {
	t.Parallel()
	l := customersLink(t, harness.SQLite, "", "")
	l.Work().Stop()
	disk := onDisk(t, l, 64)
	disk.remount(t, readOnly)
	mistake{1, "database_unavailable", "cannot be written", "may write"}.says(t, l, "worker")
	disk.remount(t, writable)
	l.Work()
	l.Do("run", "customers")
	carried(l, "mended")
}

// A user who keeps the file locked for himself delays a command. It says what is in its way, is not undone, and ends
// when the lock does. The other side's users notice nothing.
func TestMistakeLockedFile(t *testing.T) {
	t.Parallel()
	l := customersLink(t, harness.SQLite, "", "")
	l.Work()
	l.Do("run", "customers")
	release := l.Right.Hold()
	mistake{5, "timeout", "customers is still Running after 20s: temporary database error: locked by another transaction",
		"it was not undone"}.says(t, l, "pause", "customers", "--timeout", "20s")
	l.Left.Exec("INSERT INTO custtable (account, name) VALUES ('F-1', 'meanwhile')")
	release()
	l.Await("customers", harness.Paused)
	l.Do("resume", "customers")
	l.Right.Becomes("SELECT fullname FROM account WHERE accountnumber = 'F-1'", "meanwhile")
	l.Equal("customers")
}

// A disk that is full fails no row and loses none: the stream waits, says so, and goes on by itself when there is room.
func TestMistakeFullDisk(t *testing.T) {
	t.Parallel()
	l := customersLink(t, harness.SQLite, "", "")
	disk := onDisk(t, l, 4)
	l.Work()
	l.Do("run", "customers")
	carried(l, "first")
	disk.fill(t)
	const rows = 2000
	l.Left.Exec(leftRange(1, rows, strings.Repeat("x", 2000)))
	l.Until("the disk stops the stream", func() bool { return disk.left(t) == 0 })
	require.Less(t, l.Right.Int("SELECT count(*) FROM account"), rows)
	require.Empty(t, l.Failures("customers"))
	disk.free(t, 64)
	l.Right.Becomes("SELECT count(*) FROM account", "2002")
	require.Equal(t, 2002, l.Equal("customers"))
	require.Equal(t, harness.Running, l.Status("customers").Status)
}
