package discover

import (
	"cmp"
	"strings"

	"facerec/internal/text"
)

// debVersion is a version of a Debian package.
var debVersion = text.Pattern(`^([0-9]+:)?[A-Za-z0-9.+~-]{1,200}$`)

// compareDebian orders versions as the Debian Policy Manual, section 5.6.12, does.
func compareDebian(a, b string) int {
	epochA, upstreamA, revisionA := splitDebian(a)
	epochB, upstreamB, revisionB := splitDebian(b)
	return cmp.Or(compareNumbers([]string{epochA}, []string{epochB}), compareParts(upstreamA, upstreamB), compareParts(revisionA, revisionB))
}

// splitDebian cuts [EPOCH:]UPSTREAM[-REVISION]. No epoch is 0, and no revision is
// as good as 0.
func splitDebian(v string) (epoch, upstream, revision string) {
	epoch = "0"
	if before, after, ok := strings.Cut(v, ":"); ok {
		epoch, v = before, after
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// compareParts compares text and numbers by turns.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = head(a, false)
		y, b = head(b, false)
		if c := compareText(x, y); c != 0 {
			return c
		}
		x, a = head(a, true)
		y, b = head(b, true)
		if c := compareNumbers([]string{x}, []string{y}); c != 0 {
			return c
		}
	}
	return 0
}

// head cuts the leading digits, or what is before the first one.
func head(s string, number bool) (string, string) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9') == number {
		i++
	}
	return s[:i], s[i:]
}

// compareText orders "~" before the end, that before letters, and those before
// everything else.
func compareText(a, b string) int {
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(rank(a, i), rank(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func rank(s string, i int) int {
	switch {
	case i >= len(s):
		return 0
	case s[i] == '~':
		return -1
	case s[i] >= 'A' && s[i] <= 'Z', s[i] >= 'a' && s[i] <= 'z':
		return int(s[i])
	}
	return int(s[i]) + 256
}

// upstream is what of a version says which release of upstream's it is: no epoch,
// no revision, and not what Debian added to it.
func upstream(v string) string {
	_, u, _ := splitDebian(v)
	for _, added := range []string{"+dfsg", "+ds", "+really"} {
		u, _, _ = strings.Cut(u, added)
	}
	return u
}

// major is the first number of a version.
func major(v string) []string { return digits().FindAllString(upstream(v), 1) }
