package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"golang.org/x/image/tiff"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
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

// withEXIF puts an APP1 segment behind the first marker of a JPEG.
func withEXIF(plain, block []byte) []byte {
	seg := append([]byte("Exif\x00\x00"), block...)
	out := append([]byte{}, plain[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(seg)+2))
	return append(append(out, seg...), plain[2:]...)
}

func photo(t *testing.T) (plain []byte) {
	t.Helper()
	img := apptest.Paint(160, 80, apptest.Patch{Box: image.Rect(8, 8, 40, 40), Color: color.RGBA{230, 20, 20, 255}})
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOrientationJPEG(t *testing.T) {
	plain := photo(t)
	if o, err := orientation("jpeg", plain); o != 1 || err != nil {
		t.Errorf("no EXIF: %d, %v", o, err)
	}
	// Where the patch in the top left corner comes to lie.
	for o, want := range map[uint16]image.Point{
		1: {24, 24}, 2: {136, 24}, 3: {136, 56}, 4: {24, 56},
		5: {24, 24}, 6: {56, 24}, 7: {56, 136}, 8: {24, 136},
	} {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			data := withEXIF(plain, exifBlock(order, o))
			if got, err := orientation("jpeg", data); got != int(o) || err != nil {
				t.Fatalf("orientation %d %v: got %d, %v", o, order, got, err)
			}
			p, err := app.Decoder{Orientation: orientation}.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			r, g, _, _ := p.Image.At(want.X, want.Y).RGBA()
			if r>>8 < 200 || g>>8 > 60 {
				t.Errorf("orientation %d: at %v there is %v, want red", o, want, p.Image.At(want.X, want.Y))
			}
			if (p.JPEG != nil) != (o == 1) {
				t.Errorf("orientation %d: original bytes passed on: %v", o, p.JPEG != nil)
			}
		}
	}
}

// What cannot be read is upright, and the picture is looked at all the same.
func TestOrientationBroken(t *testing.T) {
	plain := photo(t)
	block := exifBlock(binary.BigEndian, 6)
	for i := range block {
		data := withEXIF(plain, block[:i])
		if _, err := (app.Decoder{Orientation: orientation}).Decode(data); err != nil {
			t.Errorf("EXIF cut after %d bytes: %v", i, err)
		}
	}
	if p, err := (app.Decoder{Orientation: orientation}).Decode(withEXIF(plain, exifBlock(binary.BigEndian, 77))); err != nil || p.JPEG == nil {
		t.Errorf("an orientation of 77: %v", err)
	}
}

func TestOrientationOthers(t *testing.T) {
	img := apptest.Paint(16, 8)
	var p, tf bytes.Buffer
	if err := png.Encode(&p, img); err != nil {
		t.Fatal(err)
	}
	if err := tiff.Encode(&tf, img, nil); err != nil {
		t.Fatal(err)
	}
	for format, data := range map[string][]byte{"png": p.Bytes(), "tiff": tf.Bytes(), "bmp": []byte("BM"), "gif": []byte("GIF89a"), "": nil} {
		if o, err := orientation(format, data); o != 1 || err != nil {
			t.Errorf("%s: %d, %v", format, o, err)
		}
	}
}

func FuzzOrientation(f *testing.F) {
	for _, o := range []uint16{1, 6, 77} {
		f.Add("jpeg", append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0}, exifBlock(binary.BigEndian, o)...))
		f.Add("tiff", exifBlock(binary.LittleEndian, o))
	}
	f.Add("png", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x08eXIfMM\x00*\x00\x00\x00\x08"))
	f.Add("webp", []byte("RIFF\x10\x00\x00\x00WEBPEXIF\x04\x00\x00\x00MM\x00*"))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		_, _ = orientation(format, data) // it must come back, and not panic
	})
}
