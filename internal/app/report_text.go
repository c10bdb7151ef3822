package app

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"facerec/internal/text"
)

// textReport is for people.
type textReport struct {
	w io.Writer
	h Header
}

func (t *textReport) Picture(r *Result) error {
	if r.Err != nil {
		_, err := fmt.Fprintf(t.w, "%s: not read: %v\n", text.Show(r.Name), r.Err)
		return err
	}
	if _, err := fmt.Fprintf(t.w, "%s: %s\n", text.Show(r.Name), text.Count(len(r.Faces), "face")); err != nil {
		return err
	}
	for i := range r.Faces {
		if _, err := fmt.Fprintf(t.w, "  %2d  %s%s\n", i+1, faceText(r.Faces[i].Detection), t.match(r.Faces[i].Match)); err != nil {
			return err
		}
	}
	return nil
}

func (t *textReport) match(m Match) string {
	if !t.h.Matching {
		return ""
	}
	word := m.Verdict.String()
	if t.h.Paint != nil {
		word = t.h.Paint(m.Verdict, word)
	}
	if m.Best.Person == "" {
		return "  " + word
	}
	var s string
	if m.Verdict == Known {
		s = fmt.Sprintf("  %s  %s  distance %.3f (squared %.3f) to %s", word, text.Show(m.Best.Person), m.Best.Distance, m.Best.Distance*m.Best.Distance, text.Show(m.Best.Photo))
	} else {
		s = fmt.Sprintf("  %s  nearest %s  distance %.3f (squared %.3f) to %s", word, text.Show(m.Best.Person), m.Best.Distance, m.Best.Distance*m.Best.Distance, text.Show(m.Best.Photo))
	}
	if m.RunnerUp.Person != "" {
		s += fmt.Sprintf(", %.3f before %s", m.Margin, text.Show(m.RunnerUp.Person))
	}
	return s
}

func (t *textReport) End(s Summary) error {
	if s.Pictures < 2 {
		return nil
	}
	line := fmt.Sprintf("%s, %s", text.Count(s.Pictures, "picture"), text.Count(s.Faces, "face"))
	if t.h.Matching {
		line += fmt.Sprintf(": %d known, %d unknown, %d ambiguous", s.Known, s.Unknown, s.Ambiguous)
	}
	if s.WithoutFace > 0 {
		line += fmt.Sprintf("; no face in %d", s.WithoutFace)
	}
	if s.Failed > 0 {
		line += fmt.Sprintf("; %d could not be read", s.Failed)
		if len(s.NotRead) > 0 {
			var kinds []string
			for _, kind := range slices.Sorted(maps.Keys(s.NotRead)) {
				kinds = append(kinds, fmt.Sprintf("%d %s", s.NotRead[kind], kind))
			}
			line += " (not read: " + strings.Join(kinds, ", ") + ")"
		}
	}
	_, err := fmt.Fprintln(t.w, line)
	return err
}
