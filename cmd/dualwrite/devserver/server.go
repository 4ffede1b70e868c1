// Package devserver runs Temporal's development server as a child process: it finds the program, starts it in a state
// directory of its own, and sees to it that nothing of it is left behind, however the parent ends.
package devserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options say where the server runs.
type Options struct {
	Program    string        // path of the `temporal` executable; see Find
	StateDir   string        // holds the server's database, log, lock and pid file
	Port       int           // of the gRPC API, on 127.0.0.1; 0: any that is free
	UIPort     int           // of the Web UI, on 127.0.0.1; 0: any that is free
	Attributes []string      // search attributes to register, all of type Keyword
	Grace      time.Duration // given to the server to end by itself; default 10 s
	Volatile   bool          // the database need not outlive the machine: for tests
}

// Server is a Temporal development server that runs.
type Server struct {
	options Options
	process *process
	lock    *os.File
}

// Error is what keeps a server from starting, with its mend.
type Error struct {
	Message string
	Hint    string
}

func (e *Error) Error() string { return e.Message }

// Names of the files in the state directory.
const (
	fileDatabase = "temporal.db"
	fileLog      = "temporal.log"
	fileLock     = "lock"
	filePid      = "temporal.pid"
)

const defaultGrace = 10 * time.Second

// Start locks the state directory, ends a server that an earlier owner has left behind, and starts one. The caller
// waits until it answers (Address) and calls Stop in the end. Errors about what it found are of type *Error.
func Start(o Options) (*Server, error) {
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	dir, err := filepath.Abs(o.StateDir)
	if err != nil {
		return nil, fmt.Errorf("find state directory: %w", err)
	}
	o.StateDir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	lock, err := acquire(filepath.Join(dir, fileLock))
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, lock: lock}
	if err := s.launch(); err != nil {
		release(lock)
		return nil, err
	}
	return s, nil
}

// launch starts the process once its ports are free.
func (s *Server) launch() error {
	if err := endLeftover(s.path(filePid), s.path(fileDatabase), s.options.Grace); err != nil {
		return err
	}
	if err := s.options.choosePorts(); err != nil {
		return err
	}
	out, err := os.OpenFile(s.path(fileLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log of Temporal: %w", err)
	}
	defer func() { _ = out.Close() }()
	command := exec.Command(s.options.Program, s.arguments()...)
	command.Stdout, command.Stderr = out, out
	command.Env = withoutTemporal(os.Environ())
	if s.process, err = start(command); err != nil {
		return fmt.Errorf("start %s: %w", s.options.Program, err)
	}
	pid := strconv.Itoa(s.process.pid()) + "\n"
	if err := os.WriteFile(s.path(filePid), []byte(pid), 0o600); err != nil {
		s.process.end(s.options.Grace)
		return fmt.Errorf("write pid file: %w", err)
	}
	return nil
}

func (s *Server) arguments() []string {
	// Every step of a workflow is a commit. With a log ahead of its file, SQLite has the disk write once for each, not three times.
	synchronous := "FULL"
	if s.options.Volatile {
		synchronous = "OFF"
	}
	args := []string{"server", "start-dev", "--db-filename", s.path(fileDatabase),
		"--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=" + synchronous,
		"--ip", "127.0.0.1", "--port", strconv.Itoa(s.options.Port), "--ui-port", strconv.Itoa(s.options.UIPort),
		"--namespace", "default",
		// Without it the server waits a second between two runs of one workflow: between two statuses of a map.
		"--dynamic-config-value", `history.workflowIdReuseMinimalInterval="0s"`}
	for _, name := range s.options.Attributes {
		args = append(args, "--search-attribute", name+"=Keyword")
	}
	return args
}

func (s *Server) path(name string) string { return filepath.Join(s.options.StateDir, name) }

// Address is the address of the gRPC API.
func (s *Server) Address() string { return address(s.options.Port) }

// UI is the address of the Web UI.
func (s *Server) UI() string { return "http://" + address(s.options.UIPort) }

// LogFile is where the server's own output goes.
func (s *Server) LogFile() string { return s.path(fileLog) }

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Await calls healthy until it succeeds. It fails when the server has ended, with what it said last, or with ctx.
func (s *Server) Await(ctx context.Context, healthy func(context.Context) error) error {
	const every = 100 * time.Millisecond
	for {
		err := healthy(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.Done():
			return &Error{"Temporal's development server ended: " + s.lastWords(), "see " + s.LogFile()}
		case <-ctx.Done():
			return fmt.Errorf("wait for Temporal: %w", errors.Join(ctx.Err(), err))
		case <-time.After(every):
		}
	}
}

// lastWords is the last line that the server logged.
func (s *Server) lastWords() string {
	const most = 300
	data, err := os.ReadFile(s.LogFile())
	if err != nil {
		return "no log"
	}
	text := strings.TrimSpace(string(data))
	text = text[strings.LastIndexByte(text, '\n')+1:]
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}

// Stop ends the server and everything it started, and gives the state directory free.
func (s *Server) Stop() {
	s.process.end(s.options.Grace)
	_ = os.Remove(s.path(filePid))
	release(s.lock)
}

// Find is the path of the `temporal` executable: on PATH, else beside the executable at self, in bin/ there, or in
// bin/ of the working directory.
func Find(self string) (string, error) {
	if path, err := exec.LookPath("temporal"); err == nil {
		return filepath.Abs(path)
	}
	beside := filepath.Dir(self)
	for _, path := range []string{
		filepath.Join(beside, "temporal"), filepath.Join(beside, "bin", "temporal"), filepath.Join("bin", "temporal")} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return filepath.Abs(path)
		}
	}
	return "", &Error{"the `temporal` command is not there, neither on PATH nor beside dualwrite",
		"`make build` puts it into bin/; or install the Temporal CLI"}
}

// choosePorts makes sure that nothing listens on the ports, and finds those that are to be any.
func (o *Options) choosePorts() error {
	ports := []*int{&o.Port, &o.UIPort}
	for i, flag := range []string{"--port", "--ui-port"} {
		l, err := net.Listen("tcp", address(*ports[i]))
		if err != nil {
			return portError(*ports[i], flag, err)
		}
		defer func() { _ = l.Close() }()
		*ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

func portError(port int, flag string, err error) error {
	message := fmt.Sprintf("port %d is in use by another process", port)
	if !errors.Is(err, syscall.EADDRINUSE) {
		message = fmt.Sprintf("port %d cannot be used: %s", port, reason(err))
	}
	return &Error{message, "end what uses it, or choose another port with " + flag}
}

// reason is the system's word for what went wrong.
func reason(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// withoutTemporal leaves out the client settings of Temporal, which are about some other server.
func withoutTemporal(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, "TEMPORAL_") {
			kept = append(kept, v)
		}
	}
	return kept
}
