package app

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"io"
	"strings"

	"golang.org/x/image/draw"
)

// Sheet is a Reporter that writes a contact sheet: one HTML page with a small
// annotated copy of every picture, its faces, whose they are and how near.
//
// The page is one file that needs nothing else, no network and no script; its
// own policy forbids both. It holds no time and no machine: the same pictures
// give the same page. It is written as results come, in constant memory but for
// a count for each person.
type Sheet struct {
	w    io.Writer
	h    Header
	pen  *Pen
	seen map[string]*appearances
}

// appearances counts where a person was seen.
type appearances struct{ faces, pictures int }

//go:embed sheet.html
var sheetText string

var sheetTemplate = template.Must(template.New("sheet").Parse(sheetText))

// Sides of the copies on a sheet, in pixels. A face is shown at half its
// copy's side, for screens that are finer than that.
const (
	thumbSide = 640
	portrait  = 128
	sheetJPEG = 85 // quality
)

// NewSheet begins a sheet; pen writes the names on the pictures.
func NewSheet(w io.Writer, h Header, pen *Pen) (*Sheet, error) {
	s := &Sheet{w: w, h: h, pen: pen, seen: map[string]*appearances{}}
	return s, sheetTemplate.ExecuteTemplate(w, "head", map[string]any{
		"Version": h.Version, "Detector": h.Detector.String(), "Matching": h.Matching,
		"Threshold": three(h.Rule.Threshold), "Squared": three(h.Rule.Threshold * h.Rule.Threshold), "Margin": three(h.Rule.Margin),
	})
}

func three(f float64) string { return fmt.Sprintf("%.3f", f) }

// sheetFace is one face as the template shows it.
type sheetFace struct {
	Number                    int
	Crop                      template.HTMLAttr
	Verdict, Person, Photo    string
	Distance, Squared, Margin string
	RunnerUp, Box             string
}

// sheetPicture is one picture as the template shows it.
type sheetPicture struct {
	Name, Class, Err      string
	Thumb                 template.HTMLAttr
	Alt, Count            string
	Width, Height         int
	FullWidth, FullHeight int
	Faces                 []sheetFace
}

// Picture adds a picture. The result's Image is needed, unless Err is set.
func (s *Sheet) Picture(r *Result) error {
	p := sheetPicture{Name: Printable(r.Name)}
	if r.Err != nil {
		p.Class, p.Err = "failed", r.Err.Error()
		return sheetTemplate.ExecuteTemplate(s.w, "picture", p)
	}
	p.FullWidth, p.FullHeight, p.Count = r.Size.X, r.Size.Y, Plural(len(r.Faces), "face")
	if err := s.thumbnail(r, &p); err != nil {
		return err
	}
	var names []string
	here := map[string]bool{}
	for i := range r.Faces {
		f, err := s.face(r, i)
		if err != nil {
			return err
		}
		p.Faces = append(p.Faces, f)
		if !s.h.Matching {
			continue
		}
		m := r.Faces[i].Match
		if m.Verdict != Known {
			names = append(names, m.Verdict.String())
			p.Class = "doubt"
			continue
		}
		names = append(names, f.Person)
		a := s.seen[m.Best.Person]
		if a == nil {
			a = &appearances{}
			s.seen[m.Best.Person] = a
		}
		a.faces++
		if !here[m.Best.Person] {
			here[m.Best.Person] = true
			a.pictures++
		}
	}
	switch {
	case len(r.Faces) == 0:
		p.Class, p.Alt = "none", "no face"
	case len(names) == 0:
		p.Alt = p.Count
	default:
		p.Alt = strings.Join(names, ", ")
	}
	return sheetTemplate.ExecuteTemplate(s.w, "picture", p)
}

