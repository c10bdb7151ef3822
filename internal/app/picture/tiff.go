package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"slices"

	"golang.org/x/image/tiff"
)

// Tags of a TIFF directory (TIFF 6.0, TIFF/EP, DNG and XMP specifications).
const (
	tagNewSubfileType  = 254
	tagImageWidth      = 256
	tagImageLength     = 257
	tagBitsPerSample   = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagMake            = 271
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamplesPerPixel = 277
	tagRowsPerStrip    = 278
	tagStripByteCounts = 279
	tagPlanar          = 284
	tagPredictor       = 317
	tagColorMap        = 320
	tagTileWidth       = 322
	tagTileLength      = 323
	tagTileOffsets     = 324
	tagTileByteCounts  = 325
	tagSubIFDs         = 330
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagJPEGTables      = 347
	tagXMP             = 700
	tagDNGVersion      = 50706
)

// TIFF compression schemes that are treated in a way of their own.
const (
	tiffOldJPEG = 6
	tiffJPEG    = 7
)

// maxEntries bounds a directory, and maxValues the numbers of one tag.
const (
	maxEntries = 4096
	maxValues  = 1 << 20
)

// directory is the first image file directory of a TIFF.
type directory struct {
	data    []byte
	order   binary.ByteOrder
	entries map[uint16]entry
}

type entry struct {
	typ   uint16
	count uint32
	value []byte // of count values, wherever they are
}

// sizes are those of TIFF's types in bytes, by number.
var sizes = [...]int64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4}

// readDirectory reads the first directory of a TIFF structure. Entries that
// point outside of the data are left out.
func readDirectory(data []byte) (*directory, error) {
	if len(data) < 8 {
		return nil, errShort
	}
	d := &directory{data: data, entries: map[uint16]entry{}}
	switch string(data[:4]) {
	case "II*\x00":
		d.order = binary.LittleEndian
	case "MM\x00*":
		d.order = binary.BigEndian
	default:
		return nil, errors.New("not a TIFF structure")
	}
	at := int64(d.order.Uint32(data[4:]))
	if at+2 > int64(len(data)) {
		return nil, errShort
	}
	n := min(int(d.order.Uint16(data[at:])), maxEntries)
	for i := range int64(n) {
		p := at + 2 + 12*i
		if p+12 > int64(len(data)) {
			return d, nil // what is there may do
		}
		e := entry{typ: d.order.Uint16(data[p+2:]), count: d.order.Uint32(data[p+4:])}
		if int(e.typ) >= len(sizes) || sizes[e.typ] == 0 {
			continue
		}
		size := sizes[e.typ] * int64(e.count)
		from := p + 8
		if size > 4 {
			from = int64(d.order.Uint32(data[p+8:]))
		}
		if from+size > int64(len(data)) {
			continue
		}
		e.value = data[from : from+size]
		if tag := d.order.Uint16(data[p:]); d.entries[tag].value == nil {
			d.entries[tag] = e
		}
	}
	return d, nil
}

// numbers returns the integers of a tag, at most maxValues.
func (d *directory) numbers(tag uint16) []int64 {
	e := d.entries[tag]
	n := min(int(min(e.count, maxValues)), len(e.value))
	out := make([]int64, 0, n)
	for i := range n {
		switch e.typ {
		case 1, 7:
			out = append(out, int64(e.value[i]))
		case 3:
			out = append(out, int64(d.order.Uint16(e.value[2*i:])))
		case 4, 13:
			out = append(out, int64(d.order.Uint32(e.value[4*i:])))
		default:
			return nil
		}
	}
	return out
}

// number returns the first integer of a tag, or what it is by default.
func (d *directory) number(tag uint16, otherwise int64) int64 {
	if n := d.numbers(tag); len(n) > 0 {
		return n[0]
	}
	return otherwise
}

func (d *directory) bytes(tag uint16) []byte { return d.entries[tag].value }

func (d *directory) has(tag uint16) bool { _, ok := d.entries[tag]; return ok }

// orientation returns tag 0x0112 if it is 1 to 8, else 0.
func (d *directory) orientation() int {
	if o := d.number(tagOrientation, 0); o >= 1 && o <= 8 {
		return int(o)
	}
	return 0
}

func tiffHeader(data []byte) (h header, err error) {
	d, err := readDirectory(data)
	if err != nil {
		return h, err
	}
	h.tiff = d
	const most = 1<<31 - 1
	h.width, h.height = int(min(d.number(tagImageWidth, 0), most)), int(min(d.number(tagImageLength, 0), most))
	h.bits, h.samples = int(d.number(tagBitsPerSample, 1)), float64(d.number(tagSamplesPerPixel, 1))
	h.kind = int(d.number(tagCompression, 1))
	h.alpha = d.has(tagExtraSamples)
	h.twice = true // the file's bytes are unpacked whole, strip by strip
	return h, nil
}

