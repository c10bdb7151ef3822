package main

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// leaveProgram gives up the pages of the program's file that were used so far: most
// of them for the start alone, or for something that is over. One that is used again
// comes back out of the kernel's cache. Where that cannot be, nothing is given up.
func leaveProgram() {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, m := range unchanged(string(maps)) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.length, unix.MADV_DONTNEED)
	}
}

// mapping is a stretch of the address space.
type mapping struct{ start, length uintptr }

// unchanged finds in a list in the format of smaps, see proc(5), what is mapped of
// files, cannot be written, and was never written before that, as by a dynamic linker.
func unchanged(smaps string) (out []mapping) {
	var m mapping // nothing: one that is not to be given up
	for line := range strings.Lines(smaps) {
		f := strings.Fields(line)
		if len(f) >= 5 && !strings.HasSuffix(f[0], ":") {
			m = mapping{}
			from, to, _ := strings.Cut(f[0], "-")
			start, err := strconv.ParseUint(from, 16, strconv.IntSize)
			end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
			if private := f[1] == "r-xp" || f[1] == "r--p"; private && f[4] != "0" && err == nil && err2 == nil && end > start {
				m = mapping{uintptr(start), uintptr(end - start)}
			}
		}
		if len(f) == 3 && f[0] == "Anonymous:" && f[1] == "0" && m.length > 0 {
			out = append(out, m)
		}
	}
	return out
}
