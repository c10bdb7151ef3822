package app

import (
	"slices"
	"testing"
)

func TestOnePerName(t *testing.T) {
	known := func(person string, d float64) Face {
		return Face{Match: Match{Verdict: Known, Best: Candidate{Person: person, Distance: d}}}
	}
	unknown := Face{Match: Match{Best: Candidate{Person: "Rose", Distance: 0.9}}}
	for _, tt := range []struct {
		name  string
		faces []Face
		want  []Verdict
	}{
		{"different people", []Face{known("Rose", 0.3), known("Gwen", 0.2)}, []Verdict{Known, Known}},
		{"the nearer keeps it", []Face{known("Rose", 0.3), known("Rose", 0.2), unknown}, []Verdict{Ambiguous, Known, Unknown}},
		{"the first of equals", []Face{known("Rose", 0.3), known("Rose", 0.3)}, []Verdict{Known, Ambiguous}},
	} {
		r := &Result{Faces: tt.faces}
		onePerName(r)
		var got []Verdict
		ambiguous := 0
		for _, f := range r.Faces {
			got = append(got, f.Match.Verdict)
			if f.Match.Verdict == Ambiguous {
				ambiguous++
			}
		}
		if !slices.Equal(got, tt.want) || len(r.Notes) != ambiguous {
			t.Errorf("%s: %v with notes %q, want %v", tt.name, got, r.Notes, tt.want)
		}
	}
}
