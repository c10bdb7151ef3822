package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestUnchanged(t *testing.T) {
	const smaps = `00400000-01200000 r-xp 00000000 00:1c 13  /usr/bin/re leaser
Size:              14336 kB
Rss:               11040 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01200000-01300000 r--p 00e00000 00:1c 13  /usr/bin/re leaser
Anonymous:             4 kB
01300000-01400000 r--p 00f00000 00:1c 13  /usr/bin/re leaser
Anonymous:             0 kB
01400000-01500000 rw-p 01000000 00:1c 13  /usr/bin/re leaser
Anonymous:             0 kB
01500000-01600000 r--s 01000000 00:1c 14  /usr/bin/shared
Anonymous:             0 kB
01700000-01800000 r--p 00000000 00:1c 14  /usr/share/a file that is mapped
Anonymous:             0 kB
01800000-01900000 r--p 00000000 00:1d 13  /other/disk
Anonymous:             0 kB
7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0  [vdso]
Anonymous:             0 kB
7ffe00000000-7ffe00001000 r--p 00000000 00:1c 15  /usr/lib/without
Size:                  4 kB
zzzz-0 r--p 00000000 00:1c 15  /usr/lib/odd
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0xe00000}, {0x1300000, 0x100000}}
	for _, address := range []uintptr{0x400000, 0x11fffff, 0x1450000} {
		if got := unchanged(smaps, address); !slices.Equal(got, want) {
			t.Errorf("the file at %x: got %x, expected %x", address, got, want)
		}
	}
	for _, address := range []uintptr{0, 0x1900000, 0x2000000} {
		if got := unchanged(smaps, address); len(got) > 0 {
			t.Errorf("no file at %x: got %x", address, got)
		}
	}
}

func TestLeaveProgram(t *testing.T) {
	ofFiles := func() int {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skip(err)
		}
		_, rest, _ := strings.Cut(string(status), "RssFile:")
		kb, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Fatal(err)
		}
		return kb
	}
	before := ofFiles()
	leaveProgram()
	if after := ofFiles(); after > before*3/4 {
		t.Errorf("pages of files: %d kB before, %d after", before, after)
	}
}
