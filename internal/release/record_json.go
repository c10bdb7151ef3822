package release

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"facerec/internal/text"
)

// MaxRecordSize is the largest release.json, in bytes, that ParseRecord reads. Six
// cells of a hundred thousand files each make one of 134 MiB.
const MaxRecordSize = 512 << 20

// Marshal is [Record.Write] into memory.
func (r Record) Marshal() ([]byte, error) {
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ParseRecord reads what [Record.Marshal] writes and nothing else: unknown,
// repeated or missing fields, another order, other white space and names that
// could leave a directory are all errors. Marshal of the result is data again.
func ParseRecord(data []byte) (Record, error) {
	r, err := parseRecord(data)
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", RecordFile, err)
	}
	return r, nil
}

func parseRecord(data []byte) (Record, error) {
	if r, ok := ReadRecord(bytes.NewReader(data)); ok {
		return r, nil
	}
	return decodeRecord(data)
}

// decodeRecord reads a record with encoding/json, which tells what is wrong with
// one that [ReadRecord] does not take.
func decodeRecord(data []byte) (Record, error) {
	if len(data) > MaxRecordSize {
		return Record{}, fmt.Errorf("expected at most %d bytes, got %d", MaxRecordSize, len(data))
	}
	// The schema is looked at first and leniently: a record of a later version
	// should be called that, not an unknown field.
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Record{}, jsonFault(data, err)
	}
	if head.Schema != RecordSchema {
		return Record{}, fmt.Errorf("schema: expected %q, got %q; a newer releaser may be needed", RecordSchema, head.Schema)
	}
	if n := cellsIn(data); n > maxCells {
		return Record{}, fmt.Errorf("expected at most %d cells, got %d", maxCells, n)
	}
	var r Record
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Record{}, jsonFault(data, err)
	}
	if err := r.validate(); err != nil {
		return Record{}, err
	}
	canonical, err := r.Marshal()
	if err != nil {
		return Record{}, err
	}
	if !bytes.Equal(canonical, data) {
		return Record{}, fmt.Errorf("line %d is not spelled as releaser writes it", firstDifference(canonical, data))
	}
	return r, nil
}

// maxCells is how many cells a record has at most: they are counted before any of
// them takes memory.
const maxCells = maxLineages * maxPlatforms

// cellsIn counts the objects in lists at the top: in a record, these are the cells.
func cellsIn(data []byte) int {
	depth, n := 0, 0
	for c := range text.JSONMarks(data) {
		switch c {
		case '{', '[':
			if depth++; depth == 3 {
				n++
			}
		case '}', ']':
			depth--
		}
	}
	return n
}

// jsonFault adds the line to an error of encoding/json that knows an offset.
func jsonFault(data []byte, err error) error {
	var offset int64 = -1
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &typ):
		offset = typ.Offset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("is empty or cut short")
	}
	if offset < 0 || offset > int64(len(data)) {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:offset], []byte{'\n'}), err)
}

// firstDifference is the line, counted from 1, on which two texts part.
func firstDifference(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return 1 + bytes.Count(b[:n], []byte{'\n'})
}

// entryJSON is a RecordEntry as it is read. File names are bytes and JSON strings
// are not: a name that is not UTF-8 is in name_base64.
type entryJSON struct {
	Name       *string    `json:"name,omitempty"`
	NameBase64 []byte     `json:"name_base64,omitempty"`
	Type       string     `json:"type"`
	Mode       string     `json:"mode"` // octal, four digits
	Size       *int64     `json:"size,omitempty"`
	SHA256     *HexDigest `json:"sha256,omitempty"`
	Link       *string    `json:"link,omitempty"`
	LinkBase64 []byte     `json:"link_base64,omitempty"`
}

// MarshalJSON writes the entry in its published form.
func (e RecordEntry) MarshalJSON() ([]byte, error) {
	if e.SHA256 != nil && e.SHA256.IsZero() {
		return nil, fmt.Errorf("entry %q: cannot write an unset digest", e.Name)
	}
	return e.append(nil, ""), nil
}

// UnmarshalJSON reads the published form, unknown fields being errors.
func (e *RecordEntry) UnmarshalJSON(data []byte) error {
	var w entryJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		return fmt.Errorf("entry: %w", err)
	}
	mode, err := strconv.ParseUint(w.Mode, 8, 32)
	if err != nil {
		return fmt.Errorf("entry: mode %q: expected octal digits", w.Mode)
	}
	*e = RecordEntry{Type: w.Type, Mode: uint32(mode), SHA256: w.SHA256}
	if e.Name, err = fromTextOrBytes("name", w.Name, w.NameBase64); err != nil {
		return err
	}
	if w.Size != nil {
		e.Size = *w.Size
	}
	if w.Link != nil || len(w.LinkBase64) > 0 {
		if e.Link, err = fromTextOrBytes("link", w.Link, w.LinkBase64); err != nil {
			return err
		}
	}
	return nil
}

func fromTextOrBytes(field string, text *string, raw []byte) (string, error) {
	switch {
	case text != nil && raw == nil:
		return *text, nil
	case text == nil && raw != nil:
		return string(raw), nil
	}
	return "", fmt.Errorf("entry: expected exactly one of %s and %s_base64, got %q", field, field, base64.StdEncoding.EncodeToString(raw))
}
