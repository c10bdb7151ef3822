package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func sampleAt(person, photo string, x float32) Sample {
	return Sample{person, person + "/" + photo, at(x)}
}

func TestCalibrate(t *testing.T) {
	// A at 0 and 0.25, B at 1 and 1.5: own nearest 0.25 0.25 0.5 0.5; others' nearest 1 0.75 0.75 1.25.
	c, err := Calibrate(t.Context(), NewGallery([]Sample{
		sampleAt("A", "1", 0), sampleAt("A", "2", 0.25), sampleAt("B", "1", 1), sampleAt("B", "2", 1.5),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Same != (Spread{2, 0.25, 0.375, 0.5}) || c.Different != (Spread{4, 0.75, 1.125, 1.5}) {
		t.Errorf("spreads %+v %+v", c.Same, c.Different)
	}
	if want := (Errors{0.625, 0, 4, 0, 4}); c.Suggested != want {
		t.Errorf("suggested %+v, want %+v", c.Suggested, want)
	}
	for _, e := range c.Table {
		rejects, accepts := 0, 0
		for _, d := range []float64{0.25, 0.25, 0.5, 0.5} {
			if !(d < e.Threshold) {
				rejects++
			}
		}
		for _, d := range []float64{1, 0.75, 0.75, 1.25} {
			if d < e.Threshold {
				accepts++
			}
		}
		if e.FalseRejects != rejects || e.FalseAccepts != accepts || e.Genuine != 4 || e.Strangers != 4 {
			t.Errorf("%+v, want %d and %d", e, rejects, accepts)
		}
	}
	var text, doc bytes.Buffer
	if err := c.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "suggested threshold: 0.625 (squared 0.391): no errors here, but few photos") {
		t.Errorf("text:\n%s", text.String())
	}
	if err := c.WriteJSON(&doc); err != nil || !json.Valid(doc.Bytes()) || !strings.HasPrefix(doc.String(), "{\n  \"schema\": \"facerec.calibrate/v1\"") {
		t.Errorf("JSON: %v\n%s", err, doc.String())
	}
	pen, err := NewPen(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := pen.Plot(c)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pen.Plot(c)
	if err != nil || !bytes.Equal(a.Pix, b.Pix) {
		t.Errorf("two plots differ, or %v", err)
	}
}

// People who cannot be told apart: the fewest errors, and said so.
func TestCalibrateOverlap(t *testing.T) {
	c, err := Calibrate(t.Context(), NewGallery([]Sample{
		sampleAt("A", "1", 0), sampleAt("A", "2", 0.9), sampleAt("B", "1", 0.1), sampleAt("B", "2", 1),
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Suggested.FalseRejects+c.Suggested.FalseAccepts == 0 || !strings.HasPrefix(c.advice(), "not without errors") {
		t.Errorf("%+v %s", c.Suggested, c.advice())
	}
	// Nobody is let in rather than everybody.
	if want := (Errors{0.05, 4, 4, 0, 4}); c.Suggested != want {
		t.Errorf("suggested %+v, want %+v", c.Suggested, want)
	}
}

// No threshold short of letting everybody in does better than the suggested one.
func TestSuggest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var own, other []float64
		for range 1 + r.IntN(6) {
			own = append(own, float64(r.IntN(10))/10)
		}
		for range 1 + r.IntN(6) {
			other = append(other, float64(r.IntN(12))/10)
		}
		slices.Sort(own)
		slices.Sort(other)
		cost := func(x float64) int {
			return (len(own)-below(own, x))*len(other) + below(other, x)*len(own)
		}
		got := suggest(own, other)
		for x := 0.0001; x < max(own[len(own)-1], other[len(other)-1]); x += 0.01 {
			if cost(x) < cost(got) {
				t.Fatalf("own %v, other %v: %v costs %d, but %v only %d", own, other, got, cost(got), x, cost(x))
			}
		}
	}
}

func TestCalibrateTooFew(t *testing.T) {
	for name, s := range map[string][]Sample{
		"nobody":                  nil,
		"one person":              {sampleAt("A", "1", 0), sampleAt("A", "2", 0.5)},
		"one photo of everybody":  {sampleAt("A", "1", 0), sampleAt("B", "1", 0.5)},
		"one photo of one person": {sampleAt("A", "1", 0)},
	} {
		if _, err := Calibrate(t.Context(), NewGallery(s)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// All distances alike: some finite figure all the same.
	c, err := Calibrate(t.Context(), NewGallery([]Sample{sampleAt("A", "1", 0), sampleAt("A", "2", 0), sampleAt("B", "1", 0)}))
	if err != nil || math.IsNaN(c.Suggested.Threshold) || c.Suggested.Threshold <= 0 {
		t.Errorf("%+v %v", c, err)
	}
}

// Three people on a line; the embeddings are made up.
func TestGroupingIsMeasured(t *testing.T) {
	var samples []Sample
	for person, places := range map[string][]float32{"a": {0, 0.2, 0.55}, "b": {0.9, 1.0}, "c": {3}} {
		for i, x := range places {
			s := Sample{Person: person, Photo: fmt.Sprintf("%s/%d", person, i)}
			s.Descriptor[0] = x
			samples = append(samples, s)
		}
	}
	c, err := Calibrate(t.Context(), NewGallery(samples))
	if err != nil {
		t.Fatal(err)
	}
	at := map[float64]GroupErrors{}
	for _, e := range c.Grouping.Table {
		at[e.Threshold] = e
	}
	for _, want := range []GroupErrors{
		{Threshold: 0.3, Groups: 2, Right: 2, Joined: 2, Pairs: 4},  // a's first two, b
		{Threshold: 0.55, Groups: 2, Right: 2, Joined: 4, Pairs: 4}, // a's third goes to b, which is nearer
		{Threshold: 0.9, Groups: 2, Right: 2, Joined: 4, Pairs: 4},
	} {
		if got := at[want.Threshold]; got != want {
			t.Errorf("expected %+v, got %+v", want, got)
		}
	}
	if p, r := at[0.55].Precision(), at[0.55].Recall(); p != 0.5 || r != 0.5 {
		t.Errorf("precision %v, recall %v", p, r)
	}
	if e := (GroupErrors{}); e.Precision() != 1 || e.Recall() != 1 {
		t.Errorf("of nothing: %v, %v", e.Precision(), e.Recall())
	}
	if h := c.Grouping.HeldOut; h.Pairs != 4 || h.Joined < h.Right || c.Grouping.HeldOutFrom > c.Grouping.HeldOutTo {
		t.Errorf("held out: %+v", c.Grouping)
	}
	if got := best([]GroupErrors{{Threshold: 1, Right: 1, Joined: 1, Pairs: 1}, {Threshold: 2, Right: 0, Joined: 1, Pairs: 1}, {Threshold: 3, Right: 1, Joined: 1, Pairs: 1}, {Threshold: 4, Right: 1, Joined: 1, Pairs: 1}, {Threshold: 5, Right: 1, Joined: 1, Pairs: 1}}); got != 4 {
		t.Errorf("best is %v, expected 4", got)
	}
}
