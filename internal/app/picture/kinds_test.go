package picture

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"testing"
)

// bmpOf writes a BMP of corners' size: a header of 40 bytes, a table or masks,
// and pixels that are given.
func bmpOf(depth, compression int, table, pixels []byte) []byte {
	le := binary.LittleEndian
	b := []byte("BM")
	b = le.AppendUint32(b, uint32(54+len(table)+len(pixels)))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(54+len(table)))
	for _, v := range []uint32{40, 32, 16, 1 | uint32(depth)<<16, uint32(compression), uint32(len(pixels)), 0, 0, 0, 0} {
		b = le.AppendUint32(b, v)
	}
	return append(append(b, table...), pixels...)
}

// bmps are all kinds, rows from the bottom up: red is colour 1, white colour 2.
func bmps() map[string][]byte {
	red := func(x, y int) bool { return x < 8 && y >= 8 }
	table := func(n int) []byte {
		return append([]byte{0, 0, 0, 0, 0, 0, 200, 0, 255, 255, 255, 0}, make([]byte, 4*(n-3))...)
	}
	direct := func(n int, redPixel, white uint32) (b []byte) {
		for y := range 16 {
			for x := range 32 {
				v := white
				if red(x, y) {
					v = redPixel
				}
				for i := range n {
					b = append(b, byte(v>>(8*i)))
				}
			}
		}
		return b
	}
	masks := func(v ...uint32) (b []byte) {
		for _, m := range v {
			b = binary.LittleEndian.AppendUint32(b, m)
		}
		return b
	}
	var rle8, rle4, steps []byte
	for y := range 16 {
		if y < 8 {
			rle8 = append(rle8, 32, 2, 0, 0)
			rle4 = append(rle4, 32, 0x22, 0, 0)
			steps = append(steps, 32, 2, 0, 0)
			continue
		}
		// A run, then samples as they are: three red ones, padded to 16 bits.
		rle8 = append(rle8, 5, 1, 0, 3, 1, 1, 1, 0, 24, 2, 0, 0)
		rle4 = append(rle4, 5, 0x11, 0, 3, 0x11, 0x10, 24, 0x22, 0, 0)
		if y == 8 {
			steps = append(steps, 0, 2, 0, 0) // a step of nothing
		}
		steps = append(steps, 8, 1, 24, 2, 0, 0)
	}
	return map[string][]byte{
		"rle8":                bmpOf(8, bmpRLE8, table(256), append(rle8, 0, 1)),
		"rle8 without end":    bmpOf(8, bmpRLE8, table(256), rle8),
		"rle8 with steps":     bmpOf(8, bmpRLE8, table(256), append(steps, 0, 1)),
		"rle4":                bmpOf(4, bmpRLE4, table(16), append(rle4, 0, 1)),
		"16 bit, 555":         bmpOf(16, bmpRGB, nil, direct(2, 25<<10, 0x7fff)),
		"16 bit, 565":         bmpOf(16, bmpBitfields, masks(0xf800, 0x7e0, 0x1f), direct(2, 25<<11, 0xffff)),
		"32 bit, other masks": bmpOf(32, bmpBitfields, masks(0xff, 0xff00, 0xff0000), direct(4, 200, 0xffffff)),
		"24 bit":              bmpOf(24, bmpRGB, nil, direct(3, 200<<16, 0xffffff)),
	}
}

func tiffOf(fields [][]uint32, body []byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("II*\x00"), uint32(8+len(body)))
	b = append(b, body...)
	b = le.AppendUint16(b, uint16(len(fields)))
	at := len(b) + 12*len(fields) + 4
	var more []byte
	for _, f := range fields {
		b = le.AppendUint16(b, uint16(f[0]))
		b = le.AppendUint16(b, 4)
		b = le.AppendUint32(b, uint32(len(f)-1))
		if len(f) == 2 {
			b = le.AppendUint32(b, f[1])
			continue
		}
		b = le.AppendUint32(b, uint32(at+len(more)))
		for _, v := range f[1:] {
			more = le.AppendUint32(more, v)
		}
	}
	return append(le.AppendUint32(b, 0), more...)
}

