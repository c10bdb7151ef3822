package hostile

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
)

// elf makes a 64-bit ELF file for x86-64 with n sections and m program headers
// that are all alike: section names none, at offset off, of the given size.
func elf(sections, programs int, kind uint32, flags uint64, data []byte) []byte {
	const header, sectionSize, programSize = 64, 64, 56
	var b bytes.Buffer
	le := binary.LittleEndian
	put := func(v any) { _ = binary.Write(&b, le, v) } // into memory
	b.WriteString("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	put([]uint16{2, 62})
	put(uint32(1))
	put([]uint64{0x400000, header, uint64(header + programs*programSize)})
	put(uint32(0))
	put([]uint16{header, programSize, uint16(programs), sectionSize, uint16(sections), 0})
	off := uint64(header + programs*programSize + sections*sectionSize)
	for range programs {
		put([]uint32{kind, 4})
		put([]uint64{off, 0x400000, 0x400000, uint64(len(data)), uint64(len(data)), 1})
	}
	for i := range sections {
		typ := uint32(1)
		if i == 0 {
			typ = 3
		}
		put([]uint32{0, typ})
		put([]uint64{flags, 0, off, uint64(len(data))})
		put([]uint32{0, 0})
		put([]uint64{1, 0})
	}
	b.Write(data)
	return b.Bytes()
}

// compressedSection is the content of a section with SHF_COMPRESSED.
func compressedSection(plain []byte) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, []uint32{1, 0})                          // ELFCOMPRESS_ZLIB
	_ = binary.Write(&b, binary.LittleEndian, []uint64{uint64(len(plain)), uint64(1)}) // into memory
	z, _ := zlib.NewWriterLevel(&b, zlib.BestCompression)                              // the level is one
	_, _ = z.Write(plain)
	_ = z.Close()
	return b.Bytes()
}

// programInputs are images with hostile programs.
func programInputs() []Input {
	const compressed = 0x800
	var out []Input
	for _, k := range []struct {
		name string
		s    stream
	}{
		{"ELF: 60,000 compressed sections that are one of 60 MB", func(t *tarWriter) {
			t.reg("app/a", elf(60_000, 1, 1, compressed, compressedSection(make([]byte, 60*mB))))
		}},
		{"ELF: a compressed section of 600 MB", func(t *tarWriter) {
			t.reg("app/a", elf(3, 1, 1, compressed, compressedSection(make([]byte, 600*mB))))
		}},
		{"ELF: 65,000 program headers of notes of 1 MB", func(t *tarWriter) { t.reg("app/a", elf(0, 65_000, 4, 0, make([]byte, mB))) }},
		{"ELF: 4,000 program headers of notes of 1 MB", func(t *tarWriter) { t.reg("app/a", elf(0, 4_000, 4, 0, make([]byte, mB))) }},
		{"ELF: 4,000 dynamic sections of 1 MB", func(t *tarWriter) {
			t.reg("app/a", elf(0, 4_000, 2, 0, bytes.Repeat(append([]byte{1}, make([]byte, 15)...), 65_000)))
		}},
		{"ELF: 20,000 programs", func(t *tarWriter) {
			for i := range 20_000 {
				t.reg(fmt.Sprintf("app/%d", i), elf(3, 1, 1, 0, []byte(fmt.Sprint(i))))
			}
		}},
		{"ELF: 500 MB that might hold Go's build information", func(t *tarWriter) {
			data := bytes.Repeat([]byte("\xff Go buildinf:\x08\x02"), 500*mB/16)
			t.reg("app/a", elf(3, 1, 1, 0, data))
		}},
	} {
		out = append(out, Input{Name: k.name, Calls: imageCalls, Build: func(d *Dir) { d.image("image", k.s.layer(k.s.gzip())) }})
	}
	return out
}
