//go:build unix

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// nonBlock keeps a pipe that took a file's place meanwhile from stopping us.
const nonBlock = syscall.O_NONBLOCK

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// syncDir makes a rename last through a power cut. Where a file system cannot
// do so, the rename is still atomic for every process.
func syncDir(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}
