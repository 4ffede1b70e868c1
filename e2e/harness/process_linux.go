package harness

import "syscall"

// attributes put a child into a group of its own and have the kernel kill it when the test process is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
