package verify

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// Entries lists a tree as release.json does: the top directory first, then the
// entries in the order of the tar stream.
func Entries(t tarball.Tree) []release.RecordEntry { return listOf(AllEntries(t)) }

// listOf makes a list of entries whose digests are valid until the next.
func listOf(entries iter.Seq[release.RecordEntry]) []release.RecordEntry {
	var out []release.RecordEntry
	for e := range entries {
		if e.SHA256 != nil {
			sum := *e.SHA256
			e.SHA256 = &sum
		}
		out = append(out, e)
	}
	return out
}

// AllEntries yields the same. A digest is valid until the next entry.
func AllEntries(t tarball.Tree) iter.Seq[release.RecordEntry] {
	return func(yield func(release.RecordEntry) bool) {
		if !yield(release.RecordEntry{Name: ".", Type: release.EntryDir, Mode: t.TopMode()}) {
			return
		}
		var sum release.HexDigest
		for e := range t.All() {
			r := release.RecordEntry{Name: e.Name, Mode: e.Mode, Link: e.Link}
			switch e.Type {
			case tarball.Dir:
				r.Type = release.EntryDir
			case tarball.Symlink:
				r.Type = release.EntrySymlink
			case tarball.Hardlink:
				r.Type = release.EntryHardlink
			case tarball.Regular:
				sum.Digest = e.Content.Digest()
				r.Type, r.Size, r.SHA256 = release.EntryFile, e.Content.Size(), &sum
			}
			if !yield(r) {
				return
			}
		}
	}
}

// isEntry reports whether a is b with the digest sum.
func isEntry(a, b *release.RecordEntry, sum release.Digest) bool {
	return a.Name == b.Name && a.Type == b.Type && a.Mode == b.Mode && a.Size == b.Size && a.Link == b.Link && digestOf(a) == sum
}

func digestOf(e *release.RecordEntry) release.Digest {
	if e.SHA256 == nil {
		return release.Digest{}
	}
	return e.SHA256.Digest
}

// archiveEntries yields an archive's entries as release.json lists them. What lies
// outside the prefix keeps its name with a slash before it, which no record's entry
// has. A digest is valid until the next entry.
func archiveEntries(x *tarball.Listing, prefix string) iter.Seq[release.RecordEntry] {
	below := func(name string) string {
		if name == prefix {
			return "."
		}
		if rest, ok := strings.CutPrefix(name, prefix+"/"); ok {
			return rest
		}
		return "/" + name
	}
	return func(yield func(release.RecordEntry) bool) {
		var sum release.HexDigest
		for i := range x.Entries {
			e := &x.Entries[i]
			r := release.RecordEntry{Name: below(e.Name), Type: e.Type, Mode: uint32(e.Mode), Link: e.Link}
			switch e.Type {
			case release.EntryHardlink:
				r.Link = below(e.Link)
			case release.EntryFile:
				sum.Digest = e.Digest
				r.Size, r.SHA256 = e.Size, &sum
			}
			if !yield(r) {
				return
			}
		}
	}
}

// maxDifferences is how many differences a step lists.
const maxDifferences = 12

// EntryDifferences says where got differs from expected: which entry, and which of
// its fields. Nothing means that they are the same, in the same order.
func EntryDifferences(expected, got []release.RecordEntry) []string {
	if slices.EqualFunc(expected, got, func(a, b release.RecordEntry) bool { return isEntry(&a, &b, digestOf(&b)) }) {
		return nil
	}
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	have := make(map[string]release.RecordEntry, len(got))
	for _, e := range got {
		if _, ok := have[e.Name]; ok {
			add("%q: duplicate", e.Name)
		}
		have[e.Name] = e
	}
	known := make(map[string]bool, len(expected))
	for _, e := range expected {
		known[e.Name] = true
		g, ok := have[e.Name]
		if !ok {
			add("%q: expected a %s, got nothing", e.Name, e.Type)
			continue
		}
		switch {
		case e.Type != g.Type:
			add("%q: type: expected %s, got %s", e.Name, e.Type, g.Type)
		case e.Link != g.Link:
			add("%q: link: expected %q, got %q", e.Name, e.Link, g.Link)
		case e.Size != g.Size:
			add("%q: size: expected %d, got %d", e.Name, e.Size, g.Size)
		case e.SHA256 != nil && e.SHA256.Digest != g.SHA256.Digest:
			add("%q: sha256: expected %s, got %s", e.Name, e.SHA256.Hex(), g.SHA256.Hex())
		}
		if e.Mode != g.Mode {
			add("%q: mode: expected %04o, got %04o", e.Name, e.Mode, g.Mode)
		}
	}
	for _, g := range got {
		if !known[g.Name] {
			add("%q: expected nothing, got a %s", g.Name, g.Type)
		}
	}
	for i := 0; len(all) == 0 && i < len(expected); i++ {
		if expected[i].Name != got[i].Name {
			add("order: expected %q as entry %d, got %q", expected[i].Name, i+1, got[i].Name)
		}
	}
	return firstFew(all)
}

func firstFew(all []string) []string {
	for i := range all {
		all[i] = text.Line(all[i], maxErrorText)
	}
	if len(all) > maxDifferences {
		more := len(all) - maxDifferences
		all = append(all[:maxDifferences], fmt.Sprintf("and %d more", more))
	}
	return all
}
