package app

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"path"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"facerec/internal/text"
)

// Colours of boxes and labels. They differ in hue and in lightness, so that
// they can be determined apart by people who see few colours, and in print.
var (
	knownColor     = color.RGBA{0x0b, 0x6e, 0x3a, 0xff} // dark green, white text
	unknownColor   = color.RGBA{0xd6, 0x27, 0x28, 0xff} // red, white text
	ambiguousColor = color.RGBA{0xff, 0xc1, 0x07, 0xff} // amber, black text
	outlineColor   = color.RGBA{0xff, 0xff, 0xff, 0xff}
	darkColor      = color.RGBA{0x10, 0x10, 0x10, 0xff}
)

// Pen draws labels. It is safe for use by several goroutines at once.
type Pen struct{ font *opentype.Font }

// NewPen makes a pen of a TrueType or OpenType font; nil means the Go font,
// which has Latin, Greek and Cyrillic letters.
func NewPen(ttf []byte) (*Pen, error) {
	if ttf == nil {
		ttf = goregular.TTF
	}
	f, err := opentype.Parse(ttf)
	if err != nil {
		// A collection holds several; the first is the regular one.
		c, cerr := opentype.ParseCollection(ttf)
		if cerr != nil {
			return nil, fmt.Errorf("not a font that can be used: %w; expected TrueType or OpenType", err)
		}
		if f, err = c.Font(0); err != nil {
			return nil, fmt.Errorf("not a font that can be used: %w", err)
		}
	}
	return &Pen{font: f}, nil
}

// Lacks reports whether the font has no picture of some letter of label: a box
// would be drawn in its place.
func (p *Pen) Lacks(label string) bool {
	for _, r := range label {
		if i, err := p.font.GlyphIndex(nil, r); err != nil || i == 0 {
			return true
		}
	}
	return false
}

// LabelOf is the text that goes with a face: the name and the distance.
func LabelOf(m Match) string {
	switch m.Verdict {
	case Known:
		return fmt.Sprintf("%s %.2f", text.Show(m.Best.Person), m.Best.Distance)
	case Ambiguous:
		return fmt.Sprintf("%s or %s? %.2f", text.Show(m.Best.Person), text.Show(m.RunnerUp.Person), m.Best.Distance)
	}
	return "unknown"
}

func colorOf(v Verdict) color.RGBA {
	switch v {
	case Known:
		return knownColor
	case Ambiguous:
		return ambiguousColor
	}
	return unknownColor
}

// Annotate returns a copy of img, its origin at 0, 0, with a box and a label
// for each face. The result depends on the arguments alone.
func (p *Pen) Annotate(img image.Image, faces []Face) (*image.RGBA, error) {
	out := image.NewRGBA(image.Rectangle{Max: img.Bounds().Size()})
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	w, h := out.Rect.Dx(), out.Rect.Dy()
	line := max(1, min(w, h)/200)
	// All boxes first, so that no box crosses a label.
	for i := range faces {
		box := faces[i].Box.Sub(img.Bounds().Min)
		frame(out, box.Inset(-line/2-1), line+2, outlineColor)
		frame(out, box.Inset(-line/2), line, colorOf(faces[i].Match.Verdict))
	}
	var taken []image.Rectangle
	for i := range faces {
		box := faces[i].Box.Sub(img.Bounds().Min)
		r, err := p.label(out, box, LabelOf(faces[i].Match), colorOf(faces[i].Match.Verdict), line, taken)
		if err != nil {
			return nil, err
		}
		taken = append(taken, r)
	}
	return out, nil
}

// frame draws the four sides of r, inwards, width wide.
func frame(dst *image.RGBA, r image.Rectangle, width int, c color.Color) {
	src := image.NewUniform(c)
	for _, side := range []image.Rectangle{
		{r.Min, image.Pt(r.Max.X, r.Min.Y+width)},
		{image.Pt(r.Min.X, r.Max.Y-width), r.Max},
		{r.Min, image.Pt(r.Min.X+width, r.Max.Y)},
		{image.Pt(r.Max.X-width, r.Min.Y), r.Max},
	} {
		draw.Draw(dst, side.Intersect(dst.Rect).Intersect(r), src, image.Point{}, draw.Src)
	}
}

// Sizes of letters, in pixels per em.
const (
	minLetter = 9
	maxLetter = 64
)

