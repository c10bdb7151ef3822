package discover

import (
	"cmp"
	"strings"

	"facerec/internal/text"
)

var digits = text.Pattern(`[0-9]+`)

// shape cuts a name into its numbers and what is between them, with "#" for each
// number: 1.26.8-bookworm is #.#.#-bookworm and 1, 26, 8.
func shape(name string) (string, []string) {
	return digits().ReplaceAllString(name, "#"), digits().FindAllString(name, -1)
}

// compareNumbers orders lists of numbers of the same length, however long the
// numbers are.
func compareNumbers(a, b []string) int {
	for i := range min(len(a), len(b)) {
		x, y := strings.TrimLeft(a[i], "0"), strings.TrimLeft(b[i], "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// newest returns the name of the same shape as pinned that has the greatest
// numbers, if they are greater than pinned's.
func newest(pinned string, names []string) (string, bool) {
	want, best := shape(pinned)
	found := ""
	if len(best) == 0 {
		return "", false
	}
	for _, name := range names {
		if s, numbers := shape(name); s == want && compareNumbers(numbers, best) > 0 {
			found, best = name, numbers
		}
	}
	return found, found != ""
}
