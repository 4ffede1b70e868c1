package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Setup is what a link of a test begins with.
type Setup struct {
	Pair        Pair      // default: SQLite
	Left, Right string    // SQL that makes the databases of finops and dataverse
	Maps        string    // the YAML below `maps:`, not indented
	Master      string    // default: dataverse
	Server      *Temporal // default: the shared one
	URLs        [2]string // of PostgreSQL databases of the test's own; default: new ones on the shared servers
	Password    string    // of PostgreSQL roles that have none
	Superuser   bool      // on PostgreSQL: the config names one, not roles that have no rights but those needed
}

// Link is a link of a test: two databases, a config, and the commands for it.
type Link struct {
	t           testing.TB
	Name        string // of the link in Temporal
	Folder      string
	Config      string // path of dualwrite.yaml
	Left, Right *Database
	address     string
	master      string
}

// New makes a link in a folder of its own, with a name that no other test has.
func New(t testing.TB, s Setup) *Link {
	t.Helper()
	folder := t.TempDir()
	l := &Link{t: t, Folder: folder, Config: filepath.Join(folder, "dualwrite.yaml"), Name: nameOf(t),
		address: os.Getenv(variableServer), master: s.Master}
	if s.Server != nil {
		l.address = s.Server.Address()
	}
	if l.address == "" {
		t.Fatal("no Temporal server: TestMain must call harness.Main")
	}
	if l.master == "" {
		l.master = "dataverse"
	}
	l.Left, l.Right = databases(t, s, folder)
	for _, d := range []*Database{l.Left, l.Right} {
		d.url = withPassword(d.url, s.Password)
	}
	for i, d := range []*Database{l.Left, l.Right} {
		if s.URLs[i] != "" {
			d.url = s.URLs[i]
		}
	}
	l.Left.Exec(s.Left)
	l.Right.Exec(s.Right)
	l.Configure(s.Maps)
	return l
}

// withPassword adds a password to a URL that has none: test servers let everybody in.
func withPassword(address, password string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil || password == "" {
		return address
	}
	if _, has := u.User.Password(); !has {
		u.User = url.UserPassword(u.User.Username(), password)
	}
	return u.String()
}

// nameOf is a name for a link: the test's, shortened, and a number that makes it unique.
func nameOf(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(strings.TrimPrefix(t.Name(), "Test")))
	return fmt.Sprintf("%.20s-%x", name, time.Now().UnixNano())
}

// Configure writes the config anew with other maps.
func (l *Link) Configure(maps string) {
	l.t.Helper()
	text := fmt.Sprintf("link: %s\nmaster: %s\nsides:\n  finops: %s\n  dataverse: %s\nmaps:\n", l.Name, l.master, l.Left.inConfig(), l.Right.inConfig())
	for line := range strings.Lines(strings.Trim(maps, "\n") + "\n") {
		text += "  " + line
	}
	if err := os.WriteFile(l.Config, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	l.grant()
}

// Work starts a `dualwrite worker` for the link and waits until it is ready.
func (l *Link) Work() *Process {
	l.t.Helper()
	p := l.Launch()
	p.AwaitLine("ready")
	return p
}

// Launch starts a `dualwrite worker` with further variables of the environment and does not wait until it is ready.
func (l *Link) Launch(environment ...string) *Process {
	l.t.Helper()
	command := l.command(context.Background(), "worker")
	command.Env = append(command.Env, environment...)
	return begin(l.t, l.Folder, "worker", command)
}

// Readdress replaces parts of the config, addresses say.
func (l *Link) Readdress(pairs ...string) {
	l.t.Helper()
	text, err := os.ReadFile(l.Config)
	if err != nil {
		l.t.Fatal(err)
	}
	changed := strings.NewReplacer(pairs...).Replace(string(text))
	if changed == string(text) {
		l.t.Fatalf("nothing to replace in the config: %v", pairs)
	}
	if err := os.WriteFile(l.Config, []byte(changed), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// Start begins a dualwrite command and does not wait for it: see Process.Wait.
func (l *Link) Start(args ...string) *Process {
	l.t.Helper()
	return begin(l.t, l.Folder, args[0], l.command(context.Background(), args...))
}

func (l *Link) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, os.Getenv(variableProgram), append([]string{"--config", l.Config}, args...)...)
	command.Env = environment(l.address)
	command.Dir = l.Folder
	return command
}

// Result is how a command has ended.
type Result struct {
	Exit     int
	Out, Err string
}

// Try carries out a dualwrite command.
func (l *Link) Try(args ...string) Result {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Patience)
	defer cancel()
	return l.finish(l.command(ctx, args...))
}

