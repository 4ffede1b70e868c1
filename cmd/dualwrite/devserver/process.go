package devserver

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// process is a child in a process group of its own.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended and been waited for
}

// start starts a child. The thread that starts it stays for as long as the child lives, because on Linux the death of
// that thread, not of the whole process, is what ends the child.
func start(command *exec.Cmd) (*process, error) {
	command.SysProcAttr = attributes()
	p := &process{command: command, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		_ = command.Wait() // how it ended does not matter: that it did is what the owner watches
		close(p.done)
	}()
	return p, <-started
}

func (p *process) pid() int { return p.command.Process.Pid }

// end asks the whole group to end, and makes it end after grace.
func (p *process) end(grace time.Duration) {
	signal(p.pid(), syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
	}
	signal(p.pid(), syscall.SIGKILL)
	<-p.done
}

// signal sends a signal to the group that pid leads.
func signal(pid int, s syscall.Signal) { _ = syscall.Kill(-pid, s) }

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// endLeftover ends a server that an owner which was killed has left behind: the one in the pid file, if it still is a
// server on that database. Whoever holds the lock may do this: no owner is left.
func endLeftover(pidFile, database string, grace time.Duration) error {
	pid := pidIn(pidFile)
	if pid == 0 || !alive(pid) || !strings.Contains(commandLine(pid), database) {
		return nil
	}
	signal(pid, syscall.SIGTERM)
	if gone(pid, grace) {
		return nil
	}
	signal(pid, syscall.SIGKILL)
	if gone(pid, grace) {
		return nil
	}
	return &Error{fmt.Sprintf("a Temporal server left behind (process %d) does not end", pid), fmt.Sprintf("kill -9 %d", pid)}
}

// gone waits until a process that is no child of ours has ended.
func gone(pid int, within time.Duration) bool {
	const every = 50 * time.Millisecond
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(every) {
		if !alive(pid) || commandLine(pid) == "" {
			return true
		}
	}
	return false
}

// commandLine is a process's command line, its arguments separated by spaces; "": it cannot be found out, or the
// process has ended and nobody has waited for it yet.
func commandLine(pid int) string {
	if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
		return strings.ReplaceAll(string(data), "\x00", " ")
	}
	out, err := exec.Command("ps", "-o", "command=", "-p", fmt.Sprint(pid)).Output()
	if err != nil {
		return ""
	}
	return string(out)
}
