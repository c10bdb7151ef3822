package app

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"io"
	"net/url"
	"path"
	"strconv"
	"strings"

	"golang.org/x/image/draw"

	"facerec/internal/text"
)

// Album is a Reporter that writes an album: HTML pages with a small annotated
// copy of every picture, its faces, whose they are and how near.
//
// The pages need nothing else and no network, and their own policy forbids it.
// One small script, named by its hash in that policy, searches by name and moves
// by keyboard; without it everything can still be read. The pages hold no time
// and no machine: the same pictures give the same pages. A page is written as
// results come; only names and counts are kept to the end, when the first page
// gets the table of people and the index of all pages.
type Album struct {
	sheets
	pen  *Pen
	seen map[string]*appearances
}

// PerPage is how many pictures a page of an album shows.
const PerPage = 100

// sheets are the pages of an album or of groups: articles, so many to a page.
type sheets struct {
	h       Header
	create  func(name string) (io.Writer, error)
	first   string // name of the first page
	heading string
	about   string // what the first lines say besides, if anything
	filters bool   // offer to show some of the pictures only
	total   int    // articles
	perPage int
	page    io.Writer // the current one
	number  int       // of articles so far
	front   io.Writer // the first page, which is finished last
	index   []indexed
}

// indexed is one article in the index of all pages.
type indexed struct{ Link, Name, Who string }

// appearances counts where a person was seen.
type appearances struct {
	faces, pictures int
	pages           []int
}

//go:embed album.html
var albumText string

//go:embed album.js
var albumScript string

var albumTemplate = template.Must(template.New("album").Parse(albumText))

// scriptHash names the script in the policy of a page.
func scriptHash() string {
	sum := sha256.Sum256([]byte(albumScript))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Sides of the copies in an album, in pixels. A face is shown at two
// thirds of its copy's side, for screens that are finer than that.
const (
	thumbSide = 320
	portrait  = 96
	albumJPEG = 80 // quality
)

// NewAlbum begins an album of total pictures; pen writes the names on them.
// create begins each page, the first of which is called first; it has to be the
// name of a file without its directory.
func NewAlbum(create func(name string) (io.Writer, error), h Header, pen *Pen, total int, first string) (*Album, error) {
	s := &Album{sheets: sheets{h: h, create: create, first: first, heading: "Faces", filters: true, total: total, perPage: PerPage}, pen: pen, seen: map[string]*appearances{}}
	return s, s.begin(1)
}

// pages is how many pages there are.
func (s *sheets) pages() int { return max(1, (s.total+s.perPage-1)/s.perPage) }

// next counts an article, and begins the page it is on if need be.
func (s *sheets) next() error {
	s.number++
	if n := s.number - 1; n > 0 && n%s.perPage == 0 {
		return s.begin(s.current())
	}
	return nil
}

// current is the number of the page that the current article is on.
func (s *sheets) current() int { return (s.number-1)/s.perPage + 1 }

// note puts the current article into the index of all pages, if there are several.
func (s *sheets) note(name, who string) {
	if s.pages() > 1 {
		s.index = append(s.index, indexed{s.link(s.current()) + "#p" + strconv.Itoa(s.number), name, who})
	}
}

// pageName is the name of page n, from 1.
func (s *sheets) pageName(n int) string {
	if n == 1 {
		return s.first
	}
	ext := path.Ext(s.first)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(s.first, ext), n, ext)
}

// link is a reference to page n. It is relative whatever the name looks like.
func (s *sheets) link(n int) string { return "./" + url.PathEscape(s.pageName(n)) }

// begin starts page n, after the one before it is complete.
func (s *sheets) begin(n int) error {
	if s.page != nil {
		if err := s.endPage(); err != nil {
			return err
		}
	}
	var err error
	if s.page, err = s.create(s.pageName(n)); err != nil {
		return err
	}
	if n == 1 {
		s.front = s.page
	}
	data := map[string]any{
		"Version": s.h.Version, "Detector": s.h.Detector.String(), "Matching": s.h.Matching,
		"Threshold": three(s.h.Rule.Threshold), "Squared": three(s.h.Rule.Threshold * s.h.Rule.Threshold), "Margin": three(s.h.Rule.Margin),
		"Heading": s.heading, "About": s.about, "Filters": s.filters, "ScriptHash": scriptHash(), "Page": n, "Pages": s.pages(), "First": s.link(1), "Prev": "", "Next": "",
	}
	if n > 1 {
		data["Prev"] = s.link(n - 1)
	}
	if n < s.pages() {
		data["Next"] = s.link(n + 1)
	}
	return albumTemplate.ExecuteTemplate(s.page, "head", data)
}

// endPage completes a page, except the first, which waits for the summary.
func (s *sheets) endPage() error {
	if err := albumTemplate.ExecuteTemplate(s.page, "end", nil); err != nil || s.page == s.front {
		return err
	}
	return s.close(s.page)
}

func (s *sheets) close(page io.Writer) error {
	return albumTemplate.ExecuteTemplate(page, "close", map[string]any{"Script": template.JS(albumScript)}) //nolint:gosec // our own
}

func three(f float64) string { return fmt.Sprintf("%.3f", f) }

// albumFace is one face as the template shows it.
type albumFace struct {
	Number                    int
	Crop                      template.HTMLAttr
	Verdict, Person, Photo    string
	Distance, Squared, Margin string
	RunnerUp, Box             string
}

