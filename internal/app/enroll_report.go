package app

import (
	"fmt"
	"io"

	"facerec/internal/text"
)

// WriteText writes the enrolment report for people: every person, every photo.
func (e *Enrolment) WriteText(w io.Writer) error {
	used, last := 0, ""
	for _, p := range e.Photos {
		if p.Person != last && p.Person != "" {
			if _, err := fmt.Fprintf(w, "%s\n", text.Show(p.Person)); err != nil {
				return err
			}
			last = p.Person
		}
		line := fmt.Sprintf("  %-14s %s", p.Outcome, text.Show(p.Path))
		switch {
		case p.Outcome == Used:
			line += fmt.Sprintf("  face %s", faceText(p.Faces[p.Taken]))
		case p.Reason != "":
			line += "  " + p.Reason
		}
		if p.Outcome.Used() {
			used++
		}
		if p.Hint != "" {
			line += "\n    hint: " + p.Hint
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	for _, d := range e.Doubts {
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", text.Show(d.Path), d.Kind, d.Text); err != nil {
			return err
		}
	}
	for _, n := range e.Notes {
		if _, err := fmt.Fprintf(w, "note: %s\n", n); err != nil {
			return err
		}
	}
	for _, name := range e.Without {
		if _, err := fmt.Fprintf(w, "%s: no usable photo\n", text.Show(name)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s enrolled with %s; %d skipped, %s\n", people(len(e.Gallery.persons)), text.Count(used, "photo"), len(e.Photos)-used, text.Count(len(e.Doubts), "doubt"))
	return err
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

// WriteJSON writes the enrolment report as EnrollSchema.
func (e *Enrolment) WriteJSON(w io.Writer) error {
	type personJSON struct {
		Name   string `json:"name"`
		Photos int    `json:"photos"`
	}
	type photoJSON struct {
		Path    string    `json:"path"`
		PathRaw []byte    `json:"path_base64,omitempty"` // if it is not UTF-8
		Person  string    `json:"person"`
		Outcome string    `json:"outcome"`
		Used    bool      `json:"used"`
		Reason  string    `json:"reason"`
		Hint    string    `json:"hint,omitempty"`
		Faces   []boxJSON `json:"faces"`
		// Scores are in the order of Faces; left out if there are none.
		Scores []score `json:"scores,omitempty"`
		Taken  *int    `json:"taken"` // from 1
	}
	type doubtJSON struct {
		Path string `json:"path"`
		Kind string `json:"kind"`
		Text string `json:"text"`
	}
	doc := struct {
		Schema  string       `json:"schema"`
		Persons []personJSON `json:"persons"`
		Photos  []photoJSON  `json:"photos"`
		Doubts  []doubtJSON  `json:"doubts"`
		Without []string     `json:"without"`
		Notes   []string     `json:"notes,omitempty"`
	}{EnrollSchema, []personJSON{}, []photoJSON{}, []doubtJSON{}, append([]string{}, e.Without...), e.Notes}
	for _, p := range e.Gallery.persons {
		doc.Persons = append(doc.Persons, personJSON(p))
	}
	for _, p := range e.Photos {
		j := photoJSON{Path: p.Path, PathRaw: rawBytes(p.Path), Person: p.Person, Outcome: p.Outcome.String(), Used: p.Outcome.Used(), Reason: p.Reason, Hint: p.Hint, Faces: []boxJSON{}}
		for _, f := range p.Faces {
			j.Faces = append(j.Faces, boxOf(f.Box))
			if f.Score != 0 {
				j.Scores = append(j.Scores, score(f.Score))
			}
		}
		if p.Taken >= 0 {
			n := p.Taken + 1
			j.Taken = &n
		}
		doc.Photos = append(doc.Photos, j)
	}
	for _, d := range e.Doubts {
		doc.Doubts = append(doc.Doubts, doubtJSON(d))
	}
	return writeJSON(w, doc)
}
