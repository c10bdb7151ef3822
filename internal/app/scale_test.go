package app

import (
	"image"
	"image/color"
	"testing"

	"golang.org/x/image/draw"
)

// Every byte is the one that x/image/draw gives, for every kind of picture, in
// either direction.
func TestScale(t *testing.T) {
	seed := uint32(3)
	random := func() uint8 { seed = seed*1664525 + 1013904223; return uint8(seed >> 24) }
	fill := func(pix []uint8) {
		for i := range pix {
			pix[i] = random()
		}
	}
	r := image.Rect(3, 5, 40, 34)
	rgba := image.NewRGBA(r)
	fill(rgba.Pix)
	for i := 3; i < len(rgba.Pix); i += 4 {
		rgba.Pix[i] = 255
	}
	grey := image.NewGray(r)
	fill(grey.Pix)
	deep := image.NewRGBA64(r)
	fill(deep.Pix)
	for i := 6; i < len(deep.Pix); i += 8 {
		deep.Pix[i], deep.Pix[i+1] = 255, 255
	}
	cmyk := image.NewCMYK(r)
	fill(cmyk.Pix)
	table := color.Palette{color.RGBA{1, 2, 3, 255}, color.RGBA{200, 100, 50, 255}}
	indexed := image.NewPaletted(r, table)
	for i := range indexed.Pix {
		indexed.Pix[i] = random() & 1
	}
	pictures := map[string]image.Image{"rgba": rgba, "grey": grey, "16 bit": deep, "cmyk": cmyk, "indexed": indexed, "part": rgba.SubImage(image.Rect(7, 9, 30, 30))}
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio410} {
		m := image.NewYCbCr(r, ratio)
		fill(m.Y)
		fill(m.Cb)
		fill(m.Cr)
		pictures[ratio.String()] = m
	}
	for name, m := range pictures {
		for _, size := range []image.Point{{X: 11, Y: 7}, {X: 74, Y: 58}, {X: 36, Y: 28}, {X: 1, Y: 1}, {X: 50, Y: 3}, {X: 23, Y: 21}} {
			want := image.NewRGBA(image.Rectangle{Max: size})
			draw.BiLinear.Scale(want, want.Rect, m, m.Bounds(), draw.Src, nil)
			got := scale(m, size.X, size.Y)
			if string(got.Pix) != string(want.Pix) {
				t.Errorf("%s at %v: other bytes than x/image/draw's", name, size)
			}
		}
	}
}