// label writes text on a plate near box, where it covers no plate in taken if
// that is available, and returns the plate.
func (p *Pen) label(dst *image.RGBA, box image.Rectangle, label string, bg color.RGBA, line int, taken []image.Rectangle) (image.Rectangle, error) {
	w, h := dst.Rect.Dx(), dst.Rect.Dy()
	size := min(maxLetter, max(minLetter, box.Dx()/9, min(w, h)/60))
	face, width, err := p.fit(label, size, w-4*line)
	if err != nil {
		return image.Rectangle{}, err
	}
	defer face.Close()
	if width > w-4*line {
		label, width = shorten(face, label, w-4*line)
	}
	m := face.Metrics()
	pad := max(2, m.Height.Ceil()/6)
	pw, ph := width+2*pad, m.Ascent.Ceil()+m.Descent.Ceil()+pad
	place := choose(box, pw, ph, line, dst.Rect, taken)

	draw.Draw(dst, place.Inset(-1).Intersect(dst.Rect), image.NewUniform(outlineColor), image.Point{}, draw.Src)
	draw.Draw(dst, place.Intersect(dst.Rect), image.NewUniform(bg), image.Point{}, draw.Src)
	fg := color.RGBA{0xff, 0xff, 0xff, 0xff}
	if luma(bg) > 150 {
		fg = darkColor
	}
	d := font.Drawer{Dst: dst, Src: image.NewUniform(fg), Face: face, Dot: fixed.P(place.Min.X+pad, place.Min.Y+pad/2+m.Ascent.Ceil())}
	d.DrawString(label)
	return place, nil
}

// fit returns the font at size, or smaller until label is at most limit wide.
func (p *Pen) fit(label string, size, limit int) (font.Face, int, error) {
	for {
		face, err := opentype.NewFace(p.font, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			return nil, 0, fmt.Errorf("font: %w", err)
		}
		width := font.MeasureString(face, label).Ceil()
		if width <= limit || size <= minLetter {
			return face, width, nil
		}
		if err := face.Close(); err != nil {
			return nil, 0, fmt.Errorf("font: %w", err)
		}
		size = max(minLetter, min(size-1, size*limit/width))
	}
}

// shorten cuts text until it is at most limit wide, with an ellipsis.
func shorten(face font.Face, label string, limit int) (string, int) {
	runes := []rune(label)
	for n := len(runes) - 1; n > 0; n-- {
		s := string(runes[:n]) + "…"
		if w := font.MeasureString(face, s).Ceil(); w <= limit {
			return s, w
		}
	}
	return "", 0
}

// choose finds a place of pw by ph near box: above, below, or inside at the
// top or bottom, within bounds; the first that covers nothing in taken, else
// the first.
func choose(box image.Rectangle, pw, ph, line int, bounds image.Rectangle, taken []image.Rectangle) image.Rectangle {
	x := min(max(bounds.Min.X+1, box.Min.X-line/2), max(bounds.Min.X+1, bounds.Max.X-pw-1))
	var first image.Rectangle
	found := false
	for _, y := range []int{
		box.Min.Y - line/2 - ph - 1,
		box.Max.Y + line/2 + 1,
		box.Min.Y + line + 1,
		box.Max.Y - line - ph - 1,
	} {
		r := image.Rect(x, y, x+pw, y+ph)
		if r.Min.Y < bounds.Min.Y || r.Max.Y > bounds.Max.Y {
			continue
		}
		if !found {
			first, found = r, true
		}
		covers := false
		for _, t := range taken {
			covers = covers || r.Overlaps(t)
		}
		if !covers {
			return r
		}
	}
	if found {
		return first
	}
	y := min(max(bounds.Min.Y, box.Min.Y), max(bounds.Min.Y, bounds.Max.Y-ph))
	return image.Rect(x, y, x+pw, y+ph)
}

// luma is how light a colour looks, 0 to 255 (ITU-R BT.601).
func luma(c color.RGBA) int {
	return (299*int(c.R) + 587*int(c.G) + 114*int(c.B)) / 1000
}

// Crop cuts a face out of img, with a margin of a quarter of its sides.
func Crop(img image.Image, box image.Rectangle) *image.RGBA {
	m := image.Pt(box.Dx()/4, box.Dy()/4)
	return cut(img, image.Rectangle{Min: box.Min.Sub(m), Max: box.Max.Add(m)})
}

// cut copies the part of img that r covers.
func cut(img image.Image, r image.Rectangle) *image.RGBA {
	r = r.Intersect(img.Bounds())
	out := image.NewRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
	draw.Draw(out, out.Rect, img, r.Min, draw.Src)
	return out
}

// PictureFile reports whether Encode can write a file of this name.
func PictureFile(name string) error {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".png":
		return nil
	}
	return fmt.Errorf("%s: cannot tell the kind of picture to write: expected a name that ends in .jpg, .jpeg or .png", text.Show(name))
}

// Encode writes img as the name's ending asks: JPEG at quality 92, or PNG, with
// facerec's mark.
func Encode(w io.Writer, name string, img image.Image) error {
	if err := PictureFile(name); err != nil {
		return err
	}
	var b bytes.Buffer
	var err error
	if strings.EqualFold(path.Ext(name), ".png") {
		err = png.Encode(&b, img)
	} else {
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 92})
	}
	if err == nil {
		_, err = w.Write(mark(b.Bytes()))
	}
	return err
}
