package app

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"facerec/internal/text"
)

// shownFaces is how many faces of a group the text answer lists.
const shownFaces = 5

// WriteText writes the groups for people.
func (g *Groups) WriteText(w io.Writer) error {
	p := &printer{w: w}
	for i, faces := range g.Groups {
		where := ""
		if g.Directories != nil {
			where = " → " + text.Show(g.Directories[i])
		}
		p.f("group %d: seen %s%s\n", i+1, text.CountForms(len(faces), "time", "times"), where)
		for _, f := range faces[:min(len(faces), shownFaces)] {
			p.f("  %s: face %d  %s\n", text.Show(f.Picture), f.Index+1, faceText(f.Detection))
		}
		if n := len(faces) - shownFaces; n > 0 {
			p.f("  and %d more\n", n)
		}
	}
	s := g.Summary
	p.f("%s, %s: %d in %s, %d seen %s\n", text.Count(s.Pictures, "picture"), text.Count(s.Faces, "face"),
		g.grouped(), text.Count(len(g.Groups), "group"), len(g.Smaller), fewer(g.MinFaces))
	if left := g.left(); len(left) > 0 {
		p.f("left out: %s\n", strings.Join(left, "; "))
	}
	return p.err
}

// grouped counts the faces in groups.
func (g *Groups) grouped() int {
	n := 0
	for _, faces := range g.Groups {
		n += len(faces)
	}
	return n
}

// fewer says how often faces were seen that are in no group of n.
func fewer(n int) string {
	if n <= 2 {
		return "once"
	}
	return fmt.Sprintf("fewer than %d times", n)
}

// left lists what is in no group, and why.
func (g *Groups) left() []string {
	var out []string
	s := g.Summary
	if s.Known > 0 {
		out = append(out, text.Count(s.Known, "face")+" of known people")
	}
	if s.Ambiguous > 0 {
		out = append(out, text.Count(s.Ambiguous, "ambiguous face"))
	}
	if g.Copies > 0 {
		out = append(out, text.CountForms(g.Copies, "picture that is a copy", "pictures that are copies")+" of another")
	}
	if s.WithoutFace > 0 {
		out = append(out, text.Count(s.WithoutFace, "picture")+" without a face")
	}
	if s.Failed > 0 {
		out = append(out, text.Count(s.Failed, "picture")+" that could not be read")
	}
	return out
}

// WriteJSON writes the groups as GroupSchema.
func (g *Groups) WriteJSON(w io.Writer) error {
	type faceJSON struct {
		File       string    `json:"file"`
		FileBase64 []byte    `json:"file_base64,omitempty"`
		SHA256     string    `json:"sha256"`
		Face       int       `json:"face"`
		Box        boxJSON   `json:"box"`
		Score      score     `json:"score,omitzero"`
		Descriptor []float32 `json:"descriptor,omitempty"`
	}
	type groupJSON struct {
		Group           int        `json:"group"`
		Seen            int        `json:"seen"`
		Directory       string     `json:"directory,omitempty"`
		DirectoryBase64 []byte     `json:"directory_base64,omitempty"`
		Faces           []faceJSON `json:"faces"`
	}
	type personJSON struct {
		Name   string `json:"name"`
		Photos int    `json:"photos"`
	}
	facesOf := func(faces []GroupFace) []faceJSON {
		out := []faceJSON{}
		for _, f := range faces {
			j := faceJSON{File: f.Picture, FileBase64: rawBytes(f.Picture), SHA256: fmt.Sprintf("%x", f.Content), Face: f.Index + 1, Box: boxOf(f.Box), Score: score(f.Score)}
			if g.Header.Descriptors {
				j.Descriptor = slices.Clone(f.Descriptor[:])
			}
			out = append(out, j)
		}
		return out
	}
	doc := struct {
		Schema         string       `json:"schema"`
		Version        string       `json:"version"`
		Detector       string       `json:"detector"`
		Threshold      distance     `json:"threshold"`
		MinMargin      distance     `json:"min_margin"`
		GroupThreshold distance     `json:"group_threshold"`
		MinFaces       int          `json:"min_faces"`
		Persons        []personJSON `json:"persons"`
		Groups         []groupJSON  `json:"groups"`
		// Smaller are faces of groups of fewer than MinFaces.
		Smaller []faceJSON `json:"smaller"`
		Copies  int        `json:"copies"`
		Summary Summary    `json:"summary"`
	}{
		GroupSchema, g.Header.Version, g.Header.Detector.String(), distance(g.Header.Rule.Threshold), distance(g.Header.Rule.Margin), distance(g.Threshold), g.MinFaces,
		[]personJSON{}, []groupJSON{}, facesOf(g.Smaller), g.Copies, g.Summary,
	}
	for _, p := range g.Header.Persons {
		doc.Persons = append(doc.Persons, personJSON(p))
	}
	for i, faces := range g.Groups {
		j := groupJSON{Group: i + 1, Seen: len(faces), Faces: facesOf(faces)}
		if g.Directories != nil {
			j.Directory, j.DirectoryBase64 = g.Directories[i], rawBytes(g.Directories[i])
		}
		doc.Groups = append(doc.Groups, j)
	}
	return writeJSON(w, doc)
}
