package harness

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a process that a test has started, in a process group of its own. It ends with the test.
type Process struct {
	t       testing.TB
	name    string
	command *exec.Cmd
	logs    string // file with standard output and standard error
	done    chan struct{}
	err     error // of Wait, once done is closed

}

// begin starts a command whose output goes to a file in the folder.
func begin(t testing.TB, folder, name string, command *exec.Cmd) *Process {
	t.Helper()
	out, err := os.CreateTemp(folder, name+"-*.log")
	if err != nil {
		t.Fatalf("make log: %v", err)
	}
	defer func() { _ = out.Close() }()
	command.Stdout, command.Stderr = out, out
	command.SysProcAttr = attributes()
	p := &Process{t: t, name: name, command: command, logs: out.Name(), done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// On Linux the death of the thread that has started a child ends the child; so the thread stays.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = command.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(p.cleanUp)
	return p
}

// cleanUp ends the process with the test and checks that nothing of it is left.
func (p *Process) cleanUp() {
	if p.Alive() {
		p.end(syscall.SIGTERM, 20*time.Second)
	}
	p.end(syscall.SIGKILL, 20*time.Second)
	gone := func() bool { return syscall.Kill(-p.Pid(), 0) == syscall.ESRCH }
	if !polled(20*time.Second, gone) {
		p.t.Errorf("%s has left processes behind in group %d", p.name, p.Pid())
	}
	if p.t.Failed() {
		p.t.Logf("last of %s:\n%s", p.name, tail(p.Output(), 60))
	}
}

// end sends a signal to the whole group and waits for the process to end.
func (p *Process) end(s syscall.Signal, patience time.Duration) {
	_ = syscall.Kill(-p.Pid(), s)
	select {
	case <-p.done:
	case <-time.After(patience):
	}
}

// Pid is the process id, which leads a process group.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Alive reports whether the process has not ended.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the process by SIGKILL, as the machine would by a crash, and waits until it is gone.
func (p *Process) Kill() {
	p.t.Helper()
	p.end(syscall.SIGKILL, Patience)
	if p.Alive() {
		p.t.Fatalf("%s does not end by SIGKILL", p.name)
	}
}

// Stop asks the process to end by SIGTERM, waits, and requires exit code 0.
func (p *Process) Stop() {
	p.t.Helper()
	p.end(syscall.SIGTERM, Patience)
	if p.Alive() || p.err != nil {
		p.t.Fatalf("%s did not end well by SIGTERM: %v\n%s", p.name, p.err, tail(p.Output(), 30))
	}
}

// Wait waits until the process has ended by itself with exit code 0, and returns what it has printed.
func (p *Process) Wait() string {
	p.t.Helper()
	if !polled(Patience, func() bool { return !p.Alive() }) || p.err != nil {
		p.t.Fatalf("%s did not end well: %v\n%s", p.name, p.err, tail(p.Output(), 30))
	}
	return p.Output()
}

// Freeze stops the process in its tracks by SIGSTOP; Thaw lets it go on.
func (p *Process) Freeze() { _ = syscall.Kill(-p.Pid(), syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() { _ = syscall.Kill(-p.Pid(), syscall.SIGCONT) }

// Output is all that the process has printed so far.
func (p *Process) Output() string {
	data, err := os.ReadFile(p.logs)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// AwaitLine waits until the process has printed a line that begins with prefix, and returns it.
func (p *Process) AwaitLine(prefix string) string {
	p.t.Helper()
	found := ""
	look := func() bool {
		for line := range strings.Lines(p.Output()) {
			if strings.HasPrefix(line, prefix) && strings.HasSuffix(line, "\n") {
				found = strings.TrimSpace(line)
			}
		}
		return found != "" || !p.Alive()
	}
	if !polled(Patience, look) || found == "" {
		p.t.Fatalf("%s did not print %q:\n%s", p.name, prefix, tail(p.Output(), 60))
	}
	return found
}

// polled calls ok until it is true, at most for patience. Between two calls as much time passes as one takes: what is waited for needs
// the processors, too.
func polled(patience time.Duration, ok func() bool) bool {
	const least = 20 * time.Millisecond
	for began := time.Now(); ; {
		looked := time.Now()
		switch {
		case ok():
			return true
		case time.Since(began) > patience:
			return false
		}
		<-time.After(max(least, time.Since(looked)))
	}
}

// tail is the last lines of a text.
func tail(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines-1):], "")
}
