package tarball

import (
	"encoding/binary"
	"io"
)

// bitWriter packs bits into bytes, the first bit lowest (RFC 1951, 3.1.1).
type bitWriter struct {
	w    io.Writer
	buf  []byte // whole bytes that wait for w
	bits uint64 // bits that wait to become bytes
	n    uint   // how many
	err  error  // the first of w
}

// bitBuffer is how many bytes are handed to the writer at a time.
const bitBuffer = 64 << 10

func newBitWriter(w io.Writer) *bitWriter {
	return &bitWriter{w: w, buf: make([]byte, 0, bitBuffer+spareBits)}
}

// put appends the n lowest bits of v, 16 at most.
func (b *bitWriter) put(v uint32, n uint) {
	b.bits |= uint64(v) << b.n
	b.n += n
	if b.n >= 32 {
		b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(b.bits))
		b.bits >>= 32
		b.n -= 32
		b.flushFull()
	}
}

// open gives what a loop of its own goes on with: the space, where the next byte
// belongs, and the bits that wait, seven at most. The caller puts them back.
func (b *bitWriter) open() (buf []byte, at int, bits uint64, n uint) {
	buf = b.buf[:cap(b.buf)]
	at = len(b.buf)
	binary.LittleEndian.PutUint64(buf[at:], b.bits)
	return buf, at + int(b.n>>3), b.bits >> (b.n &^ 7 & 63), b.n & 7
}

// align fills up the last byte with zero bits.
func (b *bitWriter) align() {
	for b.n > 0 {
		b.buf = append(b.buf, byte(b.bits))
		b.bits >>= 8
		b.n -= min(b.n, 8)
	}
	b.flushFull()
}

// bytes appends whole bytes; the writer must be aligned.
func (b *bitWriter) bytes(p []byte) {
	for len(p) > 0 {
		n := min(len(p), bitBuffer-min(len(b.buf), bitBuffer))
		b.buf = append(b.buf, p[:n]...)
		p = p[n:]
		b.flushFull()
	}
}

func (b *bitWriter) flushFull() {
	if len(b.buf) >= bitBuffer {
		b.flush()
	}
}

// flush hands all whole bytes to the writer.
func (b *bitWriter) flush() {
	if b.err == nil && len(b.buf) > 0 {
		_, b.err = b.w.Write(b.buf)
	}
	b.buf = b.buf[:0]
}
