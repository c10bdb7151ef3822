package app

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"facerec/internal/text"
)

// inert keeps a name from acting on a reader, a terminal, a CI log or a
// spreadsheet: what [text.Show] quotes is quoted, and a cell that begins like a
// formula gets an apostrophe in front. The characters are those of OWASP's page on
// CSV injection. A lone "-" is standard input, and runs nothing. JSON gives names
// back as they are.
func inert(cell string) string {
	if cell == "" || cell == "-" {
		return cell
	}
	if first, _ := utf8.DecodeRuneInString(cell); strings.ContainsRune("=+-@＝＋－＠", first) {
		cell = "'" + cell
	}
	return text.Show(cell)
}

// csvReport is RFC 4180 but for its line feeds; one line, which no name breaks, for
// each face, and one with face 0 for a picture without a face or with an error.
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
	return c, c.write(append(head, "error", "score"))
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
		row := append([]string{inert(r.Name), "0"}, make([]string, empty+2)...)
		if r.Err != nil {
			row[len(row)-2] = inert(text.Line(r.Err.Error(), 0))
		}
		return c.write(row)
	}
	num := func(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }
	for i := range r.Faces {
		f := &r.Faces[i]
		b := boxOf(f.Box)
		row := []string{inert(r.Name), strconv.Itoa(i + 1), strconv.Itoa(b.X), strconv.Itoa(b.Y), strconv.Itoa(b.Width), strconv.Itoa(b.Height)}
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
				row = append(row, inert(name), inert(m.Best.Person), num(m.Best.Distance), num(m.Best.Distance*m.Best.Distance), inert(m.Best.Photo))
			}
			if m.RunnerUp.Person == "" {
				row = append(row, "", "", "")
			} else {
				row = append(row, inert(m.RunnerUp.Person), num(m.RunnerUp.Distance), num(m.Margin))
			}
		}
		confidence := ""
		if f.Score != 0 {
			confidence = score(f.Score).String()
		}
		if err := c.write(append(row, "", confidence)); err != nil {
			return err
		}
	}
	return nil
}

func (c *csvReport) End(Summary) error { return nil }
