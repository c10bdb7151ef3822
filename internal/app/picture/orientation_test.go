package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"testing"
)

// exifBlock is a TIFF structure with an orientation and nothing else.
func exifBlock(order binary.AppendByteOrder, o uint16) []byte {
	b := []byte("II")
	if order.String() == "BigEndian" {
		b = []byte("MM")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)      // one entry:
	b = order.AppendUint16(b, 0x0112) // Orientation,
	b = order.AppendUint16(b, 3)      // a SHORT,
	b = order.AppendUint32(b, 1)      // one of them
	b = order.AppendUint16(b, o)
	b = order.AppendUint16(b, 0)
	return order.AppendUint32(b, 0)
}

func xmpAttribute(o uint16) []byte {
	return fmt.Appendf(nil, `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`, o)
}

// xmpElement names the namespace in a way of its own.
func xmpElement(o uint16) []byte {
	return fmt.Appendf(nil, `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:t="http://ns.adobe.com/tiff/1.0/"><t:Make>x</t:Make><t:Orientation> %d </t:Orientation></rdf:Description></rdf:RDF></x:xmpmeta>`, o)
}

func jpegWith(plain []byte, segments ...[]byte) []byte {
	out := bytes.Clone(plain[:2])
	for _, s := range segments {
		out = binary.BigEndian.AppendUint16(append(out, 0xff, 0xe1), uint16(len(s)+2))
		out = append(out, s...)
	}
	return append(out, plain[2:]...)
}

