// Package elftest makes small ELF files for tests, by hand.
package elftest

import (
	"debug/elf"
	"encoding/binary"
	"slices"
)

// Spec describes a small but true ELF file, made by hand.
type Spec struct {
	Machine elf.Machine
	Flags   uint32
	Narrow  bool // 32 bit
	Big     bool // big endian
	Interp  string
	Needed  []string
	Note    string // name of a note
	Kind    uint32
	ID      []byte
	Body    string // behind everything
}

// String writes headers, one loaded segment over the whole file, and what else
// the spec asks for.
func (s Spec) String() string {
	var order binary.ByteOrder = binary.LittleEndian
	ident := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	head, entry, word := 64, 56, 8
	if s.Narrow {
		ident[4], head, entry, word = 1, 52, 32, 4
	}
	if s.Big {
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
	if s.Interp != "" {
		parts = append(parts, part{elf.PT_INTERP, []byte(s.Interp + "\x00")})
	}
	if s.Note != "" {
		pad := func(b []byte) []byte { return append(b, make([]byte, (4-len(b)%4)%4)...) }
		n := make([]byte, 12)
		order.PutUint32(n, uint32(len(s.Note)+1))
		order.PutUint32(n[4:], uint32(len(s.ID)))
		order.PutUint32(n[8:], s.Kind)
		parts = append(parts, part{elf.PT_NOTE, append(append(n, pad([]byte(s.Note+"\x00"))...), pad(slices.Clone(s.ID))...)})
	}
	base := head + entry*4
	if len(s.Needed) > 0 {
		names, dyn := []byte{0}, []byte(nil)
		for _, n := range s.Needed {
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
	order.PutUint16(h[18:], uint16(s.Machine))
	order.PutUint32(h[20:], uint32(elf.EV_CURRENT))
	rest := h[36:]
	if s.Narrow {
		order.PutUint32(h[28:], uint32(head))
	} else {
		order.PutUint64(h[32:], uint64(head))
		rest = h[48:]
	}
	order.PutUint32(rest, s.Flags)
	order.PutUint16(rest[4:], uint16(head))
	order.PutUint16(rest[6:], uint16(entry))
	order.PutUint16(rest[8:], uint16(len(parts)))
	out := h
	for _, p := range parts {
		out = append(out, p.data...)
	}
	out = append(out, s.Body...)
	at := base
	for i, p := range parts {
		ph := out[head+i*entry:]
		off, size := at, len(p.data)
		if p.kind == elf.PT_LOAD {
			off, size = 0, len(out)
		}
		order.PutUint32(ph, uint32(p.kind))
		if s.Narrow {
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
