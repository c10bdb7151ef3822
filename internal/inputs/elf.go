package inputs

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"

	"facerec/toolchain"
)

// CheckBinary reads a built program and refuses one that is not what a release
// needs: an ELF executable of the right machine, static (no interpreter, no
// needed libraries), without a build id, and without any of the given strings
// inside.
func CheckBinary(path string, t toolchain.Target, forbidden []string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is not an ELF file: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	machine, class := elf.EM_X86_64, elf.ELFCLASS64
	switch t.Debian {
	case "arm64":
		machine = elf.EM_AARCH64
	case "armhf":
		machine, class = elf.EM_ARM, elf.ELFCLASS32
	}
	if f.Machine != machine || f.Class != class {
		return fmt.Errorf("%s is for %v (%v), expected %v (%v)", path, f.Machine, f.Class, machine, class)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("%s has type %v, expected an executable", path, f.Type)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s asks for a program interpreter: it is not static", path)
		}
	}
	if libs, err := f.ImportedLibraries(); err == nil && len(libs) > 0 {
		return fmt.Errorf("%s needs %v: it is not static", path, libs)
	}
	for _, s := range f.Sections {
		if s.Name == ".note.gnu.build-id" || s.Name == ".note.go.buildid" {
			return fmt.Errorf("%s carries a build id in %s", path, s.Name)
		}
		if s.Name == ".symtab" || len(s.Name) > 6 && s.Name[:7] == ".debug_" {
			return fmt.Errorf("%s is not stripped: it has a section %s", path, s.Name)
		}
	}
	if t.Debian == "armhf" {
		if err := checkHardFloat(path); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, s := range forbidden {
		if i := bytes.Index(b, []byte(s)); i >= 0 {
			return fmt.Errorf("%s carries a path of the machine that built it: %q at offset %d", path, printable(b[i:]), i)
		}
	}
	return nil
}

// checkHardFloat looks at e_flags, which debug/elf does not show: bit 0x400 is
// EF_ARM_ABI_FLOAT_HARD (ELF for the ARM architecture, IHI 0044).
func checkHardFloat(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var h [52]byte
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	flags := uint32(h[36]) | uint32(h[37])<<8 | uint32(h[38])<<16 | uint32(h[39])<<24
	if flags>>24 != 5 || flags&0x400 == 0 {
		return fmt.Errorf("%s has ARM flags %#x, expected EABI 5 with hard float (0x5000400)", path, flags)
	}
	return nil
}

// printable gives the text up to the first byte that is none.
func printable(b []byte) string {
	for i, c := range b {
		if c < ' ' || c > '~' || i == 120 {
			return string(b[:i])
		}
	}
	return string(b)
}
