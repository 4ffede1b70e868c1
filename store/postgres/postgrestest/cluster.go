// Package postgrestest starts throw-away PostgreSQL servers for tests, from the binaries that are installed: those on
// PATH, the newest below /usr/lib/postgresql, or those that pg_config names. They listen on loopback only, trust whoever
// connects, live in temporary folders, and end with the process that started them, however that ends.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Options are settings of a server beyond those that every test needs.
type Options struct {
	Durable  bool              // commits survive a crash of the machine; otherwise of the server only
	Settings map[string]string // of postgresql.conf

	SegmentMB int // of the write-ahead log; default 16
}

// Cluster is one server.
type Cluster struct {
	Port    int
	dir     string
	bin     string
	options Options
	guard   *guard
	server  *exec.Cmd
	ended   chan struct{}
}

const (
	startPatience = time.Minute
	superuser     = "postgres"
)

// Start makes and starts a server. Whoever calls it calls Remove.
func Start(options Options) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "dualwrite-postgres-")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	c := &Cluster{dir: dir, bin: bin, options: options}
	if c.guard, err = watch(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.create(); err != nil {
		return nil, errors.Join(err, c.guard.end())
	}
	for range 10 {
		c.Port = FreePort()
		if err = c.Run(); err == nil {
			return c, nil
		}
		if !strings.Contains(err.Error(), "could not create any TCP/IP sockets") {
			break // and otherwise somebody was faster with this port
		}
	}
	return nil, errors.Join(err, c.guard.end())
}

// binaries is the folder of the server's programs.
func binaries() (string, error) {
	for _, folder := range candidates() {
		if executable(filepath.Join(folder, "postgres")) && executable(filepath.Join(folder, "initdb")) {
			return folder, nil
		}
	}
	return "", errors.New("no PostgreSQL server is installed: `make postgres-present` installs it or says how")
}

// candidates are folders where the programs may be, the best first.
func candidates() []string {
	var folders []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(folder string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
		return n
	}
	slices.SortFunc(installed, func(x, y string) int { return version(y) - version(x) })
	folders = append(folders, installed...)
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	return folders
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Client is the path of one of PostgreSQL's client programs, psql or pg_dump say: the one beside the server's, or else
// the one on PATH.
func Client(name string) (string, error) {
	if folder, err := binaries(); err == nil && executable(filepath.Join(folder, name)) {
		return filepath.Join(folder, name), nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find %s: %w: install PostgreSQL's client programs", name, err)
	}
	return path, nil
}

// data is the folder of the server's data.
func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *Cluster) create() error {
	if id, err := account(); err != nil {
		return err
	} else if id != nil {
		if err := os.Chown(c.dir, int(id.Uid), int(id.Gid)); err != nil {
			return fmt.Errorf("hand folder over: %w", err)
		}
	}
	segment := c.options.SegmentMB
	if segment == 0 {
		segment = 16
	}
	return c.run("initdb", "-D", c.data(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
		fmt.Sprintf("--wal-segsize=%d", segment))
}

// account is the one that servers run as when the test runs as root; nil otherwise.
func account() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("servers cannot run as root, and there is no account postgres: %w", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// command is one of the server's binaries, in its folder and account. An interrupt from a terminal does not reach it.
func (c *Cluster) command(name string, args ...string) (*exec.Cmd, error) {
	id, err := account()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: id}
	return cmd, nil
}

func (c *Cluster) run(name string, args ...string) error {
	cmd, err := c.command(name, args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// FreePort is a port that nobody listens on, below those that systems give to outgoing connections: it stays free while
// the server is down.
func FreePort() int {
	for {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
}

// settings are the server's, as arguments.
func (c *Cluster) settings() []string {
	all := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(c.Port), "unix_socket_directories": "",
		"wal_level": "logical", "max_replication_slots": "300", "max_wal_senders": "300", "max_connections": "500", "max_prepared_transactions": "20",
		"shared_buffers": "64MB", "max_wal_size": "1GB", "logging_collector": "off", "log_min_messages": "fatal", "lc_messages": "C",
		"deadlock_timeout": "200ms",
	}
	if !c.options.Durable { // and commits stay synchronous: others would reach the log late
		all["fsync"], all["full_page_writes"] = "off", "off"
	}
	for name, value := range c.options.Settings {
		all[name] = value
	}
	var out []string
	for name, value := range all {
		out = append(out, "-c", name+"="+value)
	}
	return out
}

// Run starts the server, which must be down, and waits until it takes connections.
func (c *Cluster) Run() error {
	for deadline := time.Now().Add(startPatience); ; {
		err := c.start()
		// Processes of a server that was killed need a moment to notice.
		if err == nil || !strings.Contains(err.Error(), "pre-existing shared memory block") || time.Now().After(deadline) {
			return err
		}
	}
}

func (c *Cluster) start() error {
	cmd, err := c.command("postgres", append([]string{"-D", c.data()}, c.settings()...)...)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }()
	said, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	c.guard.runs(cmd.Process.Pid)
	ended := make(chan struct{})
	c.server, c.ended = cmd, ended
	go func() {
		_ = cmd.Wait()
		c.guard.ended()
		close(ended)
	}()
	return c.ready(said)
}

// ready waits until the server takes connections. What it says is in the log after what was said before.
func (c *Cluster) ready(said int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgconn.Connect(ctx, c.URL(superuser))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-c.ended:
			log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("postgres has ended at once: %s", log[min(int(said), len(log)):])
		case <-ctx.Done():
			return fmt.Errorf("postgres takes no connections: %w", err)
		case <-tick.C:
		}
	}
}

// URL is that of a database, as the superuser.
func (c *Cluster) URL(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, c.Port, database)
}

// Stop is a way to stop a server.
type Stop int

// The ways.
const (
	Fast      Stop = iota // transactions are ended, everything is written
	Immediate             // as after a crash: the next start recovers
	Kill                  // its first process is killed, the others notice
)

// Stop stops the server and waits for its end.
func (c *Cluster) Stop(how Stop) error {
	sig := map[Stop]syscall.Signal{Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT, Kill: syscall.SIGKILL}[how]
	if err := c.server.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop postgres: %w", err)
	}
	select {
	case <-c.ended:
	case <-time.After(startPatience):
		return errors.New("postgres does not stop")
	}
	return nil
}

// Copy copies the data of the server, which must be down, aside; Restore puts the copy back.
func (c *Cluster) Copy() error {
	return c.copyTree(c.data(), filepath.Join(c.dir, "copy"))
}

// Restore puts back what Copy has copied. The server must be down.
func (c *Cluster) Restore() error {
	return c.copyTree(filepath.Join(c.dir, "copy"), c.data())
}

func (c *Cluster) copyTree(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("remove folder: %w", err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy data: %w: %s", err, out)
	}
	return nil
}

// Remove stops the server, if it runs, and removes its folder.
func (c *Cluster) Remove() error { return c.guard.end() }

// Pid is the id of the server's first process.
func (c *Cluster) Pid() int { return c.server.Process.Pid }

// Folder is where everything of the server is.
func (c *Cluster) Folder() string { return c.dir }

// Log is what the server has written.
func (c *Cluster) Log() string {
	log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return strings.TrimSpace(string(log))
}
