//go:build !linux

package postgrestest

import (
	"os/exec"
	"syscall"
)

// bound says as whom a process runs.
func bound(id *syscall.Credential) *syscall.SysProcAttr { return &syscall.SysProcAttr{Credential: id} }

func start(cmd *exec.Cmd) error { return cmd.Start() }
