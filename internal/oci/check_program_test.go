package oci

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

	"facerec/internal/release"
)

// elfSpec describes a small but true ELF file, made by hand.
type elfSpec struct {
	machine elf.Machine
	flags   uint32
	narrow  bool // 32 bit
	big     bool // big endian
	interp  string
	needed  []string
	note    string // name of a note
	kind    uint32
	id      []byte
	body    string // behind everything
}

// make writes headers, one loaded segment over the whole file, and what else
// the spec asks for.
func (s elfSpec) make() string {
	var order binary.ByteOrder = binary.LittleEndian
	ident := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	head, entry, word := 64, 56, 8
	if s.narrow {
		ident[4], head, entry, word = 1, 52, 32, 4
	}
	if s.big {
		ident[5], order = 2, binary.BigEndian
	}
	num := func(v uint64) []byte {
		b := make([]byte, 8)
		if word == 4 {
			order.PutUint32(b, uint32(v))
		} else {
			order.PutUint64(b, v)
		}
		return b[:word]
	}
	type part struct {
		kind elf.ProgType
		data []byte
	}
	parts := []part{{elf.PT_LOAD, nil}}
	if s.interp != "" {
		parts = append(parts, part{elf.PT_INTERP, []byte(s.interp + "\x00")})
	}
	if s.note != "" {
		pad := func(b []byte) []byte { return append(b, make([]byte, (4-len(b)%4)%4)...) }
		n := make([]byte, 12)
		order.PutUint32(n, uint32(len(s.note)+1))
		order.PutUint32(n[4:], uint32(len(s.id)))
		order.PutUint32(n[8:], s.kind)
		parts = append(parts, part{elf.PT_NOTE, append(append(n, pad([]byte(s.note+"\x00"))...), pad(slices.Clone(s.id))...)})
	}
	base := head + entry*4
	if len(s.needed) > 0 {
		names, dyn := []byte{0}, []byte(nil)
		for _, n := range s.needed {
			dyn = append(append(dyn, num(uint64(elf.DT_NEEDED))...), num(uint64(len(names)))...)
			names = append(names, n+"\x00"...)
		}
		at := base
		for _, p := range parts {
			at += len(p.data)
		}
		size := len(dyn) + 4*word
		dyn = append(append(dyn, num(uint64(elf.DT_STRTAB))...), num(uint64(0x10000+at+size))...)
		dyn = append(dyn, make([]byte, 2*word)...)
		parts = append(parts, part{elf.PT_DYNAMIC, append(dyn, names...)})
	}
	h := make([]byte, base)
	copy(h, ident)
	order.PutUint16(h[16:], uint16(elf.ET_EXEC))
	order.PutUint16(h[18:], uint16(s.machine))
	order.PutUint32(h[20:], uint32(elf.EV_CURRENT))
	rest := h[36:]
	if s.narrow {
		order.PutUint32(h[28:], uint32(head))
	} else {
		order.PutUint64(h[32:], uint64(head))
		rest = h[48:]
	}
	order.PutUint32(rest, s.flags)
	order.PutUint16(rest[4:], uint16(head))
	order.PutUint16(rest[6:], uint16(entry))
	order.PutUint16(rest[8:], uint16(len(parts)))
	out := h
	for _, p := range parts {
		out = append(out, p.data...)
	}
	out = append(out, s.body...)
	at := base
	for i, p := range parts {
		ph := out[head+i*entry:]
		off, size := at, len(p.data)
		if p.kind == elf.PT_LOAD {
			off, size = 0, len(out)
		}
		order.PutUint32(ph, uint32(p.kind))
		if s.narrow {
			copy(ph[4:], num(uint64(off)))
			copy(ph[8:], num(uint64(0x10000+off)))
			copy(ph[16:], num(uint64(size)))
		} else {
			copy(ph[8:], num(uint64(off)))
			copy(ph[16:], num(uint64(0x10000+off)))
			copy(ph[32:], num(uint64(size)))
		}
		at += len(p.data)
	}
	return string(out)
}

