package executable

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"facerec/internal/executable/elftest"
)

// withComment is an ELF file with a section .comment.
func withComment(body string) []byte {
	le := binary.LittleEndian
	b := []byte(elftest.Spec{Machine: elf.EM_X86_64}.String())
	section := len(b)
	b = append(b, body...)
	names := len(b)
	const table = "\x00.comment\x00.shstrtab\x00"
	b = append(b, table...)
	shoff := len(b)
	sh := make([]byte, 3*64)
	le.PutUint32(sh[64:], 1)
	le.PutUint32(sh[64+4:], uint32(elf.SHT_PROGBITS))
	le.PutUint64(sh[64+24:], uint64(section))
	le.PutUint64(sh[64+32:], uint64(len(body)))
	le.PutUint32(sh[128:], 10)
	le.PutUint32(sh[128+4:], uint32(elf.SHT_STRTAB))
	le.PutUint64(sh[128+24:], uint64(names))
	le.PutUint64(sh[128+32:], uint64(len(table)))
	b = append(b, sh...)
	le.PutUint64(b[40:], uint64(shoff))
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], 3)
	le.PutUint16(b[62:], 2)
	return b
}

func origin(t *testing.T, b []byte, paths ...string) *Origin {
	t.Helper()
	o, err := ReadOrigin(bytes.NewReader(b), int64(len(b)), paths)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestReadOrigin(t *testing.T) {
	const gcc, ld = "GCC: (Debian 12.2.0-14) 12.2.0", "GNU ld 2.40"
	o := origin(t, withComment(ld+"\x00"+gcc+"\x00\x00"+gcc+"\x00/builds/here/x.c\x00"), "/builds/here")
	if o == nil || !slices.Equal(o.Made, []string{"/builds/here/x.c", gcc, ld}) || o.Go != "" {
		t.Fatalf("got %+v", o)
	}
	if !slices.Equal(o.Paths, []string{"/builds/here/x.c"}) {
		t.Errorf("paths %q", o.Paths)
	}
	if o := origin(t, []byte("#!/bin/sh\n")); o != nil {
		t.Errorf("a script: %+v", o)
	}
	long := origin(t, withComment(strings.Repeat("x", 2*maxComment)))
	if len(long.Made) != 1 || len(long.Made[0]) != maxComment {
		t.Errorf("a long section: %d", len(long.Made[0]))
	}
	var many strings.Builder
	for i := range 1000 {
		many.WriteString(strings.Repeat("y", 1+i%60) + "\x00")
	}
	if o := origin(t, withComment(many.String())); len(o.Made) != maxMakers {
		t.Errorf("%d makers", len(o.Made))
	}
}

// TestReadOriginOfGo reads this test itself.
func TestReadOriginOfGo(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	o := origin(t, b)
	if o == nil || o.Go != runtime.Version() || o.Settings["GOARCH"] != runtime.GOARCH {
		t.Errorf("got %+v", o)
	}
}

func TestDifferences(t *testing.T) {
	x := Origin{Go: "go1.26.8", Settings: map[string]string{"-trimpath": "true", "CGO_ENABLED": "0", "module a": "v1"}, BuildIDs: []string{"Go x"}, Made: []string{"GCC 12"}, Paths: []string{"/home/a/x.c", "/home/both/y.c"}}
	if d := Differences("released", "here", x, x); len(d) != 0 {
		t.Errorf("the same: %q", d)
	}
	y := Origin{Go: "go1.26.7", Settings: map[string]string{"CGO_ENABLED": "0", "module a": "v2", "vcs.modified": "true"}, BuildIDs: []string{"Go y"}, Made: []string{"GCC 13"}, Paths: []string{"/home/both/y.c", "/tmp/b/x.c"}}
	want := []string{
		"Go version: released go1.26.8, here go1.26.7",
		"compilers: released GCC 12, here GCC 13",
		"build setting -trimpath: released true, here none",
		"build setting module a: released v1, here v2",
		"build setting vcs.modified: released none, here true",
		"paths of the build machine: released /home/a/x.c, here /tmp/b/x.c",
		"build ID: released Go x, here Go y",
	}
	if d := Differences("released", "here", x, y); !slices.Equal(d, want) {
		t.Errorf("got %q", d)
	}
}

func FuzzReadOrigin(f *testing.F) {
	f.Add(withComment("GCC: 12\x00"))
	f.Add([]byte(elftest.Spec{Machine: elf.EM_ARM, Narrow: true, Big: true, Needed: []string{"a"}}.String()))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := ReadOrigin(bytes.NewReader(b), int64(len(b)), []string{"/x"})
		if err != nil && o != nil {
			t.Error("an error and an origin")
		}
		if o != nil && len(o.Made) > maxMakers {
			t.Errorf("%d makers", len(o.Made))
		}
	})
}
