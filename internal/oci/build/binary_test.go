package build

import (
	"debug/elf"
	"strings"
	"testing"

	"facerec/internal/executable/elftest"
	"facerec/internal/release"
)

func TestCheckBinary(t *testing.T) {
	amd := release.Platform{OS: "linux", Arch: "amd64"}
	arm := release.Platform{OS: "linux", Arch: "arm", Variant: "v7"}
	static := elftest.Spec{Machine: elf.EM_X86_64}.String()
	for _, c := range []struct {
		name, file string
		platform   release.Platform
		want, err  string
	}{
		{"fits", static, amd, release.BinaryStatic, ""},
		{"text", "hello", amd, release.BinaryStatic, ""},
		{"other machine", elftest.Spec{Machine: elf.EM_AARCH64}.String(), amd, release.BinaryStatic, "expected X86_64 (64 bit, little endian), got AARCH64 (64 bit, little endian)"},
		{"other class", elftest.Spec{Machine: elf.EM_X86_64, Narrow: true}.String(), amd, release.BinaryDynamic, "got X86_64 (32 bit"},
		{"arm", elftest.Spec{Machine: elf.EM_ARM, Narrow: true, Flags: 0x5000200}.String(), arm, release.BinaryStatic, ""},
		{"arm of old", elftest.Spec{Machine: elf.EM_ARM, Narrow: true, Flags: 0x4000000}.String(), arm, release.BinaryStatic, "expected ARM EABI version 5, got version 4"},
		{"dynamic", elftest.Spec{Machine: elf.EM_X86_64, Interp: "/lib64/ld.so", Needed: []string{"libc.so.6"}}.String(), amd, release.BinaryStatic, "got a dynamically linked one (interpreter /lib64/ld.so, needs libc.so.6)"},
		{"dynamic allowed", elftest.Spec{Machine: elf.EM_X86_64, Interp: "/lib64/ld.so"}.String(), amd, release.BinaryDynamic, ""},
		{"any", elftest.Spec{Machine: elf.EM_S390, Big: true, Interp: "/x"}.String(), amd, release.BinaryAny, ""},
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
