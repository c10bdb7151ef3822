package inputs

import (
	"debug/elf"
	"fmt"
	"os"
	"strings"

	"facerec/internal/executable"
	"facerec/toolchain"
)

// CheckBinary reads a built program and refuses one that is not what a release
// needs: an ELF executable of the right machine, static, stripped, without a
// build ID, and without a path of the machine that built it, neither one that
// every machine has nor one of the given directories.
func CheckBinary(path string, t toolchain.Target, directories []string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := executable.Read(f, fi.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if p == nil {
		return fmt.Errorf("%s is not an ELF file", path)
	}
	_, arch, _ := strings.Cut(t.Platform, "/")
	arch, _, _ = strings.Cut(arch, "/")
	if want, got := p.RunsOn("linux", arch); want != "" {
		return fmt.Errorf("%s: expected %s, got %s", path, want, got)
	}
	if p.Type != elf.ET_EXEC && p.Type != elf.ET_DYN {
		return fmt.Errorf("%s: expected an executable, got type %v", path, p.Type)
	}
	if links := p.Linked(); links != "" {
		return fmt.Errorf("%s is not static: %s", path, links)
	}
	if len(p.BuildIDs) > 0 {
		return fmt.Errorf("%s carries a build ID: %s", path, strings.Join(p.BuildIDs, ", "))
	}
	// Bit 0x400 of e_flags is EF_ARM_ABI_FLOAT_HARD (ELF for the ARM
	// architecture, IHI 0044).
	if arch == "arm" && p.Flags&0x400 == 0 {
		return fmt.Errorf("%s: expected hard float, got ARM flags %#x", path, p.Flags)
	}
	if err := checkStripped(path, f); err != nil {
		return err
	}
	hits, err := executable.FindPaths(f, directories)
	if err != nil {
		return err
	}
	for _, h := range hits {
		return fmt.Errorf("%s carries %s: %q at offset %d", path, h.What, h.Text, h.At)
	}
	return nil
}

func checkStripped(path string, f *os.File) error {
	e, err := elf.NewFile(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range e.Sections {
		if s.Type == elf.SHT_SYMTAB || strings.HasPrefix(s.Name, ".debug_") {
			return fmt.Errorf("%s is not stripped: it has a section %s", path, s.Name)
		}
	}
	return nil
}
