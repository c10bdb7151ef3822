package checksum

import (
	"fmt"
	"slices"
	"strings"

	"facerec/internal/release"
)

// File is the name under which a release publishes its sums.
const File = release.ChecksumsFile

// MaxEntries is the most names that one list may hold. A release has a dozen;
// the limit is there for readers of files from strangers.
const MaxEntries = 10_000

// Sum is the SHA-256 of one published file.
type Sum struct {
	Name   string // a bare file name, see ValidName
	Digest release.Digest
}

// Sums is a list of sums, sorted by name, every name once. The zero value is
// empty; New and the parsers never return an empty list without an error.
type Sums struct {
	list []Sum
}

// New sorts a copy of list by name. A list that is empty or too long, a name
// that [ValidName] refuses, a name that comes twice and an unset digest are
// errors.
func New(list []Sum) (Sums, error) {
	if len(list) == 0 {
		return Sums{}, fmt.Errorf("checksums: a list of nothing proves nothing; expected at least one file")
	}
	if len(list) > MaxEntries {
		return Sums{}, fmt.Errorf("checksums: expected at most %d files, got %d", MaxEntries, len(list))
	}
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b Sum) int { return strings.Compare(a.Name, b.Name) })
	for i, s := range sorted {
		if err := ValidName(s.Name); err != nil {
			return Sums{}, fmt.Errorf("checksums: %w", err)
		}
		if s.Digest.IsZero() {
			return Sums{}, fmt.Errorf("checksums: %s has no digest", s.Name)
		}
		if i > 0 && sorted[i-1].Name == s.Name {
			return Sums{}, fmt.Errorf("checksums: %s is listed twice", s.Name)
		}
	}
	return Sums{list: sorted}, nil
}

// All gives the sums in order. The slice is the caller's own.
func (s Sums) All() []Sum { return slices.Clone(s.list) }

// Len is the number of names.
func (s Sums) Len() int { return len(s.list) }

// Lookup finds the digest of a name; false means that the list has no such
// name.
func (s Sums) Lookup(name string) (release.Digest, bool) {
	i, ok := slices.BinarySearchFunc(s.list, name, func(a Sum, n string) int { return strings.Compare(a.Name, n) })
	if !ok {
		return release.Digest{}, false
	}
	return s.list[i].Digest, true
}

// Format writes the list as checksums.txt holds it.
func (s Sums) Format() []byte {
	var b []byte
	for _, e := range s.list {
		b = append(b, e.Digest.Hex()...)
		b = append(b, ' ', ' ')
		b = append(b, e.Name...)
		b = append(b, '\n')
	}
	return b
}
