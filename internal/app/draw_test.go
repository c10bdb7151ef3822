package app

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"facerec/internal/app/picture"
)

func pen(t testing.TB) *Pen {
	t.Helper()
	p, err := NewPen(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func faceAt(r image.Rectangle, v Verdict, name string) Face {
	return Face{Detection{Box: r}, Match{Verdict: v, Best: Candidate{name, name + "/1", 0.25}, RunnerUp: Candidate{"Z", "Z/1", 0.26}}}
}

// lightness of the text against its plate, by WCAG's formula, is what makes a
// label readable on any background: the plate brings its own.
func contrast(a, b color.RGBA) float64 {
	la, lb := float64(luma(a))/255, float64(luma(b))/255
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func TestLacks(t *testing.T) {
	p, err := NewPen(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"": false, "Zoë O'Neil 0.50?": false, "Δημήτρης": false, "Жанна": false, "日本": true, "Ann 日": true} {
		if got := p.Lacks(text); got != want {
			t.Errorf("%q: %t, expected %t", text, got, want)
		}
	}
}

func TestLabelContrast(t *testing.T) {
	for _, v := range []Verdict{Known, Unknown, Ambiguous} {
		bg := colorOf(v)
		fg := color.RGBA{255, 255, 255, 255}
		if luma(bg) > 150 {
			fg = darkColor
		}
		if c := contrast(bg, fg); c < 2.5 {
			t.Errorf("%v: contrast %.1f", v, c)
		}
	}
}

func TestAnnotate(t *testing.T) {
	src := image.NewRGBA(image.Rect(10, 20, 410, 320)) // an origin elsewhere
	for i := range src.Pix {
		src.Pix[i] = byte(i * 7)
	}
	before := bytes.Clone(src.Pix)
	box := image.Rect(110, 120, 210, 220)
	faces := []Face{faceAt(box, Known, "Ada"), faceAt(box.Add(image.Pt(150, 50)), Unknown, "Bob"), faceAt(box.Add(image.Pt(-80, 90)), Ambiguous, "Zoë Ж")}
	got, err := pen(t).Annotate(src, faces)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(src.Pix, before) {
		t.Error("the picture itself was drawn on")
	}
	if got.Rect != image.Rect(0, 0, 400, 300) {
		t.Errorf("bounds %v", got.Rect)
	}
	// The left side of each box has its colour; the middle of the face is left alone.
	for i, want := range []color.RGBA{knownColor, unknownColor, ambiguousColor} {
		b := faces[i].Box.Sub(src.Rect.Min)
		if c := got.RGBAAt(b.Min.X, b.Max.Y-40); c != want {
			t.Errorf("face %d: side is %v, want %v", i, c, want)
		}
		x, y := b.Min.X+50, b.Min.Y+70
		if c := got.RGBAAt(x, y); c != src.RGBAAt(x+10, y+20) {
			t.Errorf("face %d: its middle was drawn on", i)
		}
	}
	again, err := pen(t).Annotate(src, faces)
	if err != nil || !bytes.Equal(got.Pix, again.Pix) {
		t.Errorf("two drawings differ, or %v", err)
	}
}

// Whatever the picture and the box, it is drawn within the picture.
func TestAnnotateAnywhere(t *testing.T) {
	p := pen(t)
	for _, size := range []image.Point{{1, 1}, {3, 200}, {200, 3}, {40, 40}, {640, 480}} {
		img := image.NewRGBA(image.Rectangle{Max: size})
		var faces []Face
		for _, r := range []image.Rectangle{{}, image.Rect(-50, -50, 20, 20), image.Rect(0, 0, size.X, size.Y), image.Rect(size.X, size.Y, size.X+90, size.Y+90), image.Rect(5, 5, 6, 6)} {
			faces = append(faces, faceAt(r, Known, strings.Repeat("Long name ", 30)))
		}
		if _, err := p.Annotate(img, faces); err != nil {
			t.Errorf("%v: %v", size, err)
		}
		for _, f := range faces {
			if c := Crop(img, f.Box); !c.Rect.Empty() && (c.Rect.Dx() > size.X || c.Rect.Dy() > size.Y) {
				t.Errorf("%v: crop %v", size, c.Rect)
			}
		}
	}
}

// Labels of faces side by side do not cover each other while there is room.
func TestChoose(t *testing.T) {
	bounds := image.Rect(0, 0, 400, 300)
	var taken []image.Rectangle
	for i := range 4 {
		r := choose(image.Rect(100+i, 100, 200, 200), 120, 20, 2, bounds, taken)
		if !r.In(bounds) {
			t.Errorf("label %d at %v is out of the picture", i, r)
		}
		for _, o := range taken {
			if r.Overlaps(o) {
				t.Errorf("label %d at %v covers %v", i, r, o)
			}
		}
		taken = append(taken, r)
	}
}

func TestLabelOf(t *testing.T) {
	for _, tt := range []struct {
		m    Match
		want string
	}{
		{Match{Verdict: Known, Best: Candidate{"Ada", "", 0.4444}}, "Ada 0.44"},
		{Match{Verdict: Ambiguous, Best: Candidate{"Ada", "", 0.5}, RunnerUp: Candidate{"Bob", "", 0.51}}, "Ada or Bob? 0.50"},
		{Match{Verdict: Unknown, Best: Candidate{"Ada", "", 0.9}}, "unknown"},
		{Match{Verdict: Known, Best: Candidate{"A\nda", "", 0.1}}, `"A\nda" 0.10`},
	} {
		if got := LabelOf(tt.m); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestEncode(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for name, format := range map[string]string{"a.jpg": "jpeg", "a.JPEG": "jpeg", "a.png": "png", "a.PNG": "png"} {
		var b bytes.Buffer
		if err := Encode(&b, name, img); err != nil || string(picture.FormatOf(b.Bytes())) != format {
			t.Errorf("%s: %s, %v", name, string(picture.FormatOf(b.Bytes())), err)
		}
	}
	for _, name := range []string{"a.webp", "a", "", "jpg"} {
		if err := Encode(&bytes.Buffer{}, name, img); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if _, err := NewPen([]byte("no font")); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// The text that scripts read.
func TestWriteFound(t *testing.T) {
	r := Result{Faces: []Face{faceAt(image.Rectangle{}, Known, "John_Salley"), faceAt(image.Rectangle{}, Unknown, "B"), faceAt(image.Rectangle{}, Ambiguous, "C")}}
	var b bytes.Buffer
	if err := WriteFound(&b, &r); err != nil {
		t.Fatal(err)
	}
	if want := "Found 3 faces\nPerson: John_Salley\nPerson: unknown\nPerson: unknown\n"; b.String() != want {
		t.Errorf("got %q", b.String())
	}
	b.Reset()
	if err := WriteFound(&b, &Result{}); err != nil || b.String() != "Found 0 faces\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
	full := fullDisk{}
	if err := WriteFound(full, &r); err == nil {
		t.Error("a full disk was not noticed")
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, fmt.Errorf("full") }
