package app

import (
	"fmt"
	"io"

	"facerec/internal/text"
)

// WriteFound writes a result the way that scripts have long read it:
//
//	Found 3 faces
//	Person: John_Salley
//	Person: John_Shimkus
//	Person: unknown
//
// Every face has its line, in reading order. A line of a known face holds the
// name and nothing else; anybody else is "unknown". The number is that of all
// faces found, and the word after it does not bend.
func WriteFound(w io.Writer, r *Result) error {
	if _, err := fmt.Fprintf(w, "Found %d faces\n", len(r.Faces)); err != nil {
		return err
	}
	for i := range r.Faces {
		name := "unknown"
		if m := r.Faces[i].Match; m.Verdict == Known {
			name = text.Show(m.Best.Person)
		}
		if _, err := fmt.Fprintf(w, "Person: %s\n", name); err != nil {
			return err
		}
	}
	return nil
}
