package app

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"regexp"
	"strings"
	"testing"
)

// albumOf is the page for a batch with every kind of picture.
func albumOf(t *testing.T, h Header) string {
	t.Helper()
	pen, err := NewPen(nil)
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 900, 300))
	draw.Draw(img, img.Rect, image.NewUniform(color.RGBA{120, 130, 140, 255}), image.Point{}, draw.Src)
	face := func(x int, m Match) Face {
		return Face{Detection: Detection{Box: image.Rect(x, 50, x+90, 140)}, Match: m}
	}
	rose := Candidate{"Rose", "Rose/1.png", 0.25}
	evil := Candidate{`<script>alert("1")</script>`, `x/"onload=".png`, 0.5}
	results := []*Result{
		{Name: `a"><img src=x onerror=alert(1)>.png`, Size: image.Pt(900, 300), Image: img, Faces: []Face{
			face(10, Match{Verdict: Known, Best: rose, RunnerUp: evil, Margin: 0.25}),
			face(200, Match{Verdict: Known, Best: rose}),
			face(400, Match{Verdict: Ambiguous, Best: evil, RunnerUp: rose, Margin: 0.01}),
			face(860, Match{Verdict: Unknown}),  // over the edge
			face(2000, Match{Verdict: Unknown}), // outside
		}},
		{Name: "none.png", Size: image.Pt(1, 1), Image: img.SubImage(image.Rect(5, 5, 6, 6))},
		{Name: "broken.png", Err: errors.New("not a picture: <b>")},
	}
	var out bytes.Buffer
	s, err := NewAlbum(func(string) (io.Writer, error) { return &out, nil }, h, pen, len(results), "all.html")
	if err != nil {
		t.Fatal(err)
	}
	var sum Summary
	for _, r := range results {
		sum.Add(r)
		if err := s.Picture(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.End(sum); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func albumHeader() Header {
	return Header{Version: "1.2.3", Matching: true, Rule: Rule{0.6, 0.05},
		Persons: []Person{{`<script>alert("1")</script>`, 1}, {"Rose", 3}}}
}

var dataURLs = regexp.MustCompile(`data:image/jpeg;base64,[A-Za-z0-9+/=]+`)

func TestAlbum(t *testing.T) {
	page := albumOf(t, albumHeader())
	if again := albumOf(t, albumHeader()); again != page {
		t.Error("the same pictures gave two pages")
	}
	if n := len(dataURLs.FindAllString(page, -1)); n != 6 { // 2 pictures and 4 faces; one lies outside
		t.Errorf("%d pictures in the page, expected 6", n)
	}
	text := dataURLs.ReplaceAllString(page, "DATA")
	for _, want := range []string{
		"threshold 0.600 (squared 0.360), margin 0.050",
		`alt="Rose, Rose, ambiguous, unknown, unknown"`,
		"distance 0.250 (squared 0.062) to <bdi>Rose/1.png</bdi>; 0.250 before <bdi>&lt;script&gt;",
		"3 pictures, 5 faces: ",
		"no face in 1; 1 could not be read",
		`<td dir="auto">Rose</td><td class="n">3</td><td class="n">2</td><td class="n">1</td>`,
		`none.png " class="none">`, `broken.png " class="failed">`, ` class="doubt">`,
		"not read: not a picture: &lt;b&gt;",
		"900 × 300, 5 faces",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	// Nothing from outside, and nothing that runs but the album's own script.
	text = strings.Replace(text, "<script>"+albumScript+"</script>", "", 1)
	if bad := regexp.MustCompile(`(?i)<script|<img src=x|https?:|url\(|@import|<link|<iframe`).FindString(text); bad != "" {
		t.Errorf("%q is in the page:\n%s", bad, text)
	}
	plain := albumHeader()
	plain.Matching = false
	text = dataURLs.ReplaceAllString(albumOf(t, plain), "DATA")
	if strings.Contains(text, "known</span>") || strings.Contains(text, "Rose") || strings.Contains(text, "threshold") {
		t.Errorf("a sheet of detect names people:\n%s", text)
	}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestAlbumSaysThatItCannotBeWritten(t *testing.T) {
	pen, err := NewPen(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewAlbum(func(string) (io.Writer, error) { return full{}, nil }, albumHeader(), pen, 1, "a.html")
	if !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("head: %v", err)
	}
	if err := s.Picture(&Result{Name: "a", Err: io.EOF}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("picture: %v", err)
	}
	if err := s.End(Summary{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("tail: %v", err)
	}
}

// An album of many pictures has pages that lead to each other; the first has the
// people and the index of all.
func TestAlbumPages(t *testing.T) {
	pen, err := NewPen(nil)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]*bytes.Buffer{}
	create := func(name string) (io.Writer, error) {
		pages[name] = &bytes.Buffer{}
		return pages[name], nil
	}
	const total = 2*PerPage + 1
	s, err := NewAlbum(create, albumHeader(), pen, total, "a: b?.html")
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	rose := Match{Verdict: Known, Best: Candidate{"Rose", "Rose/1.png", 0.25}}
	var sum Summary
	for i := range total {
		r := &Result{Name: fmt.Sprintf("%03d.png", i), Size: image.Pt(8, 8), Image: img}
		if i == total-1 {
			r.Faces = []Face{{Detection: Detection{Box: img.Rect}, Match: rose}}
		}
		sum.Add(r)
		if err := s.Picture(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.End(sum); err != nil {
		t.Fatal(err)
	}
	if len(pages) != 3 {
		t.Fatalf("%d pages, want 3", len(pages))
	}
	for name, wants := range map[string][]string{
		"a: b?.html":   {`rel="next" href="./a:%20b%3F-2.html"`, `<a href="./a:%20b%3F-3.html">3</a>`, `href="./a:%20b%3F-3.html#p201"`, "201 pictures"},
		"a: b?-2.html": {`rel="prev" href="./a:%20b%3F.html"`, `rel="next" href="./a:%20b%3F-3.html"`},
		"a: b?-3.html": {`rel="prev" href="./a:%20b%3F-2.html"`, `id="p201"`},
	} {
		page := pages[name].String()
		for _, want := range append(wants, "</html>") {
			if strings.Count(page, want) < 1 {
				t.Errorf("%s: no %s", name, want)
			}
		}
		if n := strings.Count(page, "<article "); n != map[bool]int{true: 1, false: PerPage}[strings.Contains(name, "-3")] {
			t.Errorf("%s: %d pictures", name, n)
		}
	}
}
