package packages

import (
	"fmt"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Diff compares two packages: the entries that they install, then metadata and
// scripts, each under the name of the file that it is about or "package".
func Diff(a, b Contents) tarball.Difference {
	d := tarball.Difference{
		A: tarball.Side{File: a.File.String(), FileSize: a.Size, Entries: len(a.Entries)},
		B: tarball.Side{File: b.File.String(), FileSize: b.Size, Entries: len(b.Entries)},
	}
	d.Entries = append(pair(a.Entries, b.Entries, entryKey, entryFields), pair(a.Fields, b.Fields, Field.key, metadataFields)...)
	switch {
	case a.File == b.File:
		d.Grade = tarball.Identical
	case len(d.Entries) == 0:
		d.Grade = tarball.SameContent
		d.Causes = []tarball.Cause{{Kind: tarball.CauseFormat, Detail: "the same entries and metadata, and other archives around them"}}
	default:
		d.Grade = tarball.Differs
	}
	return d
}

func entryKey(e release.RecordEntry) key { return key{name: e.Name} }

// label is what a difference is listed under.
func (k key) label() string {
	if k.path != "" {
		return text.Show(k.path)
	}
	return text.Show(k.name)
}

// pair finds what both lists have under one key, and what only one has.
func pair[T any](a, b []T, keyOf func(T) key, fields func(a, b T) []tarball.FieldDiff) []tarball.EntryDiff {
	var out []tarball.EntryDiff
	other := make(map[key]T, len(b))
	for _, y := range b {
		other[keyOf(y)] = y
	}
	seen := make(map[key]bool, len(a))
	for _, x := range a {
		k := keyOf(x)
		seen[k] = true
		y, ok := other[k]
		if !ok {
			out = append(out, tarball.EntryDiff{Name: only(k), Change: "only in a"})
			continue
		}
		if f := fields(x, y); len(f) > 0 {
			out = append(out, tarball.EntryDiff{Name: k.label(), Change: "changed", Fields: f})
		}
	}
	for _, y := range b {
		if k := keyOf(y); !seen[k] {
			out = append(out, tarball.EntryDiff{Name: only(k), Change: "only in b"})
		}
	}
	return out
}

// only is the name of what one side has: of metadata of a file, both.
func only(k key) string {
	if k.path == "" {
		return k.label()
	}
	return k.label() + ": " + text.Show(k.name)
}

func entryFields(a, b release.RecordEntry) []tarball.FieldDiff {
	var out []tarball.FieldDiff
	note := func(field, x, y string) {
		if x != y {
			out = append(out, tarball.FieldDiff{Field: field, A: x, B: y})
		}
	}
	content := func(e release.RecordEntry) string {
		if e.SHA256 == nil {
			return ""
		}
		return e.SHA256.String()
	}
	note("type", a.Type, b.Type)
	note("mode", fmt.Sprintf("%04o", a.Mode), fmt.Sprintf("%04o", b.Mode))
	note("size", fmt.Sprint(a.Size), fmt.Sprint(b.Size))
	note("link", text.Show(a.Link), text.Show(b.Link))
	note("content", content(a), content(b))
	return out
}

func metadataFields(a, b Field) []tarball.FieldDiff {
	if a.Value == b.Value {
		return nil
	}
	name := "value"
	if a.Path != "" {
		name = text.Show(a.Name)
	}
	return []tarball.FieldDiff{{Field: name, A: text.Show(a.Value), B: text.Show(b.Value)}}
}
