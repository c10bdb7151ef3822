package executable

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"

	"facerec/internal/executable/elftest"
)

// A trace is found wherever it lies, across the pieces that files are read in.
func TestScanAcrossPieces(t *testing.T) {
	for _, at := range []int{0, 1, scanPiece - 5, scanPiece, scanPiece + scanOverlap, scanPiece + 2*scanOverlap - 3, 2*scanPiece - 10, 3*scanPiece + 7} {
		b := bytes.Repeat([]byte{0}, 3*scanPiece+100)
		copy(b[at:], "/home/builder/src/x.c")
		hits, err := FindPaths(bytes.NewReader(b), nil)
		if err != nil || len(hits) != 1 || hits[0].At != int64(at) {
			t.Errorf("at %d: %v, %v", at, hits, err)
		}
	}
}

// Compressed debug information hides nothing.
func TestPathsInCompressedSections(t *testing.T) {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	body := []byte("\x00/home/builder/src/x.c\x00")
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	b := []byte(elftest.Spec{Machine: elf.EM_X86_64}.String())
	section := len(b)
	chdr := make([]byte, 24) // type, reserved, size, alignment
	le.PutUint32(chdr, uint32(elf.COMPRESS_ZLIB))
	le.PutUint64(chdr[8:], uint64(len(body)))
	le.PutUint64(chdr[16:], 1)
	b = append(append(b, chdr...), z.Bytes()...)
	length, names := len(b)-section, len(b)
	b = append(b, "\x00.debug_line\x00.shstrtab\x00"...)
	shoff := len(b)
	sh := make([]byte, 3*64)
	le.PutUint32(sh[64:], 1)
	le.PutUint32(sh[64+4:], uint32(elf.SHT_PROGBITS))
	le.PutUint64(sh[64+8:], uint64(elf.SHF_COMPRESSED))
	le.PutUint64(sh[64+24:], uint64(section))
	le.PutUint64(sh[64+32:], uint64(length))
	le.PutUint32(sh[128:], 13)
	le.PutUint32(sh[128+4:], uint32(elf.SHT_STRTAB))
	le.PutUint64(sh[128+24:], uint64(names))
	le.PutUint64(sh[128+32:], uint64(shoff-names))
	b = append(b, sh...)
	le.PutUint64(b[40:], uint64(shoff))
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], 3)
	le.PutUint16(b[62:], 2)
	hits, err := FindPathsInCompressed(bytes.NewReader(b), nil)
	if err != nil || len(hits) != 1 || !strings.Contains(hits[0].What, "compressed section .debug_line") {
		t.Errorf("%v, %v", hits, err)
	}
}
