package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math/bits"

	"golang.org/x/image/bmp"
)

// BMP compression schemes (Windows' BITMAPINFOHEADER).
const (
	bmpRGB       = 0
	bmpRLE8      = 1
	bmpRLE4      = 2
	bmpBitfields = 3
	bmpJPEG      = 4
	bmpPNG       = 5
	bmpAlphaBits = 6
)

// decodeBMP reads a BMP: with x/image/bmp, or here if that does not know the kind.
func decodeBMP(data []byte, h header) (image.Image, error) {
	img, err := bmp.Decode(bytes.NewReader(data))
	if !errors.Is(err, bmp.ErrUnsupported) {
		return img, err
	}
	return decodeBMPByHand(data, h)
}

func decodeBMPByHand(data []byte, h header) (image.Image, error) {
	if len(data) < 26 {
		return nil, errShort
	}
	le := binary.LittleEndian
	start, size := int64(le.Uint32(data[10:])), int64(le.Uint32(data[14:]))
	var depth int
	colors, entry := int64(0), int64(4)
	down := false // rows run from the top down
	if size == 12 {
		depth, entry = int(le.Uint16(data[24:])), 3
	} else {
		if size < 16 || 14+size > int64(len(data)) || len(data) < 34 {
			return nil, errShort
		}
		down = int32(le.Uint32(data[22:])) < 0
		depth = int(le.Uint16(data[28:]))
		if size >= 36 && len(data) >= 50 {
			colors = int64(le.Uint32(data[46:]))
		}
	}
	if start > int64(len(data)) {
		return nil, errShort
	}
	pixels := data[start:]
	switch h.kind {
	case bmpJPEG, bmpPNG:
		return nil, &UnsupportedError{Kind: "a BMP with a JPEG or PNG inside", Advice: convert}
	}
	out := image.NewRGBA(image.Rect(0, 0, h.width, h.height))
	row := func(y int) []byte {
		if !down {
			y = h.height - 1 - y
		}
		return out.Pix[y*out.Stride:][:4*h.width]
	}
	switch {
	case depth == 16 || depth == 24 || depth == 32:
		return out, bmpDirect(data, pixels, size, depth, h, row)
	case depth != 1 && depth != 2 && depth != 4 && depth != 8:
		return nil, &UnsupportedError{Kind: fmt.Sprintf("a BMP of %d bits per pixel", depth), Advice: convert}
	}
	if colors == 0 || colors > 1<<depth {
		colors = 1 << depth
	}
	table := data[min(14+size, int64(len(data))):]
	table = table[:min(int64(len(table)), colors*entry)]
	paint := func(x, y int, index byte) {
		var c [4]byte // what has no colour is black
		if i := int64(index) * entry; i+3 <= int64(len(table)) {
			c[0], c[1], c[2] = table[i+2], table[i+1], table[i]
		}
		c[3] = 0xff
		copy(row(y)[4*x:], c[:])
	}
	switch h.kind {
	case bmpRGB:
		stride := (h.width*depth + 31) / 32 * 4
		for y := range h.height {
			if (y+1)*stride > len(pixels) {
				return nil, errShort
			}
			line := pixels[y*stride:]
			for x := range h.width {
				at := x * depth
				paint(x, y, line[at/8]>>(8-depth-at%8)&(1<<depth-1))
			}
		}
		return out, nil
	case bmpRLE8, bmpRLE4:
		for y := range h.height {
			for x := range h.width {
				paint(x, y, 0)
			}
		}
		return out, bmpRuns(pixels, h, h.kind == bmpRLE4, paint)
	}
	return nil, &UnsupportedError{Kind: fmt.Sprintf("a BMP with compression %d", h.kind), Advice: convert}
}

// bmpDirect reads pixels of 16, 24 or 32 bits that are colours themselves.
func bmpDirect(data, pixels []byte, size int64, depth int, h header, row func(int) []byte) error {
	masks := [3]uint32{0xff0000, 0xff00, 0xff}
	if depth == 16 {
		masks = [3]uint32{0x7c00, 0x3e0, 0x1f}
	}
	switch h.kind {
	case bmpRGB:
	case bmpBitfields, bmpAlphaBits: // behind the first forty bytes, in all versions
		if len(data) < 66 || size < 40 {
			return errShort
		}
		for i := range masks {
			masks[i] = binary.LittleEndian.Uint32(data[54+4*i:])
		}
	default:
		return &UnsupportedError{Kind: fmt.Sprintf("a BMP with compression %d", h.kind), Advice: convert}
	}
	n := depth / 8
	stride := (h.width*n + 3) / 4 * 4
	for y := range h.height {
		if (y+1)*stride > len(pixels) && y*stride+h.width*n > len(pixels) {
			return errShort
		}
		out := row(y)
		for x := range h.width {
			var v uint32
			for i := range n {
				v |= uint32(pixels[y*stride+x*n+i]) << (8 * i)
			}
			for c, mask := range masks {
				out[4*x+c] = widen(v&mask, mask)
			}
			out[4*x+3] = 0xff
		}
	}
	return nil
}

// widen scales the bits under a mask to 0…255.
func widen(v, mask uint32) byte {
	if mask == 0 {
		return 0
	}
	shift := bits.TrailingZeros32(mask)
	most := uint64(mask >> shift)
	return byte((uint64(v>>shift)*255 + most/2) / most)
}

// bmpRuns undoes run-length coding. Pixels that are skipped keep colour 0.
func bmpRuns(src []byte, h header, nibbles bool, paint func(x, y int, index byte)) error {
	x, y := 0, 0
	put := func(index byte) {
		if x < h.width && y < h.height {
			paint(x, y, index)
		}
		x++
	}
	at := func(b byte, i int) byte { // sample i of a byte that repeats, or of one that is read
		switch {
		case !nibbles:
			return b
		case i%2 == 0:
			return b >> 4
		}
		return b & 15
	}
	for {
		if len(src) < 2 {
			if y >= h.height-1 && x >= h.width || y >= h.height {
				return nil // only the end marker is missing
			}
			return errShort
		}
		n, v := int(src[0]), src[1]
		src = src[2:]
		if n > 0 {
			for i := range n {
				put(at(v, i))
			}
			continue
		}
		switch v {
		case 0: // end of the line
			x, y = 0, y+1
		case 1: // end of the picture
			return nil
		case 2: // a step to the right and up
			if len(src) < 2 {
				return errShort
			}
			x, y = x+int(src[0]), y+int(src[1])
			src = src[2:]
		default: // so many samples as they are, padded to 16 bits
			n := int(v)
			if nibbles {
				n = (n + 1) / 2
			}
			if n+n%2 > len(src) {
				return errShort
			}
			for i := range int(v) {
				b := src[min(i, n-1)]
				if nibbles {
					b = src[i/2]
				}
				put(at(b, i))
			}
			src = src[n+n%2:]
		}
		if y > h.height {
			return errors.New("a run leads out of the picture")
		}
	}
}
