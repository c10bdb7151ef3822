package inflate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Errors about what was read. Those of the underlying reader are passed on as
// they are, but that its end in the middle of a member is io.ErrUnexpectedEOF.
var (
	ErrHeader   = errors.New("gzip: invalid header")
	ErrChecksum = errors.New("gzip: invalid checksum")
)

// errBuffer is a fault of the caller's.
var errBuffer = fmt.Errorf("gzip: expected a reader with a buffer of %d bytes at least", maxHeader)

// maxText is how long a name or a comment may be, in bytes.
const maxText = 64 << 10

// Flags of a header (RFC 1952, 2.3.1).
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
)

// Header is the beginning of a member. Name and Comment are as in the file,
// which ought to be ISO 8859-1.
type Header struct {
	Flags   byte
	Mtime   uint32 // seconds since 1970, 0 for none
	XFL     byte
	OS      byte
	Name    string
	Comment string
	Size    int // bytes of the header itself
}

// Reader gives the bytes of one member of a gzip file.
type Reader struct {
	Header

	in   *bufio.Reader
	flat decoder
	crc  uint32
	size uint32
	err  error
}

// NewReader reads the header of the first member.
func NewReader(in *bufio.Reader) (*Reader, error) {
	z := &Reader{}
	if err := z.Reset(in); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return z, nil
}

// Reset makes ready for the member at which in stands. Where in is at its end
// it gives io.EOF. The buffer of in has a kilobyte or more.
func (z *Reader) Reset(in *bufio.Reader) error {
	if in.Size() < maxHeader {
		z.err = errBuffer
		return z.err
	}
	z.in, z.crc, z.size = in, 0, 0
	z.flat.reset(in)
	z.Header, z.err = readHeader(in)
	return z.err
}

func readHeader(in *bufio.Reader) (h Header, err error) {
	fixed, err := in.Peek(10)
	if len(fixed) < 10 {
		if len(fixed) == 0 || !errors.Is(err, io.EOF) {
			return h, err
		}
		return h, io.ErrUnexpectedEOF
	}
	if fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8 {
		return h, ErrHeader
	}
	h.Size = len(fixed)
	h.Flags, h.Mtime, h.XFL, h.OS = fixed[3], binary.LittleEndian.Uint32(fixed[4:]), fixed[8], fixed[9]
	crc := crc32.ChecksumIEEE(fixed)
	take := func(n int) ([]byte, error) {
		b := make([]byte, n)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, noEOF(err)
		}
		crc = crc32.Update(crc, crc32.IEEETable, b)
		h.Size += n
		return b, nil
	}
	text := func() (string, error) {
		var s []byte
		for {
			c, err := in.ReadByte()
			if err != nil {
				return "", noEOF(err)
			}
			crc = crc32.Update(crc, crc32.IEEETable, []byte{c})
			h.Size++
			if c == 0 {
				return string(s), nil
			}
			if s = append(s, c); len(s) > maxText {
				return "", fmt.Errorf("%w: a text field of more than %d bytes", ErrHeader, maxText)
			}
		}
	}
	if _, err := in.Discard(10); err != nil {
		return h, err
	}
	if h.Flags&flagExtra != 0 {
		n, err := take(2)
		if err == nil {
			_, err = take(int(binary.LittleEndian.Uint16(n)))
		}
		if err != nil {
			return h, err
		}
	}
	if h.Flags&flagName != 0 {
		if h.Name, err = text(); err != nil {
			return h, err
		}
	}
	if h.Flags&flagComment != 0 {
		if h.Comment, err = text(); err != nil {
			return h, err
		}
	}
	if h.Flags&flagHeaderCRC != 0 {
		want := uint16(crc)
		got, err := take(2)
		if err != nil {
			return h, err
		}
		if binary.LittleEndian.Uint16(got) != want {
			return h, ErrHeader
		}
	}
	return h, nil
}

// Read implements io.Reader. At the end of the member it gives io.EOF, after
// checksum and size have been found right.
func (z *Reader) Read(p []byte) (int, error) {
	if z.err != nil || len(p) == 0 {
		return 0, z.err
	}
	n, err := z.flat.read(p)
	z.crc = crc32.Update(z.crc, crc32.IEEETable, p[:n])
	z.size += uint32(n)
	if errors.Is(err, io.EOF) {
		err = z.trailer()
	}
	z.err = err
	return n, err
}

// trailer checks the member's last eight bytes, and gives io.EOF if all is well.
func (z *Reader) trailer() error {
	var t [8]byte
	if _, err := io.ReadFull(z.in, t[:]); err != nil {
		return noEOF(err)
	}
	if binary.LittleEndian.Uint32(t[:]) != z.crc || binary.LittleEndian.Uint32(t[4:]) != z.size {
		return ErrChecksum
	}
	return io.EOF
}

// noEOF turns the end of the file into an unexpected one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
