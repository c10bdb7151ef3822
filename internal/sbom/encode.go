package sbom

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"iter"
)

// encode writes the document with each member of a list on a line of its own:
// that is what can be compared and searched with the usual tools.
func (b *builder) encode(to io.Writer) error {
	w := &lines{w: bufio.NewWriterSize(to, 64<<10)}
	d := b.doc
	w.head(d)
	list(w, "packages", func(yield func([]byte) bool) {
		for _, p := range d.Packages {
			if !yield(w.value(p)) {
				return
			}
		}
	}, ",")
	list(w, "files", func(yield func([]byte) bool) {
		for _, f := range b.files {
			if w.line = b.appendFile(w.line[:0], f); !yield(w.line) {
				return
			}
		}
	}, ",")
	// Those that were collected, and then that the release contains its files.
	list(w, "relationships", func(yield func([]byte) bool) {
		for _, r := range d.Relationships {
			if !yield(w.value(r)) {
				return
			}
		}
		for _, f := range b.files {
			if w.line = b.appendContains(w.line[:0], f); !yield(w.line) {
				return
			}
		}
	}, "")
	w.text("}\n")
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}

// lines writes until something goes wrong, which it remembers.
type lines struct {
	w    *bufio.Writer
	one  bytes.Buffer
	line []byte
	err  error
}

func (l *lines) text(s string) {
	if l.err == nil {
		_, l.err = l.w.WriteString(s)
	}
}

func (l *lines) bytes(b []byte) {
	if l.err == nil {
		_, l.err = l.w.Write(b)
	}
}

// value encodes v without a line's end. The bytes are valid until the next call.
func (l *lines) value(v any) []byte {
	l.one.Reset()
	enc := json.NewEncoder(&l.one)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil && l.err == nil {
		l.err = err
	}
	return bytes.TrimSuffix(l.one.Bytes(), []byte("\n"))
}

// head writes what comes before the lists.
func (l *lines) head(d document) {
	l.text("{\n")
	for _, f := range []struct {
		name  string
		value any
	}{
		{"spdxVersion", d.SPDXVersion}, {"dataLicense", d.DataLicense}, {"SPDXID", d.SPDXID}, {"name", d.Name},
		{"documentNamespace", d.Namespace}, {"creationInfo", d.Creation},
	} {
		l.text("\"" + f.name + "\": ")
		l.bytes(l.value(f.value))
		l.text(",\n")
	}
}

func list(l *lines, name string, members iter.Seq[[]byte], after string) {
	l.text("\"" + name + "\": [")
	sep := "\n"
	for m := range members {
		l.text(sep)
		l.bytes(m)
		sep = ",\n"
	}
	l.text("\n]" + after + "\n")
}
