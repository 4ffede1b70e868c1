package devserver

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serverScript stands in for Temporal: it notes its arguments and environment, and waits to be ended.
const serverScript = `#!/bin/sh
echo "$@" > "$0.arguments"
env > "$0.environment"
sleep 1000 & wait
`

// setup makes options for a server that is a script.
func setup(t *testing.T, script string) Options {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "temporal")
	syscall.ForkLock.RLock() // a process forked now would hold the script open for writing: "text file busy"
	err := os.WriteFile(program, []byte(script), 0o700)
	syscall.ForkLock.RUnlock()
	require.NoError(t, err)
	return Options{Program: program, StateDir: filepath.Join(dir, "state"), Attributes: []string{"One", "Two"}, Grace: 5 * time.Second}
}

func run(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	return s
}

// written waits until the server has written a file.
func written(t *testing.T, path string) string {
	t.Helper()
	var text []byte
	require.Eventually(t, func() bool {
		var err error
		text, err = os.ReadFile(path)
		return err == nil && strings.HasSuffix(string(text), "\n")
	}, 10*time.Second, 10*time.Millisecond)
	return string(text)
}

func TestServerIsStartedOnLoopback(t *testing.T) {
	t.Parallel()
	o := setup(t, serverScript)
	s := run(t, o)
	arguments := strings.Fields(written(t, o.Program+".arguments"))
	for _, pair := range [][2]string{{"--ip", "127.0.0.1"}, {"--db-filename", filepath.Join(o.StateDir, "temporal.db")},
		{"--dynamic-config-value", `history.workflowIdReuseMinimalInterval="0s"`}, {"--search-attribute", "One=Keyword"}} {
		at := slices.Index(arguments, pair[0])
		require.Equal(t, pair[1], arguments[at+1])
	}
	require.Contains(t, arguments, "Two=Keyword")
	for _, pragma := range []string{"journal_mode=WAL", "synchronous=FULL"} {
		require.Equal(t, "--sqlite-pragma", arguments[slices.Index(arguments, pragma)-1])
	}
	_, port, err := net.SplitHostPort(s.Address())
	require.NoError(t, err)
	require.Equal(t, port, arguments[slices.Index(arguments, "--port")+1])
	require.NotEqual(t, "0", port)
	require.NotContains(t, s.UI(), ":"+port)
}

func TestServerIsNotToldOfAnotherTemporal(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"HOME=/", "A=TEMPORAL_B"}, withoutTemporal([]string{"HOME=/", "TEMPORAL_ADDRESS=elsewhere:1", "A=TEMPORAL_B"}))
}

func TestStopEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	o := setup(t, `#!/bin/sh
trap '' TERM
sleep 1000 &
echo $! > "$0.child"
wait; wait
`)
	o.Grace = 100 * time.Millisecond
	s, err := Start(o)
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(written(t, o.Program+".child")))
	require.NoError(t, err)
	s.Stop()
	require.Eventually(t, func() bool { return commandLine(child) == "" }, 10*time.Second, 10*time.Millisecond)
	require.NoFileExists(t, filepath.Join(o.StateDir, "temporal.pid"))
	run(t, o) // the directory is free again
}

func TestOnlyOneOwnerOfAStateDirectory(t *testing.T) {
	t.Parallel()
	o := setup(t, serverScript)
	run(t, o)
	_, err := Start(o)
	var known *Error
	require.ErrorAs(t, err, &known)
	require.Contains(t, known.Message, "process "+strconv.Itoa(os.Getpid()))
	require.Contains(t, known.Hint, "--state-dir")
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	port := l.Addr().(*net.TCPAddr).Port
	for flag, set := range map[string]func(*Options){"--port": func(o *Options) { o.Port = port }, "--ui-port": func(o *Options) { o.UIPort = port }} {
		o := setup(t, serverScript)
		set(&o)
		_, err := Start(o)
		var known *Error
		require.ErrorAs(t, err, &known)
		require.Contains(t, known.Message, "port "+strconv.Itoa(port)+" is in use")
		require.Contains(t, known.Hint, flag)
		require.NoFileExists(t, o.Program+".arguments")
		o.Port, o.UIPort = 0, 0
		run(t, o) // the lock of a start that failed has been given back
	}
}

// TestLeftoverIsEnded starts a server as one that was killed would have left it, and has the next owner end it.
func TestLeftoverIsEnded(t *testing.T) {
	t.Parallel()
	o := setup(t, serverScript)
	require.NoError(t, os.MkdirAll(o.StateDir, 0o700))
	command := exec.Command(o.Program, "--db-filename", filepath.Join(o.StateDir, "temporal.db"))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	pid := strconv.Itoa(command.Process.Pid)
	require.NoError(t, os.WriteFile(filepath.Join(o.StateDir, "temporal.pid"), []byte(pid+"\n"), 0o600))
	require.Eventually(t, func() bool { return strings.Contains(commandLine(command.Process.Pid), "temporal.db") }, 10*time.Second, 10*time.Millisecond)
	run(t, o)
	require.Error(t, <-ended)
}

// TestAnotherProcessIsSpared has a pid file name a process that is no server of ours.
func TestAnotherProcessIsSpared(t *testing.T) {
	t.Parallel()
	o := setup(t, serverScript)
	require.NoError(t, os.MkdirAll(o.StateDir, 0o700))
	other := exec.Command("sleep", "1000")
	other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, other.Start())
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	require.NoError(t, os.WriteFile(filepath.Join(o.StateDir, "temporal.pid"), []byte(strconv.Itoa(other.Process.Pid)), 0o600))
	run(t, o)
	require.NotEmpty(t, commandLine(other.Process.Pid))
}

func TestAwaitTellsWhatAServerThatEndedSaidLast(t *testing.T) {
	t.Parallel()
	s := run(t, setup(t, "#!/bin/sh\necho the disk is full\nexit 1\n"))
	err := s.Await(t.Context(), func(context.Context) error { return errors.New("nobody there") })
	var known *Error
	require.ErrorAs(t, err, &known)
	require.Contains(t, known.Message, "the disk is full")
	require.Contains(t, known.Hint, "temporal.log")
}

func TestAwaitEndsWithTheContext(t *testing.T) {
	t.Parallel()
	s := run(t, setup(t, serverScript))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Await(ctx, func(ctx context.Context) error { return ctx.Err() }), context.Canceled)
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o700))
	want := filepath.Join(dir, "bin", "temporal")
	require.NoError(t, os.WriteFile(want, nil, 0o700))
	if onPath, err := exec.LookPath("temporal"); err == nil {
		want = onPath
	}
	got, err := Find(filepath.Join(dir, "dualwrite"))
	require.NoError(t, err)
	require.Equal(t, want, got)
}
