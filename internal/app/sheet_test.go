package app

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"io"
	"regexp"
	"strings"
	"testing"
)

// sheetOf is the page for a batch with every kind of picture.
func sheetOf(t *testing.T, h Header) string {
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
	s, err := NewSheet(&out, h, pen)
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

func sheetHeader() Header {
	return Header{Version: "1.2.3", Matching: true, Rule: Rule{0.6, 0.05},
		Persons: []Person{{`<script>alert("1")</script>`, 1}, {"Rose", 3}}}
}

var dataURLs = regexp.MustCompile(`data:image/jpeg;base64,[A-Za-z0-9+/=]+`)

func TestSheet(t *testing.T) {
	page := sheetOf(t, sheetHeader())
	if again := sheetOf(t, sheetHeader()); again != page {
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
		"no face in 1; 1 could not be looked at",
		`<td dir="auto">Rose</td><td class="n">3</td><td class="n">2</td><td class="n">1</td>`,
		`<article class="none">`, `<article class="failed">`, `<article class="doubt">`,
		"not looked at: not a picture: &lt;b&gt;",
		"900 × 300, 5 faces",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	// Nothing from outside, nothing that runs.
	if bad := regexp.MustCompile(`(?i)<script|<img src=x|https?:|url\(|@import|<link|<iframe`).FindString(text); bad != "" {
		t.Errorf("%q is in the page:\n%s", bad, text)
	}
	plain := sheetHeader()
	plain.Matching = false
	text = dataURLs.ReplaceAllString(sheetOf(t, plain), "DATA")
	if strings.Contains(text, "known</span>") || strings.Contains(text, "Rose") || strings.Contains(text, "threshold") {
		t.Errorf("a sheet of detect names people:\n%s", text)
	}
}

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestSheetSaysThatItCannotBeWritten(t *testing.T) {
	pen, err := NewPen(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSheet(full{}, sheetHeader(), pen)
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
