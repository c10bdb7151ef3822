package picture

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// tinyWebP is one grey pixel, lossy.
const tinyWebP = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"

func corners() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 32, 16))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	for y := range 8 {
		for x := range 8 {
			img.SetRGBA(x, y, color.RGBA{200, 0, 0, 255})
		}
	}
	return img
}

func encoded(t testing.TB, kind string) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	img := corners()
	switch kind {
	case "jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "grey jpeg":
		g := image.NewGray(img.Rect)
		for y := range 16 {
			for x := range 32 {
				g.Set(x, y, img.At(x, y))
			}
		}
		err = jpeg.Encode(&b, g, nil)
	case "cmyk jpeg":
		return cmykJPEG(t)
	case "png":
		err = png.Encode(&b, img)
	case "gif":
		err = gif.Encode(&b, img, nil)
	case "bmp":
		err = bmp.Encode(&b, img)
	case "tiff":
		err = tiff.Encode(&b, img, nil)
	default:
		t.Fatalf("no kind %s", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cmykJPEG makes the JPEG of printers, with four components, of which there is
// no encoder: four grey pictures, one scan each, with the tables of the first.
// Adobe's marker (transform 0) says that 255 means no ink.
func cmykJPEG(t testing.TB) []byte {
	t.Helper()
	var out, scans []byte
	for c := range 4 {
		plane := image.NewGray(image.Rect(0, 0, 32, 16))
		for i := range plane.Pix {
			plane.Pix[i] = 255
			if x, y := i%32, i/32; x < 8 && y < 8 && (c == 1 || c == 2) {
				plane.Pix[i] = 20 // magenta and yellow ink, on white paper
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, plane, &jpeg.Options{Quality: 95}); err != nil {
			t.Fatal(err)
		}
		data := b.Bytes()
		sos := bytes.Index(data, []byte{0xff, 0xda, 0x00, 0x08})
		eoi := len(data) - 2
		if sos < 0 {
			t.Fatal("no scan")
		}
		if c == 0 {
			sof := bytes.Index(data, []byte{0xff, 0xc0, 0x00, 0x0b})
			if sof < 0 {
				t.Fatal("no frame")
			}
			out = append(out, data[:2]...)
			out = append(out, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"...)
			out = append(out, data[2:sof]...)
			out = append(out, 0xff, 0xc0, 0, 8+3*4, 8, 0, 16, 0, 32, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0)
			out = append(out, data[sof+13:sos]...)
		}
		scans = append(scans, 0xff, 0xda, 0, 8, 1, byte(c+1), 0x00, 0, 63, 0)
		scans = append(scans, data[sos+10:eoi]...)
	}
	return append(append(out, scans...), 0xff, 0xd9)
}

// Every kind comes out as the same picture; only a plain JPEG is passed on as it is.
func TestDecode(t *testing.T) {
	for _, kind := range []string{"jpeg", "grey jpeg", "cmyk jpeg", "png", "gif", "bmp", "tiff"} {
		t.Run(kind, func(t *testing.T) {
			p, err := Decoder{}.Decode(encoded(t, kind))
			if err != nil {
				t.Fatal(err)
			}
			if s := p.Image.Bounds().Size(); s != image.Pt(32, 16) {
				t.Fatalf("size %v", s)
			}
			red := color.RGBAModel.Convert(p.Image.At(3, 3)).(color.RGBA)
			white := color.RGBAModel.Convert(p.Image.At(28, 12)).(color.RGBA)
			if white.R < 240 || white.G < 240 || white.B < 240 {
				t.Errorf("white is %v", white)
			}
			if kind != "grey jpeg" && (red.R < 150 || red.G > 60 || red.B > 60) {
				t.Errorf("red is %v", red)
			}
			if (p.JPEG != nil) != (kind == "jpeg") {
				t.Errorf("passed on as it is: %v", p.JPEG != nil)
			}
		})
	}
	data, err := base64.StdEncoding.DecodeString(tinyWebP)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Decoder{}.Decode(data)
	if err != nil || p.Image.Bounds().Size() != image.Pt(1, 1) || p.JPEG != nil {
		t.Errorf("webp: %v %v", p, err)
	}
}

func TestDecodeTransparent(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	p, err := Decoder{}.Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if c := p.Image.At(2, 2); c != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("what is transparent became %v, want white", c)
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole := encoded(t, "jpeg")
	flipped := bytes.Clone(whole)
	copy(flipped[len(flipped)-40:], bytes.Repeat([]byte{0xff, 0xd8}, 10))
	huge := bytes.Clone(encoded(t, "gif"))
	copy(huge[6:], []byte{0xff, 0xff, 0xff, 0xff}) // width and height
	for _, tt := range []struct {
		name string
		data []byte
		dec  Decoder
		want string
		not  bool // not a picture, rather than a broken one
	}{
		{"empty", nil, Decoder{}, "the file is empty", true},
		{"text", []byte("Hello, world\n"), Decoder{}, "begins with 48 65 6c 6c; expected JPEG", true},
		{"one byte", []byte{0xff}, Decoder{}, "begins with ff;", true},
		{"only a beginning", whole[:2], Decoder{}, "ends too early, after 2 bytes", false},
		{"cut in the header", whole[:100], Decoder{}, "ends too early, after 100 bytes", false},
		{"cut in the pixels", whole[:len(whole)-60], Decoder{}, "broken jpeg: it ends too early, after ", false},
		{"garbage", append([]byte("\xff\xd8"), make([]byte, 50)...), Decoder{}, "broken jpeg: ", false},
		{"too many pixels", whole, Decoder{MaxPixels: 511}, "too large: 32×16 pixels, expected at most 511 in all", false},
		{"a small file of a large picture", huge, Decoder{}, "too large: 65535×65535 pixels, ", false},
		{"cut png", encoded(t, "png")[:60], Decoder{}, "broken png: ", false},
		{"cut gif", encoded(t, "gif")[:30], Decoder{}, "broken gif: ", false},
		{"cut bmp", encoded(t, "bmp")[:80], Decoder{}, "broken bmp: ", false},
		{"cut tiff", encoded(t, "tiff")[:80], Decoder{}, "broken tiff: ", false},
		{"webp without a picture", []byte("RIFF\x04\x00\x00\x00WEBP"), Decoder{}, "broken webp: ", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := tt.dec.Decode(tt.data)
			if err == nil || p.Image != nil || p.JPEG != nil {
				t.Fatalf("got a picture, want an error: %v", err)
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want %q in one line", err, tt.want)
			}
			if errors.Is(err, ErrNotPicture) != tt.not {
				t.Errorf("is ErrNotPicture: %v, want %v", !tt.not, tt.not)
			}
		})
	}
	if _, err := (Decoder{}).Decode(flipped); err != nil && !strings.HasPrefix(err.Error(), "broken jpeg: ") {
		t.Errorf("flipped: %v", err)
	}
	if _, err := (Decoder{MaxPixels: 512}).Decode(whole); err != nil {
		t.Errorf("exactly as many pixels as allowed: %v", err)
	}
}

// A decoder that panics is a broken picture, not a broken program.
func TestDecodePanic(t *testing.T) {
	d := Decoder{JPEG: func([]byte, int) (image.Image, []string, error) { panic("odd") }}
	f, err := d.Open(encoded(t, "jpeg"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Decode(2); err == nil || !strings.HasPrefix(err.Error(), "broken jpeg: ") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, kind := range []string{"jpeg", "grey jpeg", "cmyk jpeg", "png", "gif", "bmp", "tiff"} {
		f.Add(encoded(f, kind))
	}
	webp, err := base64.StdEncoding.DecodeString(tinyWebP)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(webp)
	d := Decoder{MaxPixels: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := d.Decode(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		if b := p.Image.Bounds(); b.Empty() || b.Dx()*b.Dy() > 1<<16 {
			t.Errorf("bounds %v", b)
		}
		if o, ok := p.Image.(interface{ Opaque() bool }); !ok || !o.Opaque() {
			t.Error("not opaque")
		}
	})
}

// The eight orientations of a picture of 2 by 1: which source pixel comes where.
func TestOrient(t *testing.T) {
	src := image.NewRGBA(image.Rect(5, 5, 8, 7)) // an origin elsewhere, 3×2
	name := func(x, y int) color.RGBA { return color.RGBA{uint8(10 + x), uint8(10 + y), 0, 255} }
	for y := range 2 {
		for x := range 3 {
			src.SetRGBA(5+x, 5+y, name(x, y))
		}
	}
	for _, tt := range []struct {
		o    int
		want []string // rows of source coordinates "xy"
	}{
		{1, []string{"00 10 20", "01 11 21"}},
		{2, []string{"20 10 00", "21 11 01"}},
		{3, []string{"21 11 01", "20 10 00"}},
		{4, []string{"01 11 21", "00 10 20"}},
		{5, []string{"00 01", "10 11", "20 21"}},
		{6, []string{"01 00", "11 10", "21 20"}},
		{7, []string{"21 20", "11 10", "01 00"}},
		{8, []string{"20 21", "10 11", "00 01"}},
	} {
		got := orient(src, tt.o)
		b := got.Bounds()
		for y, row := range tt.want {
			cells := strings.Fields(row)
			if b.Dx() != len(cells) || b.Dy() != len(tt.want) {
				t.Fatalf("orientation %d: %v", tt.o, b)
			}
			for x, c := range cells {
				want := name(int(c[0]-'0'), int(c[1]-'0'))
				if g := got.At(b.Min.X+x, b.Min.Y+y); g != want {
					t.Errorf("orientation %d at %d,%d: %v, want %v", tt.o, x, y, g, want)
				}
			}
		}
	}
}