// OnTerminal carries out a dualwrite command as a person would on a terminal, answers its question, and returns what is
// to be seen there. The command must end with exit code 0.
func (l *Link) OnTerminal(answer string, args ...string) string {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	plain := l.command(ctx, args...)
	command := exec.CommandContext(ctx, "script", "--quiet", "--return", "--command", strings.Join(plain.Args, " "), "/dev/null")
	command.Env, command.Dir, command.Stdin = plain.Env, plain.Dir, strings.NewReader(answer+"\n")
	r := l.finish(command)
	if r.Exit != 0 {
		l.t.Fatalf("dualwrite %s on a terminal: exit code %d\n%s%s", strings.Join(args, " "), r.Exit, r.Out, r.Err)
	}
	return r.Out
}

// Temporal carries out a command of the stock `temporal` program that must succeed, and returns what it prints.
func (l *Link) Temporal(args ...string) string {
	l.t.Helper()
	var r Result
	polled(Patience, func() bool {
		r = l.TryTemporal(args...)
		return r.Exit == 0 || !busy(r.Err, args)
	})
	if r.Exit != 0 {
		l.t.Fatalf("temporal %s: exit code %d\n%s%s", strings.Join(args, " "), r.Exit, r.Out, r.Err)
	}
	return r.Out
}

// busy reports whether the server has not had time for a command, by what the stock program says: that asks no second time.
func busy(said string, args []string) bool {
	looks := slices.Contains([]string{"describe", "list", "metadata", "query", "show"}, args[1])
	return strings.Contains(said, "Workflow is busy") || looks && strings.Contains(said, "deadline exceeded")
}

// TryTemporal carries out a command of the stock `temporal` program.
func (l *Link) TryTemporal(args ...string) Result {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	command := exec.CommandContext(ctx, os.Getenv(variableCLI), args...)
	command.Env = environment(l.address)
	return l.finish(command)
}

func (l *Link) finish(command *exec.Cmd) Result {
	l.t.Helper()
	out, problems := &bytes.Buffer{}, &bytes.Buffer{}
	command.Stdout, command.Stderr = out, problems
	err := command.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		l.t.Fatalf("%v: %v", command.Args, err)
	}
	return Result{command.ProcessState.ExitCode(), out.String(), problems.String()}
}

// Do carries out a dualwrite command that must end with exit code 0, and returns what it prints.
func (l *Link) Do(args ...string) string {
	l.t.Helper()
	return l.Exits(0, args...).Out
}

// Exits carries out a dualwrite command that must end with an exit code.
func (l *Link) Exits(code int, args ...string) Result {
	l.t.Helper()
	r := l.Try(args...)
	if r.Exit != code {
		l.t.Fatalf("dualwrite %s: exit code %d, not %d\n%s%s", strings.Join(args, " "), r.Exit, code, r.Out, r.Err)
	}
	return r
}

// Read carries out a command with -o json, which must end with exit code 0, and reads what it prints into v.
func (l *Link) Read(v any, args ...string) {
	l.t.Helper()
	out := l.Do(append(slices.Clone(args), "-o", "json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		l.t.Fatalf("dualwrite %s -o json: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Workflow is the id of a map's workflow.
func (l *Link) Workflow(name string) string { return l.Name + "/map/" + name }

// UI is the address of the Web UI of the shared server.
func (l *Link) UI() string { return os.Getenv(variableUI) }

// Until waits until something is so.
func (l *Link) Until(what string, ok func() bool) {
	l.t.Helper()
	if !polled(Patience, ok) {
		l.t.Fatalf("not so after %s: %s", Patience, what)
	}
}
