package dlib

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
)

// TestEncodeRGB decodes with the standard library, which knows the Adobe marker.
func TestEncodeRGB(t *testing.T) {
	seed := uint32(7)
	random := func() uint8 { seed = seed*1664525 + 1013904223; return uint8(seed >> 24) }
	flat := func(c color.RGBA) func(x, y int) color.RGBA { return func(int, int) color.RGBA { return c } }
	tests := []struct {
		name string
		r    image.Rectangle
		at   func(x, y int) color.RGBA
		most int // steps of 256 that a channel may be off
	}{
		{"one pixel", image.Rect(0, 0, 1, 1), flat(color.RGBA{1, 200, 255, 255}), 1},
		{"white", image.Rect(0, 0, 17, 9), flat(color.RGBA{255, 255, 255, 255}), 0},
		{"black", image.Rect(3, -4, 19, 12), flat(color.RGBA{0, 0, 0, 255}), 0},
		{"noise", image.Rect(0, 0, 41, 67), func(int, int) color.RGBA { return color.RGBA{random(), random(), random(), 255} }, 3},
		{"checks", image.Rect(0, 0, 33, 33), func(x, y int) color.RGBA {
			if (x+y)%2 == 0 {
				return color.RGBA{255, 0, 255, 255}
			}
			return color.RGBA{0, 255, 0, 255}
		}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := image.NewRGBA(tt.r)
			for y := tt.r.Min.Y; y < tt.r.Max.Y; y++ {
				for x := tt.r.Min.X; x < tt.r.Max.X; x++ {
					m.SetRGBA(x, y, tt.at(x, y))
				}
			}
			b, err := encodeRGB(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := jpeg.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if got.Bounds().Size() != tt.r.Size() {
				t.Fatalf("size %v, expected %v", got.Bounds().Size(), tt.r.Size())
			}
			worst := 0
			for y := range tt.r.Dy() {
				for x := range tt.r.Dx() {
					r, g, b, _ := got.At(x, y).RGBA()
					want := m.RGBAAt(tt.r.Min.X+x, tt.r.Min.Y+y)
					for _, d := range []int{int(r>>8) - int(want.R), int(g>>8) - int(want.G), int(b>>8) - int(want.B)} {
						worst = max(worst, d, -d)
					}
				}
			}
			if worst > tt.most {
				t.Errorf("a channel is %d off, expected at most %d", worst, tt.most)
			}
		})
	}
}

// TestEncodeRGBKinds wants the same bytes for the same picture held differently.
func TestEncodeRGBKinds(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 20, 20))
	rgba := image.NewRGBA(grey.Rect)
	for i := range grey.Pix {
		grey.Pix[i] = uint8(i)
		rgba.Set(i%20, i/20, color.Gray{uint8(i)})
	}
	a, err := encodeRGB(grey)
	if err != nil {
		t.Fatal(err)
	}
	b, err := encodeRGB(rgba)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("a grey picture and its colour copy give other bytes")
	}
}

func TestEncodeRGBSize(t *testing.T) {
	for _, r := range []image.Rectangle{{}, image.Rect(0, 0, 65536, 1)} {
		if _, err := encodeRGB(&image.RGBA{Rect: r}); err == nil {
			t.Errorf("no error for %v", r)
		}
	}
}
