package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"strconv"
	"unicode/utf8"

	"facerec/internal/text"
)

// distance is written with six decimals: more than the network can tell apart,
// and always the same text.
type distance float64

func (d distance) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(d), 'f', 6, 64), nil
}

// score is written with three decimals: architectures may differ in the last bits
// of what dlib's detector computes.
type score float64

func (s score) String() string { return strconv.FormatFloat(float64(s), 'f', 3, 64) }

func (s score) MarshalJSON() ([]byte, error) { return []byte(s.String()), nil }

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

// rawBytes returns a name that is not UTF-8, which a string in JSON cannot hold.
// encoding/json writes it as base64. For other names it returns nil.
func rawBytes(name string) []byte {
	if utf8.ValidString(name) {
		return nil
	}
	return []byte(name)
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
	// Score is left out by an engine that has none.
	Score score `json:"score,omitzero"`
	*matchJSON
	Descriptor []float32 `json:"descriptor,omitempty"`
}

type pictureJSON struct {
	Schema string `json:"schema,omitempty"`
	File   string `json:"file"`
	// FileBase64 is the name if it is not UTF-8.
	FileBase64 []byte     `json:"file_base64,omitempty"`
	Width      int        `json:"width"`
	Height     int        `json:"height"`
	Error      *string    `json:"error"`
	Notes      []string   `json:"notes,omitempty"`
	Faces      []faceJSON `json:"faces"`
}

func (h Header) pictureOf(r *Result) pictureJSON {
	p := pictureJSON{File: r.Name, FileBase64: rawBytes(r.Name), Width: r.Size.X, Height: r.Size.Y, Notes: r.Notes, Faces: []faceJSON{}}
	if r.Err != nil {
		message := r.Err.Error()
		p.Error = &message
	}
	for i := range r.Faces {
		f := &r.Faces[i]
		j := faceJSON{Box: boxOf(f.Box), Landmarks: pointsOf(f.Landmarks), Score: score(f.Score)}
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

// marshal is JSON as reports write it: <, > and & as they are, which file names
// may hold, and nothing that acts in a terminal. Lines after the first begin
// with prefix; oneLine writes a single line.
func marshal(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if prefix != oneLine {
		e.SetIndent(prefix, "  ")
	}
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return text.SafeJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

const oneLine = "\n"

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
		doc, err := marshal(v, "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, format, doc)
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
	doc, err := marshal(j.h.pictureOf(r), "    ")
	if err != nil {
		return err
	}
	sep := ",\n    "
	if j.n == 0 {
		sep = "\n    "
	}
	j.n++
	_, err = fmt.Fprintf(j.w, "%s%s", sep, doc)
	return err
}

func (j *jsonReport) End(s Summary) error {
	doc, err := marshal(s, "  ")
	if err != nil {
		return err
	}
	tail := "\n  ],\n"
	if j.n == 0 {
		tail = "],\n"
	}
	_, err = fmt.Fprintf(j.w, "%s  \"summary\": %s\n}\n", tail, doc)
	return err
}
