package app

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"facerec/internal/app/picture"
)

// Schemas of the documents that reports write. A field is only ever added;
// anything else makes a new number.
const (
	RecognizeSchema        = "facerec.recognize/v1"
	RecognizePictureSchema = "facerec.recognize.picture/v1" // one line of JSON lines
	DetectSchema           = "facerec.detect/v1"
	DetectPictureSchema    = "facerec.detect.picture/v1"
	CompareSchema          = "facerec.compare/v1"
	EnrollSchema           = "facerec.enroll/v1"
)

// Header is what a report says about the run before its first picture.
type Header struct {
	Version  string // of facerec
	Detector Detector
	// Matching is false for detect, which names nobody; Rule and Persons are
	// then not used.
	Matching bool
	Rule     Rule
	Persons  []Person
	// Descriptors adds the 128 numbers of every face to JSON.
	Descriptors bool
	// Paint colours a word for a terminal; nil leaves it plain.
	Paint func(v Verdict, word string) string
}

// Summary counts what a run has seen.
type Summary struct {
	Pictures    int `json:"pictures"`
	Faces       int `json:"faces"`
	Known       int `json:"known"`
	Unknown     int `json:"unknown"`
	Ambiguous   int `json:"ambiguous"`
	WithoutFace int `json:"without_face"` // pictures
	Failed      int `json:"failed"`       // pictures that could not be looked at
	// NotRead counts, of those, the files of kinds that are not read, by kind:
	// "RAW", "video".
	NotRead map[string]int `json:"not_read,omitempty"`
}

// Add counts one result.
func (s *Summary) Add(r *Result) {
	s.Pictures++
	if r.Err != nil {
		s.Failed++
		var unsupported *picture.UnsupportedError
		if errors.As(r.Err, &unsupported) {
			if s.NotRead == nil {
				s.NotRead = map[string]int{}
			}
			s.NotRead[cmp.Or(unsupported.Group, "other")]++
		}
		return
	}
	if len(r.Faces) == 0 {
		s.WithoutFace++
	}
	s.Faces += len(r.Faces)
	s.Known += r.Count(Known)
	s.Unknown += r.Count(Unknown)
	s.Ambiguous += r.Count(Ambiguous)
}

// Reporter writes the results of a batch as they come, in constant memory.
type Reporter interface {
	Picture(r *Result) error
	End(s Summary) error
}

// Formats are the formats that NewReporter knows.
var Formats = []string{"text", "json", "jsonl", "csv"}

// NewReporter begins a report in one of Formats.
func NewReporter(format string, w io.Writer, h Header) (Reporter, error) {
	switch format {
	case "text":
		return &textReport{w: w, h: h}, nil
	case "json":
		return newJSONReport(w, h)
	case "jsonl":
		return &lineReport{w: w, h: h}, nil
	case "csv":
		return newCSVReport(w, h)
	}
	return nil, fmt.Errorf("format %q is not known: expected text, json, jsonl or csv", format)
}

// distance is written with six decimals: more than the network can tell apart,
// and always the same text.
type distance float64

func (d distance) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(d), 'f', 6, 64), nil
}

type boxJSON struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

func boxOf(r image.Rectangle) boxJSON { return boxJSON{r.Min.X, r.Min.Y, r.Dx(), r.Dy()} }

func pointsOf(ps []image.Point) [][2]int {
	out := make([][2]int, len(ps))
	for i, p := range ps {
		out[i] = [2]int{p.X, p.Y}
	}
	return out
}

type candidateJSON struct {
	Person          string   `json:"person"`
	Photo           string   `json:"photo"`
	Distance        distance `json:"distance"`
	DistanceSquared distance `json:"distance_squared"`
}

func candidateOf(c Candidate) *candidateJSON {
	if c.Person == "" {
		return nil
	}
	return &candidateJSON{c.Person, c.Photo, distance(c.Distance), distance(c.Distance * c.Distance)}
}

// matchJSON is left out of what detect writes.
type matchJSON struct {
	Verdict  string         `json:"verdict"`
	Person   *string        `json:"person"` // the name if known, else null
	Best     *candidateJSON `json:"best"`
	RunnerUp *candidateJSON `json:"runner_up"`
	Margin   *distance      `json:"margin"`
}

type faceJSON struct {
	Box       boxJSON  `json:"box"`
	Landmarks [][2]int `json:"landmarks"`
	*matchJSON
	Descriptor []float32 `json:"descriptor,omitempty"`
}

