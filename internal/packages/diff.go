package packages

import (
	"fmt"
	"io"
	"path"
	"slices"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Diff compares two packages: the entries that they install, then metadata and
// scripts, each under the name of the file that it is about or "package". The causes
// name the parts of the files that differ.
func Diff(a, b Contents) tarball.Difference {
	d := tarball.Difference{A: a.side(), B: b.side()}
	entries := pair(a.Entries, b.Entries, entryKey, entryFields)
	fields := pair(a.Fields, b.Fields, Field.key, metadataFields)
	d.Entries = append(entries, fields...)
	switch {
	case a.File == b.File:
		d.Grade = tarball.Identical
		return d
	case len(d.Entries) == 0:
		d.Grade = tarball.SameContent
		d.Causes = []tarball.Cause{{Kind: tarball.CauseFormat, Detail: "the same entries and metadata, and other archives around them"}}
	default:
		d.Grade = tarball.Differs
	}
	if a.Format != b.Format {
		d.Causes = append(d.Causes, tarball.Cause{Kind: tarball.CausePackage, Detail: fmt.Sprintf("a is a .%s, b is a .%s", a.Format, b.Format)})
		return d
	}
	named := false
	for _, kind := range partKinds {
		x, y := a.part(kind), b.part(kind)
		if x == y || kind == tarball.CauseWrapping && named { // it has the sizes of the others
			continue
		}
		named = true
		detail := fmt.Sprintf("%s in a, %s in b", orNone(x), orNone(y))
		switch {
		case kind == tarball.CausePayload && len(entries) == 0 && !a.Tar.IsZero() && a.Tar == b.Tar:
			detail += "; the same tar stream, compressed in another way"
		case kind == tarball.CausePayload && len(entries) == 0:
			detail += "; the same entries, archived or compressed in another way"
		}
		d.Causes = append(d.Causes, tarball.Cause{Kind: kind, Detail: detail})
	}
	return d
}

func orNone(d release.Digest) string {
	if d.IsZero() {
		return "none"
	}
	return d.String()
}

func (c Contents) side() tarball.Side {
	s := tarball.Side{File: c.File.String(), FileSize: c.Size, Entries: len(c.Entries)}
	if !c.Tar.IsZero() {
		s.Tar, s.TarSize = c.Tar.String(), c.TarSize
	}
	return s
}

// ReadTar reads a tarball, of any compression, as if it were what a package installs.
// What is wrong with it is in problems, and what could be read in the contents.
func ReadTar(r io.Reader) (c Contents, problems []tarball.Problem, err error) {
	x, err := tarball.List(r, tarball.DefaultLimits())
	if err != nil {
		return c, nil, err
	}
	c.listed(x)
	c.File, c.Size = x.File, x.FileSize
	return c, x.Problems, nil
}

// DiffTar compares what a package installs with a tarball, in either order, entry by
// entry: the tarball is the one without a format. A file that the other side has under
// another name is paired with it by its bytes, or else by its base name, and the names
// are a field that differs. Of metadata only scripts are named: a tarball has none.
func DiffTar(a, b Contents, problems []tarball.Problem) tarball.Difference {
	d := tarball.Difference{Grade: tarball.Differs, A: a.side(), B: b.side()}
	pkg, its, other := a, "a", "b"
	if a.Format == "" {
		pkg, its, other = b, "b", "a"
	}
	for _, p := range problems {
		d.Causes = append(d.Causes, tarball.Cause{Kind: p.Kind, Detail: other + ": " + p.Detail})
	}
	detail := fmt.Sprintf("%s is a .%s, %s is none: what it installs is compared", its, pkg.Format, other)
	if !a.Tar.IsZero() && a.Tar == b.Tar {
		detail += "; its payload has the tar stream of " + other
	}
	d.Causes = append(d.Causes, tarball.Cause{Kind: tarball.CausePackage, Detail: detail})
	left, right := withoutHardLinks(a.Entries), withoutHardLinks(b.Entries)
	names, same := renamed(left, right)
	if same > 0 {
		d.Causes = append(d.Causes, tarball.Cause{Kind: tarball.CauseNames, Detail: text.Count(same, "file") + " with the same bytes under another name"})
	}
	was := map[string]string{}
	for i, e := range right {
		if name, ok := names[e.Name]; ok {
			was[name], right[i].Name = e.Name, name
		}
	}
	d.Entries = pair(left, right, entryKey, func(x, y release.RecordEntry) []tarball.FieldDiff {
		fields := entryFields(x, y)
		if name, ok := was[x.Name]; ok {
			fields = append([]tarball.FieldDiff{{Field: "name", A: text.Show(x.Name), B: text.Show(name)}}, fields...)
		}
		return fields
	})
	for _, f := range pkg.Fields {
		if f.IsScript() {
			d.Entries = append(d.Entries, tarball.EntryDiff{Name: only(f.key()), Change: "only in " + its})
		}
	}
	if len(d.Entries)+len(problems) == 0 {
		d.Grade = tarball.SameContent
	}
	return d
}

// withoutHardLinks has hard links as files of their own, as packages install them.
func withoutHardLinks(all []release.RecordEntry) []release.RecordEntry {
	files := make(map[string]release.RecordEntry, len(all))
	for _, e := range all {
		if e.Type == release.EntryFile {
			files[e.Name] = e
		}
	}
	out := slices.Clone(all)
	for i, e := range out {
		if held, ok := files[e.Link]; ok && e.Type == release.EntryHardlink {
			held.Name, held.Mode = e.Name, e.Mode
			out[i] = held
		}
	}
	return out
}

// renamed pairs the files of which the other side has no such name: by their bytes
// and base names, by their bytes, and by base names alone, where that is one to one. It
// gives the names in a by those in b, and how many pairs have the same bytes.
func renamed(a, b []release.RecordEntry) (names map[string]string, same int) {
	alone := func(all, other []release.RecordEntry) (out []release.RecordEntry) {
		known := map[string]bool{}
		for _, e := range other {
			known[e.Name] = true
		}
		for _, e := range all {
			if e.SHA256 != nil && !known[e.Name] {
				out = append(out, e)
			}
		}
		return out
	}
	left, right := alone(a, b), alone(b, a)
	names = map[string]string{}
	for _, keyOf := range []func(release.RecordEntry) string{
		func(e release.RecordEntry) string { return e.SHA256.String() + path.Base(e.Name) },
		func(e release.RecordEntry) string { return e.SHA256.String() },
		func(e release.RecordEntry) string { return path.Base(e.Name) },
	} {
		count, found := map[string]int{}, map[string][]release.RecordEntry{}
		for _, e := range left {
			count[keyOf(e)]++
		}
		for _, e := range right {
			found[keyOf(e)] = append(found[keyOf(e)], e)
		}
		left = slices.DeleteFunc(left, func(e release.RecordEntry) bool {
			k := keyOf(e)
			if count[k] != 1 || len(found[k]) != 1 {
				return false
			}
			names[found[k][0].Name] = e.Name
			if found[k][0].SHA256.Digest == e.SHA256.Digest {
				same++
			}
			return true
		})
		right = slices.DeleteFunc(right, func(e release.RecordEntry) bool {
			_, taken := names[e.Name]
			return taken
		})
	}
	return names, same
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
