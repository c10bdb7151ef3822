package release

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"facerec/internal/text"
)

// The names of a release's files, besides its tarballs. They are kept together
// with their inverse, [IsFile].
const (
	// ChecksumsFile lists the SHA-256 of every other file but its bundle.
	ChecksumsFile = "checksums.txt"
	// RecordFile says what every tarball was made of.
	RecordFile = "release.json"
	// BundleFile is the Sigstore bundle of the checksums.
	BundleFile = ChecksumsFile + bundleSuffix
	// ProvenanceFile is the Sigstore bundle of the provenance statement.
	ProvenanceFile = "provenance" + bundleSuffix

	bundleSuffix  = ".sigstore.json"
	rebuildSuffix = ".rebuild" + bundleSuffix
	linkSuffix    = ".rebuild.link"
	sbomSuffix    = ".spdx.json"
)

// What a signed rebuild says, and by which rule: a verification summary of SLSA
// (https://slsa.dev/spec/v1.0/verification_summary) whose policy is RebuildPolicy.
const (
	PredicateSummary = "https://slsa.dev/verification_summary/v1"

	// RebuildPolicy is the rule that a subject passes or fails: built again from the
	// sources that the release names, it has the same bytes.
	RebuildPolicy = "urn:facerec:releaser:rebuild:1"

	RebuildPassed = "PASSED"
	RebuildFailed = "FAILED"
)

// PackageURL names a version of a project, as package-url.github.io spells it.
func PackageURL(project string, v Version) string {
	return "pkg:generic/" + url.PathEscape(project) + "@" + url.PathEscape(string(v))
}

var rebuilderShape = text.Pattern(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)

// RebuildFile is the name of the file in which a rebuilder says what came out.
func RebuildFile(rebuilder string) (string, error) {
	if !rebuilderShape().MatchString(rebuilder) {
		return "", fmt.Errorf("name of a rebuilder: expected up to 64 letters, digits, dots, underscores and hyphens, got %q", rebuilder)
	}
	return rebuilder + rebuildSuffix, nil
}

// ParseRebuildFile is the inverse of [RebuildFile]. The name may also be that of a
// file with the links of rebuilderd, such as NAME.rebuild.link.
func ParseRebuildFile(name string) (rebuilder string, ok bool) {
	if rebuilder, ok = strings.CutSuffix(name, rebuildSuffix); !ok {
		rebuilder, ok = strings.CutSuffix(name, linkSuffix)
	}
	return rebuilder, ok && rebuilderShape().MatchString(rebuilder)
}

// SBOMFile is the name of the SBOM of a tarball.
func SBOMFile(asset string) string {
	return strings.TrimSuffix(strings.TrimSuffix(asset, ".tgz"), ".tar.gz") + sbomSuffix
}

// IsTarball reports whether a file is called like a tarball.
func IsTarball(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}

// IsFile reports whether a file is called like one that a release has: only such
// files may be replaced, and only such can pass for a part of one.
func IsFile(name string) bool {
	return name == ChecksumsFile || name == RecordFile || IsTarball(name) || IsPackage(name) ||
		strings.HasSuffix(name, sbomSuffix) || strings.HasSuffix(name, bundleSuffix) || strings.HasSuffix(name, linkSuffix)
}

// ImageTag is the tag under which the index of a lineage is pushed.
func (c *Config) ImageTag(v Version, l Lineage) string { return expand(c.Tags, v, Cell{Lineage: l}) }

// PartTag is the tag of one cell's image in a registry until all cells are there:
// the tag of its lineage's index, "-part." and the platform, such as
// 1.0.0-part.linux-arm-v7.
func PartTag(tag string, p Platform) string {
	return tag + "-part." + strings.ReplaceAll(p.String(), "/", "-")
}

// PartTag is [PartTag] for a cell of a version.
func (c *Config) PartTag(v Version, cell Cell) string {
	return PartTag(c.ImageTag(v, cell.Lineage), cell.Platform)
}

// ParseTag is the inverse of [Config.ImageTag]. Of several lineages that fit, the
// one with the longest suffix is meant: "-dlib19" could also end a pre-release.
func (c *Config) ParseTag(tag string) (Version, Lineage, bool) {
	lineages := slices.Clone(c.Lineages)
	slices.SortStableFunc(lineages, func(a, b Lineage) int { return cmp.Compare(len(b.Suffix), len(a.Suffix)) })
	for _, l := range lineages {
		if v, ok := c.invert(tag, func(v Version) string { return c.ImageTag(v, l) }); ok {
			return v, l, true
		}
	}
	return "", Lineage{}, false
}

// AssetName is the file name of a cell's tarball.
func (c *Config) AssetName(v Version, cell Cell) string { return expand(c.Asset, v, cell) }

// ParseAsset is the inverse of [Config.AssetName]. A pattern without the version
// gives the version of the configuration.
func (c *Config) ParseAsset(name string) (Version, Cell, bool) {
	cells := c.Cells()
	slices.SortStableFunc(cells, func(a, b Cell) int { return cmp.Compare(len(b.Lineage.Suffix), len(a.Lineage.Suffix)) })
	for _, cell := range cells {
		if v, ok := c.invert(name, func(v Version) string { return c.AssetName(v, cell) }); ok {
			return v, cell, true
		}
	}
	return "", Cell{}, false
}

// invert finds the version for which make gives the name.
func (c *Config) invert(name string, make func(Version) string) (Version, bool) {
	const any = Version("0.0.0-any")
	pattern := strings.ReplaceAll(regexp.QuoteMeta(make(any)), regexp.QuoteMeta(string(any)), `([0-9A-Za-z][0-9A-Za-z._-]*)`)
	m := regexp.MustCompile("^" + pattern + "$").FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	v := c.Version
	if len(m) > 1 {
		var err error
		if v, err = c.ParseVersion(m[1]); err != nil {
			return "", false
		}
	}
	return v, v != "" && make(v) == name
}

var defaultAsset = text.Pattern(`^.+_([0-9][0-9A-Za-z.-]*)_([a-z0-9]+)_([a-z0-9]+)(-[0-9A-Za-z._-]+)?\.t(?:ar\.)?gz$`)

// ParseDefaultAsset reads NAME_VERSION_OS_ARCH[-SUFFIX].tar.gz, which tarballs are
// called when a configuration does not say otherwise, without one. tag is the
// default tag of the image.
func ParseDefaultAsset(name string) (v Version, p Platform, tag string, ok bool) {
	m := defaultAsset().FindStringSubmatch(name)
	if m == nil {
		return "", p, "", false
	}
	v, err := ParseVersion(m[1])
	p = Platform{OS: m[2], Arch: m[3]}
	if arm, variant, found := strings.Cut(m[3], "v"); found && slices.Contains(architectures, arm) {
		p.Arch, p.Variant = arm, "v"+variant
	}
	if err != nil || p.check() != nil {
		return "", Platform{}, "", false
	}
	return v, p.Normal(), string(v) + m[4], true
}