type pictureJSON struct {
	Schema string     `json:"schema,omitempty"`
	File   string     `json:"file"`
	Width  int        `json:"width"`
	Height int        `json:"height"`
	Error  *string    `json:"error"`
	Notes  []string   `json:"notes,omitempty"`
	Faces  []faceJSON `json:"faces"`
}

func (h Header) pictureOf(r *Result) pictureJSON {
	p := pictureJSON{File: r.Name, Width: r.Size.X, Height: r.Size.Y, Notes: r.Notes, Faces: []faceJSON{}}
	if r.Err != nil {
		text := r.Err.Error()
		p.Error = &text
	}
	for i := range r.Faces {
		f := &r.Faces[i]
		j := faceJSON{Box: boxOf(f.Box), Landmarks: pointsOf(f.Landmarks)}
		if h.Matching {
			m := &matchJSON{Verdict: f.Match.Verdict.String(), Best: candidateOf(f.Match.Best), RunnerUp: candidateOf(f.Match.RunnerUp)}
			if f.Match.Verdict == Known {
				m.Person = &f.Match.Best.Person
			}
			if m.RunnerUp != nil {
				d := distance(f.Match.Margin)
				m.Margin = &d
			}
			j.matchJSON = m
		}
		if h.Descriptors {
			j.Descriptor = f.Descriptor[:]
		}
		p.Faces = append(p.Faces, j)
	}
	return p
}

// marshal is JSON as reports write it: no escaping of <, > and &, which
// file names may hold.
// Lines after the first begin with prefix; oneLine writes a single line.
func marshal(v any, prefix string) ([]byte, error) {
	var b jsonBuffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if prefix != oneLine {
		e.SetIndent(prefix, "  ")
	}
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b[:len(b)-1], nil // without the line feed
}

const oneLine = "\n"

type jsonBuffer []byte

