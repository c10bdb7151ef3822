// Package executable reads what a program is and carries: its format, machine
// and linking, its build ids, and the paths of the machine that built it.
package executable

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Program is what the header of an executable file tells about where it runs.
// An ELF file is read by its program headers, as a kernel and a dynamic linker
// do: a section table may be stripped, or may lie.
//
// Sources: System V ABI, chapters 4 and 5 (header, program header, dynamic
// section); the notes of build ids as GNU ld and Go's linker write them.
type Program struct {
	Format   string // "ELF", "Mach-O", "PE"
	Machine  elf.Machine
	Class    elf.Class
	Data     elf.Data
	Type     elf.Type
	Flags    uint32   // e_flags: on ARM the version of the ABI
	Interp   string   // the dynamic linker that it asks for
	Needed   []string // the libraries that it asks for
	BuildIDs []string // "GNU HEX" or "Go TEXT", each once
}

// The most that is read of each table of a program from outside.
const (
	maxHeaders = 4096
	maxDynamic = 1 << 20
	maxNotes   = 1 << 20
	maxName    = 4096
	maxNeeded  = 1000 // libraries

	// All notes of a program together, however often its headers name the same ones.
	maxAllNotes = 8 << 20
)

// Read reads the header of a file of the given size. A file that is not a
// program gives nil. An error says what is malformed.
func Read(r io.ReaderAt, size int64) (*Program, error) {
	var ident [16]byte
	n, err := r.ReadAt(ident[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	head := ident[:n]
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		e := elfReader{r: r, size: size}
		return e.read(head)
	case bytes.HasPrefix(head, []byte{0xfe, 0xed, 0xfa}) && len(head) > 3 && head[3]|1 == 0xcf,
		len(head) > 3 && head[0]|1 == 0xcf && bytes.Equal(head[1:4], []byte{0xfa, 0xed, 0xfe}):
		return &Program{Format: "Mach-O"}, nil
	case bytes.HasPrefix(head, []byte("MZ")):
		var at [4]byte
		if _, err := r.ReadAt(at[:], 0x3c); err != nil {
			return nil, nil //nolint:nilerr // too short for a PE file: it is something else
		}
		var sign [4]byte
		if _, err := r.ReadAt(sign[:], int64(binary.LittleEndian.Uint32(at[:]))); err == nil && string(sign[:]) == "PE\x00\x00" {
			return &Program{Format: "PE"}, nil
		}
	}
	return nil, nil
}

type elfReader struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	wide  bool // 64 bit
	p     Program
	loads []segment

	linked bool // a dynamic section was read
	noted  int  // bytes of notes that were read
}

type segment struct {
	kind                   elf.ProgType
	off, vaddr, size, mask uint64
}

func (e *elfReader) read(ident []byte) (*Program, error) {
	if len(ident) < 16 {
		return nil, fmt.Errorf("malformed ELF header: it ends within its first 16 bytes")
	}
	e.p = Program{Format: "ELF", Class: elf.Class(ident[4]), Data: elf.Data(ident[5])}
	switch e.p.Data {
	case elf.ELFDATA2LSB:
		e.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		e.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("malformed ELF header: byte order %d is unknown", ident[5])
	}
	length := 52
	switch e.p.Class {
	case elf.ELFCLASS32:
	case elf.ELFCLASS64:
		e.wide, length = true, 64
	default:
		return nil, fmt.Errorf("malformed ELF header: class %d is unknown", ident[4])
	}
	h, err := e.bytes(0, uint64(length))
	if err != nil {
		return nil, fmt.Errorf("malformed ELF header: %w", err)
	}
	e.p.Type = elf.Type(e.order.Uint16(h[16:]))
	e.p.Machine = elf.Machine(e.order.Uint16(h[18:]))
	phoff, shoff, rest := uint64(e.order.Uint32(h[28:])), uint64(e.order.Uint32(h[32:])), h[36:]
	if e.wide {
		phoff, shoff, rest = e.order.Uint64(h[32:]), e.order.Uint64(h[40:]), h[48:]
	}
	e.p.Flags = e.order.Uint32(rest)
	phentsize, phnum := e.order.Uint16(rest[6:]), e.order.Uint16(rest[8:])
	shentsize, shnum := e.order.Uint16(rest[10:]), e.order.Uint16(rest[12:])
	if err := e.segments(phoff, phentsize, phnum); err != nil {
		return nil, err
	}
	e.sectionNotes(shoff, shentsize, shnum)
	return &e.p, nil
}

