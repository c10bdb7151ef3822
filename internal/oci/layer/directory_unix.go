//go:build unix

package layer

import (
	"io/fs"
	"syscall"
)

func statusOf(fi fs.FileInfo) status {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok { // not a file of the operating system
		return status{mode: uint32(fi.Mode().Perm())}
	}
	//nolint:unconvert // narrower on some systems
	return status{uint32(st.Mode) & 0o7777, [2]uint64{uint64(st.Dev), uint64(st.Ino)}, uint64(st.Nlink)}
}
