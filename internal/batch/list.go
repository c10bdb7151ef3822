package batch

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"facerec/internal/text"
)

// Limits of a list.
const (
	MaxList     = 64 << 20 // bytes
	MaxLine     = 4096     // bytes of a line
	MaxReleases = 200_000  // lines with a release
)

// Item is a release of a list.
type Item struct {
	Line int    // in the list, from 1
	Name string // as it stands there
}

// Duplicate is a line that names a release once more.
type Duplicate struct {
	Item
	First int // the line that has it already
}

// List is what a list has, in its order.
type List struct {
	Items      []Item
	Duplicates []Duplicate
}

// maxShown is how much of a line an error shows, in bytes: a file that is not a list may
// have one long line.
const maxShown = 200

// ParseList reads a list: one release per line. Blank lines, blanks around a name
// and lines that begin with # are skipped. key gives equal strings for names that
// mean the same release.
func ParseList(raw []byte, key func(name string) string) (List, error) {
	var l List
	if len(raw) > MaxList {
		return l, fmt.Errorf("expected at most %d bytes", MaxList)
	}
	first := map[string]int{}
	n := 0
	for line := range bytes.Lines(bytes.TrimPrefix(raw, []byte("\ufeff"))) {
		n++
		if len(line) > MaxLine {
			return l, fmt.Errorf("line %d: expected at most %d bytes, got %d", n, MaxLine, len(line))
		}
		name := strings.Trim(string(line), " \t\r\n")
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return l, fmt.Errorf("line %d: %s: expected text without control characters", n, text.Line(text.Quote(name), maxShown))
		}
		item := Item{n, name}
		if before := first[key(name)]; before > 0 {
			l.Duplicates = append(l.Duplicates, Duplicate{item, before})
			continue
		}
		first[key(name)] = n
		if l.Items = append(l.Items, item); len(l.Items) > MaxReleases {
			return l, fmt.Errorf("line %d: expected at most %d releases", n, MaxReleases)
		}
	}
	return l, nil
}

// Split cuts a list into n shards whose lengths differ by one at most. Releases
// whose group is the same are neighbours, so that what they share is read in one
// shard, or in two where one is full. The shards depend on the list and n alone.
func Split(items []Item, n int, group func(name string) string) [][]Item {
	groups := map[string]string{}
	for _, i := range items {
		groups[i.Name] = group(i.Name)
	}
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b Item) int { return strings.Compare(groups[a.Name], groups[b.Name]) })
	shards := make([][]Item, n)
	for k := range shards {
		shards[k] = sorted[len(sorted)*k/n : len(sorted)*(k+1)/n]
		slices.SortStableFunc(shards[k], func(a, b Item) int { return a.Line - b.Line })
	}
	return shards
}
