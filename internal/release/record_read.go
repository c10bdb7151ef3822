package release

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"facerec/internal/text"
)

// Bounds of what [ReadRecord] reads at a time; what goes beyond is left to
// [ParseRecord].
const (
	maxFrame      = 8 << 20 // bytes of a record without its entries
	maxFrameDepth = 16
	maxEntryLine  = 256 << 10
)

// entryLines are buffers for a line each. They are large for a small record, of
// which a list has many.
var entryLines = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxEntryLine) }}

// ReadRecord reads what [Record.Write] writes, and reports whether it is that and
// nothing else; [ParseRecord] says what is wrong with anything else. The bytes
// are never in memory together, and an entry that is the same as in the cell
// before is kept once.
//
// What is not an entry is decoded by encoding/json and must be what encoding that
// again gives; so must every entry.
func ReadRecord(from io.Reader) (Record, bool) { return readRecord(from, &recordReader{}) }

func readRecord(from io.Reader, in *recordReader) (Record, bool) {
	b := entryLines.Get().(*bufio.Reader)
	defer func() {
		b.Reset(nil)
		entryLines.Put(b)
	}()
	b.Reset(io.LimitReader(from, MaxRecordSize+1))
	in.r = b
	if err := in.read(); err != nil || in.n > MaxRecordSize {
		return Record{}, false
	}
	if text.BoundJSON(in.frame, maxFrameDepth, 0) != nil || cellsIn(in.frame) > maxCells {
		return Record{}, false
	}
	var r Record
	dec := json.NewDecoder(bytes.NewReader(in.frame))
	dec.DisallowUnknownFields()
	if dec.Decode(&r) != nil || len(r.Cells) != len(in.cells)+len(in.summed) {
		return Record{}, false
	}
	if again, err := r.frame(); err != nil || !bytes.Equal(again, in.frame) {
		return Record{}, false
	}
	total := 0
	for i, sum := range in.summed {
		r.Cells[i].Entries, r.Cells[i].sum = nil, sum
		total += sum.Count
	}
	if in.known != nil {
		return r, total <= maxEntries && r.validateWith(RecordCell.listed) == nil
	}
	for i := range r.Cells {
		r.Cells[i].Entries = in.cells[i]
	}
	return r, r.validate() == nil
}

// errOther says that something is spelled otherwise than Write spells it.
var errOther = errors.New("spelled otherwise")

// recordReader takes a record apart into the frame, which is the record without
// any entries, and the entries of each cell.
type recordReader struct {
	r     *bufio.Reader
	n     int64
	frame []byte
	cells [][]RecordEntry

	one, scratch []byte // an entry as it is, and as it should be

	// For [SumRecord], which keeps no entries.
	known  map[Digest]knownBlock // by what they are in the record; nil: entries are kept
	block  []byte                // the block that is being read
	ends   []int                 // of its entries
	summed []EntriesSum          // of cells
	only   [1]HexDigest          // in the place of sums

	sums []HexDigest // for entries to come: allocated together, as there may be very many
}

// sum makes a place for a digest.
func (in *recordReader) sum() *HexDigest {
	if len(in.sums) == 0 {
		in.sums = make([]HexDigest, 256)
	}
	made := &in.sums[0]
	in.sums = in.sums[1:]
	return made
}

// line returns the next line with its line feed. It is valid until the next call.
func (in *recordReader) line() ([]byte, error) {
	l, err := in.r.ReadSlice('\n')
	in.n += int64(len(l))
	return l, err
}

func (in *recordReader) read() error {
	for {
		l, err := in.line()
		if err == io.EOF && len(l) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case string(l) == openEntries[1:]:
			in.frame = append(in.frame, noEntries[1:]...)
			read := in.entries
			if in.known != nil {
				read = in.sumEntries
			}
			if err := read(); err != nil {
				return err
			}
		case string(l) == noEntries[1:] && in.known != nil:
			in.frame = append(in.frame, l...)
			in.summed = append(in.summed, SumEntries(func(func(RecordEntry) bool) {}))
		case string(l) == noEntries[1:]:
			in.frame = append(in.frame, l...)
			in.cells = append(in.cells, []RecordEntry{})
		default:
			in.frame = append(in.frame, l...)
		}
		if len(in.frame) > maxFrame {
			return errOther
		}
	}
}

