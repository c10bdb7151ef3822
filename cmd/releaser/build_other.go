//go:build !unix

package main

import (
	"fmt"
	"os/exec"
	"runtime"

	"facerec/internal/text"
)

// canBuild refuses: files have no execute bit here that would end up in an image,
// and build_cmd is one for a Unix shell.
func canBuild() error {
	return text.WithHint(fmt.Errorf("images are built on Unix only: %s has neither file modes nor /bin/sh", runtime.GOOS),
		"build on Linux, or in WSL; every other verb works here")
}

// endWithChildren can end the command alone here: there are no process groups
// that a signal reaches.
func endWithChildren(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Kill() }
}
