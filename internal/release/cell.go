package release

import (
	"fmt"
	"strings"
)

// Platform is an OCI platform: operating system, architecture and, for arm,
// the variant. It compares with ==.
type Platform struct {
	OS, Arch, Variant string
}

// platforms are the ones this project can build and name. The asset names are
// promised in the README: once released they cannot change.
var platforms = []struct {
	Platform
	asset string
}{
	{Platform{"linux", "amd64", ""}, "amd64"},
	{Platform{"linux", "arm64", ""}, "arm64"},
	{Platform{"linux", "arm", "v7"}, "armv7"},
}

// ParsePlatform reads "linux/amd64", "linux/arm64" or "linux/arm/v7".
func ParsePlatform(s string) (Platform, error) {
	var known []string
	for _, p := range platforms {
		if p.String() == s {
			return p.Platform, nil
		}
		known = append(known, p.String())
	}
	return Platform{}, fmt.Errorf("platform %q is not known: want one of %s", s, strings.Join(known, ", "))
}

// String is the OCI form, OS/ARCH[/VARIANT].
func (p Platform) String() string {
	s := p.OS + "/" + p.Arch
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// AssetArch is the architecture as asset names spell it: "armv7", not "arm/v7".
func (p Platform) AssetArch() string {
	for _, q := range platforms {
		if q.Platform == p {
			return q.asset
		}
	}
	return p.Arch + p.Variant
}

// MarshalText writes the OCI form.
func (p Platform) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePlatform.
func (p *Platform) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePlatform(string(b))
	return err
}

// Lineage is one major line of the native library that a release is built on.
// The primary lineage has an empty suffix; every other has one such as
// "-dlib19", and it ends image tags, asset names and top folders.
type Lineage struct {
	Name   string `json:"name"`
	Suffix string `json:"suffix"`
}

// Cell is one lineage on one platform: one platform manifest, one tarball.
type Cell struct {
	Lineage  Lineage
	Platform Platform
}

// String is "dlib19/linux/arm/v7", the spelling of --cells.
func (c Cell) String() string { return c.Lineage.Name + "/" + c.Platform.String() }
