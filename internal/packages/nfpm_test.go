package packages

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/loopback"
	"facerec/internal/release"
	"facerec/internal/tarball"
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
	if !loopback.Built("nfpm") && os.Getenv("BUILD_TOOLS") == "" {
		t.Skip("nfpm is not built yet; BUILD_TOOLS=1 builds it, in a minute")
	}
	nfpm, err := loopback.Tool(t.Context(), "nfpm")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, f := range all {
		p, _, ours := makePackage(t, aRecord(f), "1.0.0", aTree(t))
		theirs := byNFPM(t, nfpm, p)
		a, errA := Read(bytes.NewReader(ours), int64(len(ours)))
		b, errB := Read(bytes.NewReader(theirs), int64(len(theirs)))
		if errA != nil || errB != nil || len(a.Problems) > 0 {
			t.Fatalf("%s: %v, %v, %q", f, errA, errB, a.Problems)
		}
		found := append(Differences(a.Fields, b.Fields), b.Problems...)
		for _, e := range pair(a.Entries, b.Entries, entryKey, entryFields) {
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

// byNFPM gives nfpm what p is made of.
func byNFPM(t *testing.T, nfpm string, p *Package) []byte {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	var y bytes.Buffer
	r, epoch := p.record, "1970-01-01T00:00:00Z"
	fmt.Fprintf(&y, "name: %s\narch: amd64\nversion: 1.0.0\nmtime: %s\nmaintainer: %q\ndescription: %q\n", r.Name, epoch, r.Maintainer, r.Description)
	fmt.Fprintf(&y, "section: %s\npriority: optional\nlicense: %s\nhomepage: %s\ndepends: [%s]\n", r.Section, r.Licence, r.Homepage, strings.Join(r.Depends, ", "))
	fmt.Fprintf(&y, "deb: {compression: gzip}\nrpm: {compression: gzip, buildhost: %s, packager: %q, group: %s}\ncontents:\n", rpmHost, r.Maintainer, r.Section)
	for i, e := range p.held() {
		src, kind := "", "dir"
		switch e.Type {
		case tarball.Regular:
			content := make([]byte, e.Content.Size())
			if _, err := e.Content.ReadAt(content, 0); len(content) > 0 && err != nil {
				t.Fatal(err)
			}
			src, kind = write(fmt.Sprint(i), content), ""
		case tarball.Symlink:
			src, kind = e.Link, "symlink"
		}
		fmt.Fprintf(&y, "  - {dst: /%s, src: %q, type: %q, file_info: {mode: 0%o, mtime: %s}}\n", e.Name, src, kind, e.Mode, epoch)
	}
	out := filepath.Join(dir, "out")
	run(t, nfpm, "package", "--config", write("nfpm.yaml", y.Bytes()), "--packager", string(r.Format), "--target", out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
