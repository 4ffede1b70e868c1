package postgrestest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

const patience = time.Minute

// variable, in the environment, makes the test binary one that starts a server and waits to be killed.
const variable = "POSTGRESTEST_HELPER"

// shared is made by TestMain and never changed.
var shared *postgrestest.Shared

func TestMain(m *testing.M) {
	if os.Getenv(variable) != "" {
		os.Exit(help())
	}
	shared = postgrestest.NewShared("DUALWRITE_TEST_POSTGRES_A")
	code := m.Run()
	if err := shared.Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func help() int {
	c, err := postgrestest.Start(postgrestest.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(c.Pid(), c.Folder())
	select {}
}

// start starts a server that ends with the test.
func start(t *testing.T, o postgrestest.Options) *postgrestest.Cluster {
	t.Helper()
	c, err := postgrestest.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Remove()) })
	return c
}

// ask returns the first value of the last statement's result.
func ask(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	require.NoError(t, err)
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return ""
	}
	return string(last.Rows[0][0])
}

// TestDatabases: each test has a database of its own, which goes with it though it is in use and has a slot.
func TestDatabases(t *testing.T) {
	t.Parallel()
	var urls [4]string
	t.Run("in use", func(t *testing.T) {
		for i := range urls {
			t.Run("at once", func(t *testing.T) {
				t.Parallel()
				urls[i] = shared.Database(t)
				require.Equal(t, "0", ask(t, urls[i], "SELECT count(*) FROM pg_tables WHERE tablename = 'here'"))
				ask(t, urls[i], "CREATE TABLE here (n int)")
				ask(t, urls[i], "SELECT pg_create_logical_replication_slot('slot_of_' || current_database(), 'pgoutput')")
				_, err := pgconn.Connect(t.Context(), urls[i]) // and never closed
				require.NoError(t, err)
			})
		}
	})
	for _, url := range urls {
		name := path.Base(url[:len(url)-len("?sslmode=disable")])
		admin := shared.URL("postgres")
		require.Equal(t, "0", ask(t, admin, "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"))
		require.Equal(t, "0", ask(t, admin, "SELECT count(*) FROM pg_replication_slots WHERE database = '"+name+"'"))
	}
}

// TestGiven: a server that is named in the environment is used, if it is set up for it.
func TestGiven(t *testing.T) {
	for level, ok := range map[string]bool{"logical": true, "replica": false} {
		c := start(t, postgrestest.Options{Settings: map[string]string{"wal_level": level}})
		t.Setenv("POSTGRESTEST_GIVEN", c.URL("postgres"))
		given := postgrestest.NewShared("POSTGRESTEST_GIVEN")
		probe := &probe{TB: t}
		url := probe.database(given)
		require.Equal(t, ok, probe.fatal == "", probe.fatal)
		if ok {
			require.Equal(t, fmt.Sprint(c.Port), ask(t, url, "SHOW port"))
		} else {
			require.Contains(t, probe.fatal, "wal_level must be logical")
		}
		require.NoError(t, given.Remove())
		require.Equal(t, "1", ask(t, c.URL("postgres"), "SELECT 1"), "it is not ours to end")
	}
}

// probe is a test that must fail.
type probe struct {
	testing.TB
	fatal string
}

func (p *probe) Fatalf(format string, args ...any) {
	p.fatal = fmt.Sprintf(format, args...)
	panic(p)
}

func (p *probe) database(s *postgrestest.Shared) string {
	defer func() { _ = recover() }()
	return s.Database(p)
}

// TestStops: what is committed is there after each way to end a server, at the same address.
func TestStops(t *testing.T) {
	t.Parallel()
	c := start(t, postgrestest.Options{})
	url := c.URL("postgres")
	ask(t, url, "CREATE TABLE t (n int)")
	for i, how := range []postgrestest.Stop{postgrestest.Fast, postgrestest.Immediate, postgrestest.Kill} {
		_, err := pgconn.Connect(t.Context(), url) // and never closed: ending waits for nobody
		require.NoError(t, err)
		ask(t, url, "INSERT INTO t VALUES (1)")
		require.NoError(t, c.Stop(how))
		_, err = pgconn.Connect(t.Context(), url)
		require.Error(t, err)
		require.NoError(t, c.Run())
		require.Equal(t, fmt.Sprint(i+1), ask(t, url, "SELECT count(*) FROM t"))
	}
}

// TestCopy: a server goes back to what it was, more than once.
func TestCopy(t *testing.T) {
	t.Parallel()
	c := start(t, postgrestest.Options{})
	url := c.URL("postgres")
	ask(t, url, "CREATE TABLE t (n int)")
	require.NoError(t, c.Stop(postgrestest.Fast))
	require.NoError(t, c.Copy())
	for range 2 {
		require.NoError(t, c.Run())
		require.Equal(t, "0", ask(t, url, "SELECT count(*) FROM t"))
		ask(t, url, "INSERT INTO t VALUES (1)")
		require.NoError(t, c.Stop(postgrestest.Immediate))
		require.NoError(t, c.Restore())
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	c := start(t, postgrestest.Options{Durable: true, SegmentMB: 1, Settings: map[string]string{"max_slot_wal_keep_size": "4MB"}})
	for setting, want := range map[string]string{"wal_segment_size": "1MB", "max_slot_wal_keep_size": "4MB", "fsync": "on",
		"wal_level": "logical", "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "autovacuum": "on", "server_encoding": "UTF8"} {
		require.Equal(t, want, ask(t, c.URL("postgres"), "SHOW "+setting), setting)
	}
}

// TestNothingIsLeft of a server that is removed, whether it runs or not.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	stop := func(how postgrestest.Stop) func(*postgrestest.Cluster) error {
		return func(c *postgrestest.Cluster) error { return c.Stop(how) }
	}
	for name, leave := range map[string]func(*postgrestest.Cluster) error{
		"running": func(*postgrestest.Cluster) error { return nil }, "stopped": stop(postgrestest.Fast), "killed": stop(postgrestest.Kill),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := postgrestest.Start(postgrestest.Options{})
			require.NoError(t, err)
			require.DirExists(t, c.Folder())
			require.NoError(t, leave(c))
			require.NoError(t, c.Remove())
			require.ErrorIs(t, syscall.Kill(c.Pid(), 0), syscall.ESRCH)
			require.NoDirExists(t, c.Folder())
		})
	}
}

// TestKilledTests: a server ends, and its folder goes, though the process that started it is killed.
func TestKilledTests(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(program)
	command.Env = append(os.Environ(), variable+"=1")
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var pid int
	var folder string
	_, err = fmt.Sscan(line, &pid, &folder)
	require.NoError(t, err, line)
	require.NoError(t, syscall.Kill(pid, 0))
	require.NoError(t, command.Process.Kill())
	require.Error(t, command.Wait())
	eventually(t, "the server has ended", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
	eventually(t, "its folder is gone", func() bool { _, err := os.Stat(folder); return os.IsNotExist(err) })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 10*time.Millisecond, what)
}

func TestClient(t *testing.T) {
	t.Parallel()
	program, err := postgrestest.Client("psql")
	require.NoError(t, err)
	out, err := exec.Command(program, "--version").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "PostgreSQL")
	_, err = postgrestest.Client("no-such-program")
	require.ErrorContains(t, err, "install PostgreSQL's client programs")
}
