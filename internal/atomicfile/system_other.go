//go:build !unix

package atomicfile

import (
	"errors"
	"os"
	"strings"
	"syscall"
)

const nonBlock = 0

// Windows: ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL, ERROR_WRITE_PROTECT.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.Errno(39)) || errors.Is(err, syscall.Errno(112))
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.Errno(19)) }

// isNoLink: ERROR_PRIVILEGE_NOT_HELD, and ERROR_NOT_SUPPORTED from file systems
// that have no links at all.
func isNoLink(err error) bool {
	var le *os.LinkError
	if !errors.As(err, &le) || !strings.HasPrefix(le.Op, "symlink") {
		return false
	}
	return errors.Is(err, syscall.Errno(1314)) || errors.Is(err, syscall.Errno(50))
}

// deleteOnClose is Windows' FILE_FLAG_DELETE_ON_CLOSE.
const deleteOnClose = 0x04000000

// Scratch makes a file in dir, or in the system's directory for temporary files
// when dir is "", that is removed when it is closed and when the process ends, in
// whatever way. An open file cannot lose its name there, as it does on Unix.
func Scratch(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, Prefix)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return os.OpenFile(f.Name(), os.O_RDWR|deleteOnClose, 0o600)
}

// syncDir does nothing: directories cannot be opened for syncing there.
func syncDir(string) {}

// own does nothing: a file there is its directory's owner's.
func own(*os.File, os.FileInfo) {}
