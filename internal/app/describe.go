package app

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"sort"
	"strings"

	"golang.org/x/image/draw"
)

// Sizing says at which size a picture is searched for faces. What is found is
// always reported in pixels of the picture itself.
type Sizing struct {
	// Upsample doubles the picture's sides this many times, 0 to 3, so that
	// smaller faces are found: HOG needs about 80 pixels.
	Upsample int
	// WorkPixels scales larger pictures down to about this many pixels before
	// they are searched, for bounded time and memory; 0 means never.
	WorkPixels int64
}

// DefaultWorkPixels is about 5000 by 5000: a face of 80 pixels in a picture of
// a hundred million is still 40 high there, and a batch stays within a gigabyte.
const DefaultWorkPixels = 25_000_000

// maxUpsample keeps the work at 64 times the picture's pixels.
const maxUpsample = 3

// Check reports numbers that are out of range.
func (s Sizing) Check() error {
	if s.Upsample < 0 || s.Upsample > maxUpsample {
		return fmt.Errorf("upsample %d: expected 0 to %d", s.Upsample, maxUpsample)
	}
	if s.WorkPixels < 0 {
		return fmt.Errorf("work pixels %d: expected 0 (never scale down) or more", s.WorkPixels)
	}
	return nil
}

// size returns the sides at which a picture of w by h is searched.
func (s Sizing) size(w, h int) (int, int) {
	nw, nh := w<<s.Upsample, h<<s.Upsample
	limit := s.WorkPixels
	if limit <= 0 || int64(nw)*int64(nh) <= limit {
		return nw, nh
	}
	// Over the limit upsampling is given up in part; a picture that is over it
	// by itself is scaled down.
	f := math.Sqrt(float64(limit) / (float64(w) * float64(h)))
	return max(1, int(float64(w)*f)), max(1, int(float64(h)*f))
}

// Describe finds and describes the faces of p, at the size that sizing asks
// for. It answers in p's own pixels and in reading order, and refuses
// descriptors that are no numbers. An empty result is no face, not an error.
func Describe(ctx context.Context, e Engine, p Picture, sizing Sizing) ([]Detection, error) {
	b := p.Image.Bounds()
	w, h := sizing.size(b.Dx(), b.Dy())
	q := p
	if w != b.Dx() || h != b.Dy() {
		scaled := image.NewRGBA(image.Rect(0, 0, w, h))
		draw.BiLinear.Scale(scaled, scaled.Rect, p.Image, b, draw.Src, nil)
		q = Picture{Image: scaled}
	}
	if w < minSide || h < minSide {
		q = Picture{Image: enlarge(q.Image)}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, err := e.Faces(ctx, q)
	if err != nil {
		return nil, inOneLine(err)
	}
	out := append([]Detection(nil), found...)
	if err := numbers(out); err != nil {
		return nil, err
	}
	if w != b.Dx() || h != b.Dy() {
		for i := range out {
			out[i] = scaleBack(out[i], b.Dx(), b.Dy(), w, h)
		}
	}
	sortDetections(out)
	return out, nil
}

// numbers refuses descriptors that are no numbers.
func numbers(ds []Detection) error {
	for i := range ds {
		for _, v := range ds[i].Descriptor {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return errors.New("the engine described a face with something that is no number; check the models: facerec models verify")
			}
		}
	}
	return nil
}

// glance is Describe for a file whose pixels nobody else needs: a plain JPEG
// that is to be searched at its own size is decoded by the engine alone, once
// instead of twice. ok is false when the file is another, or when the engine
// does not take it without a word; then Decode and Describe have to look, and
// they say what is wrong with it. An error is the context's or an EngineError.
func (d Decoder) glance(ctx context.Context, e Engine, data []byte, sizing Sizing) (found []Detection, size image.Point, ok bool, err error) {
	size, ok = d.plainJPEG(data)
	if w, h := sizing.size(size.X, size.Y); !ok || w != size.X || h != size.Y || w < minSide || h < minSide {
		return nil, size, false, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, size, false, err
	}
	found, err = e.Faces(ctx, Picture{JPEG: data})
	if err != nil {
		if ctx.Err() != nil {
			return nil, size, false, ctx.Err()
		}
		var fatal *EngineError
		if errors.As(err, &fatal) {
			return nil, size, false, err
		}
		return nil, size, false, nil
	}
	found = append([]Detection(nil), found...)
	if numbers(found) != nil {
		return nil, size, false, nil //nolint:nilerr // Describe says it
	}
	sortDetections(found)
	return found, size, true, nil
}

// minSide is the least that an engine is shown: dlib's networks refuse pictures
// that are smaller than their windows, and no face of fewer pixels is ever found.
const minSide = 64

// enlarge lays a tiny picture into the corner of a grey one, in which
// everything keeps its place.
func enlarge(img image.Image) image.Image {
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, max(minSide, b.Dx()), max(minSide, b.Dy())))
	draw.Draw(out, out.Rect, image.NewUniform(color.Gray{0x80}), image.Point{}, draw.Src)
	draw.Draw(out, b.Sub(b.Min), img, b.Min, draw.Src)
	return out
}

// lineError is an error whose text was brought into one line.
type lineError struct {
	error
	text string
}

func (e lineError) Error() string { return e.text }
func (e lineError) Unwrap() error { return e.error }

// inOneLine folds the paragraphs that dlib's assertions write.
func inOneLine(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if text == err.Error() {
		return err
	}
	return lineError{err, text}
}

// scaleBack turns a detection in a picture of sw by sh into one in w by h.
func scaleBack(d Detection, w, h, sw, sh int) Detection {
	pt := func(p image.Point) image.Point {
		return image.Pt(roundDiv(p.X*w, sw), roundDiv(p.Y*h, sh))
	}
	d.Box = image.Rectangle{Min: pt(d.Box.Min), Max: pt(d.Box.Max)}
	marks := make([]image.Point, len(d.Landmarks))
	for i, p := range d.Landmarks {
		marks[i] = pt(p)
	}
	d.Landmarks = marks
	return d
}

// roundDiv divides and rounds to the nearest, halves up; b > 0.
func roundDiv(a, b int) int {
	n := 2*a + b
	q := n / (2 * b)
	if n < 0 && n%(2*b) != 0 {
		q--
	}
	return q
}

// sortDetections orders faces top to bottom, then left to right.
func sortDetections(ds []Detection) {
	sort.SliceStable(ds, func(i, j int) bool {
		a, b := ds[i].Box, ds[j].Box
		switch {
		case a.Min.Y != b.Min.Y:
			return a.Min.Y < b.Min.Y
		case a.Min.X != b.Min.X:
			return a.Min.X < b.Min.X
		case a.Max.Y != b.Max.Y:
			return a.Max.Y < b.Max.Y
		}
		return a.Max.X < b.Max.X
	})
}
