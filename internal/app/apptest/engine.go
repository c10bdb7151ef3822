// Package apptest holds an Engine for tests: faces are patches of colour.
//
// A face is a connected patch of saturated colour, at least 8 pixels wide and
// high, on a background of greys. Its descriptor is its mean colour, red,
// green and blue from 0 to 1 in the first three dimensions, the rest zero, so
// that tints of one colour are the same person and other colours are others.
package apptest

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"sync/atomic"

	"facerec/internal/app"
)

// Engine finds patches of colour. The zero value is ready.
type Engine struct {
	// Fail, if not nil, is the answer to every picture.
	Fail error
	// Scores gives every face a score: a hundredth of its width.
	Scores bool
	// Looked counts the pictures it was asked about.
	Looked atomic.Int64
	// Closed is set by Close.
	Closed atomic.Bool
}

const minSide = 8

// Faces implements app.Engine.
func (e *Engine) Faces(ctx context.Context, p app.Picture) ([]app.Detection, error) {
	e.Looked.Add(1)
	if e.Closed.Load() {
		return nil, errors.New("engine used after Close")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if e.Fail != nil {
		return nil, e.Fail
	}
	if p.Image == nil {
		m, err := jpeg.Decode(bytes.NewReader(p.JPEG))
		if err != nil {
			return nil, err
		}
		p.Image = m
	}
	b := p.Image.Bounds()
	w, h := b.Dx(), b.Dy()
	seen := make([]bool, w*h)
	at := func(x, y int) (r, g, bl int, ok bool) {
		c := color.RGBAModel.Convert(p.Image.At(b.Min.X+x, b.Min.Y+y)).(color.RGBA)
		r, g, bl = int(c.R), int(c.G), int(c.B)
		return r, g, bl, max(r, g, bl)-min(r, g, bl) > 60
	}
	var out []app.Detection
	for y := range h {
		for x := range w {
			if seen[y*w+x] {
				continue
			}
			if _, _, _, ok := at(x, y); !ok {
				continue
			}
			var sum [3]int
			n := 0
			box := image.Rect(x, y, x+1, y+1)
			stack := []image.Point{{X: x, Y: y}}
			seen[y*w+x] = true
			for len(stack) > 0 {
				q := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				r, g, bl, _ := at(q.X, q.Y)
				sum[0], sum[1], sum[2], n = sum[0]+r, sum[1]+g, sum[2]+bl, n+1
				box = box.Union(image.Rect(q.X, q.Y, q.X+1, q.Y+1))
				for _, d := range []image.Point{{X: 1}, {X: -1}, {Y: 1}, {Y: -1}} {
					t := q.Add(d)
					if t.X < 0 || t.Y < 0 || t.X >= w || t.Y >= h || seen[t.Y*w+t.X] {
						continue
					}
					if _, _, _, ok := at(t.X, t.Y); ok {
						seen[t.Y*w+t.X] = true
						stack = append(stack, t)
					}
				}
			}
			if box.Dx() < minSide || box.Dy() < minSide {
				continue
			}
			var d app.Detection
			d.Box = box
			cx, cy := (box.Min.X+box.Max.X)/2, (box.Min.Y+box.Max.Y)/2
			for i := range 5 {
				d.Landmarks = append(d.Landmarks, image.Pt(cx+i-2, cy))
			}
			if e.Scores {
				d.Score = float64(box.Dx()) / 100
			}
			for i := range sum {
				d.Descriptor[i] = float32(sum[i]/n) / 255
			}
			out = append(out, d)
		}
	}
	return out, nil
}

// Info implements app.Engine.
func (e *Engine) Info() app.EngineInfo {
	return app.EngineInfo{Dlib: "none", GoFace: "none", BLAS: "none", Lineage: "test"}
}

// Close implements app.Engine.
func (e *Engine) Close() error {
	e.Closed.Store(true)
	return nil
}

// Patch is one face of a made-up picture.
type Patch struct {
	Box   image.Rectangle
	Color color.RGBA
}

// Paint makes a grey picture of w by h with faces on it.
func Paint(w, h int, patches ...Patch) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{0x80, 0x80, 0x80, 0xff})
		}
	}
	for _, p := range patches {
		for y := p.Box.Min.Y; y < p.Box.Max.Y; y++ {
			for x := p.Box.Min.X; x < p.Box.Max.X; x++ {
				img.SetRGBA(x, y, p.Color)
			}
		}
	}
	return img
}