// planarTIFF stores three planes, each in two strips.
func planarTIFF() []byte {
	img := corners()
	var body []byte
	for c := range 3 {
		for i := range 32 * 16 {
			body = append(body, img.Pix[4*i+c])
		}
	}
	return tiffOf([][]uint32{
		{256, 32}, {257, 16}, {258, 8, 8, 8}, {259, 1}, {262, 2},
		{273, 8, 8 + 256, 8 + 512, 8 + 768, 8 + 1024, 8 + 1280}, {277, 3}, {278, 8}, {279, 256, 256, 256, 256, 256, 256}, {284, 2},
	}, body)
}

// jpegTIFF stores two strips that are JPEGs; with tables, what they share is
// stored once.
func jpegTIFF(t testing.TB, shared bool) []byte {
	t.Helper()
	var strips [][]byte
	for y := 0; y < 16; y += 8 {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, corners().SubImage(image.Rect(0, y, 32, y+8)), &jpeg.Options{Quality: 95}); err != nil {
			t.Fatal(err)
		}
		strips = append(strips, b.Bytes())
	}
	var body []byte
	fields := [][]uint32{{256, 32}, {257, 16}, {258, 8, 8, 8}, {259, 7}, {262, 6}, {273, 0, 0}, {277, 3}, {278, 8}, {279, 0, 0}}
	for i, s := range strips {
		if shared {
			sof, sos := bytes.Index(s, []byte{0xff, 0xc0}), bytes.Index(s, []byte{0xff, 0xda})
			dht := bytes.Index(s, []byte{0xff, 0xc4})
			if i == 0 {
				tables := append(append([]byte{0xff, 0xd8}, s[2:sof]...), s[dht:sos]...)
				tables = append(tables, 0xff, 0xd9)
				fields = append(fields, []uint32{347, uint32(8 + len(body)), uint32(len(tables))})
				body = append(body, tables...)
			}
			s = append(append([]byte{0xff, 0xd8}, s[sof:dht]...), s[sos:]...)
		}
		fields[5][1+i], fields[8][1+i] = uint32(8+len(body)), uint32(len(s))
		body = append(body, s...)
	}
	if !shared {
		return tiffOf(fields, body)
	}
	// The tables' entry is of bytes (UNDEFINED), which tiffOf does not write.
	tables := fields[len(fields)-1]
	fields[len(fields)-1] = []uint32{347, tables[1]}
	out := tiffOf(fields, body)
	at := int(binary.LittleEndian.Uint32(out[4:])) + 2 + 12*(len(fields)-1)
	binary.LittleEndian.PutUint16(out[at+2:], 7)
	binary.LittleEndian.PutUint32(out[at+4:], tables[2])
	return out
}

