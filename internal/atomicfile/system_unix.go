//go:build unix

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// nonBlock keeps a pipe that took a file's place meanwhile from stopping us.
const nonBlock = syscall.O_NONBLOCK

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

func isNoLink(error) bool { return false }

// Scratch makes a file without a name in dir, or in the system's directory for
// temporary files when dir is "". Its space is free again when it is closed and
// when the process ends, in whatever way. Where the system has no such directory, as in
// a container with nothing but a program, Linux keeps the file in memory.
func Scratch(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, Prefix)
	if dir == "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || isReadOnly(err)) {
		return inMemory(err)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncDir makes a rename last through a power cut. Where a file system cannot
// do so, the rename is still atomic for every process.
func syncDir(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}

// own gives f to the owner of another file, as far as that is allowed.
func own(f *os.File, like os.FileInfo) {
	if st, ok := like.Sys().(*syscall.Stat_t); ok {
		if f.Chown(int(st.Uid), int(st.Gid)) != nil {
			_ = f.Chown(-1, int(st.Gid)) // of a group that one is in
		}
	}
}
