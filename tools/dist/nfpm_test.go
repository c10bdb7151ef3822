package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/loopback"
	"facerec/internal/packages"
	"facerec/internal/packages/packagestest"
	"facerec/internal/release"
)

// unlikeNFPM is all that may differ between our package and nfpm's of the same files
// and metadata: what a difference begins with, and why ours is as it is.
var unlikeNFPM = []struct {
	format    release.PackageFormat
	says, why string
}{
	{release.Deb, `control Installed-Size: expected "176", got "175"`, "dpkg-gencontrol rounds up, nfpm down"},
	{release.RPM, `DESCRIPTION: expected "That does things.`, "the first line is in SUMMARY"},
	{release.RPM, `SIZE: expected "180045", got "180046"`, "of files alone; nfpm adds the length of a link"},
	{release.RPM, "signature tag 1007: expected 180046, got 181400", "the size of the payload; nfpm notes that of the files"},
	{release.RPM, `REQUIREFLAGS: expected "0, 0, 16777226, 16777226, 16777226", got "0, 0"`, "what rpm must know to read the package is required, as rpmbuild does it"},
	{release.RPM, `REQUIRENAME: expected "sh, cat, rpmlib(`, "the same"},
	{release.RPM, `REQUIREVERSION: expected ", , 3.0.4-1, 4.6.0-1, 4.0-1", got ","`, "the same"},
	{release.RPM, `PAYLOADFLAGS: expected "6", got "9"`, "the level of gzip"},
	{release.RPM, `FILEDIGESTALGO: expected "8", got "8, 8, 8, 8, 8, 8, 8, 8, 8"`, "there is one for all files"},
	{release.RPM, `FILEMODES of usr/share/doc/tool/link: expected "120777", got "120000"`, "the mode that a link has on Linux"},
	{release.RPM, `usr/share/doc/tool/link changed [mode 0777, 0000]`, "the same"},
	{release.RPM, `FILESIZES of usr/share/doc/tool: expected "0", got "4096"`, "a directory has no size of its own on another file system"},
	{release.RPM, `FILESIZES of usr/share/doc/tool/more: expected "0", got "4096"`, "the same"},
	{release.RPM, `FILEFLAGS of usr/share/`, "documentation is marked, so that rpm --excludedocs leaves it out"},
	{release.RPM, `FILERDEVS of usr/`, "a file that is no device has no device number"},
	{release.APK, `PKGINFO pkgver: expected "1.0.0-r0", got "1.0.0"`, "apk's versions end in a release"},
	{release.APK, `PKGINFO line`, "pkgdesc has one line, and a second would be no field"},
	{release.APK, `APK-TOOLS.checksum.SHA1 of usr/share/doc/tool/link: expected "86f7e437`, "of the link's target, as apk computes it; nfpm has that of no bytes"},
	{release.APK, `usr/share/doc/tool/link changed [mode 0777, 0000]`, "the mode that a link has on Linux"},
	{release.APK, `PKGINFO builddate: expected "0", got nothing`, "as abuild writes it"},
	{release.APK, `PKGINFO packager: expected "A B <a@example.org>", got nothing`, "as abuild writes it"},
	{release.APK, `PKGINFO origin: expected "tool", got nothing`, "as abuild writes it"},
}

// TestBesideNFPM has nfpm make packages of the same files and metadata, and compares
// what is in them: entries with modes, sizes, links and digests, and every piece of
// metadata.
func TestBesideNFPM(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("needs dpkg-deb")
	}
	if !loopback.Built("nfpm") && os.Getenv("BUILD_TOOLS") == "" {
		t.Skip("nfpm is not built yet; BUILD_TOOLS=1 builds it, in a minute")
	}
	nfpm, err := loopback.Tool(t.Context(), "nfpm")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	// The files lie as dpkg puts them.
	root := t.TempDir()
	deb := filepath.Join(root, "tool.deb")
	if err := os.WriteFile(deb, aPackage(t, release.Deb), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, root, "dpkg-deb", "-x", deb, root)
	for _, f := range []release.PackageFormat{release.Deb, release.RPM, release.APK} {
		read := func(file []byte) packages.Contents {
			t.Helper()
			c, err := packages.Read(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			return c
		}
		a := read(aPackage(t, f))
		b := read(byNFPM(t, nfpm, root, f, a.Entries))
		found := append(packages.Differences(a.Fields, b.Fields), b.Problems...)
		a.Fields, b.Fields = nil, nil
		for _, e := range packages.Diff(a, b).Entries {
			found = append(found, fmt.Sprintf("%s %s %v", e.Name, e.Change, e.Fields))
		}
	found:
		for _, line := range found {
			for _, u := range unlikeNFPM {
				if u.format == f && strings.HasPrefix(line, u.says) {
					used[string(f)+u.says] = true
					continue found
				}
			}
			t.Errorf("%s: ours and nfpm's: %s", f, line)
		}
	}
	for _, u := range unlikeNFPM {
		if !used[string(u.format)+u.says] {
			t.Errorf("%s: %s: does not differ (%s)", u.format, u.says, u.why)
		}
	}
}

// aPackage is ours, of the files and metadata of the kit.
func aPackage(t *testing.T, f release.PackageFormat) []byte {
	t.Helper()
	p, err := packages.New(packagestest.Record(f, release.PackageRecipe(f)), "1.0.0", release.Platform{OS: "linux", Arch: "amd64"}, packagestest.Tree(t))
	if err != nil {
		t.Fatal(err)
	}
	_, file := packagestest.Make(t, p)
	return file
}

// byNFPM gives nfpm the same metadata, and entries of the files below root.
func byNFPM(t *testing.T, nfpm, root string, f release.PackageFormat, entries []release.RecordEntry) []byte {
	t.Helper()
	var y bytes.Buffer
	r, epoch := packagestest.Record(f, ""), "1970-01-01T00:00:00Z"
	fmt.Fprintf(&y, "name: %s\narch: amd64\nversion: 1.0.0\nmtime: %s\nmaintainer: %q\ndescription: %q\n", r.Name, epoch, r.Maintainer, r.Description)
	fmt.Fprintf(&y, "section: %s\npriority: optional\nlicense: %s\nhomepage: %s\ndepends: [%s]\n", r.Section, r.Licence, r.Homepage, strings.Join(r.Depends, ", "))
	fmt.Fprintf(&y, "deb: {compression: gzip}\nrpm: {compression: gzip, buildhost: localhost, packager: %q, group: %s}\ncontents:\n", r.Maintainer, r.Section)
	for _, e := range entries {
		src, kind := filepath.Join(root, e.Name), ""
		switch e.Type {
		case release.EntryDir:
			src, kind = "", "dir"
		case release.EntrySymlink:
			src, kind = e.Link, "symlink"
		}
		fmt.Fprintf(&y, "  - {dst: /%s, src: %q, type: %q, file_info: {mode: 0%o, mtime: %s}}\n", e.Name, src, kind, e.Mode, epoch)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nfpm.yaml"), y.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, dir, nfpm, "package", "--packager", string(f), "--target", "out")
	b, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
