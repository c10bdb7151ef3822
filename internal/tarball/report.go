package tarball

import (
	"bufio"
	"fmt"
	"io"

	"facerec/internal/text"
)

// WriteText writes a report for people: the grade, the causes, and one line
// for each field of each entry that differs, for limit entries at most (0 for
// all). The lines of entries begin with "-" for only in A, "+" for only in B,
// "~" for changed.
func WriteText(w io.Writer, r Difference, limit int) error {
	b := bufio.NewWriter(w)
	line := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) } // errors stay with b
	switch {
	case r.A.Name != "" && r.B.Name != "":
		line("%s: a %s, b %s", r.Grade, text.Show(r.A.Name), text.Show(r.B.Name))
	default:
		line("%s", r.Grade)
	}
	for _, c := range r.Causes {
		line("  cause %s: %s", c.Kind, c.Detail)
	}
	for i, e := range r.Entries {
		if limit > 0 && i == limit {
			line("  … and %d more entries", len(r.Entries)-i)
			break
		}
		switch e.Change {
		case "only in a":
			line("- %s%s", e.Name, e.layers())
		case "only in b":
			line("+ %s%s", e.Name, e.layers())
		default:
			for _, f := range e.Fields {
				line("~ %s: %s%s", e.Name, f, e.layers())
			}
		}
	}
	return b.Flush()
}

// layers tells where an entry came from, if that is known.
func (e EntryDiff) layers() string {
	switch {
	case e.LayerA == e.LayerB && e.LayerA == "":
		return ""
	case e.LayerB == "", e.LayerA == e.LayerB:
		return fmt.Sprintf(" (layer %s)", e.LayerA)
	case e.LayerA == "":
		return fmt.Sprintf(" (layer %s)", e.LayerB)
	}
	return fmt.Sprintf(" (layer %s in a, %s in b)", e.LayerA, e.LayerB)
}

// String gives one line: the field and both values.
func (f FieldDiff) String() string {
	if f.Field == "content" && f.Offset != nil {
		return fmt.Sprintf("content differs from offset %d on", *f.Offset)
	}
	return fmt.Sprintf("%s %s, %s", f.Field, orNone(f.A), orNone(f.B))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