// albumPicture is one picture as the template shows it.
type albumPicture struct {
	Name, Class, Err      string
	Thumb                 template.HTMLAttr
	Alt, Count            string
	Width, Height         int
	FullWidth, FullHeight int
	Faces                 []albumFace
	Number                int
	Find                  string // what the search looks at
}

// Picture adds a picture. The result's Image is needed, unless Err is set.
func (s *Album) Picture(r *Result) error {
	if err := s.next(); err != nil {
		return err
	}
	p := albumPicture{Name: text.Show(r.Name), Number: s.number}
	page := s.current()
	add := func(who string) error {
		p.Find = p.Name + " " + who
		s.note(p.Name, who)
		return albumTemplate.ExecuteTemplate(s.page, "picture", p)
	}
	if r.Err != nil {
		p.Class, p.Err = "failed", text.Line(r.Err.Error(), 0)
		return add("")
	}
	p.FullWidth, p.FullHeight, p.Count = r.Size.X, r.Size.Y, text.Count(len(r.Faces), "face")
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
			if n := len(a.pages); n == 0 || a.pages[n-1] != page {
				a.pages = append(a.pages, page)
			}
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
	return add(strings.Join(names, ", "))
}

// thumbnail draws the small copy, with boxes and names that can be read at
// that size.
func (s *Album) thumbnail(r *Result, p *albumPicture) error {
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
	thumb, err := encoded(small)
	p.Thumb = source(thumb)
	return err
}

// scaleBox moves a box from a picture of one size to one of another.
func scaleBox(r image.Rectangle, from, to image.Point) image.Rectangle {
	at := func(v, from, to int) int { return int(int64(v) * int64(to) / int64(max(1, from))) }
	return image.Rect(at(r.Min.X, from.X, to.X), at(r.Min.Y, from.Y, to.Y), at(r.Max.X, from.X, to.X), at(r.Max.Y, from.Y, to.Y))
}

func (s *Album) face(r *Result, i int) (albumFace, error) {
	f := &r.Faces[i]
	out := albumFace{Number: i + 1, Box: faceText(f.Detection)}
	thumb, err := Thumbnail(r, i)
	if err != nil {
		return out, err
	}
	if thumb != nil {
		out.Crop = source(thumb)
	}
	if !s.h.Matching {
		return out, nil
	}
	m := f.Match
	out.Verdict = m.Verdict.String()
	if m.Best.Person != "" {
		out.Person, out.Photo = text.Show(m.Best.Person), text.Show(m.Best.Photo)
		out.Distance, out.Squared = three(m.Best.Distance), three(m.Best.Distance*m.Best.Distance)
	}
	if m.RunnerUp.Person != "" {
		out.RunnerUp, out.Margin = text.Show(m.RunnerUp.Person), three(m.Margin)
	}
	return out, nil
}

// Thumbnail is a small JPEG of face i, or nil if its box is outside of the
// picture.
func Thumbnail(r *Result, i int) ([]byte, error) {
	cut := Crop(r.Image, r.Drawn()[i].Box)
	if cut.Rect.Empty() {
		return nil, nil
	}
	w, h := cut.Rect.Dx(), cut.Rect.Dy()
	m := max(w, h)
	small := image.NewRGBA(image.Rect(0, 0, max(1, w*portrait/m), max(1, h*portrait/m)))
	draw.CatmullRom.Scale(small, small.Rect, cut, cut.Rect, draw.Src, nil)
	return encoded(small)
}

// encoded is a picture as pages hold it.
func encoded(img image.Image) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: albumJPEG})
	return b.Bytes(), err
}

// source is the src attribute for a JPEG inside of the page.
func source(jpeg []byte) template.HTMLAttr {
	// Base64 of our own bytes: nothing in it can end the attribute.
	return template.HTMLAttr(`src="data:image/jpeg;base64,` + base64.StdEncoding.EncodeToString(jpeg) + `"`) //nolint:gosec // as it says
}

// End completes the last page and, with the summary, the first.
func (s *Album) End(sum Summary) error {
	type pageLink struct {
		Link string
		Page int
	}
	type row struct {
		Name                    string
		Photos, Faces, Pictures int
		On                      []pageLink
	}
	var rows []row
	if s.h.Matching {
		for _, p := range s.h.Persons {
			r := row{Name: text.Show(p.Name), Photos: p.Photos}
			if a := s.seen[p.Name]; a != nil {
				r.Faces, r.Pictures = a.faces, a.pictures
				for _, n := range a.pages {
					r.On = append(r.On, pageLink{s.link(n), n})
				}
			}
			rows = append(rows, r)
		}
	}
	if err := s.endPage(); err != nil {
		return err
	}
	if err := albumTemplate.ExecuteTemplate(s.front, "tail", map[string]any{
		"Pictures": text.Count(sum.Pictures, "picture"), "Faces": text.Count(sum.Faces, "face"), "Matching": s.h.Matching,
		"Known": sum.Known, "Unknown": sum.Unknown, "Ambiguous": sum.Ambiguous,
		"WithoutFace": sum.WithoutFace, "Failed": sum.Failed, "Persons": rows, "Pages": s.pages(), "Index": s.index, "All": "All pictures",
	}); err != nil {
		return err
	}
	return s.close(s.front)
}
