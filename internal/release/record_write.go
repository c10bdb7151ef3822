package release

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"unicode/utf8"

	"facerec/internal/text"
)

// What release.json has around the entries of a cell. No other line can be like
// noEntries: it begins with a line feed, which no JSON string has.
const (
	noEntries    = "\n      \"entries\": []\n"
	openEntries  = "\n      \"entries\": [\n"
	closeEntries = "\n      ]\n"
	entryIndent  = "        "
)

// Write writes the record as release.json holds it: fields in a fixed order,
// cells sorted, two blanks of indentation, one line feed at the end. A record
// that ParseRecord would refuse is an error, before anything is written unless
// it is too large.
func (r Record) Write(to io.Writer) error {
	if err := r.complete(); err != nil {
		return fmt.Errorf("%s: %w", RecordFile, err)
	}
	return r.WriteEntries(to, RecordCell.listed)
}

// WriteEntries is Write with the entries of each cell taken from elsewhere, twice: a
// list of very many need not be made.
func (r Record) WriteEntries(to io.Writer, entries func(RecordCell) iter.Seq[RecordEntry]) error {
	if err := r.write(to, entries); err != nil {
		return fmt.Errorf("%s: %w", RecordFile, err)
	}
	return nil
}

func (r Record) write(to io.Writer, entries func(RecordCell) iter.Seq[RecordEntry]) error {
	r.Schema = RecordSchema
	r.Cells = sortCells(r.Cells)
	if err := r.validateWith(entries); err != nil {
		return err
	}
	frame, err := r.frame()
	if err != nil {
		return err
	}
	w := &bounded{w: bufio.NewWriterSize(to, 64<<10), left: MaxRecordSize}
	var one []byte
	for _, c := range r.Cells {
		before, after, _ := bytes.Cut(frame, []byte(noEntries))
		w.write(before)
		first := true
		for e := range entries(c) {
			one = one[:0]
			if first {
				one = append(one, openEntries...)
			} else {
				one = append(one, ",\n"...)
			}
			first = false
			one = e.append(append(one, entryIndent...), "\n"+entryIndent)
			w.write(one)
		}
		if first {
			w.write([]byte(noEntries))
		} else {
			w.write([]byte(closeEntries))
		}
		frame = after
	}
	w.write(frame)
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}

// frame is the record without any entries.
func (r Record) frame() ([]byte, error) {
	cells := make([]RecordCell, len(r.Cells))
	for i, c := range r.Cells {
		c.Entries = []RecordEntry{}
		cells[i] = c
	}
	r.Cells = cells
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(r)
	return b.Bytes(), err
}

// bounded writes until something goes wrong, which it remembers.
type bounded struct {
	w    *bufio.Writer
	left int64
	err  error
}

func (b *bounded) write(p []byte) {
	if b.left -= int64(len(p)); b.left < 0 && b.err == nil {
		b.err = fmt.Errorf("expected at most %d bytes, got more", MaxRecordSize)
	}
	if b.err == nil {
		_, b.err = b.w.Write(p)
	}
}

// append appends the entry in its published form: on one line, or with line feeds
// and this indentation. File names are bytes and JSON strings are not: a name that
// is not UTF-8 goes into name_base64.
func (e *RecordEntry) append(b []byte, indent string) []byte {
	sep, colon, first := ",", ":", "{"
	if indent != "" {
		sep, colon, first = ","+indent+"  ", ": ", "{"+indent+"  "
	}
	bytesOrText := func(b []byte, field, value string) []byte {
		if utf8.ValidString(value) {
			b = append(append(append(b, '"'), field...), '"')
			return text.AppendJSON(append(b, colon...), value)
		}
		b = append(append(append(b, '"'), field...), `_base64"`...)
		b = append(append(b, colon...), '"')
		return append(base64.StdEncoding.AppendEncode(b, []byte(value)), '"')
	}
	b = bytesOrText(append(b, first...), "name", e.Name)
	b = append(append(append(b, sep...), `"type"`...), colon...)
	b = text.AppendJSON(b, e.Type)
	b = append(append(append(b, sep...), `"mode"`...), colon...)
	b = append(appendOctal(append(b, '"'), e.Mode), '"')
	if e.Type == EntryFile {
		b = append(append(append(b, sep...), `"size"`...), colon...)
		b = strconv.AppendInt(b, e.Size, 10)
	}
	if e.SHA256 != nil {
		b = append(append(append(b, sep...), `"sha256"`...), colon...)
		b = append(hex.AppendEncode(append(b, '"'), e.SHA256.sum[:]), '"')
	}
	if e.Type == EntrySymlink || e.Type == EntryHardlink {
		b = bytesOrText(append(b, sep...), "link", e.Link)
	}
	return append(append(b, indent...), '}')
}

// appendOctal appends four digits, or more if it takes more.
func appendOctal(b []byte, n uint32) []byte {
	for limit := uint32(0o1000); n < limit && limit > 1; limit >>= 3 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, uint64(n), 8)
}
