package app

import (
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"

	"facerec/internal/text"
)

const (
	// groupsPerPage is how many groups a page shows.
	groupsPerPage = 25
	// facesPerGroup is how many faces of a group it shows.
	facesPerGroup = 40
)

// OnSheet reports whether WriteSheet shows face i of a group.
func OnSheet(i int) bool { return i < facesPerGroup }

// WriteSheet writes a contact sheet of the groups, in pages like an Album's.
// thumb returns the small picture of a face, or nil.
func (g *Groups) WriteSheet(create func(name string) (io.Writer, error), first string, thumb func(*GroupFace) []byte) error {
	s := &sheets{h: g.Header, create: create, first: first, heading: "Groups of unknown faces", about: "group threshold " + three(g.Threshold), total: len(g.Groups), perPage: groupsPerPage}
	if err := s.begin(1); err != nil {
		return err
	}
	type faceHTML struct {
		Number    int
		Crop      template.HTMLAttr
		Name, Box string
	}
	for n, faces := range g.Groups {
		if err := s.next(); err != nil {
			return err
		}
		seen := text.CountForms(len(faces), "time", "times")
		var shown []faceHTML
		var find []string
		for i := range faces[:min(len(faces), facesPerGroup)] {
			f := &faces[i]
			h := faceHTML{Number: f.Index + 1, Name: text.Show(f.Picture), Box: faceText(f.Detection)}
			if data := thumb(f); data != nil {
				h.Crop = source(data)
			}
			shown = append(shown, h)
			find = append(find, h.Name)
		}
		directory := ""
		if g.Directories != nil {
			directory = text.Show(g.Directories[n])
		}
		s.note("Group "+strconv.Itoa(n+1), "seen "+seen)
		if err := albumTemplate.ExecuteTemplate(s.page, "group", map[string]any{
			"Number": n + 1, "Seen": seen, "Directory": directory, "Faces": shown, "More": max(0, len(faces)-facesPerGroup),
			"Find": strings.Join(slices.Compact(append(find, directory)), " "),
		}); err != nil {
			return err
		}
	}
	if err := s.endPage(); err != nil {
		return err
	}
	if err := albumTemplate.ExecuteTemplate(s.front, "groups", map[string]any{
		"Pictures": text.Count(g.Summary.Pictures, "picture"), "Faces": text.Count(g.Summary.Faces, "face"),
		"Grouped": g.grouped(), "Groups": text.Count(len(g.Groups), "group"), "Smaller": len(g.Smaller), "Fewer": fewer(g.MinFaces),
		"Left": strings.Join(g.left(), "; "), "Index": s.index, "All": "All groups",
	}); err != nil {
		return err
	}
	return s.close(s.front)
}