// thumbnail draws the small copy, with boxes and names that can be read at
// that size.
func (s *Sheet) thumbnail(r *Result, p *sheetPicture) error {
	b := r.Image.Bounds()
	w, h := b.Dx(), b.Dy()
	if m := max(w, h); m > thumbSide {
		w, h = max(1, w*thumbSide/m), max(1, h*thumbSide/m)
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.CatmullRom.Scale(small, small.Rect, r.Image, b, draw.Src, nil)
	faces := make([]Face, len(r.Faces))
	for i, f := range r.Drawn() {
		f.Box = scaleBox(f.Box.Sub(b.Min), b.Size(), small.Rect.Size())
		faces[i] = f
	}
	if s.h.Matching {
		var err error
		if small, err = s.pen.Annotate(small, faces); err != nil {
			return err
		}
	} else {
		for _, f := range faces {
			frame(small, f.Box.Inset(-3), 4, outlineColor)
			frame(small, f.Box.Inset(-2), 2, knownColor)
		}
	}
	p.Width, p.Height = w, h
	var err error
	p.Thumb, err = source(small)
	return err
}

// scaleBox moves a box from a picture of one size to one of another.
func scaleBox(r image.Rectangle, from, to image.Point) image.Rectangle {
	at := func(v, from, to int) int { return int(int64(v) * int64(to) / int64(max(1, from))) }
	return image.Rect(at(r.Min.X, from.X, to.X), at(r.Min.Y, from.Y, to.Y), at(r.Max.X, from.X, to.X), at(r.Max.Y, from.Y, to.Y))
}

func (s *Sheet) face(r *Result, i int) (sheetFace, error) {
	f := &r.Faces[i]
	out := sheetFace{Number: i + 1, Box: boxText(f.Detection)}
	if cut := Crop(r.Image, r.Drawn()[i].Box); !cut.Rect.Empty() {
		w, h := cut.Rect.Dx(), cut.Rect.Dy()
		m := max(w, h)
		small := image.NewRGBA(image.Rect(0, 0, max(1, w*portrait/m), max(1, h*portrait/m)))
		draw.CatmullRom.Scale(small, small.Rect, cut, cut.Rect, draw.Src, nil)
		var err error
		if out.Crop, err = source(small); err != nil {
			return out, err
		}
	}
	if !s.h.Matching {
		return out, nil
	}
	m := f.Match
	out.Verdict = m.Verdict.String()
	if m.Best.Person != "" {
		out.Person, out.Photo = Printable(m.Best.Person), Printable(m.Best.Photo)
		out.Distance, out.Squared = three(m.Best.Distance), three(m.Best.Distance*m.Best.Distance)
	}
	if m.RunnerUp.Person != "" {
		out.RunnerUp, out.Margin = Printable(m.RunnerUp.Person), three(m.Margin)
	}
	return out, nil
}

// source is the src attribute for a picture inside of the page.
func source(img image.Image) (template.HTMLAttr, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: sheetJPEG}); err != nil {
		return "", err
	}
	// Base64 of our own bytes: nothing in it can end the attribute.
	return template.HTMLAttr(`src="data:image/jpeg;base64,` + base64.StdEncoding.EncodeToString(b.Bytes()) + `"`), nil
}

// End writes the summary and ends the page.
func (s *Sheet) End(sum Summary) error {
	type row struct {
		Name                    string
		Photos, Faces, Pictures int
	}
	var rows []row
	if s.h.Matching {
		for _, p := range s.h.Persons {
			r := row{Name: Printable(p.Name), Photos: p.Photos}
			if a := s.seen[p.Name]; a != nil {
				r.Faces, r.Pictures = a.faces, a.pictures
			}
			rows = append(rows, r)
		}
	}
	return sheetTemplate.ExecuteTemplate(s.w, "tail", map[string]any{
		"Pictures": Plural(sum.Pictures, "picture"), "Faces": Plural(sum.Faces, "face"), "Matching": s.h.Matching,
		"Known": sum.Known, "Unknown": sum.Unknown, "Ambiguous": sum.Ambiguous,
		"WithoutFace": sum.WithoutFace, "Failed": sum.Failed, "Persons": rows,
	})
}
