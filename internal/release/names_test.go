package release

import (
	"slices"
	"testing"
)

// namesConfig has what makes names hard to read back: a suffix that could end a
// pre-release, and a tag pattern of its own.
func namesConfig(tags string, versioning Versioning) *Config {
	c := &Config{ProjectName: "tool", Tags: tags, Versioning: versioning, Version: "9.9.9",
		Lineages:  []Lineage{{Name: "new"}, {Name: "old", Suffix: "-old"}},
		Platforms: []Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm", Variant: "v7"}, {OS: "windows", Arch: "arm64"}},
	}
	c.fillIn()
	return c
}

func TestNamesReadBack(t *testing.T) {
	for _, tags := range []string{"", "v{version}{suffix}", "{lineage}-{version}", "{tag}{suffix}"} {
		for _, v := range []Version{"1.2.3", "1.0.0-rc.1", "1.0.0-old-2"} {
			c := namesConfig(tags, Semver)
			for _, l := range c.Lineages {
				if got, lineage, ok := c.ParseTag(c.ImageTag(v, l)); !ok || got != v || lineage != l {
					t.Errorf("tag %s of %q reads back as %s of %s, %v", c.ImageTag(v, l), c.Tags, got, lineage.Name, ok)
				}
			}
			for _, cell := range c.Cells() {
				name := c.AssetName(v, cell)
				if got, back, ok := c.ParseAsset(name); !ok || got != v || back != cell {
					t.Errorf("%s reads back as %s of %s, %v", name, got, back, ok)
				}
				got, p, tag, ok := ParseDefaultAsset(name)
				if !ok || got != v || p != cell.Platform || tag != string(v)+cell.Lineage.Suffix {
					t.Errorf("%s reads back as %s %s %s, %v, without a configuration", name, got, p, tag, ok)
				}
				if !IsFile(name) || !IsTarball(name) || !IsFile(SBOMFile(name)) {
					t.Errorf("%s is not taken for a release's file", name)
				}
			}
		}
	}
	c := namesConfig("", AnyVersion)
	for _, v := range []Version{"2024.11", "r17", "1.2.3"} {
		if got, l, ok := c.ParseTag(c.ImageTag(v, c.Lineages[1])); !ok || got != v || l.Name != "old" {
			t.Errorf("%s reads back as %s of %s, %v", v, got, l.Name, ok)
		}
	}
}

func TestNamesOfOthers(t *testing.T) {
	c := namesConfig("v{version}{suffix}", Semver)
	for _, tag := range []string{"", "latest", "1.2.3", "v1.2", "v1.2.3-old-old x", "v01.2.3"} {
		if v, l, ok := c.ParseTag(tag); ok {
			t.Errorf("tag %q reads as %s of %s", tag, v, l.Name)
		}
	}
	for _, name := range []string{"", "tool.tar.gz", "tool_1.2_linux_amd64.tar.gz", "other_1.2.3_linux_amd64.tar.gz", "tool_1.2.3_linux_s390x.tar.gz", "tool_1.2.3_linux_amd64.tar.gz.bak"} {
		if v, cell, ok := c.ParseAsset(name); ok {
			t.Errorf("%q reads as %s of %s", name, v, cell)
		}
	}
	for name, want := range map[string]bool{ChecksumsFile: true, RecordFile: true, BundleFile: true, ProvenanceFile: true,
		"a.tgz": true, "a.spdx.json": true, "README.md": false, "checksums.txt.bak": false, "": false} {
		if IsFile(name) != want {
			t.Errorf("IsFile(%q) = %v", name, !want)
		}
	}
}

func TestPlatforms(t *testing.T) {
	for in, want := range map[string]string{
		"linux/amd64": "linux/amd64", "linux/amd64/v1": "linux/amd64", "linux/amd64/v3": "linux/amd64/v3",
		"linux/arm64/v8": "linux/arm64", "linux/arm": "linux/arm/v7", "linux/arm/v6": "linux/arm/v6",
		"linux/s390x": "linux/s390x", "windows/amd64": "windows/amd64", "plan9/riscv128": "plan9/riscv128",
	} {
		if p, err := ParsePlatform(in); err != nil || p.String() != want {
			t.Errorf("%s reads as %s, %v", in, p, err)
		}
	}
	for _, bad := range []string{"", "linux", "linux/", "/amd64", "linux/amd64/v8/x", "Linux/amd64", "linux/amd 64", "a\nb/c", "::x/y"} {
		if p, err := ParsePlatform(bad); err == nil {
			t.Errorf("%q reads as %s", bad, p)
		}
	}
	if p := HostPlatform(); p.check() != nil || p != p.Normal() {
		t.Errorf("this machine is %s", p)
	}
}

// The order of the specification's own example (semver.org, section 11).
func TestVersionOrder(t *testing.T) {
	order := []Version{"0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"}
	shuffled := slices.Clone(order)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, Version.Compare)
	if !slices.Equal(order, shuffled) {
		t.Errorf("got %v", shuffled)
	}
	if !Version("1.0.0-rc.1").IsPrerelease() || Version("1.0.0").IsPrerelease() || Version("r1-x").IsPrerelease() || Version("1.0").Semantic() {
		t.Error("kinds of versions")
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example": false, "10.0.0.1": false, "127.0.0.1.example": false, "0.0.0.0": false,
	} {
		if got := Loopback(host); got != want {
			t.Errorf("%q: got %t", host, got)
		}
	}
}
