package tarball

import (
	"encoding/binary"
	"strconv"
)

// BlockSize is the size of a header of the tar format, and what contents are padded
// to, in bytes.
const BlockSize = 512

// Sizes of the tar format, in bytes.
const (
	blockSize  = BlockSize
	recordSize = 20 * blockSize // an archive is padded to whole records
)

// Places of the fields in a header block, as in GNU tar's manual,
// "Basic Tar Format". The device fields stay zero: no devices are written.
const (
	offName   = 0 // 100 bytes
	offMode   = 100
	offUID    = 108
	offGID    = 116
	offSize   = 124
	offMtime  = 136
	offChksum = 148
	offType   = 156
	offLink   = 157 // 100 bytes
	offMagic  = 257
	lenName   = 100
)

// gnuMagic is magic and version in one, as GNU's own format has them.
const gnuMagic = "ustar  \x00"

// longLinkName is the name of the pseudo entries that carry a name or a link
// target of more than 100 bytes.
const longLinkName = "././@LongLink"

// Type flags.
const (
	flagRegular  = '0'
	flagHardlink = '1'
	flagSymlink  = '2'
	flagDir      = '5'
	flagLongLink = 'K'
	flagLongName = 'L'
)

// appendHeader appends the header blocks of one entry: a K entry when the
// link target is longer than 100 bytes, an L entry when the name is, then the
// header itself. name carries the trailing slash of a directory.
func appendHeader(b []byte, name string, flag byte, mode uint32, link string, size int64) []byte {
	if len(link) > lenName {
		b = appendLong(b, link, flagLongLink)
	}
	if len(name) > lenName {
		b = appendLong(b, name, flagLongName)
	}
	return appendBlock(b, name, flag, mode, link, size)
}

// appendLong appends a pseudo entry whose content is s and a NUL.
func appendLong(b []byte, s string, flag byte) []byte {
	b = appendBlock(b, longLinkName, flag, 0o644, "", int64(len(s))+1)
	b = append(b, s...)
	return append(b, make([]byte, padded(int64(len(s))+1)-int64(len(s)))...)
}

// headerSize is the number of bytes that appendHeader will append.
func headerSize(nameLen, linkLen int) int64 {
	n := int64(blockSize)
	if linkLen > lenName {
		n += blockSize + padded(int64(linkLen)+1)
	}
	if nameLen > lenName {
		n += blockSize + padded(int64(nameLen)+1)
	}
	return n
}

// appendBlock appends one header block. A name or target that is too long is
// cut: the pseudo entry before has the whole of it.
func appendBlock(b []byte, name string, flag byte, mode uint32, link string, size int64) []byte {
	var h [blockSize]byte
	copy(h[offName:offName+lenName], name)
	octal(h[offMode:offMode+8], int64(mode))
	octal(h[offUID:offUID+8], 0)
	octal(h[offGID:offGID+8], 0)
	octal(h[offSize:offSize+12], size)
	octal(h[offMtime:offMtime+12], 0)
	h[offType] = flag
	copy(h[offLink:offLink+lenName], link)
	copy(h[offMagic:], gnuMagic)

	// The checksum is the sum of all bytes with its own field taken as blanks:
	// six digits, a NUL, and the last blank left standing.
	copy(h[offChksum:offChksum+8], "        ")
	sum := int64(0)
	for _, c := range h {
		sum += int64(c)
	}
	octal(h[offChksum:offChksum+7], sum)
	return append(b, h[:]...)
}

// octal fills field with n as zero-padded octal digits and a NUL. A number
// that does not fit (a size of 8 GiB or more) is written in base 256: big
// endian, with the top bit of the field set.
func octal(field []byte, n int64) {
	digits := len(field) - 1
	if digits < 21 && n>>(3*digits) != 0 {
		clear(field)
		binary.BigEndian.PutUint64(field[len(field)-8:], uint64(n))
		field[0] |= 0x80
		return
	}
	s := strconv.FormatInt(n, 8)
	for i := range digits - len(s) {
		field[i] = '0'
	}
	copy(field[digits-len(s):], s)
	field[digits] = 0
}

// padded rounds n up to whole blocks.
func padded(n int64) int64 { return (n + blockSize - 1) &^ (blockSize - 1) }
