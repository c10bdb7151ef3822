package main

import (
	"io/fs"
	"syscall"
)

// ownerOf is the user that a file belongs to, -1 where that is not known.
func ownerOf(fi fs.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
