package postgrestest

import (
	"os/exec"
	"runtime"
	"syscall"
)

// bound makes a process end with this one.
func bound(id *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: id, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
}

// start starts a process from a thread that lives as long as this process: its end would be the parent's.
func start(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		select {}
	}()
	return <-started
}
