//go:build !unix

package atomicfile

import (
	"errors"
	"syscall"
)

const nonBlock = 0

// Windows: ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL, ERROR_WRITE_PROTECT.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.Errno(39)) || errors.Is(err, syscall.Errno(112))
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.Errno(19)) }

// syncDir does nothing: directories cannot be opened for syncing there.
func syncDir(string) {}
