package release

import (
	"cmp"
	"fmt"
	"strings"

	"facerec/internal/text"
)

// Version names a release without the leading "v" that its git tag may have:
// "1.4.0", "2.0.0-rc.1". It is safe as part of an image tag and of file names.
type Version string

// versionPattern is semantic versioning without build metadata ("+" is not
// allowed in an image tag) and without leading zeros.
var versionPattern = text.Pattern(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

// ParseVersion accepts MAJOR.MINOR.PATCH with an optional pre-release, with or
// without a leading "v".
func ParseVersion(s string) (Version, error) {
	bare := strings.TrimPrefix(s, "v")
	if !versionPattern().MatchString(bare) || len(bare) > 100 {
		return "", fmt.Errorf("version %s: expected MAJOR.MINOR.PATCH with an optional -PRERELEASE, such as 1.4.0 or v2.0.0-rc.1", text.Quote(s))
	}
	return Version(bare), nil
}

// Tag is the git tag of the release: the version with a leading "v".
func (v Version) Tag() string { return "v" + string(v) }

// IsPrerelease reports whether the version has a pre-release part.
func (v Version) IsPrerelease() bool { return v.Semantic() && strings.Contains(string(v), "-") }

// Compare orders versions as Semantic Versioning 2.0.0, section 11, does: -1 if
// v comes before w, 0 if they are equal, 1 if it comes after. Versions that are not
// semantic have no order: they are compared as text.
func (v Version) Compare(w Version) int {
	if !v.Semantic() || !w.Semantic() {
		return strings.Compare(string(v), string(w))
	}
	a, preA, _ := strings.Cut(string(v), "-")
	b, preB, _ := strings.Cut(string(w), "-")
	if c := compareIdentifiers(a, b); c != 0 {
		return c
	}
	switch {
	case preA == "" || preB == "": // a release comes after its pre-releases
		return strings.Compare(preB, preA)
	}
	return compareIdentifiers(preA, preB)
}

// compareIdentifiers compares what dots separate: numbers by value and before
// words, words bytewise, and the shorter list first if all else is equal.
func compareIdentifiers(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, y := as[i], bs[i]
		numX, numY := isNumber(x), isNumber(y)
		switch {
		case numX && numY:
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
				return c
			}
		case numX:
			return -1
		case numY:
			return 1
		default:
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(len(as), len(bs))
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Major is the first number.
func (v Version) Major() string { return strings.SplitN(string(v), ".", 3)[0] }

// Minor is the second number.
func (v Version) Minor() string { return strings.SplitN(string(v), ".", 3)[1] }

// Versioning is how a project names its versions.
type Versioning string

const (
	// Semver is semantic versioning; it is the default.
	Semver Versioning = "semver"
	// AnyVersion takes any word of letters, digits, '.', '_' and '-'. Such
	// versions have no order, so rolling tags never move.
	AnyVersion Versioning = "any"
)

var anyVersionPattern = text.Pattern(`^[0-9A-Za-z][0-9A-Za-z._-]*$`)

// ParseVersion reads a version as the project names them.
func (c *Config) ParseVersion(s string) (Version, error) {
	if c.Versioning != AnyVersion {
		return ParseVersion(s)
	}
	if v, err := ParseVersion(s); err == nil {
		return v, nil // a leading "v" goes without saying
	}
	if !anyVersionPattern().MatchString(s) || len(s) > 100 {
		return "", fmt.Errorf("version %s: expected at most 100 letters, digits, '.', '_' or '-', the first a letter or a digit", text.Quote(s))
	}
	return Version(s), nil
}

// Semantic reports whether the version is a semantic one, which has an order.
func (v Version) Semantic() bool { return versionPattern().MatchString(string(v)) }
