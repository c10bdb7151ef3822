package app

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// at is a descriptor whose first number is x: distances are plain differences.
func at(x float32) Descriptor { return Descriptor{0: x} }

func TestDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var a, b Descriptor
		var sum float64
		for i := range a {
			a[i], b[i] = r.Float32()-0.5, r.Float32()-0.5
			sum += math.Pow(float64(a[i])-float64(b[i]), 2)
		}
		if got, want := Distance(&a, &b), math.Sqrt(sum); math.Abs(got-want) > 1e-12 {
			t.Errorf("Distance = %v, want %v", got, want)
		}
		if Distance(&a, &b) != Distance(&b, &a) || Distance(&a, &a) != 0 {
			t.Error("Distance is not symmetric, or not 0 to itself")
		}
	}
}

func TestClassify(t *testing.T) {
	rule := Rule{Threshold: 0.6, Margin: 0.1}
	cat := func(person, photo string, d float64) Candidate { return Candidate{person, photo, d} }
	for _, tt := range []struct {
		name    string
		samples []Sample
		probe   float32
		rule    Rule
		want    Match
	}{
		{"nobody enrolled", nil, 0, rule, Match{Verdict: Unknown}},
		{"one person, near", []Sample{{"A", "A/1", at(0.5)}}, 0, rule,
			Match{Verdict: Known, Best: cat("A", "A/1", 0.5)}},
		{"one person, far", []Sample{{"A", "A/1", at(1)}}, 0, rule,
			Match{Verdict: Unknown, Best: cat("A", "A/1", 1)}},
		{"the threshold itself is too far", []Sample{{"A", "A/1", at(0.5)}}, 0, Rule{Threshold: 0.5},
			Match{Verdict: Unknown, Best: cat("A", "A/1", 0.5)}},
		{"the nearest photo counts, not the most photos", []Sample{
			{"A", "A/1", at(0.5)}, {"A", "A/2", at(0.5)}, {"A", "A/3", at(0.5)}, {"B", "B/1", at(0.25)}}, 0, rule,
			Match{Verdict: Known, Best: cat("B", "B/1", 0.25), RunnerUp: cat("A", "A/1", 0.5), Margin: 0.25}},
		{"the runner-up is another person, not another photo", []Sample{
			{"A", "A/1", at(0.25)}, {"A", "A/2", at(0.25)}, {"B", "B/1", at(2)}}, 0, rule,
			Match{Verdict: Known, Best: cat("A", "A/1", 0.25), RunnerUp: cat("B", "B/1", 2), Margin: 1.75}},
		{"too close to call", []Sample{{"A", "A/1", at(0.5)}, {"B", "B/1", at(0.5625)}}, 0, rule,
			Match{Verdict: Ambiguous, Best: cat("A", "A/1", 0.5), RunnerUp: cat("B", "B/1", 0.5625), Margin: 0.0625}},
		{"too close, across the threshold", []Sample{{"A", "A/1", at(0.5625)}, {"B", "B/1", at(0.625)}}, 0, rule,
			Match{Verdict: Ambiguous, Best: cat("A", "A/1", 0.5625), RunnerUp: cat("B", "B/1", 0.625), Margin: 0.0625}},
		{"too close, but both too far", []Sample{{"A", "A/1", at(1)}, {"B", "B/1", at(1)}}, 0, rule,
			Match{Verdict: Unknown, Best: cat("A", "A/1", 1), RunnerUp: cat("B", "B/1", 1)}},
		{"the margin itself is enough", []Sample{{"A", "A/1", at(0.25)}, {"B", "B/1", at(0.5)}}, 0, Rule{0.6, 0.25},
			Match{Verdict: Known, Best: cat("A", "A/1", 0.25), RunnerUp: cat("B", "B/1", 0.5), Margin: 0.25}},
		{"a tie goes by name and is never clear", []Sample{{"B", "B/1", at(0.25)}, {"A", "A/2", at(0.25)}, {"A", "A/1", at(0.25)}}, 0, Rule{0.6, 0},
			Match{Verdict: Ambiguous, Best: cat("A", "A/1", 0.25), RunnerUp: cat("B", "B/1", 0.25)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := at(tt.probe)
			if got := NewGallery(tt.samples).Classify(&d, tt.rule); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// The answer does not depend on the order in which photos were read.
func TestClassifyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var samples []Sample
	for _, p := range []string{"A", "B", "C"} {
		for _, f := range []string{"1", "2", "3"} {
			samples = append(samples, Sample{p, p + "/" + f, at(float32(r.IntN(4)) / 8)})
		}
	}
	probe := at(0.1)
	want := NewGallery(samples)
	for range 50 {
		r.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
		g := NewGallery(samples)
		if !reflect.DeepEqual(g, want) {
			t.Fatal("the gallery depends on the order")
		}
		if g.Classify(&probe, Rule{0.6, 0.1}) != want.Classify(&probe, Rule{0.6, 0.1}) {
			t.Fatal("the match depends on the order")
		}
	}
}

func TestRuleCheck(t *testing.T) {
	for _, tt := range []struct {
		rule Rule
		ok   bool
	}{
		{Rule{DefaultThreshold, DefaultMargin}, true},
		{Rule{0.6, 0}, true},
		{Rule{0, 0}, false},
		{Rule{-1, 0}, false},
		{Rule{math.NaN(), 0}, false},
		{Rule{math.Inf(1), 0}, false},
		{Rule{0.6, -0.1}, false},
		{Rule{0.6, math.NaN()}, false},
		{Rule{0.6, math.Inf(1)}, false},
	} {
		if err := tt.rule.Check(); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.rule, err)
		}
	}
}
