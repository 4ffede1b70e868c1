package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dualwrite/dualwrite/cmd/dualwrite/devserver"
	"github.com/dualwrite/dualwrite/store/postgres/postgrestest"
)

// launch starts a Temporal server and waits until it answers queries.
func launch(o devserver.Options) (*devserver.Server, error) {
	server, err := devserver.Start(o)
	if err != nil {
		return nil, fmt.Errorf("start temporal: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	err = server.Await(ctx, func(ctx context.Context) error {
		ask := exec.CommandContext(ctx, o.Program, "workflow", "list", "--limit", "1")
		ask.Env = environment(server.Address())
		out, err := ask.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		server.Stop()
		return nil, err
	}
	return server, nil
}

// Temporal is a server of a test's own, which it may kill and start again.
type Temporal struct {
	t       testing.TB
	options devserver.Options
	server  *devserver.Server
}

// StartTemporal starts a Temporal server that keeps its state in a file and ends with the test.
func StartTemporal(t testing.TB) *Temporal {
	t.Helper()
	s := &Temporal{t: t, options: devserver.Options{
		Program: os.Getenv(variableCLI), StateDir: filepath.Join(t.TempDir(), "temporal"), Grace: 5 * time.Second, Volatile: true,
		Port: postgrestest.FreePort(), UIPort: postgrestest.FreePort()}} // which stay free while it is down
	s.Start()
	t.Cleanup(func() {
		if s.server != nil {
			s.server.Stop()
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(s.options.StateDir, "temporal.log"))
			t.Logf("last of temporal:\n%s", tail(string(log), 20))
		}
	})
	return s
}

// Start starts the server, after a Kill at the same address and with the state that it had.
func (s *Temporal) Start() {
	s.t.Helper()
	var err error
	if s.server, err = launch(s.options); err != nil {
		s.t.Fatal(err)
	}
}

// Kill ends the server by SIGKILL and waits until it is gone.
func (s *Temporal) Kill() {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.options.StateDir, "temporal.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		s.t.Fatalf("pid of temporal: %q", text)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	<-s.server.Done()
	s.server.Stop() // frees the state directory
	s.server = nil
}

// Folder is where the server keeps its state and its log.
func (s *Temporal) Folder() string { return s.options.StateDir }

// Address is where clients find the server.
func (s *Temporal) Address() string { return "127.0.0.1:" + strconv.Itoa(s.options.Port) }
