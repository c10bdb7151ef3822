package executable

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facerec/internal/executable/elftest"
)

func readProgram(t *testing.T, s string) *Program {
	t.Helper()
	p, err := Read(strings.NewReader(s), int64(len(s)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRead(t *testing.T) {
	for _, narrow := range []bool{false, true} {
		for _, big := range []bool{false, true} {
			p := readProgram(t, elftest.Spec{Machine: elf.EM_ARM, Flags: 0x5000400, Narrow: narrow, Big: big, Interp: "/lib/ld.so",
				Needed: []string{"libc.so.6", "libm.so.6"}, Note: "GNU", Kind: 3, ID: []byte{0xab, 0xcd, 1}}.String())
			if p.Machine != elf.EM_ARM || p.Flags != 0x5000400 || p.Linked() != "interpreter /lib/ld.so, needs libc.so.6, libm.so.6" ||
				!slices.Equal(p.BuildIDs, []string{"GNU abcd01"}) {
				t.Errorf("narrow %v, big %v: %+v", narrow, big, p)
			}
		}
	}
	p := readProgram(t, elftest.Spec{Machine: elf.EM_X86_64, Note: "Go", Kind: 4, ID: []byte("abc/def")}.String())
	if p.Linked() != "" || !slices.Equal(p.BuildIDs, []string{"Go abc/def"}) {
		t.Errorf("%+v", p)
	}
	for text, want := range map[string]string{
		"\xcf\xfa\xed\xfe....": "Mach-O", "\xfe\xed\xfa\xce....": "Mach-O",
		"MZ" + strings.Repeat("\x00", 0x3a) + "\x40\x00\x00\x00PE\x00\x00":     "PE",
		"MZ is how some texts begin, as does this one; it goes on for a while": "", "#!/bin/sh\n": "", "": "", "\x7fEL": "",
	} {
		got := ""
		if p := readProgram(t, text); p != nil {
			got = p.Format
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestReadProgramRefuses(t *testing.T) {
	good := elftest.Spec{Machine: elf.EM_X86_64, Interp: "/lib/ld.so"}.String()
	with := func(at int, b string) string { return good[:at] + b + good[at+len(b):] }
	linked := elftest.Spec{Machine: elf.EM_X86_64, Interp: "/lib/ld.so", Needed: []string{"libc.so.6"}}.String()
	// Nine headers name the same megabyte of notes.
	notes := good[:56] + "\x09\x00" + good[58:64]
	for range 9 {
		h := make([]byte, 56)
		h[0] = byte(elf.PT_NOTE)
		binary.LittleEndian.PutUint64(h[8:], 64+9*56)
		binary.LittleEndian.PutUint64(h[32:], 1<<20)
		notes += string(h)
	}
	notes += strings.Repeat("\x00", 1<<20)
	for name, text := range map[string]string{
		"header cut":     good[:40],
		"ident cut":      good[:10],
		"headers cut":    good[:100],
		"interp cut":     good[:len(good)-4],
		"class":          with(4, "\x03"),
		"byte order":     with(5, "\x00"),
		"entry size":     with(54, "\x01\x00"),
		"many headers":   with(56, "\xff\xff"),
		"many libraries": elftest.Spec{Machine: elf.EM_X86_64, Interp: "/lib/ld.so", Needed: slices.Repeat([]string{"libc.so.6"}, maxNeeded+1)}.String(),
		"linked twice":   linked[:64+56] + "\x02" + linked[64+56+1:],
		"many notes":     notes,
		"far headers":    with(32, "\xff\xff\xff\xff\xff\xff\xff\xff"),
		"overflow size":  with(64+56+8, "\xff\xff\xff\xff\xff\xff\xff\xff"),
	} {
		if p, err := Read(strings.NewReader(text), int64(len(text))); err == nil || !strings.Contains(err.Error(), "malformed ELF") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// The standard library reads the same from programs of this machine.
func TestReadProgramAgreesWithDebugELF(t *testing.T) {
	files, err := filepath.Glob("/usr/bin/*")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range append([]string{self}, files...) {
		if seen == 60 {
			break
		}
		f, err := elf.Open(name)
		if err != nil {
			continue
		}
		seen++
		raw, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		fi, err := raw.Stat()
		if err != nil {
			t.Fatal(err)
		}
		p, err := Read(raw, fi.Size())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		libs, err := f.ImportedLibraries()
		if err != nil {
			t.Fatal(err)
		}
		interp := ""
		for _, s := range f.Progs {
			if s.Type == elf.PT_INTERP {
				b, err := io.ReadAll(s.Open())
				if err != nil {
					t.Fatal(err)
				}
				interp = strings.TrimRight(string(b), "\x00")
			}
		}
		if p.Machine != f.Machine || p.Class != f.Class || p.Type != f.Type || !slices.Equal(p.Needed, libs) || p.Interp != interp {
			t.Errorf("%s: %+v, want %v %v %v needs %v interpreter %q", name, p, f.Machine, f.Class, f.Type, libs, interp)
		}
		for _, s := range f.Sections {
			if s.Name == ".note.gnu.build-id" && !slices.ContainsFunc(p.BuildIDs, func(id string) bool { return strings.HasPrefix(id, "GNU ") }) {
				t.Errorf("%s: its build id was not seen", name)
			}
		}
		f.Close()
		raw.Close()
	}
	if seen == 0 {
		t.Skip("no ELF file on this machine")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(elftest.Spec{Machine: elf.EM_X86_64, Interp: "/lib/ld.so", Needed: []string{"a", "b"}, Note: "GNU", Kind: 3, ID: []byte("x")}.String()))
	f.Add([]byte(elftest.Spec{Machine: elf.EM_ARM, Narrow: true, Big: true, Needed: []string{"a"}}.String()))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil && p != nil {
			t.Error("an error and a program")
		}
		if p != nil && len(p.Needed) > 0 && p.Linked() == "" {
			t.Error("needs libraries, but counts as static")
		}
	})
}
