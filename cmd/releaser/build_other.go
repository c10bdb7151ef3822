//go:build !unix

package main

import "os/exec"

// endWithChildren can end the command alone here: there are no process groups
// that a signal reaches.
func endWithChildren(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Kill() }
}