// entries reads the entries of a cell. While they are those of the cell before,
// no list of their own is made.
func (in *recordReader) entries() error {
	var before, list []RecordEntry
	if n := len(in.cells); n > 0 {
		before = in.cells[n-1]
	}
	same := 0 // how many are the same as before, if list is nil
	at := 0   // where in before the next is expected
	for more := true; more; {
		var err error
		if in.one, more, err = in.entry(in.one[:0]); err != nil {
			return err
		}
		in.one = ended(in.one)
		if at < len(before) && in.is(&before[at]) {
			at++
			if list == nil {
				same++
			} else {
				list = append(list, before[at-1])
			}
			continue
		}
		if list == nil {
			list = slices.Grow(list, max(len(before)+16, 64))
			list = append(list, before[:same]...)
		}
		e, err := in.parseEntry()
		if err != nil {
			return err
		}
		if !in.is(&e) {
			return errOther
		}
		for at < len(before) && ComparePaths(before[at].Name, e.Name) <= 0 {
			at++
		}
		list = append(list, e)
	}
	if list == nil {
		list = before[:same:same]
	}
	in.cells = append(in.cells, list)
	return nil
}

// entry appends the lines of an entry to b, and reports whether another follows.
func (in *recordReader) entry(b []byte) (_ []byte, more bool, err error) {
	start := len(b)
	for {
		l, err := in.line()
		if err != nil || len(b)-start > maxEntryLine {
			return b, false, errors.Join(err, errOther)
		}
		b = append(b, l...)
		switch string(l) {
		case entryIndent + "},\n":
			return b, true, nil
		case entryIndent + "}\n":
			if l, err = in.line(); err != nil || string(l) != closeEntries[1:] {
				return b, false, errOther
			}
			return b, false, nil
		}
	}
}

// ended is an entry without what separates it from the next.
func ended(lines []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(lines, []byte("\n")), []byte(","))
}

// is reports whether the entry that was read is spelled as e is.
func (in *recordReader) is(e *RecordEntry) bool {
	in.scratch = e.append(append(in.scratch[:0], entryIndent...), "\n"+entryIndent)
	return bytes.Equal(in.scratch, in.one)
}

// parseEntry reads an entry. It need not see what is wrong with one: the caller
// spells the result and compares.
func (in *recordReader) parseEntry() (e RecordEntry, err error) {
	for l := range bytes.Lines(in.one) {
		key, value, ok := bytes.Cut(bytes.TrimLeft(l, " "), []byte(": "))
		if !ok {
			continue // a brace
		}
		value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte(","))
		switch string(key) {
		case `"name"`:
			e.Name, err = parseString(value)
		case `"name_base64"`:
			e.Name, err = parseBytes(value)
		case `"type"`:
			e.Type, err = parseType(value)
		case `"mode"`:
			var mode uint64
			mode, err = strconv.ParseUint(string(bytes.Trim(value, `"`)), 8, 32)
			e.Mode = uint32(mode)
		case `"size"`:
			e.Size, err = strconv.ParseInt(string(value), 10, 64)
		case `"sha256"`:
			e.SHA256 = in.sum()
			err = e.SHA256.UnmarshalText(bytes.Trim(value, `"`))
		case `"link"`:
			e.Link, err = parseString(value)
		case `"link_base64"`:
			e.Link, err = parseBytes(value)
		default:
			err = errOther
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

func parseType(value []byte) (string, error) {
	for _, t := range []string{EntryFile, EntryDir, EntrySymlink, EntryHardlink} {
		if string(bytes.Trim(value, `"`)) == t {
			return t, nil
		}
	}
	return "", errOther
}

func parseString(value []byte) (s string, err error) {
	if bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) && len(value) >= 2 {
		return string(value[1 : len(value)-1]), nil
	}
	err = json.Unmarshal(value, &s)
	return s, err
}

func parseBytes(value []byte) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(string(bytes.Trim(value, `"`)))
	return string(raw), err
}
