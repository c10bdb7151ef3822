package app

import (
	"cmp"
	"errors"
	"fmt"
	"io"

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
	GroupSchema            = "facerec.group/v1"
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
	Failed      int `json:"failed"`       // pictures that could not be read
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