// decodeTIFF reads the first picture of a TIFF. What x/image/tiff does not know
// is taken apart: planes that are stored one after the other, and JPEG in strips
// or tiles.
func decodeTIFF(data []byte, h header, decodeJPEG func([]byte) (image.Image, error)) (image.Image, error) {
	d := h.tiff
	switch {
	case h.kind == tiffOldJPEG:
		return nil, &UnsupportedError{Kind: "a TIFF with JPEG compression of the old style (6)", Advice: convert}
	case h.kind == tiffJPEG:
		return d.decodeJPEG(h, decodeJPEG)
	case d.number(tagPlanar, 1) == 2 && h.samples > 1:
		return d.decodePlanes(h)
	}
	img, err := tiff.Decode(bytes.NewReader(data))
	var unsupported tiff.UnsupportedError
	if errors.As(err, &unsupported) {
		return nil, &UnsupportedError{Kind: "a TIFF with " + string(unsupported), Advice: convert}
	}
	return img, err
}

// part is one strip or tile.
type part struct {
	data []byte
	at   image.Rectangle // within the picture; tiles reach over its edges
}

// parts lists the strips or tiles of one plane. n is how many parts there are
// in all planes together, by the tags.
func (d *directory) parts(h header, plane int) ([]part, error) {
	offsets, counts := d.numbers(tagStripOffsets), d.numbers(tagStripByteCounts)
	w, rows := h.width, int(min(d.number(tagRowsPerStrip, int64(h.height)), int64(h.height)))
	if d.has(tagTileOffsets) {
		offsets, counts = d.numbers(tagTileOffsets), d.numbers(tagTileByteCounts)
		w, rows = int(d.number(tagTileWidth, 0)), int(d.number(tagTileLength, 0))
	}
	if w < 1 || rows < 1 || w > MaxSide || rows > MaxSide {
		return nil, fmt.Errorf("strips or tiles of %d×%d pixels", w, rows)
	}
	across, down := (h.width+w-1)/w, (h.height+rows-1)/rows
	if int64(across)*int64(down)*int64(plane+1) > int64(min(len(offsets), len(counts))) {
		return nil, errors.New("there are too few strips or tiles")
	}
	var out []part
	for i := range across * down {
		k := plane*across*down + i
		from, n := offsets[k], counts[k]
		if from+n > int64(len(d.data)) {
			return nil, errShort
		}
		x, y := i%across*w, i/across*rows
		p := part{d.data[from : from+n], image.Rect(x, y, x+w, y+rows)}
		if !d.has(tagTileOffsets) {
			p.at.Max.Y = min(p.at.Max.Y, h.height)
		}
		out = append(out, p)
	}
	return out, nil
}

// decodeJPEG reads strips or tiles that are JPEG files each, with the tables
// that they share put in front (TIFF Technical Note 2).
func (d *directory) decodeJPEG(h header, decode func([]byte) (image.Image, error)) (image.Image, error) {
	parts, err := d.parts(h, 0)
	if err != nil {
		return nil, err
	}
	if d.number(tagPlanar, 1) == 2 && h.samples > 1 {
		return nil, &UnsupportedError{Kind: "a TIFF with JPEG compression in separate planes", Advice: convert}
	}
	tables := d.bytes(tagJPEGTables)
	photometric := d.number(tagPhotometric, 6)
	if photometric == 5 || h.samples == 4 {
		return nil, &UnsupportedError{Kind: "a TIFF with JPEG compression of four colours", Advice: convert}
	}
	out := image.NewRGBA(image.Rect(0, 0, h.width, h.height))
	for _, p := range parts {
		img, err := decode(joined(tables, p.data, photometric))
		if err != nil {
			return nil, err
		}
		b := img.Bounds()
		if b.Dx() > p.at.Dx()+16 || b.Dy() > p.at.Dy()+16 {
			return nil, fmt.Errorf("a strip or tile of %d×%d pixels, expected %d×%d", b.Dx(), b.Dy(), p.at.Dx(), p.at.Dy())
		}
		draw.Draw(out, p.at, img, b.Min, draw.Src)
	}
	return out, nil
}

