package release

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"facerec/internal/text"
)

// Version names a release without the leading "v" that its git tag may have:
// "1.4.0", "2.0.0-rc.1". It is safe as part of an image tag and of file names.
type Version string

// versionPattern is semantic versioning without build metadata ("+" is not
// allowed in an image tag) and without leading zeros.
var versionPattern = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

// ParseVersion accepts MAJOR.MINOR.PATCH with an optional pre-release, with or
// without a leading "v".
func ParseVersion(s string) (Version, error) {
	bare := strings.TrimPrefix(s, "v")
	if !versionPattern.MatchString(bare) || len(bare) > 100 {
		return "", fmt.Errorf("version %s: expected MAJOR.MINOR.PATCH with an optional -PRERELEASE, such as 1.4.0 or v2.0.0-rc.1", text.Quote(s))
	}
	return Version(bare), nil
}

// Tag is the git tag of the release: the version with a leading "v".
func (v Version) Tag() string { return "v" + string(v) }

// Versioning is how a project names its versions.
type Versioning string

const (
	// Semver is semantic versioning; it is the default.
	Semver Versioning = "semver"
	// AnyVersion takes any word of letters, digits, '.', '_' and '-'. Such
	// versions have no order, so rolling tags never move.
	AnyVersion Versioning = "any"
)

var anyVersionPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]*$`)

// ParseVersion reads a version as the project names them.
func (c *Config) ParseVersion(s string) (Version, error) {
	if c.Versioning != AnyVersion {
		return ParseVersion(s)
	}
	if v, err := ParseVersion(s); err == nil {
		return v, nil // a leading "v" goes without saying
	}
	if !anyVersionPattern.MatchString(s) || len(s) > 100 {
		return "", fmt.Errorf("version %s: expected at most 100 letters, digits, '.', '_' or '-', the first a letter or a digit", text.Quote(s))
	}
	return Version(s), nil
}

// Semantic reports whether the version is a semantic one, which has an order.
func (v Version) Semantic() bool { return versionPattern.MatchString(string(v)) }

// Prerelease reports whether the version is a semantic pre-release.
func (v Version) Prerelease() bool { return v.Semantic() && strings.Contains(string(v), "-") }

// Compare orders semantic versions as their specification does (semver.org,
// section 11). Others have no order: the result is by text only.
func (v Version) Compare(w Version) int {
	if !v.Semantic() || !w.Semantic() {
		return strings.Compare(string(v), string(w))
	}
	a, preA, _ := strings.Cut(string(v), "-")
	b, preB, _ := strings.Cut(string(w), "-")
	if c := compareIdentifiers(strings.Split(a, "."), strings.Split(b, ".")); c != 0 {
		return c
	}
	switch {
	case preA == preB:
		return 0
	case preA == "": // a release comes after its pre-releases
		return 1
	case preB == "":
		return -1
	}
	return compareIdentifiers(strings.Split(preA, "."), strings.Split(preB, "."))
}

func compareIdentifiers(a, b []string) int {
	for i := range min(len(a), len(b)) {
		x, errX := strconv.ParseUint(a[i], 10, 64)
		y, errY := strconv.ParseUint(b[i], 10, 64)
		var c int
		switch {
		case errX == nil && errY == nil:
			c = cmp.Compare(x, y)
		case errX == nil: // numbers come before words
			c = -1
		case errY == nil:
			c = 1
		default:
			c = strings.Compare(a[i], b[i])
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
