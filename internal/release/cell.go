package release

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"facerec/internal/text"
)

// Platform is an OCI platform: operating system, architecture and, where one is
// needed, its variant. It is in the short form of [Platform.Normal], and
// compares with ==.
type Platform struct {
	OS, Arch, Variant string
}

// platformShape is what the parts of a platform look like, for those that this
// program does not know, too.
var platformShape = text.Pattern(`^[a-z0-9]{2,20}/[a-z0-9_]{2,20}(/[a-z0-9.]{1,20})?$`)

// ParsePlatform reads OS/ARCH[/VARIANT], such as linux/amd64 or linux/arm/v7.
func ParsePlatform(s string) (Platform, error) {
	if !platformShape().MatchString(s) {
		return Platform{}, fmt.Errorf("platform %s: expected OS/ARCH[/VARIANT], such as linux/amd64 or linux/arm/v7", text.Quote(s))
	}
	parts := append(strings.Split(s, "/"), "")
	return Platform{parts[0], parts[1], parts[2]}.Normal(), nil
}

// Normal leaves out the variant that an architecture has when none is named, and
// names the one of arm, as the image specification's table of variants has it:
// amd64 is amd64/v1, arm64 is arm64/v8, arm is arm/v7.
func (p Platform) Normal() Platform {
	switch {
	case p.Arch == "amd64" && p.Variant == "v1", p.Arch == "arm64" && p.Variant == "v8":
		p.Variant = ""
	case p.Arch == "arm" && p.Variant == "":
		p.Variant = "v7"
	}
	return p
}

// HostPlatform is the platform of the images that run on this machine.
func HostPlatform() Platform {
	os := runtime.GOOS
	if os != "windows" {
		os = "linux" // containers are Linux's there too
	}
	return Platform{OS: os, Arch: runtime.GOARCH}.Normal()
}

// The systems and architectures that a configuration may name: those of Go, so
// that a misspelt one is found when the file is read and not after the build.
var (
	systems       = []string{"aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows"}
	architectures = []string{"386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"}
)

// check reports an unknown system or architecture, with the nearest known one.
func (p Platform) check() error {
	for _, c := range []struct {
		what, got string
		known     []string
	}{{"operating system", p.OS, systems}, {"architecture", p.Arch, architectures}} {
		if slices.Contains(c.known, c.got) {
			continue
		}
		if near, ok := text.Nearest(c.got, c.known); ok {
			return fmt.Errorf("platform %s: unknown %s %q, did you mean %q?", p, c.what, c.got, near)
		}
		return fmt.Errorf("platform %s: unknown %s %q, expected one of %s", p, c.what, c.got, strings.Join(c.known, ", "))
	}
	return nil
}

// String is the OCI form, OS/ARCH[/VARIANT].
func (p Platform) String() string {
	s := p.OS + "/" + p.Arch
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// AssetArch is the architecture as asset names spell it: "armv7" for arm/v7.
// Released names cannot change.
func (p Platform) AssetArch() string { return p.Arch + p.Variant }

// MarshalText writes the OCI form.
func (p Platform) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePlatform.
func (p *Platform) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePlatform(string(b))
	return err
}

// Lineage is one major line of the native library that a release is built on.
// The primary lineage has an empty suffix; every other has one such as
// "-dlib19", and it ends image tags, asset names and top directories.
type Lineage struct {
	Name   string `json:"name"`
	Suffix string `json:"suffix"`
}

// Cell is one lineage on one platform, as in a CI matrix: one platform manifest,
// one tarball.
type Cell struct {
	Lineage  Lineage
	Platform Platform
}

// String is "dlib19/linux/arm/v7", the spelling of --cells.
func (c Cell) String() string { return c.Lineage.Name + "/" + c.Platform.String() }
