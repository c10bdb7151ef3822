package sbom

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"slices"
)

// encode writes the document with each member of a list on a line of its own:
// that is what can be compared and searched with the usual tools.
func (b *builder) encode(to io.Writer) error {
	w := &lines{w: bufio.NewWriterSize(to, 64<<10)}
	d := b.doc
	w.head(d)
	list(w, "packages", slices.Values(d.Packages), ",")
	list(w, "files", b.entries(), ",")
	list(w, "relationships", b.relationships(), "")
	w.text("}\n")
	if w.err != nil {
		return w.err
	}
	return w.w.Flush()
}

func (b *builder) entries() iter.Seq[spdxFile] {
	return func(yield func(spdxFile) bool) {
		for _, f := range b.files {
			if !yield(b.entry(f)) {
				return
			}
		}
	}
}

// relationships are those that were collected, and then that the release
// contains its files.
func (b *builder) relationships() iter.Seq[relationship] {
	return func(yield func(relationship) bool) {
		for _, r := range b.doc.Relationships {
			if !yield(r) {
				return
			}
		}
		for _, f := range b.files {
			if !yield(relationship{idRelease, "CONTAINS", f.id()}) {
				return
			}
		}
	}
}

// lines writes until something goes wrong, which it remembers.
type lines struct {
	w   *bufio.Writer
	one bytes.Buffer
	err error
}

func (l *lines) text(s string) {
	if l.err == nil {
		_, l.err = l.w.WriteString(s)
	}
}

// value writes v without a line's end.
func (l *lines) value(v any) {
	l.one.Reset()
	enc := json.NewEncoder(&l.one)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil && l.err == nil {
		l.err = err
	}
	l.text(string(bytes.TrimSuffix(l.one.Bytes(), []byte("\n"))))
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
		l.value(f.value)
		l.text(",\n")
	}
}

func list[T any](l *lines, name string, members iter.Seq[T], after string) {
	l.text("\"" + name + "\": [")
	sep := "\n"
	for m := range members {
		l.text(sep)
		l.value(m)
		sep = ",\n"
	}
	l.text("\n]" + after + "\n")
}
