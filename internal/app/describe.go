package app

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"
	"sort"

	"facerec/internal/app/picture"
	"facerec/internal/text"
)

// Sizing says at which size a picture is searched for faces. What is found is
// always reported in pixels of the picture itself.
type Sizing struct {
	// Upsample doubles the picture's sides this many times, 0 to 3, so that
	// smaller faces are found: HOG needs about 80 pixels.
	Upsample int
	// Enlarge searches a small picture in which no face was found once more,
	// at twice its sides, as face_recognition does by default.
	Enlarge bool
	// WorkPixels scales larger pictures down to about this many pixels before
	// they are searched, for bounded time and memory; 0 means never.
	WorkPixels int64
	// MinSize leaves out faces whose box is less than so many pixels high in
	// the picture itself; 0 leaves out none.
	MinSize int
	// MinScore leaves out faces of which the detector is less sure.
	MinScore float64
	// Memory is how many bytes may be used for pictures; 0 means any number. A
	// picture that needs more is decoded and searched at a smaller scale.
	Memory int64
}

const (
	// DefaultWorkPixels is about 5000 by 5000: a face of 80 pixels in a picture
	// of a hundred million is still 40 high there.
	DefaultWorkPixels = 25_000_000

	// maxUpsample keeps the work at 64 times the picture's pixels.
	maxUpsample = 3

	// smallPixels is the largest picture that Enlarge applies to: that takes
	// about a second then.
	smallPixels = 1920 * 1080
)

// Check reports numbers that are out of range.
func (s Sizing) Check() error {
	if s.Upsample < 0 || s.Upsample > maxUpsample {
		return fmt.Errorf("upsample %d: expected 0 to %d", s.Upsample, maxUpsample)
	}
	if s.MinSize < 0 {
		return fmt.Errorf("min size %d: expected 0 (every face) or more pixels", s.MinSize)
	}
	if !(s.MinScore >= 0) || math.IsInf(s.MinScore, 1) {
		return fmt.Errorf("min score %v: expected 0 (every face) or more", s.MinScore)
	}
	if s.WorkPixels < 0 {
		return fmt.Errorf("work pixels %d: expected 0 (never scale down) or more", s.WorkPixels)
	}
	return nil
}

// size returns the sides at which a picture of w by h is searched.
func (s Sizing) size(w, h int) (int, int) {
	// In 64 bits: the sides are at most MaxSide, but shifted.
	nw, nh := int64(w)<<s.Upsample, int64(h)<<s.Upsample
	limit := s.WorkPixels
	if limit <= 0 || nw*nh <= limit {
		return int(nw), int(nh)
	}
	// Over the limit upsampling is given up in part; a picture that is over it
	// by itself is scaled down.
	return fit(w, h, limit)
}

// fit scales sides to about so many pixels.
func fit(w, h int, pixels int64) (int, int) {
	f := math.Sqrt(float64(pixels) / (float64(w) * float64(h)))
	return max(1, int(float64(w)*f)), max(1, int(float64(h)*f))
}

// enlarges reports whether a picture of this size is searched again when no
// face was found.
func (s Sizing) enlarges(size image.Point) bool {
	return s.Enlarge && s.Upsample == 0 && int64(size.X)*int64(size.Y) <= smallPixels
}

// plan is how a file is looked at: at which divisor of its sides it is
// decoded, and the sides at which it is searched.
type plan struct {
	scale, w, h int
	need        int64 // bytes, about
	reduced     bool  // because of the memory
}

// plan finds the largest scale at which a file stays within the memory.
func (s Sizing) plan(f *picture.File) (p plan, err error) {
	w, h := s.size(f.Size.X, f.Size.Y)
	if w > picture.MaxSide || h > picture.MaxSide {
		return p, &picture.TooLargeError{Text: fmt.Sprintf("enlarged to %d×%d pixels, expected sides of at most %d", w, h, picture.MaxSide), Advice: "lower --upsample"}
	}
	for _, k := range []int{1, 2, 4, 8} {
		p = plan{scale: 1, w: w, h: h, reduced: k > 1}
		if slices.Contains(f.Scales(), k) {
			p.scale = k
		}
		if k > 1 {
			if most := (int64(f.Size.X)/int64(k) + 1) * (int64(f.Size.Y)/int64(k) + 1); int64(w)*int64(h) > most {
				p.w, p.h = fit(f.Size.X, f.Size.Y, most)
			}
		}
		searched := int64(p.w) * int64(p.h)
		if s.enlarges(f.Size) {
			searched *= 4
		}
		p.need = f.Memory(p.scale) + searchBytes*searched
		if s.Memory <= 0 || p.need <= s.Memory {
			return p, nil
		}
	}
	return p, &picture.TooLargeError{
		Text:   fmt.Sprintf("%d×%d pixels of this kind (%s) need about %s of memory, expected at most %s", f.Size.X, f.Size.Y, f.Format, byteCount(p.need), byteCount(s.Memory)),
		Advice: "raise --memory, or scale the picture down",
	}
}

// searchBytes is what the search takes for each pixel that is searched: a copy
// at that size, its JPEG for go-face, dlib's matrix, and the detector's features.
// Measured: 11 bytes for a JPEG that dlib reads itself, 25 for pixels.
const searchBytes = 27

// byteCount is a number of bytes for people, to two digits or more.
func byteCount(n int64) string {
	if n >= 1e9 {
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%d MB", (n+999_999)/1e6)
}

// Describe finds and describes the faces of p, at the size that sizing asks
// for. It answers in p's own pixels and in reading order, and refuses
// descriptors that are not numbers. An empty result is not a face, not an error.
func Describe(ctx context.Context, e Engine, p Picture, sizing Sizing) ([]Detection, error) {
	if p.Size == (image.Point{}) {
		p.Size = p.Image.Bounds().Size()
	}
	w, h := sizing.size(p.Size.X, p.Size.Y)
	return describe(ctx, e, p, w, h)
}

// describe is Describe at the sides w and h.
func describe(ctx context.Context, e Engine, p Picture, w, h int) ([]Detection, error) {
	b := p.Image.Bounds()
	q := p
	if w != b.Dx() || h != b.Dy() {
		q = Picture{Image: scale(p.Image, w, h)}
	}
	if w < minSide || h < minSide {
		q = Picture{Image: enlarge(q.Image)}
	}
	if w != p.Size.X || h != p.Size.Y {
		q.JPEG = nil
	}
	out, err := detect(ctx, e, q)
	if err != nil {
		return nil, err
	}
	if w != p.Size.X || h != p.Size.Y {
		for i := range out {
			out[i] = scaleBack(out[i], p.Size.X, p.Size.Y, w, h)
		}
		sortDetections(out)
	}
	return out, nil
}

// detect has the engine look at a picture as it is, in reading order.
func detect(ctx context.Context, e Engine, p Picture) ([]Detection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	found, err := e.Faces(ctx, p)
	if err != nil {
		return nil, text.Error(err, 0)
	}
	found = append([]Detection(nil), found...)
	if err := numbers(found); err != nil {
		return nil, err
	}
	sortDetections(found)
	return found, nil
}

// numbers returns an error for descriptors with NaN or infinite values.
func numbers(ds []Detection) error {
	for i := range ds {
		for _, v := range ds[i].Descriptor {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return text.WithHint(errors.New("the engine's embedding of a face has NaN or infinite values, expected finite ones"), "check the models: facerec models verify")
			}
		}
	}
	return nil
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
