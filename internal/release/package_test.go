package release

import (
	"strings"
	"testing"
)

// withPackages is the minimal configuration with packages in line 7.
func withPackages(packages string) []byte {
	return []byte(strings.Replace(minimal, "\n  ]\n}", "\n  ],\n"+`  "packages": `+packages+"\n}", 1))
}

func TestPackagesOfAConfiguration(t *testing.T) {
	c, err := Parse("config.json", withPackages(`[{"formats": ["rpm", "deb"], "description": "a tool", "maintainer": "A",
		"files": [{"src": "tool", "dest": "/usr/bin/tool"}, {"src": "man/{os}", "dest": "/usr/share/man/man1", "formats": ["deb"]}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	cell := c.Cells()[0]
	var got []string
	for _, p := range c.PackagesOf(cell) {
		r, err := p.Record("1.2.3-rc.1", cell)
		if err != nil {
			t.Fatal(err)
		}
		if !IsFile(r.Asset) {
			t.Errorf("%s is not called like a file of a release", r.Asset)
		}
		line := r.Asset + " " + r.Recipe
		for _, f := range r.Files {
			line += " " + f.Src + ">" + f.Dest
		}
		got = append(got, line)
	}
	const want = `tool-1.2.3-rc.1-1.x86_64.rpm rpm-1 tool>/usr/bin/tool
tool_1.2.3-rc.1_amd64.deb deb-1 tool>/usr/bin/tool man/linux>/usr/share/man/man1`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if got := c.PackagesOf(Cell{Platform: Platform{OS: "windows", Arch: "amd64"}}); len(got) > 0 {
		t.Errorf("a cell of Windows has packages: %v", got)
	}
}

// Each fault is named at its place.
func TestPackagesRefused(t *testing.T) {
	const files = `"files": [{"src": "tool", "dest": "/usr/bin/tool"}]`
	for _, c := range []struct{ packages, says string }{
		{`[{"formats": ["msi"], "description": "a", ` + files + `}]`, `config.json:7:29: packages[0].formats[0]: expected "deb", "rpm" or "apk", got "msi"`},
		{`[{"formats": ["deb", "deb"], "description": "a", ` + files + `}]`, `packages[0].formats[1]: "deb" is a duplicate`},
		{`[{"formats": [], "description": "a", ` + files + `}]`, "must name at least one format"},
		{`[{"description": "a", ` + files + `}]`, "packages[0].formats: is missing"},
		{`[{"formats": ["deb"], "description": "a", "scripts": {}, ` + files + `}]`, "packages[0].scripts: unknown key"},
		{`[{"formats": ["deb"], "description": "a", "licens": "b", ` + files + `}]`, `did you mean "licence"?`},
		{`[{"formats": ["deb"], "description": "a\u0007", "maintainer": "A", ` + files + `}]`, "description: expected text without control characters"},
		{`[{"formats": ["deb"], "description": "a", ` + files + `}]`, "maintainer: is empty"},
		{`[{"formats": ["deb"], "description": "a", "maintainer": "A\nPre-Depends: x", ` + files + `}]`, "maintainer: expected text without control characters"},
		{`[{"formats": ["deb"], "name": "Tool", "description": "a", "maintainer": "A", ` + files + `}]`, "name: expected lower-case letters"},
		{`[{"formats": ["deb"], "description": "a", "maintainer": "A", "files": [{"src": "tool", "dest": "usr/bin/tool"}]}]`, `"usr/bin/tool": expected a clean absolute path`},
		{`[{"formats": ["deb"], "description": "a", "maintainer": "A", "files": [{"src": "tool", "dest": "/usr/../etc/x"}]}]`, "expected a clean absolute path"},
		{`[{"formats": ["deb"], "description": "a", "maintainer": "A", "files": [{"src": "../x", "dest": "/etc/x"}]}]`, "leads out of the directory"},
		{`[{"formats": ["deb"], "description": "a", "maintainer": "A", "files": []}]`, "files: is empty"},
		{`[{"formats": ["deb"], "platforms": ["linux/arm64"], "description": "a", "maintainer": "A", ` + files + `}]`, "linux/arm64 is not among the platforms"},
		{`[{"formats": ["deb"], "description": "a", "maintainer": "A", ` + files + `}, {"formats": ["deb"], "description": "b", "maintainer": "A", ` + files + `}]`, "would both be called tool_0.0.0_amd64.deb"},
	} {
		_, err := Parse("config.json", withPackages(c.packages))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: expected %q, got %v", c.packages, c.says, err)
		}
	}
}

func TestPackageVersion(t *testing.T) {
	for _, c := range []struct {
		v             Version
		deb, rpm, apk string
	}{
		{"1.2.3", "1.2.3", "1.2.3-1", "1.2.3-r0"},
		{"1.2.3-rc.1", "1.2.3~rc.1", "1.2.3~rc.1-1", "1.2.3_rc1-r0"},
		{"1.2.3-beta", "1.2.3~beta", "1.2.3~beta-1", "1.2.3_beta-r0"},
		{"1.2.3-alpha-2", "1.2.3~alpha.2", "1.2.3~alpha.2-1", "1.2.3_alpha2-r0"},
		{"1.2.3-dev.1", "1.2.3~dev.1", "1.2.3~dev.1-1", ""},
		{"nightly", "", "", ""},
	} {
		for f, want := range map[PackageFormat]string{Deb: c.deb, RPM: c.rpm, APK: c.apk} {
			if got, err := PackageVersion(f, c.v); got != want || (err == nil) != (want != "") {
				t.Errorf("%s of %s: expected %q, got %q, %v", f, c.v, want, got, err)
			}
		}
	}
}

func TestRecordWithPackages(t *testing.T) {
	digest := HexDigest{DigestBytes([]byte("x"))}
	good := func() Record {
		r := exampleRecord()
		for i, name := range []string{"a.deb", "b.rpm"} {
			f := []PackageFormat{Deb, RPM}[i]
			r.Cells[0].Packages = append(r.Cells[0].Packages, RecordPackage{Format: f, Asset: name, Recipe: PackageRecipe(f), Name: "tool", Maintainer: "A",
				Description: "a\n\nb", Files: []PackageFile{{"tool", "/usr/bin/tool"}}, FileSHA256: digest, FileSize: 1})
		}
		return r
	}
	data, err := good().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseRecord(data); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name string
		edit func(r *Record)
	}{
		{"unsorted", func(r *Record) { r.Cells[0].Packages[0].Asset = "z.deb" }},
		{"a tarball's name", func(r *Record) { r.Cells[0].Packages[0].Asset = r.Cells[0].Asset }},
		{"another cell's", func(r *Record) { r.Cells[1].Packages = r.Cells[0].Packages[:1] }},
		{"a path", func(r *Record) { r.Cells[0].Packages[0].Asset = "../a.deb" }},
		{"no digest", func(r *Record) { r.Cells[0].Packages[0].FileSHA256 = HexDigest{} }},
		{"no size", func(r *Record) { r.Cells[0].Packages[0].FileSize = 0 }},
		{"another format", func(r *Record) { r.Cells[0].Packages[0].Format = "msi" }},
		{"two lines", func(r *Record) { r.Cells[0].Packages[0].Homepage = "a\nDepends: x" }},
		{"a source outside", func(r *Record) { r.Cells[0].Packages[0].Files[0].Src = "../x" }},
		{"a destination outside", func(r *Record) { r.Cells[0].Packages[0].Files[0].Dest = "/../x" }},
		{"a dependency without a name", func(r *Record) { r.Cells[0].Packages[0].Depends = []string{""} }},
	} {
		r := good()
		c.edit(&r)
		if _, err := r.Marshal(); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}
