package picture

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"testing"
)

// A GIF's frame may be smaller than the picture; the rest is white.
func TestDecodeGIFFrame(t *testing.T) {
	frame := image.NewPaletted(image.Rect(10, 5, 20, 15), color.Palette{color.RGBA{200, 0, 0, 255}})
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 32, Height: 16, ColorModel: frame.Palette}}); err != nil {
		t.Fatal(err)
	}
	p, err := Decoder{}.Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Image.Bounds(); s != image.Rect(0, 0, 32, 16) {
		t.Fatalf("bounds %v", s)
	}
	if c := p.Image.At(12, 8); c != (color.RGBA{200, 0, 0, 255}) {
		t.Errorf("inside the frame: %v", c)
	}
	if c := p.Image.At(2, 2); c != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("outside of the frame: %v", c)
	}
}
