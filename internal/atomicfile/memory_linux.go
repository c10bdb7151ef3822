package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// inMemory makes a file that is on no disk.
func inMemory(error) (*os.File, error) {
	fd, err := unix.MemfdCreate("scratch", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "scratch"), nil
}
