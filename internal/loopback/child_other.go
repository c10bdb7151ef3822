//go:build !linux

package loopback

import (
	"os"
	"syscall"
)

// dieWithParent can do nothing here: only Linux tells a child of its parent's
// death.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// killGroup kills a child alone: here it has no group.
func killGroup(p *os.Process) error { return p.Kill() }
