//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// canBuild returns an error on systems where build could not keep its promise.
func canBuild() error { return nil }

// endWithChildren puts a command into a process group of its own, so that an
// interrupted build leaves no compiler running.
func endWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