func pngChunk(kind string, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// pngWith puts chunks after IHDR, or at the end.
func pngWith(plain []byte, atEnd bool, chunks ...[]byte) []byte {
	at := 33
	if atEnd {
		at = len(plain) - 12
	}
	out := bytes.Clone(plain[:at])
	for _, c := range chunks {
		out = append(out, c...)
	}
	return append(out, plain[at:]...)
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

// profile is how ImageMagick writes a profile as text.
func profile(kind string, b []byte) []byte {
	digits := hex.EncodeToString(b)
	out := fmt.Appendf(nil, "\n%s\n%8d\n", kind, len(b))
	for len(digits) > 72 {
		out = append(append(out, digits[:72]...), '\n')
		digits = digits[72:]
	}
	return append(append(out, digits...), '\n')
}

// cornersWebP is the picture of corners, lossless; halfWebP is one of 16×8
// pixels, lossy, blue on the left and transparent on the right. Go has no encoder.
const (
	cornersWebP = "UklGRioAAABXRUJQVlA4TB0AAAAvH8ADAA+w/0/+3//5jweIBZP5S3dnENH/CQjPDwA="
	halfWebP    = "UklGRmQAAABXRUJQVlA4WAoAAAAQAAAADwAABwAAQUxQSBIAAAABDzD/ERFCLJjMX7ozhYj+Rw5WUDggLAAAAJABAJ0BKhAACAABQCYloAJ0ugADmAD+++F7/8SF/8SF/8SF/4kL6+AKeJAA"
)

func webpOf(t testing.TB) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(cornersWebP)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// webpWith makes an extended file: VP8X, then the chunks and the picture.
func webpWith(plain []byte, before, after []chunk) []byte {
	all, _ := webpChunks(plain)
	extended := make([]byte, 10)
	extended[0] = 1<<3 | 1<<2 // EXIF, XMP
	extended[4], extended[7] = 31, 15
	body := appendChunk([]byte("WEBP"), chunk{"VP8X", extended})
	for _, c := range append(append(append([]chunk{}, before...), all...), after...) {
		body = appendChunk(body, c)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// tiffWith adds a tag to the directory of a TIFF as x/image/tiff writes it:
// little-endian, its directory last.
func tiffWith(t testing.TB, plain []byte, tag, typ uint16, value []byte) []byte {
	t.Helper()
	le := binary.LittleEndian
	at := int(le.Uint32(plain[4:]))
	n := int(le.Uint16(plain[at:]))
	entry := le.AppendUint16(le.AppendUint16(nil, tag), typ)
	count := uint32(len(value))
	if typ == 3 {
		count /= 2
	}
	entry = le.AppendUint32(entry, count)
	out := append(bytes.Clone(plain), make([]byte, len(plain)%2)...)
	if len(value) > 4 {
		entry = le.AppendUint32(entry, uint32(len(out)))
		out = append(out, value...)
		out = append(out, make([]byte, len(value)%2)...)
	} else {
		entry = append(entry, value...)
		entry = append(entry, make([]byte, 4-len(value))...)
	}
	le.PutUint32(out[4:], uint32(len(out)))
	out = le.AppendUint16(out, uint16(n+1))
	done := false
	for i := range n {
		e := plain[at+2+12*i:][:12]
		if !done && le.Uint16(e) > tag {
			out, done = append(out, entry...), true
		}
		out = append(out, e...)
	}
	if !done {
		out = append(out, entry...)
	}
	return le.AppendUint32(out, 0)
}

// One picture, turned in each of the eight ways, in every container and place
// that can say so, in both byte orders: it always comes out upright.
func TestOrientationEverywhere(t *testing.T) {
	jpg, pngData, tiffData, webpData := encoded(t, "jpeg"), encoded(t, "png"), encoded(t, "tiff"), webpOf(t)
	odd, even := chunk{"ICCP", []byte("odd")}, chunk{"ICCP", []byte("even")}
	app1 := func(b []byte) []byte { return append([]byte(exifPrefix), b...) }
	xmp1 := func(b []byte) []byte { return append([]byte(xmpPrefix), b...) }
	zero := func(parts ...[]byte) []byte { return bytes.Join(parts, []byte{0}) }
	kinds := map[string]func(exif, attribute, element []byte, o uint16) []byte{
		"jpeg exif":               func(e, _, _ []byte, _ uint16) []byte { return jpegWith(jpg, app1(e)) },
		"jpeg exif after another": func(e, _, _ []byte, _ uint16) []byte { return jpegWith(jpg, xmp1([]byte("<x/>")), app1(e)) },
		"jpeg xmp":                func(_, a, _ []byte, _ uint16) []byte { return jpegWith(jpg, xmp1(a)) },
		"jpeg xmp element":        func(_, _, x []byte, _ uint16) []byte { return jpegWith(jpg, xmp1(x)) },
		"jpeg exif before xmp": func(e, _, _ []byte, o uint16) []byte {
			return jpegWith(jpg, xmp1(xmpAttribute(o%8+1)), app1(e))
		},
		"png eXIf":           func(e, _, _ []byte, _ uint16) []byte { return pngWith(pngData, false, pngChunk("eXIf", e)) },
		"png eXIf at end":    func(e, _, _ []byte, _ uint16) []byte { return pngWith(pngData, true, pngChunk("eXIf", e)) },
		"png eXIf, prefixed": func(e, _, _ []byte, _ uint16) []byte { return pngWith(pngData, false, pngChunk("eXIf", app1(e))) },
		"png zTXt exif": func(e, _, _ []byte, _ uint16) []byte {
			return pngWith(pngData, false, pngChunk("zTXt", append([]byte("Raw profile type exif\x00\x00"), deflated(profile("exif", app1(e)))...)))
		},
		"png tEXt APP1": func(e, _, _ []byte, _ uint16) []byte {
			return pngWith(pngData, true, pngChunk("tEXt", zero([]byte("Raw profile type APP1"), profile("APP1", app1(e)))))
		},
		"png iTXt exif": func(e, _, _ []byte, _ uint16) []byte {
			return pngWith(pngData, false, pngChunk("iTXt", append([]byte("Raw profile type exif\x00\x00\x00\x00\x00"), profile("exif", e)...)))
		},
		"png iTXt exif, compressed": func(e, _, _ []byte, _ uint16) []byte {
			return pngWith(pngData, false, pngChunk("iTXt", append([]byte("Raw profile type exif\x00\x01\x00en\x00t\x00"), deflated(profile("exif", e))...)))
		},
		"png xmp": func(_, a, _ []byte, _ uint16) []byte {
			return pngWith(pngData, true, pngChunk("iTXt", append([]byte("XML:com.adobe.xmp\x00\x00\x00\x00\x00"), a...)))
		},
		"png xmp in APP1": func(_, a, _ []byte, _ uint16) []byte {
			return pngWith(pngData, false, pngChunk("tEXt", zero([]byte("Raw profile type APP1"), profile("APP1", xmp1(a)))))
		},
		"tiff": func(_, _, _ []byte, o uint16) []byte {
			return tiffWith(t, tiffData, tagOrientation, 3, []byte{byte(o), 0})
		},
		"tiff xmp": func(_, _, x []byte, _ uint16) []byte { return tiffWith(t, tiffData, tagXMP, 1, x) },
	}
	// WebP: what is between the chunks must not matter, nor on which side of the
	// picture they are, nor whether lengths are odd.
	for name, places := range map[string]func(c chunk) []byte{
		"after":             func(c chunk) []byte { return webpWith(webpData, nil, []chunk{c}) },
		"before":            func(c chunk) []byte { return webpWith(webpData, []chunk{c}, nil) },
		"after odd":         func(c chunk) []byte { return webpWith(webpData, []chunk{odd}, []chunk{c}) },
		"after even":        func(c chunk) []byte { return webpWith(webpData, []chunk{even}, []chunk{c}) },
		"directly odd":      func(c chunk) []byte { return webpWith(webpData, nil, []chunk{odd, c}) },
		"before, then odd":  func(c chunk) []byte { return webpWith(webpData, []chunk{odd, c, odd}, nil) },
		"after unknown odd": func(c chunk) []byte { return webpWith(webpData, nil, []chunk{{"ABCD", []byte{1}}, c}) },
	} {
		kinds["webp exif "+name] = func(e, _, _ []byte, _ uint16) []byte { return places(chunk{"EXIF", e}) }
		kinds["webp exif, prefixed, "+name] = func(e, _, _ []byte, _ uint16) []byte { return places(chunk{"EXIF", app1(e)}) }
		kinds["webp exif of odd length "+name] = func(e, _, _ []byte, _ uint16) []byte { return places(chunk{"EXIF", append(bytes.Clone(e), 0)}) }
		kinds["webp xmp "+name] = func(_, a, _ []byte, _ uint16) []byte { return places(chunk{"XMP ", a}) }
		kinds["webp xmp of another length "+name] = func(_, a, _ []byte, _ uint16) []byte {
			return places(chunk{"XMP ", append(bytes.Clone(a), ' ')})
		}
	}
	for name, make := range kinds {
		t.Run(name, func(t *testing.T) {
			for o := uint16(1); o <= 8; o++ {
				for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
					data := make(exifBlock(order, o), xmpAttribute(o), xmpElement(o), o)
					p, err := Decoder{}.Decode(data)
					if err != nil {
						t.Fatalf("orientation %d: %v", o, err)
					}
					// Where the red corner at the top left comes to lie.
					w, h := 32, 16
					if o >= 5 {
						w, h = h, w
					}
					x, y := 3, 3
					if o == 2 || o == 3 || o == 6 || o == 7 {
						x = w - 4
					}
					if o == 3 || o == 4 || o == 7 || o == 8 {
						y = h - 4
					}
					r, g, _, _ := p.Image.At(p.Image.Bounds().Min.X+x, p.Image.Bounds().Min.Y+y).RGBA()
					if p.Size.X != w || p.Size.Y != h || r>>8 < 150 || g>>8 > 60 {
						t.Errorf("orientation %d, %v: size %v, and at %d,%d there is no red", o, order, p.Size, x, y)
					}
				}
			}
		})
	}
}

// What cannot be read is upright, and the picture is read all the same.
func TestOrientationBroken(t *testing.T) {
	plain, block := encoded(t, "jpeg"), exifBlock(binary.BigEndian, 6)
	for i := range block {
		if _, err := (Decoder{}).Decode(jpegWith(plain, append([]byte(exifPrefix), block[:i]...))); err != nil {
			t.Errorf("EXIF cut after %d bytes: %v", i, err)
		}
	}
	for _, o := range []uint16{0, 9, 77, 65535} {
		data := jpegWith(plain, append([]byte(exifPrefix), exifBlock(binary.BigEndian, o)...))
		if p, err := (Decoder{}).Decode(data); err != nil || p.JPEG == nil {
			t.Errorf("an orientation of %d: %v", o, err)
		}
	}
	for _, x := range []string{"", "<", "<x:xmpmeta>", `<a xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="9"/>`, `<a Orientation="6"/>`} {
		if o := orientation(JPEG, jpegWith(plain, append([]byte(xmpPrefix), x...))); o != 1 {
			t.Errorf("XMP %q: orientation %d", x, o)
		}
	}
}

func FuzzOrientation(f *testing.F) {
	for _, o := range []uint16{1, 6, 77} {
		f.Add("jpeg", jpegWith(encoded(f, "jpeg"), append([]byte(exifPrefix), exifBlock(binary.BigEndian, o)...), append([]byte(xmpPrefix), xmpElement(o)...)))
		f.Add("tiff", exifBlock(binary.LittleEndian, o))
		f.Add("png", pngWith(encoded(f, "png"), false, pngChunk("eXIf", exifBlock(binary.BigEndian, o)), pngChunk("zTXt", append([]byte("Raw profile type exif\x00\x00"), deflated(profile("exif", exifBlock(binary.LittleEndian, o)))...))))
		f.Add("webp", webpWith(webpOf(f), []chunk{{"ICCP", []byte("odd")}}, []chunk{{"EXIF", exifBlock(binary.BigEndian, o)}, {"XMP ", xmpAttribute(o)}}))
	}
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		if o := orientation(Format(format), data); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}

// HEIC and AVIF are turned by every decoder; what other files say is left to
// programs.
func TestStored(t *testing.T) {
	for format, want := range map[Format]int{JPEG: 6, PNG: 6, WebP: 6, TIFF: 6, HEIC: 1, AVIF: 1} {
		if got := (&File{Format: format, Orientation: 6}).Stored(); got != want {
			t.Errorf("%s: stored in orientation %d, expected %d", format, got, want)
		}
	}
}
