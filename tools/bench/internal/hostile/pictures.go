package hostile

import (
	"bytes"
	"compress/lzw"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"strings"
)

// Pictures are the inputs of facerec.
func Pictures() []Input {
	var out []Input
	add := func(name string, file string, data func() []byte) {
		out = append(out, Input{
			Name: name, Build: func(d *Dir) { d.File(file, data()) },
			Calls: []string{"detect --quiet --no-cache --memory 256MB " + file, "detect --quiet --no-cache --memory 256MB --upsample 3 " + file},
		})
	}
	const side = 65535
	add("JPEG: 65,535×65,535 in the header", "x.jpg", func() []byte { return jpegSized(side, side, smallJPEG(64, 64)) })
	add("JPEG: 15,800×15,800 in the header", "x.jpg", func() []byte { return jpegSized(15_800, 15_800, smallJPEG(64, 64)) })
	add("JPEG: 200 megapixels of one colour", "x.jpg", func() []byte { return smallJPEG(14_000, 6_000) })
	add("JPEG: progressive, 400 scans of 10,000×10,000", "x.jpg", func() []byte { return progressive(10_000, 10_000, 400) })
	add("JPEG: progressive, 40,000 scans", "x.jpg", func() []byte { return progressive(1_000, 1_000, 40_000) })
	add("JPEG: 220,000 empty segments", "x.jpg", func() []byte {
		j := smallJPEG(64, 64)
		return append(append([]byte{0xff, 0xd8}, bytes.Repeat([]byte{0xff, 0xfe, 0, 2}, 220_000)...), j[2:]...)
	})
	add("JPEG: EXIF whose directory is its own next", "x.jpg", func() []byte {
		tiff := append([]byte("II*\x00\x08\x00\x00\x00"), 0, 0, 8, 0, 0, 0)
		body := append([]byte("Exif\x00\x00"), tiff...)
		j := smallJPEG(64, 64)
		return append(append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(body) + 2)}, body...), j[2:]...)
	})
	add("PNG: 65,535×65,535 in the header", "x.png", func() []byte { return png(side, side, 8, 2, nil) })
	add("PNG: 15,800×15,800 of zero bytes", "x.png", func() []byte { return png(15_800, 15_800, 8, 0, zeros(15_800*15_801)) })
	add("PNG: 9,000×9,000, 16 bits, RGBA", "x.png", func() []byte { return png(9_000, 9_000, 16, 6, zeros(9_000*(8*9_000+1))) })
	add("PNG: zTXt of 600 MB", "x.png", func() []byte {
		return png(64, 64, 8, 2, zeros(64*(3*64+1)), chunk("zTXt", append([]byte("a\x00\x00"), zlibbed(zeros(600*mB))...)))
	})
	add("PNG: iCCP of 600 MB", "x.png", func() []byte {
		return png(64, 64, 8, 2, zeros(64*(3*64+1)), chunk("iCCP", append([]byte("a\x00\x00"), zlibbed(zeros(600*mB))...)))
	})
	add("PNG: XMP of 600 MB in iTXt", "x.png", func() []byte {
		return png(64, 64, 8, 2, zeros(64*(3*64+1)), chunk("iTXt", append([]byte("XML:com.adobe.xmp\x00\x01\x00\x00\x00"), zlibbed(zeros(600*mB))...)))
	})
	add("PNG: 75,000 empty chunks", "x.png", func() []byte {
		return png(64, 64, 8, 2, zeros(64*(3*64+1)), bytes.Repeat(chunk("teXt", nil), 75_000))
	})
	add("GIF: 65,535×65,535 in the header", "x.gif", func() []byte { return gif(side, side, 64, 64, 1) })
	add("GIF: 15,800×15,800, one frame", "x.gif", func() []byte { return gif(15_800, 15_800, 15_800, 15_800, 1) })
	add("GIF: 20,000 frames", "x.gif", func() []byte { return gif(64, 64, 16, 16, 20_000) })
	add("BMP: 65,535×65,535 in the header", "x.bmp", func() []byte { return bmp(side, side, 24, 0, nil) })
	add("BMP: 15,800×15,800 of run lengths", "x.bmp", func() []byte { return bmp(15_800, 15_800, 8, 1, []byte{0, 1}) })
	add("BMP: 200,000 empty run lengths", "x.bmp", func() []byte { return bmp(1_000, 1_000, 8, 1, bytes.Repeat([]byte{0, 2, 0, 0}, 200_000)) })
	add("TIFF: 65,535×65,535 in the header", "x.tif", func() []byte { return tiff(side, side, 1, 8, nil) })
	add("TIFF: 15,800×15,800, deflate", "x.tif", func() []byte { return tiff(15_800, 15_800, 8, 8, zlibbed(zeros(15_800*15_800))) })
	add("TIFF: a directory that is its own next", "x.tif", func() []byte { return append([]byte("II*\x00\x08\x00\x00\x00\x00\x00"), 8, 0, 0, 0) })
	add("TIFF: 65,535 entries", "x.tif", func() []byte {
		return append([]byte("II*\x00\x08\x00\x00\x00\xff\xff"), bytes.Repeat([]byte{0, 1, 4, 0, 1, 0, 0, 0, 1, 0, 0, 0}, 65_535)...)
	})
	add("WebP: 16,384×16,384 in the header", "x.webp", func() []byte {
		body := "VP8L" + "\x05\x00\x00\x00" + "\x2f\xff\xff\xff\x0f\x00"
		return []byte("RIFF" + string(binary.LittleEndian.AppendUint32(nil, uint32(4+len(body)))) + "WEBP" + body)
	})
	add("WebP: 110,000 empty chunks", "x.webp", func() []byte {
		body := "VP8X\x0a\x00\x00\x00" + strings.Repeat("\x00", 4) + "\x3f\x00\x00\x3f\x00\x00" + strings.Repeat("ABCD\x00\x00\x00\x00", 110_000)
		return []byte("RIFF" + string(binary.LittleEndian.AppendUint32(nil, uint32(4+len(body)))) + "WEBP" + body)
	})
	for _, brand := range []string{"heic", "avif"} {
		add(strings.ToUpper(brand)+": 100,000 boxes inside one another", "x."+brand, func() []byte {
			b := []byte("\x00\x00\x00\x10ftyp" + brand + "\x00\x00\x00\x00")
			for i := range 100_000 {
				b = append(binary.BigEndian.AppendUint32(b, uint32(8*(100_000-i))), "meta"...)
			}
			return b
		})
		add(strings.ToUpper(brand)+": 65,535×65,535 in the header", "x."+brand, func() []byte {
			ispe := "\x00\x00\x00\x14ispe\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\xff\xff"
			ipco := box("ipco", ispe)
			meta := box("meta", "\x00\x00\x00\x00"+box("pitm", "\x00\x00\x00\x00\x00\x01")+box("iprp", ipco+box("ipma", "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x01\x01")))
			return []byte("\x00\x00\x00\x10ftyp" + brand + "\x00\x00\x00\x00" + meta)
		})
	}
	return out
}

