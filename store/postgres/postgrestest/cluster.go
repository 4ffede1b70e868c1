// Package postgrestest starts throw-away PostgreSQL servers for tests, from the binaries that are installed. They listen
// on loopback only, live in temporary folders, and end with the process that started them, however that ends.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
}

// Cluster is one server.
type Cluster struct {
	Port    int
	dir     string
	bin     string
	options Options
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
	if err := c.create(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.Run(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return c, nil
}

// binaries is the folder of the newest server that is installed.
func binaries() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	if len(found) == 0 {
		return "", errors.New("no PostgreSQL server is installed: sudo apt-get install -y postgresql")
	}
	slices.SortFunc(found, func(x, y string) int { return version(x) - version(y) })
	return filepath.Dir(found[len(found)-1]), nil
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
	if err := c.run("initdb", "-D", c.data(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	c.Port = port
	return nil
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

// command is one of the server's binaries, in its folder and account. It ends with this process.
func (c *Cluster) command(name string, args ...string) (*exec.Cmd, error) {
	id, err := account()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = bound(id)
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

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// settings are the server's, as arguments.
func (c *Cluster) settings() []string {
	all := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(c.Port), "unix_socket_directories": "",
		"wal_level": "logical", "max_replication_slots": "300", "max_wal_senders": "300", "max_connections": "500",
		"shared_buffers": "64MB", "max_wal_size": "1GB", "logging_collector": "off", "log_min_messages": "fatal", "lc_messages": "C",
		"deadlock_timeout": "200ms",
	}
	if !c.options.Durable {
		all["fsync"], all["full_page_writes"], all["synchronous_commit"] = "off", "off", "off"
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

// Run starts the server, which must be down.
func (c *Cluster) Run() error {
	cmd, err := c.command("postgres", append([]string{"-D", c.data()}, c.settings()...)...)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	if err := start(cmd); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	ended := make(chan struct{})
	c.server, c.ended = cmd, ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	return c.ready()
}

// ready waits until the server takes connections.
func (c *Cluster) ready() error {
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
			return fmt.Errorf("postgres has ended at once: %s", log)
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
	Kill                  // the processes are killed
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
	if how == Kill { // its children end by themselves a moment later; a new server waits for that
		_ = os.Remove(filepath.Join(c.data(), "postmaster.pid"))
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

// Remove stops the server and removes its folder.
func (c *Cluster) Remove() error {
	err := c.Stop(Immediate)
	return errors.Join(err, os.RemoveAll(c.dir))
}

// Log is what the server has written.
func (c *Cluster) Log() string {
	log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return strings.TrimSpace(string(log))
}
