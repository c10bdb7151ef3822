//go:build dlib

package dlib

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"slices"
	"strings"
	"testing"

	"facerec/internal/app/picture"
)

// JPEGs that Go does not read and has no encoder for, as cjpeg writes them
// (-arithmetic; -arithmetic -progressive; -sample 2x2,1x1,1x2): 32×16 pixels,
// white with a red corner of 8×8 at the top left.
var oddJPEGs = map[string]string{
	"arithmetic coding":              "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL/2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjL/yQARCAAQACADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/ALGvgJoHiocyLx0kHBhmbd52Z+VWRf8Anmu9otMiPP/Z",
	"arithmetic coding, progressive": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL/2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjL/ygARCAAQACADASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAf8AYgt5dqG8b0D/zAAEEAX/2gAIAQEAAQUCwP/MAAQRBf/aAAgBAwEBPwE5h8F2btLY/8wABBEF/9oACAECAQE/ARgIlP/MAAQQBf/aAAgBAQAGPwLA/8wABBAF/9oACAEBAAE/IcD/2gAMAwEAAgADAAAAEBYg/8wABBEF/9oACAEDAQE/EGiktXK7qPJw/8wABBEF/9oACAECAQE/EN+pnP/MAAQQBf/aAAgBAQABPxDA/9k=",
	"sampling 2x2 1x1 1x2":           "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL/2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjL/wAARCAAQACADASIAAhEBAxIB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAcI/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/EABYBAAMAAAAAAAAAAAAAAAAAAAAEBv/EABwRAAEDBQAAAAAAAAAAAAAAAAADBhETIUOCwf/aAAwDAQACEQMRAD8AnbYYF0EKU3mSsdGLbhJgAwAH/9k=",
}

func oddJPEG(t testing.TB, name string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(oddJPEGs[name])
	if err != nil || len(data) == 0 {
		t.Fatal(name, err)
	}
	return data
}

// checkCorners wants a red corner on white, at 1/scale.
func checkCorners(t *testing.T, m image.Image, scale int) {
	t.Helper()
	if m.Bounds() != image.Rect(0, 0, 32/scale, 16/scale) {
		t.Fatalf("bounds %v", m.Bounds())
	}
	red := color.RGBAModel.Convert(m.At(0, 0)).(color.RGBA)
	white := color.RGBAModel.Convert(m.At(32/scale-1, 16/scale-1)).(color.RGBA)
	if int(red.R) < int(red.G)+80 || int(red.R) < int(red.B)+80 || white.R < 240 || white.G < 240 || white.B < 240 || red.A != 255 {
		t.Errorf("the corners are %v and %v", red, white)
	}
}

// What libjpeg reads is read, at every scale, through picture.Decoder too.
func TestDecodeJPEG(t *testing.T) {
	for name := range oddJPEGs {
		data := oddJPEG(t, name)
		for _, scale := range []int{1, 2, 4, 8} {
			m, notes, err := DecodeJPEG(data, scale)
			if err != nil || len(notes) > 0 {
				t.Fatalf("%s at 1/%d: %v %v", name, scale, notes, err)
			}
			checkCorners(t, m, scale)
		}
		p, err := picture.Decoder{JPEG: DecodeJPEG}.Decode(data)
		if err != nil || p.JPEG != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkCorners(t, p.Image, 1)
	}
}

// Four colours, with Adobe's marker (then 255 is no ink) and without (all ink).
func TestDecodeJPEGInks(t *testing.T) {
	for _, adobe := range []bool{true, false} {
		data := fourColors(t, adobe)
		m, notes, err := DecodeJPEG(data, 1)
		if err != nil || len(notes) > 0 {
			t.Fatalf("%v %v", notes, err)
		}
		checkCorners(t, m, 1)
		if p, err := (picture.Decoder{JPEG: DecodeJPEG}).Decode(data); err != nil {
			t.Error(err)
		} else {
			checkCorners(t, p.Image, 1)
		}
	}
}

// fourColors puts four grey pictures into one file, a scan each, with the
// tables of the first.
func fourColors(t *testing.T, adobe bool) []byte {
	t.Helper()
	var out, scans []byte
	for c := range 4 {
		plane := image.NewGray(image.Rect(0, 0, 32, 16))
		for i := range plane.Pix {
			ink := uint8(0)
			if x, y := i%32, i/32; x < 8 && y < 8 && (c == 1 || c == 2) {
				ink = 235 // magenta and yellow
			}
			if plane.Pix[i] = ink; adobe {
				plane.Pix[i] = 255 - ink
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, plane, &jpeg.Options{Quality: 95}); err != nil {
			t.Fatal(err)
		}
		data := b.Bytes()
		sos, sof := bytes.Index(data, []byte{0xff, 0xda, 0, 8}), bytes.Index(data, []byte{0xff, 0xc0, 0, 11})
		if c == 0 {
			out = append(out, data[:2]...)
			if adobe {
				out = append(out, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"...)
			}
			out = append(out, data[2:sof]...)
			out = append(out, 0xff, 0xc0, 0, 20, 8, 0, 16, 0, 32, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0)
			out = append(out, data[sof+13:sos]...)
		}
		scans = append(scans, 0xff, 0xda, 0, 8, 1, byte(c+1), 0, 0, 63, 0)
		scans = append(scans, data[sos+10:len(data)-2]...)
	}
	return append(append(out, scans...), 0xff, 0xd9)
}

// A file without its end marker is whole; one that ends before is not.
func TestDecodeJPEGCut(t *testing.T) {
	data := oddJPEG(t, "sampling 2x2 1x1 1x2")
	m, notes, err := DecodeJPEG(data[:len(data)-2], 1)
	if err != nil || !slices.Equal(notes, []string{picture.NoEnd}) {
		t.Fatalf("without an end marker: %v %v", notes, err)
	}
	checkCorners(t, m, 1)
	for _, n := range []int{10, 20, 40, 150} {
		if _, _, err := DecodeJPEG(data[:len(data)-n], 1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("without the last %d bytes: %v", n, err)
		}
		if _, err := (picture.Decoder{JPEG: DecodeJPEG}).Decode(data[:len(data)-n]); err == nil || !strings.Contains(err.Error(), "broken jpeg: it ends too early") {
			t.Errorf("without the last %d bytes: %v", n, err)
		}
	}
	lossless := bytes.Replace(data, []byte{0xff, 0xc1}, []byte{0xff, 0xc3}, 1)
	lossless = bytes.Replace(lossless, []byte{0xff, 0xc0}, []byte{0xff, 0xc3}, 1)
	var unsupported *picture.UnsupportedError
	if _, _, err := DecodeJPEG(lossless, 1); !errors.As(err, &unsupported) {
		t.Errorf("lossless: %v", err)
	}
}

func FuzzDecodeJPEG(f *testing.F) {
	for name := range oddJPEGs {
		f.Add(oddJPEG(f, name), uint8(1))
		f.Add(oddJPEG(f, name), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, shift uint8) {
		if p, err := picture.JPEGSize(data); err != nil || p.X < 1 || p.Y < 1 || p.X*p.Y > 1<<16 {
			return
		}
		m, notes, err := DecodeJPEG(data, 1<<(shift%4))
		if err == nil && m == nil || err != nil && (m != nil || notes != nil) {
			t.Errorf("picture %v, notes %v, error %v", m, notes, err)
		}
	})
}
