package app

import (
	"fmt"
	"math"
	"sort"
)

// DefaultThreshold is the Euclidean distance below which two faces are taken
// for the same person: the figure of dlib's own example for this network; the
// package comment has others.
const DefaultThreshold = 0.6

// DefaultMargin is how much further off the runner-up has to be for a verdict
// of known, as a Euclidean distance; the package comment has the figures.
const DefaultMargin = 0.05

// Descriptor is the embedding of one face.
type Descriptor = [128]float32

// Distance is the Euclidean distance of two descriptors. The sum runs in order
// and in float64, each product rounded before it is added, so that the result
// has the same bits on every architecture.
func Distance(a, b *Descriptor) float64 {
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		// The conversion keeps the compiler from fusing multiply and add.
		sum += float64(d * d)
	}
	return math.Sqrt(sum)
}

// Rule says when a face counts as somebody's.
type Rule struct {
	// Threshold is the Euclidean distance that a face must stay below.
	Threshold float64
	// Margin is the least lead over the runner-up person.
	Margin float64
}

// Check reports a rule that can never be meant: numbers that are negative, not
// finite, or a threshold of zero.
func (r Rule) Check() error {
	if !(r.Threshold > 0) || math.IsInf(r.Threshold, 0) {
		return fmt.Errorf("threshold %v: expected a Euclidean distance above 0, for example %v", r.Threshold, DefaultThreshold)
	}
	if !(r.Margin >= 0) || math.IsInf(r.Margin, 0) {
		return fmt.Errorf("margin %v: expected 0 or more, for example %v", r.Margin, DefaultMargin)
	}
	return nil
}

// Verdict is what became of one face.
type Verdict int

const (
	// Unknown: nobody enrolled is near enough.
	Unknown Verdict = iota
	// Known: one person is near enough, and nobody else about as near.
	Known
	// Ambiguous: two people are about as near.
	Ambiguous
)

// String returns "unknown", "known" or "ambiguous".
func (v Verdict) String() string {
	switch v {
	case Unknown:
		return "unknown"
	case Known:
		return "known"
	case Ambiguous:
		return "ambiguous"
	}
	return fmt.Sprintf("Verdict(%d)", int(v))
}

// Sample is one enrolled face.
type Sample struct {
	Person     string
	Photo      string // path below persons/, with slashes
	Descriptor Descriptor
}

// Person is one enrolled person and the number of photos that count.
type Person struct {
	Name   string
	Photos int
}

// Gallery is everybody who is enrolled. It never changes.
type Gallery struct {
	samples []Sample // by person, then photo
	persons []Person // by name
}

// NewGallery makes a gallery of samples, in any order.
func NewGallery(samples []Sample) *Gallery {
	g := &Gallery{samples: append([]Sample(nil), samples...)}
	sort.SliceStable(g.samples, func(i, j int) bool {
		a, b := &g.samples[i], &g.samples[j]
		if a.Person != b.Person {
			return a.Person < b.Person
		}
		return a.Photo < b.Photo
	})
	for _, s := range g.samples {
		if n := len(g.persons); n > 0 && g.persons[n-1].Name == s.Person {
			g.persons[n-1].Photos++
			continue
		}
		g.persons = append(g.persons, Person{Name: s.Person, Photos: 1})
	}
	return g
}

// Persons lists who is enrolled, by name.
func (g *Gallery) Persons() []Person { return append([]Person(nil), g.persons...) }

// Candidate is a person with the photo that speaks for them.
type Candidate struct {
	Person   string
	Photo    string
	Distance float64 // Euclidean
}

// Match is the answer for one face.
type Match struct {
	Verdict Verdict
	// Best is the nearest person; its Person is empty when nobody is enrolled.
	Best Candidate
	// RunnerUp is the nearest other person; its Person is empty when fewer
	// than two people are enrolled.
	RunnerUp Candidate
	// Margin is RunnerUp.Distance - Best.Distance, 0 without a runner-up.
	Margin float64
}

// Classify finds the nearest person and the runner-up, and judges by rule.
func (g *Gallery) Classify(d *Descriptor, rule Rule) Match {
	var m Match
	nearest := g.nearest(d)
	if len(nearest) == 0 {
		return m
	}
	// Stable, and nearest is by name: ties go to the name that sorts first.
	sort.SliceStable(nearest, func(i, j int) bool { return nearest[i].Distance < nearest[j].Distance })
	m.Best = nearest[0]
	near := m.Best.Distance < rule.Threshold
	clear := true
	if len(nearest) > 1 {
		m.RunnerUp = nearest[1]
		m.Margin = m.RunnerUp.Distance - m.Best.Distance
		// Equal distances are never a clear lead, whatever the margin.
		clear = m.Margin > 0 && m.Margin >= rule.Margin
	}
	switch {
	case near && clear:
		m.Verdict = Known
	case near:
		m.Verdict = Ambiguous
	}
	return m
}

// nearest returns each person's nearest photo, by person.
func (g *Gallery) nearest(d *Descriptor) []Candidate {
	out := make([]Candidate, 0, len(g.persons))
	for i := range g.samples {
		s := &g.samples[i]
		dist := Distance(d, &s.Descriptor)
		n := len(out)
		if n == 0 || out[n-1].Person != s.Person {
			out = append(out, Candidate{Person: s.Person, Photo: s.Photo, Distance: dist})
			continue
		}
		if dist < out[n-1].Distance {
			out[n-1].Photo, out[n-1].Distance = s.Photo, dist
		}
	}
	return out
}