// bytes reads a range that must lie within the file.
func (e *elfReader) bytes(off, n uint64) ([]byte, error) {
	if off > uint64(e.size) || n > uint64(e.size)-off {
		return nil, fmt.Errorf("%d bytes at offset %d lie beyond the end of the file", n, off)
	}
	b := make([]byte, n)
	if _, err := e.r.ReadAt(b, int64(off)); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

func (e *elfReader) segments(off uint64, entry, count uint16) error {
	if count == 0 {
		return nil
	}
	least := uint16(32)
	if e.wide {
		least = 56
	}
	if entry < least || count > maxHeaders {
		return fmt.Errorf("malformed ELF file: %d program headers of %d bytes: expected at least %d bytes and at most %d headers", count, entry, least, maxHeaders)
	}
	table, err := e.bytes(off, uint64(entry)*uint64(count))
	if err != nil {
		return fmt.Errorf("malformed ELF file: program headers: %w", err)
	}
	var all []segment
	for i := range int(count) {
		h := table[i*int(entry):]
		s := segment{kind: elf.ProgType(e.order.Uint32(h))}
		if e.wide {
			s.off, s.vaddr, s.size, s.mask = e.order.Uint64(h[8:]), e.order.Uint64(h[16:]), e.order.Uint64(h[32:]), e.order.Uint64(h[48:])
		} else {
			s.off, s.vaddr, s.size, s.mask = uint64(e.order.Uint32(h[4:])), uint64(e.order.Uint32(h[8:])), uint64(e.order.Uint32(h[16:])), uint64(e.order.Uint32(h[28:]))
		}
		all = append(all, s)
		if s.kind == elf.PT_LOAD {
			e.loads = append(e.loads, s)
		}
	}
	for _, s := range all {
		if err := e.segment(s); err != nil {
			return fmt.Errorf("malformed ELF file: %v: %w", s.kind, err)
		}
	}
	return nil
}

func (e *elfReader) segment(s segment) error {
	switch s.kind {
	case elf.PT_INTERP:
		b, err := e.bytes(s.off, min(s.size, maxName))
		if err != nil {
			return err
		}
		e.p.Interp = untilZero(b)
		if e.p.Interp == "" {
			e.p.Interp = "(none)" // asked for all the same
		}
	case elf.PT_NOTE:
		b, err := e.noteBytes(s.off, s.size)
		if err != nil {
			return err
		}
		e.notes(b, s.mask)
	case elf.PT_DYNAMIC:
		if e.linked {
			return errors.New("expected one, got another")
		}
		e.linked = true
		b, err := e.bytes(s.off, min(s.size, maxDynamic))
		if err != nil {
			return err
		}
		return e.dynamic(b)
	}
	return nil
}

// noteBytes reads notes, within the limit for all of them.
func (e *elfReader) noteBytes(off, size uint64) ([]byte, error) {
	b, err := e.bytes(off, min(size, maxNotes))
	if e.noted += len(b); e.noted > maxAllNotes {
		return nil, errTooManyNotes
	}
	return b, err
}

var errTooManyNotes = fmt.Errorf("expected at most %d bytes of notes", maxAllNotes)

func untilZero(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(b), "\ufffd")
}

// dynamic lists the names of DT_NEEDED. Where a name cannot be read, the
// library is needed nonetheless.
func (e *elfReader) dynamic(b []byte) error {
	word := 4
	if e.wide {
		word = 8
	}
	value := func(b []byte) uint64 {
		if e.wide {
			return e.order.Uint64(b)
		}
		return uint64(e.order.Uint32(b))
	}
	var needed []uint64
	var names uint64
	for ; len(b) >= 2*word; b = b[2*word:] {
		switch v := value(b[word:]); elf.DynTag(value(b)) {
		case elf.DT_NULL:
			b = b[:2*word]
		case elf.DT_NEEDED:
			if needed = append(needed, v); len(needed) > maxNeeded {
				return fmt.Errorf("expected at most %d libraries", maxNeeded)
			}
		case elf.DT_STRTAB:
			names = v
		}
	}
	for _, at := range needed {
		e.p.Needed = append(e.p.Needed, e.stringAt(names+at))
	}
	return nil
}

// stringAt reads what will lie at an address once the file is loaded.
func (e *elfReader) stringAt(addr uint64) string {
	for _, s := range e.loads {
		if addr >= s.vaddr && addr-s.vaddr < s.size {
			off := s.off + addr - s.vaddr
			if b, err := e.bytes(off, min(maxName, s.size-(addr-s.vaddr))); err == nil && untilZero(b) != "" {
				return untilZero(b)
			}
		}
	}
	return "(a library without a name)"
}