// joined is a whole JPEG: the shared tables without their last marker, and
// the strip without its first. Where the strip does not say what its colours
// are, TIFF's tag does: without a note of Adobe's, decoders take three
// components for YCbCr.
func joined(tables, strip []byte, photometric int64) []byte {
	out := []byte{0xff, markerSOI}
	if photometric == 2 && !bytes.Contains(strip[:min(len(strip), 256)], []byte("Adobe")) {
		out = append(out, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"...)
	}
	if len(tables) > 4 && tables[1] == markerSOI {
		out = append(out, bytes.TrimSuffix(tables[2:], []byte{0xff, markerEOI})...)
	}
	return append(out, bytes.TrimPrefix(strip, []byte{0xff, markerSOI})...)
}

// decodePlanes reads a picture whose samples are stored as one plane for each
// colour: every plane is handed to x/image/tiff as a grey picture of its own.
func (d *directory) decodePlanes(h header) (image.Image, error) {
	n := int(h.samples)
	bits := d.numbers(tagBitsPerSample)
	photometric := d.number(tagPhotometric, 1)
	if n > 5 || len(bits) != n || slices.Max(bits) != slices.Min(bits) || bits[0] != 8 && bits[0] != 16 {
		return nil, &UnsupportedError{Kind: fmt.Sprintf("a TIFF with %d planes of %v bits", n, bits), Advice: convert}
	}
	planes := make([]*image.Gray, min(n, 4))
	for i := range planes {
		parts, err := d.parts(h, i)
		if err != nil {
			return nil, err
		}
		img, err := tiff.Decode(bytes.NewReader(d.grey(h, parts, bits[0])))
		if err != nil {
			return nil, err
		}
		if img.Bounds() != image.Rect(0, 0, h.width, h.height) {
			return nil, errors.New("a plane has another size than the picture")
		}
		planes[i] = toGray(img)
	}
	out := image.NewRGBA(image.Rect(0, 0, h.width, h.height))
	for i := range h.width * h.height {
		x, y := i%h.width, i/h.width
		v := func(c int) uint8 { return planes[c].Pix[y*planes[c].Stride+x] }
		var c color.Color
		switch {
		case photometric == 2 && n >= 3:
			c = color.RGBA{v(0), v(1), v(2), 0xff}
		case photometric == 5 && n >= 4:
			c = color.CMYK{C: v(0), M: v(1), Y: v(2), K: v(3)}
		case photometric == 6 && n >= 3 && d.subsampled():
			return nil, &UnsupportedError{Kind: "a TIFF with planes of different sizes", Advice: convert}
		case photometric == 6 && n >= 3:
			c = color.YCbCr{Y: v(0), Cb: v(1), Cr: v(2)}
		case photometric <= 1: // grey and transparency
			c = color.Gray{v(0) ^ uint8(photometric-1)&0xff}
		default:
			return nil, &UnsupportedError{Kind: fmt.Sprintf("a TIFF with planes of colour space %d", photometric), Advice: convert}
		}
		r, g, b, _ := c.RGBA()
		out.Pix[4*i], out.Pix[4*i+1], out.Pix[4*i+2], out.Pix[4*i+3] = uint8(r>>8), uint8(g>>8), uint8(b>>8), 0xff
	}
	return out, nil
}

// subsampled reports whether the chroma planes of YCbCr are smaller.
func (d *directory) subsampled() bool {
	const tagSubSampling = 530
	s := d.numbers(tagSubSampling)
	return len(s) != 2 || s[0] != 1 || s[1] != 1
}

// toGray is the upper byte of every sample.
func toGray(img image.Image) *image.Gray {
	if g, ok := img.(*image.Gray); ok {
		return g
	}
	out := image.NewGray(img.Bounds())
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	return out
}

// grey writes a TIFF of one grey plane around strips or tiles as they are.
func (d *directory) grey(h header, parts []part, bits int64) []byte {
	order := d.order.(binary.AppendByteOrder)
	type field struct {
		tag    uint16
		values []int64
	}
	var offsets, counts []int64
	body := slices.Clone(d.data[:4])
	body = order.AppendUint32(body, 0)
	for _, p := range parts {
		offsets, counts = append(offsets, int64(len(body))), append(counts, int64(len(p.data)))
		body = append(body, p.data...)
	}
	fields := []field{
		{tagImageWidth, []int64{int64(h.width)}}, {tagImageLength, []int64{int64(h.height)}},
		{tagBitsPerSample, []int64{bits}}, {tagCompression, []int64{int64(h.kind)}}, {tagPhotometric, []int64{1}},
	}
	if d.has(tagTileOffsets) {
		fields = append(fields, field{tagSamplesPerPixel, []int64{1}}, field{tagPredictor, []int64{d.number(tagPredictor, 1)}},
			field{tagTileWidth, d.numbers(tagTileWidth)[:1]}, field{tagTileLength, d.numbers(tagTileLength)[:1]},
			field{tagTileOffsets, offsets}, field{tagTileByteCounts, counts})
	} else {
		fields = append(fields, field{tagStripOffsets, offsets}, field{tagSamplesPerPixel, []int64{1}},
			field{tagRowsPerStrip, []int64{d.number(tagRowsPerStrip, int64(h.height))}}, field{tagStripByteCounts, counts},
			field{tagPredictor, []int64{d.number(tagPredictor, 1)}})
	}
	// Numbers that do not fit into an entry come before the directory.
	places := make([]uint32, len(fields))
	for i, f := range fields {
		places[i] = uint32(f.values[0])
		if len(f.values) > 1 {
			places[i] = uint32(len(body))
			for _, v := range f.values {
				body = order.AppendUint32(body, uint32(v))
			}
		}
	}
	d.order.PutUint32(body[4:], uint32(len(body)))
	body = order.AppendUint16(body, uint16(len(fields)))
	for i, f := range fields {
		body = order.AppendUint16(body, f.tag)
		body = order.AppendUint16(body, 4) // LONG
		body = order.AppendUint32(body, uint32(len(f.values)))
		body = order.AppendUint32(body, places[i])
	}
	return order.AppendUint32(body, 0)
}