func box(kind, body string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))) + kind + body
}

func zeros(n int) []byte { return make([]byte, n) }

func zlibbed(p []byte) []byte {
	var b bytes.Buffer
	z, _ := zlib.NewWriterLevel(&b, zlib.BestCompression) // the level is one
	_, _ = z.Write(p)                                     // into memory
	_ = z.Close()
	return b.Bytes()
}

func smallJPEG(w, h int) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), &jpeg.Options{Quality: 1}) // into memory
	return b.Bytes()
}

// jpegSized gives a JPEG other sides in its header.
func jpegSized(w, h int, j []byte) []byte {
	i := bytes.Index(j, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(j[i+5:], uint16(h))
	binary.BigEndian.PutUint16(j[i+7:], uint16(w))
	return j
}

// progressive repeats the first scan of a progressive JPEG without pixels.
func progressive(w, h, n int) []byte {
	j := jpegSized(w, h, smallJPEG(64, 64))
	j[bytes.Index(j, []byte{0xff, 0xc0})+1] = 0xc2
	i := bytes.Index(j, []byte{0xff, 0xda})
	scan := []byte{0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0xff, 0x00}
	return append(append(j[:i:i], bytes.Repeat(scan, n)...), 0xff, 0xd9)
}

func chunk(kind string, body []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), kind...)
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func png(w, h, bits, kind int, rows []byte, more ...[]byte) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	b := append([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(head, byte(bits), byte(kind), 0, 0, 0))...)
	b = append(b, bytes.Join(more, nil)...)
	return append(append(b, chunk("IDAT", zlibbed(rows))...), chunk("IEND", nil)...)
}

func gif(w, h, fw, fh, frames int) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(le.AppendUint16([]byte("GIF89a"), uint16(w)), uint16(h))
	b = append(b, 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	var z bytes.Buffer
	l := lzw.NewWriter(&z, lzw.LSB, 2)
	_, _ = l.Write(zeros(fw * fh)) // into memory
	_ = l.Close()
	frame := append([]byte{0x2c, 0, 0, 0, 0}, le.AppendUint16(le.AppendUint16(nil, uint16(fw)), uint16(fh))...)
	frame = append(frame, 0, 2)
	for data := z.Bytes(); len(data) > 0; {
		n := min(255, len(data))
		frame = append(append(frame, byte(n)), data[:n]...)
		data = data[n:]
	}
	return append(append(b, bytes.Repeat(append(frame, 0), frames)...), 0x3b)
}

func bmp(w, h, bits, compression int, data []byte) []byte {
	le := binary.LittleEndian
	b := append([]byte("BM"), zeros(8)...)
	b = le.AppendUint32(b, 54+1024)
	b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, 40), uint32(w)), uint32(h))
	b = le.AppendUint32(le.AppendUint16(le.AppendUint16(b, 1), uint16(bits)), uint32(compression))
	return append(append(b, zeros(20+1024)...), data...)
}

// tiff is one strip of grey.
func tiff(w, h int, compression, bits uint32, data []byte) []byte {
	le := binary.LittleEndian
	tags := [][2]uint32{{256, uint32(w)}, {257, uint32(h)}, {258, bits}, {259, compression}, {262, 1}, {273, 8}, {277, 1}, {278, uint32(h)}, {279, uint32(len(data))}}
	b := le.AppendUint32([]byte("II*\x00"), uint32(8+len(data)))
	b = le.AppendUint16(append(b, data...), uint16(len(tags)))
	for _, t := range tags {
		b = le.AppendUint32(le.AppendUint32(le.AppendUint16(le.AppendUint16(b, uint16(t[0])), 4), 1), t[1])
	}
	return append(b, 0, 0, 0, 0)
}