func (b *jsonBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// jsonReport is one document, written picture by picture.
type jsonReport struct {
	w io.Writer
	h Header
	n int
}

func newJSONReport(w io.Writer, h Header) (*jsonReport, error) {
	type personJSON struct {
		Name   string `json:"name"`
		Photos int    `json:"photos"`
	}
	schema := DetectSchema
	if h.Matching {
		schema = RecognizeSchema
	}
	write := func(format string, v any) error {
		text, err := marshal(v, "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, format, text)
		return err
	}
	if err := write("{\n  \"schema\": %s,\n", schema); err != nil {
		return nil, err
	}
	if err := write("  \"version\": %s,\n", h.Version); err != nil {
		return nil, err
	}
	if err := write("  \"detector\": %s,\n", h.Detector.String()); err != nil {
		return nil, err
	}
	if h.Matching {
		persons := []personJSON{}
		for _, p := range h.Persons {
			persons = append(persons, personJSON(p))
		}
		if err := write("  \"threshold\": %s,\n", distance(h.Rule.Threshold)); err != nil {
			return nil, err
		}
		if err := write("  \"min_margin\": %s,\n", distance(h.Rule.Margin)); err != nil {
			return nil, err
		}
		if err := write("  \"persons\": %s,\n", persons); err != nil {
			return nil, err
		}
	}
	_, err := io.WriteString(w, "  \"pictures\": [")
	return &jsonReport{w: w, h: h}, err
}

func (j *jsonReport) Picture(r *Result) error {
	text, err := marshal(j.h.pictureOf(r), "    ")
	if err != nil {
		return err
	}
	sep := ",\n    "
	if j.n == 0 {
		sep = "\n    "
	}
	j.n++
	_, err = fmt.Fprintf(j.w, "%s%s", sep, text)
	return err
}

func (j *jsonReport) End(s Summary) error {
	text, err := marshal(s, "  ")
	if err != nil {
		return err
	}
	tail := "\n  ],\n"
	if j.n == 0 {
		tail = "],\n"
	}
	_, err = fmt.Fprintf(j.w, "%s  \"summary\": %s\n}\n", tail, text)
	return err
}

// lineReport is one document a line, one line a picture.
type lineReport struct {
	w io.Writer
	h Header
}

func (l *lineReport) Picture(r *Result) error {
	p := l.h.pictureOf(r)
	p.Schema = DetectPictureSchema
	if l.h.Matching {
		p.Schema = RecognizePictureSchema
	}
	text, err := marshal(p, oneLine)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.w, "%s\n", text)
	return err
}

func (l *lineReport) End(Summary) error { return nil }

// csvReport is RFC 4180 but for its line feeds; one line a face, and one with
// face 0 for a picture without a face or with an error.
type csvReport struct {
	w *csv.Writer
	h Header
}

func newCSVReport(w io.Writer, h Header) (*csvReport, error) {
	c := &csvReport{csv.NewWriter(w), h}
	head := []string{"file", "face", "x", "y", "width", "height"}
	if h.Matching {
		head = append(head, "verdict", "person", "nearest", "distance", "distance_squared", "photo", "runner_up", "runner_up_distance", "margin")
	}
	return c, c.write(append(head, "error"))
}

func (c *csvReport) write(row []string) error {
	if err := c.w.Write(row); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}

func (c *csvReport) Picture(r *Result) error {
	empty := 4
	if c.h.Matching {
		empty += 9
	}
	if r.Err != nil || len(r.Faces) == 0 {
		row := append([]string{r.Name, "0"}, make([]string, empty+1)...)
		if r.Err != nil {
			row[len(row)-1] = r.Err.Error()
		}
		return c.write(row)
	}
	num := func(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }
	for i := range r.Faces {
		f := &r.Faces[i]
		b := boxOf(f.Box)
		row := []string{r.Name, strconv.Itoa(i + 1), strconv.Itoa(b.X), strconv.Itoa(b.Y), strconv.Itoa(b.Width), strconv.Itoa(b.Height)}
		if c.h.Matching {
			m := f.Match
			row = append(row, m.Verdict.String())
			if m.Best.Person == "" {
				row = append(row, "", "", "", "", "")
			} else {
				name := ""
				if m.Verdict == Known {
					name = m.Best.Person
				}
				row = append(row, name, m.Best.Person, num(m.Best.Distance), num(m.Best.Distance*m.Best.Distance), m.Best.Photo)
			}
			if m.RunnerUp.Person == "" {
				row = append(row, "", "", "")
			} else {
				row = append(row, m.RunnerUp.Person, num(m.RunnerUp.Distance), num(m.Margin))
			}
		}
		if err := c.write(append(row, "")); err != nil {
			return err
		}
	}
	return nil
}

func (c *csvReport) End(Summary) error { return nil }

// textReport is for people.
type textReport struct {
	w io.Writer
	h Header
}

func (t *textReport) Picture(r *Result) error {
	if r.Err != nil {
		_, err := fmt.Fprintf(t.w, "%s: not looked at: %v\n", Printable(r.Name), r.Err)
		return err
	}
	if _, err := fmt.Fprintf(t.w, "%s: %s\n", Printable(r.Name), Plural(len(r.Faces), "face")); err != nil {
		return err
	}
	for i := range r.Faces {
		if _, err := fmt.Fprintf(t.w, "  %2d  %s%s\n", i+1, boxText(r.Faces[i].Detection), t.match(r.Faces[i].Match)); err != nil {
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
		s = fmt.Sprintf("  %s  %s  distance %.3f (squared %.3f) to %s", word, Printable(m.Best.Person), m.Best.Distance, m.Best.Distance*m.Best.Distance, Printable(m.Best.Photo))
	} else {
		s = fmt.Sprintf("  %s  nearest %s  distance %.3f (squared %.3f) to %s", word, Printable(m.Best.Person), m.Best.Distance, m.Best.Distance*m.Best.Distance, Printable(m.Best.Photo))
	}
	if m.RunnerUp.Person != "" {
		s += fmt.Sprintf(", %.3f before %s", m.Margin, Printable(m.RunnerUp.Person))
	}
	return s
}

func (t *textReport) End(s Summary) error {
	if s.Pictures < 2 {
		return nil
	}
	text := fmt.Sprintf("%s, %s", Plural(s.Pictures, "picture"), Plural(s.Faces, "face"))
	if t.h.Matching {
		text += fmt.Sprintf(": %d known, %d unknown, %d ambiguous", s.Known, s.Unknown, s.Ambiguous)
	}
	if s.WithoutFace > 0 {
		text += fmt.Sprintf("; no face in %d", s.WithoutFace)
	}
	if s.Failed > 0 {
		text += fmt.Sprintf("; %d could not be looked at", s.Failed)
		if len(s.NotRead) > 0 {
			var kinds []string
			for _, kind := range slices.Sorted(maps.Keys(s.NotRead)) {
				kinds = append(kinds, fmt.Sprintf("%d %s", s.NotRead[kind], kind))
			}
			text += " (not read: " + strings.Join(kinds, ", ") + ")"
		}
	}
	_, err := fmt.Fprintln(t.w, text)
	return err
}

// Plural is "1 face" or "2 faces".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