// notes finds build ids. align is 4, or 8 where the segment says so.
func (e *elfReader) notes(b []byte, align uint64) {
	pad := 4
	if align == 8 {
		pad = 8
	}
	round := func(n int) int { return (n + pad - 1) &^ (pad - 1) }
	for len(b) >= 12 {
		name, desc, kind := e.order.Uint32(b), e.order.Uint32(b[4:]), e.order.Uint32(b[8:])
		if name > uint32(len(b)) || desc > uint32(len(b)) {
			return
		}
		end := round(12 + int(name))
		if end > len(b) || int(desc) > len(b)-end {
			return
		}
		owner, content := untilZero(b[12:12+name]), b[end:end+int(desc)]
		id := ""
		switch {
		case owner == "GNU" && kind == 3:
			id = fmt.Sprintf("GNU %x", content)
		case owner == "Go" && kind == 4:
			id = "Go " + untilZero(content)
		}
		if id != "" && len(content) > 0 && !slices.Contains(e.p.BuildIDs, id) {
			e.p.BuildIDs = append(e.p.BuildIDs, id)
		}
		b = b[min(len(b), round(end+int(desc))):]
	}
}

// sectionNotes looks for notes that no segment covers. Nothing rests on
// sections, so a table that cannot be read is skipped.
func (e *elfReader) sectionNotes(off uint64, entry, count uint16) {
	least, at, size := uint16(40), 16, 20
	if e.wide {
		least, at, size = 64, 24, 32
	}
	if entry < least {
		return
	}
	table, err := e.bytes(off, uint64(entry)*uint64(count))
	if err != nil {
		return
	}
	for i := range int(count) {
		h := table[i*int(entry):]
		if elf.SectionType(e.order.Uint32(h[4:])) != elf.SHT_NOTE {
			continue
		}
		o, n := uint64(e.order.Uint32(h[at:])), uint64(e.order.Uint32(h[size:]))
		if e.wide {
			o, n = e.order.Uint64(h[at:]), e.order.Uint64(h[size:])
		}
		b, err := e.noteBytes(o, n)
		if errors.Is(err, errTooManyNotes) {
			return // nothing rests on sections
		}
		if err == nil {
			e.notes(b, 4)
		}
	}
}

// machine is what the header of a program for a platform says.
type machine struct {
	elf.Machine
	elf.Class
	elf.Data
}

// machines are keyed by Go's, and so OCI's, name of an architecture.
var machines = map[string]machine{
	"386":      {elf.EM_386, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"amd64":    {elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"arm":      {elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"arm64":    {elf.EM_AARCH64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"loong64":  {elf.EM_LOONGARCH, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"mips":     {elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2MSB},
	"mipsle":   {elf.EM_MIPS, elf.ELFCLASS32, elf.ELFDATA2LSB},
	"mips64":   {elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2MSB},
	"mips64le": {elf.EM_MIPS, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"ppc64":    {elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2MSB},
	"ppc64le":  {elf.EM_PPC64, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"riscv64":  {elf.EM_RISCV, elf.ELFCLASS64, elf.ELFDATA2LSB},
	"s390x":    {elf.EM_S390, elf.ELFCLASS64, elf.ELFDATA2MSB},
}

func (m machine) String() string {
	bits, order := "64 bit", "little endian"
	if m.Class == elf.ELFCLASS32 {
		bits = "32 bit"
	}
	if m.Data == elf.ELFDATA2MSB {
		order = "big endian"
	}
	name := strings.TrimPrefix(m.Machine.String(), "EM_")
	return name + " (" + bits + ", " + order + ")"
}

// armEABI5 is what the highest byte of e_flags says of every program of the
// last fifteen years (ELF for the Arm Architecture, "EF_ARM_ABIMASK").
const armEABI5 = 5

// RunsOn compares a program with a platform. It returns what was expected and
// what there is, both empty when they agree. An architecture that is not known
// agrees with everything: see [KnownArch].
func (p *Program) RunsOn(os, arch string) (want, got string) {
	m, known := machines[arch]
	switch {
	case p.Format != "ELF":
		if os == "linux" {
			return "an ELF file for " + arch, "a " + p.Format + " file"
		}
		return "", ""
	case !known:
		return "", ""
	}
	if have := (machine{p.Machine, p.Class, p.Data}); have != m {
		return m.String(), have.String()
	}
	if arch == "arm" && p.Flags>>24 != armEABI5 {
		return "ARM EABI version 5", fmt.Sprintf("version %d (e_flags %#x)", p.Flags>>24, p.Flags)
	}
	return "", ""
}

// KnownArch reports whether [Program.RunsOn] can judge programs for an
// architecture, by its name in Go and OCI.
func KnownArch(arch string) bool {
	_, known := machines[arch]
	return known
}

// Linked returns what a dynamically linked program asks for, or "".
func (p *Program) Linked() string {
	var out []string
	if p.Interp != "" {
		out = append(out, "interpreter "+p.Interp)
	}
	if len(p.Needed) > 0 {
		out = append(out, "needs "+strings.Join(p.Needed, ", "))
	}
	return strings.Join(out, ", ")
}
