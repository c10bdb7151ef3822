package release

import (
	"fmt"
	"regexp"
	"strings"
)

// Version names a release without the leading "v" that its git tag may have:
// "1.4.0", "2.0.0-rc.1". It is safe as an image tag, a file name and a folder.
type Version string

// versionPattern is semantic versioning without build metadata ("+" is not
// allowed in an image tag) and without leading zeros.
var versionPattern = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

// ParseVersion accepts MAJOR.MINOR.PATCH with an optional pre-release, with or
// without a leading "v".
func ParseVersion(s string) (Version, error) {
	bare := strings.TrimPrefix(s, "v")
	if !versionPattern.MatchString(bare) || len(bare) > 100 {
		return "", fmt.Errorf("version %q: want MAJOR.MINOR.PATCH with an optional -PRERELEASE, such as 1.4.0 or v2.0.0-rc.1", s)
	}
	return Version(bare), nil
}

// Tag is the git tag of the release: the version with a leading "v".
func (v Version) Tag() string { return "v" + string(v) }