func readProgram(t *testing.T, s string) *Program {
	t.Helper()
	p, err := ReadProgram(strings.NewReader(s), int64(len(s)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReadProgram(t *testing.T) {
	for _, narrow := range []bool{false, true} {
		for _, big := range []bool{false, true} {
			p := readProgram(t, elfSpec{machine: elf.EM_ARM, flags: 0x5000400, narrow: narrow, big: big, interp: "/lib/ld.so",
				needed: []string{"libc.so.6", "libm.so.6"}, note: "GNU", kind: 3, id: []byte{0xab, 0xcd, 1}}.make())
			if p.Machine != elf.EM_ARM || p.Flags != 0x5000400 || p.linked() != "interpreter /lib/ld.so, needs libc.so.6, libm.so.6" ||
				!slices.Equal(p.BuildIDs, []string{"GNU abcd01"}) {
				t.Errorf("narrow %v, big %v: %+v", narrow, big, p)
			}
		}
	}
	p := readProgram(t, elfSpec{machine: elf.EM_X86_64, note: "Go", kind: 4, id: []byte("abc/def")}.make())
	if p.linked() != "" || !slices.Equal(p.BuildIDs, []string{"Go abc/def"}) {
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
	good := elfSpec{machine: elf.EM_X86_64, interp: "/lib/ld.so"}.make()
	with := func(at int, b string) string { return good[:at] + b + good[at+len(b):] }
	for name, text := range map[string]string{
		"header cut":    good[:40],
		"ident cut":     good[:10],
		"headers cut":   good[:100],
		"interp cut":    good[:len(good)-4],
		"class":         with(4, "\x03"),
		"byte order":    with(5, "\x00"),
		"entry size":    with(54, "\x01\x00"),
		"many headers":  with(56, "\xff\xff"),
		"far headers":   with(32, "\xff\xff\xff\xff\xff\xff\xff\xff"),
		"overflow size": with(64+56+8, "\xff\xff\xff\xff\xff\xff\xff\xff"),
	} {
		if p, err := ReadProgram(strings.NewReader(text), int64(len(text))); err == nil || !strings.Contains(err.Error(), "malformed ELF") {
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
		p, err := ReadProgram(raw, fi.Size())
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

func TestCheckBinary(t *testing.T) {
	amd := release.Platform{OS: "linux", Arch: "amd64"}
	arm := release.Platform{OS: "linux", Arch: "arm", Variant: "v7"}
	static := elfSpec{machine: elf.EM_X86_64}.make()
	for _, c := range []struct {
		name, file string
		platform   release.Platform
		want, err  string
	}{
		{"fits", static, amd, release.BinaryStatic, ""},
		{"text", "hello", amd, release.BinaryStatic, ""},
		{"other machine", elfSpec{machine: elf.EM_AARCH64}.make(), amd, release.BinaryStatic, "expected X86_64 (64 bit, little endian), got AARCH64 (64 bit, little endian)"},
		{"other class", elfSpec{machine: elf.EM_X86_64, narrow: true}.make(), amd, release.BinaryDynamic, "got X86_64 (32 bit"},
		{"arm", elfSpec{machine: elf.EM_ARM, narrow: true, flags: 0x5000200}.make(), arm, release.BinaryStatic, ""},
		{"arm of old", elfSpec{machine: elf.EM_ARM, narrow: true, flags: 0x4000000}.make(), arm, release.BinaryStatic, "expected ARM EABI version 5, got version 4"},
		{"dynamic", elfSpec{machine: elf.EM_X86_64, interp: "/lib64/ld.so", needed: []string{"libc.so.6"}}.make(), amd, release.BinaryStatic, "got a dynamically linked one (interpreter /lib64/ld.so, needs libc.so.6)"},
		{"dynamic allowed", elfSpec{machine: elf.EM_X86_64, interp: "/lib64/ld.so"}.make(), amd, release.BinaryDynamic, ""},
		{"any", elfSpec{machine: elf.EM_S390, big: true, interp: "/x"}.make(), amd, release.BinaryAny, ""},
		{"for a Mac", "\xcf\xfa\xed\xfe....", amd, release.BinaryStatic, "expected an ELF file for amd64, got a Mach-O file"},
		{"malformed", static[:70], amd, release.BinaryStatic, "malformed ELF file"},
	} {
		err := checkBinary(strings.NewReader(c.file), int64(len(c.file)), "out/tool", c.platform, c.want)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "out/tool")):
			t.Errorf("%s: got %v, want %s", c.name, err, c.err)
		}
	}
}

func FuzzReadProgram(f *testing.F) {
	f.Add([]byte(elfSpec{machine: elf.EM_X86_64, interp: "/lib/ld.so", needed: []string{"a", "b"}, note: "GNU", kind: 3, id: []byte("x")}.make()))
	f.Add([]byte(elfSpec{machine: elf.EM_ARM, narrow: true, big: true, needed: []string{"a"}}.make()))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadProgram(bytes.NewReader(b), int64(len(b)))
		if err != nil && p != nil {
			t.Error("an error and a program")
		}
		if p != nil && len(p.Needed) > 0 && p.linked() == "" {
			t.Error("needs libraries, but counts as static")
		}
	})
}
