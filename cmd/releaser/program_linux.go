package main

import (
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// leaveProgram gives up the pages of the program's file that were used so far: most
// of them for the start alone, or for something that is over. One that is used again
// comes back out of the kernel's cache. Where that cannot be, nothing is given up.
func leaveProgram() {
	for _, m := range ownMappings() {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.start, m.length, unix.MADV_DONTNEED)
	}
}

// ownMappings are where the program's file is mapped. They stay as they are, and to list
// them takes longer than to give them up.
var ownMappings = sync.OnceValue(func() []mapping {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return nil
	}
	return unchanged(string(maps), reflect.ValueOf(unchanged).Pointer())
})

// mapping is a stretch of the address space.
type mapping struct{ start, length uintptr }

// unchanged finds in a list in the format of smaps, see proc(5), what is mapped of
// the file that has this address, cannot be written, and was never written before that,
// as by a dynamic linker.
func unchanged(smaps string, address uintptr) []mapping {
	var m mapping // nothing: one that is not to be given up
	var file string
	found := map[string][]mapping{} // by the file's device and number
	ours := ""
	for line := range strings.Lines(smaps) {
		f := strings.Fields(line)
		if len(f) >= 5 && !strings.HasSuffix(f[0], ":") {
			m, file = mapping{}, f[3]+" "+f[4]
			from, to, _ := strings.Cut(f[0], "-")
			start, err := strconv.ParseUint(from, 16, strconv.IntSize)
			end, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
			if f[4] == "0" || err != nil || err2 != nil || end <= start {
				continue
			}
			if uintptr(start) <= address && address < uintptr(end) {
				ours = file
			}
			if f[1] == "r-xp" || f[1] == "r--p" {
				m = mapping{uintptr(start), uintptr(end - start)}
			}
		}
		if len(f) == 3 && f[0] == "Anonymous:" && f[1] == "0" && m.length > 0 {
			found[file] = append(found[file], m)
		}
	}
	return found[ours]
}
