package loopback

import "syscall"

// dieWithParent has the kernel kill a child when its parent dies, and keeps the
// terminal's interrupt from it: the parent decides when it ends.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