// animated puts pictures into the frames of an animation of 32 by 16.
func animated(t testing.TB, frames ...[]byte) []byte {
	t.Helper()
	extended := make([]byte, 10)
	extended[0], extended[4], extended[7] = webpAnimated|webpAlpha, 31, 15
	body := appendChunk([]byte("WEBP"), chunk{"VP8X", extended})
	body = appendChunk(body, chunk{"ANIM", make([]byte, 6)})
	for _, f := range frames {
		h, err := webpHeader(f)
		if err != nil {
			t.Fatal(err)
		}
		frame := make([]byte, 16)
		frame[6], frame[9] = byte(h.width-1), byte(h.height-1)
		all, _ := webpChunks(f)
		for _, c := range all {
			if c.id != "VP8X" {
				frame = appendChunk(frame, c)
			}
		}
		body = appendChunk(body, chunk{"ANMF", frame})
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func half(t testing.TB) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(halfWebP)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wholes are whole files of kinds that people have: all show corners.
func wholes(t testing.TB) map[string][]byte {
	out := map[string][]byte{
		"webp":                   webpOf(t),
		"animated webp":          animated(t, webpOf(t), half(t)),
		"planar tiff":            planarTIFF(),
		"jpeg in tiff":           jpegTIFF(t, false),
		"jpeg in tiff, tables":   jpegTIFF(t, true),
		"jpeg without end":       bytes.TrimSuffix(encoded(t, "jpeg"), []byte{0xff, 0xd9}),
		"jpeg with bytes behind": append(encoded(t, "jpeg"), make([]byte, 1000)...),
	}
	for name, data := range bmps() {
		out["bmp "+name] = data
	}
	return out
}

func TestWholeFilesAreRead(t *testing.T) {
	for name, data := range wholes(t) {
		t.Run(name, func(t *testing.T) {
			p, err := Decoder{}.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			red := color.RGBAModel.Convert(p.Image.At(3, 3)).(color.RGBA)
			for _, at := range []image.Point{{X: 28, Y: 3}, {X: 3, Y: 13}, {X: 28, Y: 12}} {
				if c := color.RGBAModel.Convert(p.Image.At(at.X, at.Y)).(color.RGBA); c.R < 240 || c.G < 240 || c.B < 240 {
					t.Errorf("at %v there is %v, expected white", at, c)
				}
			}
			if red.R < 150 || red.G > 60 || red.B > 60 || p.Size != image.Pt(32, 16) {
				t.Errorf("red is %v, size %v", red, p.Size)
			}
			if (len(p.Notes) == 1) != (name == "jpeg without end") {
				t.Errorf("notes %q", p.Notes)
			}
		})
	}
}

// The first frame of an animation may be smaller and transparent: white is behind.
func TestFirstFrame(t *testing.T) {
	p, err := Decoder{}.Decode(animated(t, half(t)))
	if err != nil {
		t.Fatal(err)
	}
	blue := color.RGBAModel.Convert(p.Image.At(3, 3)).(color.RGBA)
	if blue.B < 150 || blue.R > 60 {
		t.Errorf("blue is %v", blue)
	}
	for _, at := range []image.Point{{X: 13, Y: 3}, {X: 25, Y: 12}} {
		if c := color.RGBAModel.Convert(p.Image.At(at.X, at.Y)).(color.RGBA); c != (color.RGBA{255, 255, 255, 255}) {
			t.Errorf("at %v there is %v", at, c)
		}
	}
}

// What is not read is named, with what to do, and never called broken.
func TestUnsupportedIsNamed(t *testing.T) {
	frame := func(marker, bits byte) []byte {
		return append([]byte{0xff, 0xd8, 0xff, marker, 0, 17, bits, 0, 16, 0, 32, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0}, 0xff, 0xd9)
	}
	raw := func(mk string, tag uint32) []byte {
		d := tiffOf([][]uint32{{254, 1}, {256, 160}, {257, 120}, {271, 8}, {tag, 99}}, append([]byte(mk), 0))
		at := int(binary.LittleEndian.Uint32(d[4:])) + 2 + 12*3
		binary.LittleEndian.PutUint16(d[at+2:], 2)
		binary.LittleEndian.PutUint32(d[at+4:], uint32(len(mk)+1))
		return d
	}
	box := func(brand string) []byte { return []byte("\x00\x00\x00\x18ftyp" + brand + "\x00\x00\x00\x00" + brand) }
	for name, tt := range map[string]struct {
		data []byte
		kind string
	}{
		"jxl":         {[]byte("\xff\x0a\xfa\x1f"), "JPEG XL"},
		"jxl box":     {[]byte("\x00\x00\x00\x0cJXL \r\n\x87\n"), "JPEG XL"},
		"jp2":         {[]byte("\x00\x00\x00\x0cjP  \r\n\x87\n"), "JPEG 2000"},
		"j2c":         {[]byte("\xff\x4f\xff\x51\x00\x29"), "JPEG 2000"},
		"cr2":         {[]byte("II*\x00\x10\x00\x00\x00CR\x02\x00"), "CR2"},
		"cr3":         {box("crx "), "CR3"},
		"nef":         {raw("NIKON CORPORATION", tagSubIFDs), "NEF"},
		"arw":         {raw("SONY", tagSubIFDs), "ARW"},
		"dng":         {raw("Google", tagDNGVersion), "DNG"},
		"raf":         {[]byte("FUJIFILMCCD-RAW 0201"), "RAF"},
		"orf":         {[]byte("IIRO\x08\x00\x00\x00"), "ORF"},
		"mp4":         {box("isom"), "video"},
		"mov":         {box("qt  "), "video"},
		"mkv":         {[]byte("\x1a\x45\xdf\xa3\x01"), "video"},
		"avi":         {[]byte("RIFF\x00\x00\x00\x00AVI LIST"), "video"},
		"psd":         {[]byte("8BPS\x00\x01"), "Photoshop"},
		"pdf":         {[]byte("%PDF-1.7"), "PDF"},
		"svg":         {[]byte("<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "SVG"},
		"html":        {[]byte("\n<!DOCTYPE html><html>"), "HTML"},
		"heic":        {box("heic"), "HEIC"},
		"avif":        {append(box("mif1"), "avif"...)[:24], "AVIF"},
		"avif itself": {box("avif"), "AVIF"},
		"12 bit":      {frame(0xc1, 12), "12 bits"},
		"lossless":    {frame(0xc3, 8), "lossless"},
		"jpeg-ls":     {frame(0xf7, 8), "JPEG-LS"},
		"big tiff":    {[]byte("II+\x00\x08\x00"), "BigTIFF"},
		"old jpeg":    {tiffOf([][]uint32{{256, 32}, {257, 16}, {259, 6}}, nil), "old style"},
	} {
		_, err := Decoder{}.Decode(tt.data)
		var u *UnsupportedError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), tt.kind) || strings.Contains(err.Error(), "broken") || u.Hint() == "" {
			t.Errorf("%s: %v, expected that it is named %s", name, err, tt.kind)
		}
	}
	if _, err := (Decoder{}).Decode([]byte("Hello")); !errors.Is(err, ErrNotPicture) {
		t.Errorf("text: %v", err)
	}
}

// Limits hold before a pixel is decoded: these files have none.
func TestLimits(t *testing.T) {
	ihdr := func(w, h uint32) []byte {
		b := binary.BigEndian.AppendUint32(nil, w)
		b = append(binary.BigEndian.AppendUint32(b, h), 8, 2, 0, 0, 0)
		return append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", b)...)
	}
	progressive := append([]byte{0xff, 0xd8, 0xff, 0xc2, 0, 17, 8, 0, 16, 0, 32, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0}, bytes.Repeat([]byte{0xff, 0xda, 0, 2}, 501)...)
	for name, data := range map[string][]byte{
		"a line":      ihdr(100_000_000, 1),
		"a column":    ihdr(1, 65536),
		"an area":     ihdr(50_000, 50_000),
		"four giga":   ihdr(1<<32-1, 1<<32-1),
		"webp":        append([]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00"), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"bmp":         append(bmpOf(24, 0, nil, nil)[:18], append([]byte{0, 0, 1, 0, 0, 0, 1, 0}, bmpOf(24, 0, nil, nil)[26:]...)...),
		"tiff":        tiffOf([][]uint32{{256, 70_000}, {257, 1}}, nil),
		"many scans":  progressive,
		"a heic of 9": append([]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heic\x00\x00\x00\x00\x00\x00\x00\x30meta\x00\x00\x00\x00\x00\x00\x00\x24iprp\x00\x00\x00\x1cipco\x00\x00\x00\x14ispe\x00\x00\x00\x00"), 0, 1, 0, 0, 0, 1, 0, 0),
	} {
		_, err := Decoder{HEIF: func(Format, []byte) (image.Image, error) { panic("decoded") }}.Open(data)
		var large *TooLargeError
		if !errors.As(err, &large) || large.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	f, err := Decoder{}.Open(ihdr(15_000, 10_000))
	if err != nil || f.Memory(1) < 600_000_000 {
		t.Errorf("150 megapixels of PNG: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, data := range wholes(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Decoder{MaxPixels: 1 << 14}.Open(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		if file.Memory(1) < int64(len(data)) {
			t.Errorf("%d bytes need %d of memory", len(data), file.Memory(1))
		}
		if p, err := file.Decode(1); err == nil && (p.Image.Bounds().Size() != p.Size || p.Size != file.Size) {
			t.Errorf("%v, %v and %v", p.Image.Bounds(), p.Size, file.Size)
		}
	})
}
