package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
)

// header is what a file says about its picture before any pixel is decoded.
type header struct {
	width, height int // pixels, as stored
	bits          int // of one sample
	// samples is how many samples there are for each pixel; JPEG's chroma
	// planes are often smaller than the picture.
	samples float64
	alpha   bool
	// twice is set when a decoder needs the whole picture in a second form:
	// the coefficients of a progressive JPEG, the passes of an interlaced PNG.
	twice bool
	// kind tells apart what one format can be: a JPEG's frame marker, a TIFF's
	// or BMP's compression.
	kind int
	// tiff is the first directory of a TIFF.
	tiff *directory
}

// errShort says that a file ends within its header.
var errShort = io.ErrUnexpectedEOF

// JPEG markers (ITU-T T.81, table B.1).
const (
	markerSOF0 = 0xc0
	markerSOF1 = 0xc1
	markerSOF2 = 0xc2
	markerSOF9 = 0xc9
	markerSOFa = 0xca
	markerDHT  = 0xc4
	markerJPG  = 0xc8
	markerDAC  = 0xcc
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerAPP1 = 0xe1

	markerSOF55 = 0xf7 // JPEG-LS
)

// segments calls f for each segment of a JPEG up to the first scan, until f
// returns false. It reports whether the file was long enough for that.
func segments(data []byte, f func(marker byte, body []byte) bool) bool {
	for i := 2; ; {
		for i < len(data) && data[i] != 0xff { // decoders skip what is between segments
			i++
		}
		for i < len(data) && data[i] == 0xff {
			i++
		}
		if i >= len(data) {
			return false
		}
		marker := data[i]
		i++
		switch {
		case marker == markerSOS || marker == markerEOI:
			return true
		case marker == 0 || marker == 1 || marker >= 0xd0 && marker <= markerSOI: // without a body
			continue
		}
		if i+2 > len(data) {
			return false
		}
		n := int(binary.BigEndian.Uint16(data[i:]))
		if n < 2 || i+n > len(data) {
			return false
		}
		if !f(marker, data[i+2:i+n]) {
			return true
		}
		i += n
	}
}

func jpegHeader(data []byte) (h header, err error) {
	found := false
	whole := segments(data, func(marker byte, b []byte) bool {
		if marker != markerSOF55 && (marker < markerSOF0 || marker > 0xcf) || marker == markerDHT || marker == markerJPG || marker == markerDAC {
			return true
		}
		found = true
		if len(b) < 6 || len(b) < 6+3*int(b[5]) || b[5] == 0 {
			err = errors.New("the frame header is too short")
			return false
		}
		h = header{kind: int(marker), bits: int(b[0]), height: int(binary.BigEndian.Uint16(b[1:])), width: int(binary.BigEndian.Uint16(b[3:]))}
		h.twice = marker == markerSOF2 || marker == markerSOFa
		most, sum := 1, 0
		for c := range int(b[5]) {
			across, down := int(b[7+3*c]>>4), int(b[7+3*c]&15)
			sum += across * down
			most = max(most, across*down)
		}
		h.samples = float64(sum) / float64(most)
		return false
	})
	switch {
	case err != nil:
		return h, err
	case !found && !whole:
		return h, errShort
	case !found:
		return h, errors.New("there is no frame header")
	}
	return h, nil
}

// JPEGSize returns a JPEG's width and height in pixels, as stored.
func JPEGSize(data []byte) (image.Point, error) {
	h, err := jpegHeader(data)
	return image.Pt(h.width, h.height), err
}

// maxScans bounds the work that a progressive JPEG can ask for: each scan goes
// through the whole picture. Cameras and programs write a dozen.
const maxScans = 500

// scans counts the scans of a JPEG; thumbnails within it count too. Within the
// pixels the marker cannot occur.
func scans(data []byte) int { return bytes.Count(data, []byte{0xff, markerSOS}) }

func pngHeader(data []byte) (h header, err error) {
	if len(data) < 29 {
		return h, errShort
	}
	if string(data[12:16]) != "IHDR" {
		return h, errors.New("the first chunk is not IHDR")
	}
	h.width, h.height = big31(data[16:]), big31(data[20:])
	h.bits, h.twice = int(data[24]), data[28] == 1
	switch data[25] { // colour type
	case 0, 3:
		h.samples = 1
	case 2:
		h.samples = 3
	case 4:
		h.samples, h.alpha = 2, true
	case 6:
		h.samples, h.alpha = 4, true
	}
	return h, nil
}

// big31 reads 32 bits; what does not fit into an int of 32 bits becomes its largest.
func big31(b []byte) int { return int(min(binary.BigEndian.Uint32(b), 1<<31-1)) }

func gifHeader(data []byte) (h header, err error) {
	if len(data) < 13 {
		return h, errShort
	}
	return header{
		width: int(binary.LittleEndian.Uint16(data[6:])), height: int(binary.LittleEndian.Uint16(data[8:])),
		bits: 8, samples: 1, alpha: true,
	}, nil
}

func bmpHeader(data []byte) (h header, err error) {
	if len(data) < 18 {
		return h, errShort
	}
	n := binary.LittleEndian.Uint32(data[14:])
	switch {
	case n == 12 && len(data) >= 26: // OS/2's BITMAPCOREHEADER
		h.width, h.height = int(binary.LittleEndian.Uint16(data[18:])), int(binary.LittleEndian.Uint16(data[20:]))
		h.bits = int(binary.LittleEndian.Uint16(data[24:]))
	case n >= 16 && n <= 1<<10 && len(data) >= 34:
		h.width, h.height = int(int32(binary.LittleEndian.Uint32(data[18:]))), int(int32(binary.LittleEndian.Uint32(data[22:])))
		if h.height < 0 && h.height != -1<<31 { // rows from the top
			h.height = -h.height
		}
		h.bits, h.kind = int(binary.LittleEndian.Uint16(data[28:])), int(binary.LittleEndian.Uint32(data[30:]))
	case n != 12 && n < 16 || n > 1<<10:
		return h, fmt.Errorf("a header of %d bytes", n)
	default:
		return h, errShort
	}
	// What is read comes out as one byte a pixel, or as four.
	h.samples, h.alpha = 4, h.bits == 32
	if h.bits <= 8 {
		h.samples = 1
	}
	h.bits = 8
	return h, nil
}
