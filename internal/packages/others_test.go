package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// TestReadOthers reads packages that another program made, in every compression.
func TestReadOthers(t *testing.T) {
	files, err := filepath.Glob("testdata/nfpm*.*")
	if err != nil || len(files) != 5 {
		t.Fatalf("expected five packages, got %q, %v", files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var lines []string
		for _, e := range c.Entries {
			line := fmt.Sprintf("%s %s %04o %d %s", e.Name, e.Type, e.Mode, e.Size, e.Link)
			if e.SHA256 != nil {
				line += e.SHA256.Hex()[:8]
			}
			lines = append(lines, line)
		}
		want := []string{"usr/bin/alias symlink 0000 0 /usr/bin/tool", "usr/bin/tool file 0755 20 bf664cf8", "usr/share/tool dir 0755 0 "}
		if c.Format != release.RPM {
			want = slices.Concat([]string{"usr dir 0755 0 ", "usr/bin dir 0755 0 "}, want[:2], []string{"usr/share dir 0755 0 "}, want[2:])
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%s: got\n%s\nexpected\n%s", name, strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
		scripts := 0
		for _, f := range c.Fields {
			if f.IsScript() {
				scripts++
			}
		}
		if scripts != 1 {
			t.Errorf("%s: expected one script, got %d of %+v", name, scripts, c.Fields)
		}
	}
}

// TestDebIsWhatStockToolsWrite unpacks a .deb with dpkg-deb, and archives what came
// out with tar and gzip: the data's bytes are the same.
func TestDebIsWhatStockToolsWrite(t *testing.T) {
	for _, tool := range []string{"dpkg-deb", "tar", "gzip", "ar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	r := aRecord(release.Deb)
	tree := aTree(t)
	_, _, file := makePackage(t, r, "1.0.0-rc.1", tree)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.deb"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "sh", "-euc", `cd "$1"
		ar x a.deb data.tar.gz; ar x a.deb control.tar.gz
		dpkg-deb -x a.deb data; dpkg-deb -e a.deb control; chmod 755 data control
		for d in data control; do
			(cd $d; tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf ../$d.tar .)
			gzip -n $d.tar -c | cmp - $d.tar.gz
		done`, "sh", dir)
	got := run(t, "dpkg-deb", "-f", filepath.Join(dir, "a.deb"), "Version", "Depends", "Description")
	if want := "Version: 1.0.0~rc.1\nDepends: sh, cat\nDescription: a tool\n That does things.\n .\n And more.\n"; got != want {
		t.Errorf("dpkg-deb -f: got %q, expected %q", got, want)
	}
	// A pre-release comes before its release.
	run(t, "dpkg", "--compare-versions", "1.0.0~rc.1", "lt", "1.0.0")
}

// TestRPMReadsOurs asks rpm what it finds.
func TestRPMReadsOurs(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("needs rpm")
	}
	p, _, file := makePackage(t, aRecord(release.RPM), "1.0.0-rc.1", aTree(t))
	name := filepath.Join(t.TempDir(), "a.rpm")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, "rpm", "--checksig", "--nosignature", name); !strings.Contains(out, ": digests OK") {
		t.Errorf("rpm --checksig: %s", out)
	}
	var want strings.Builder
	for _, e := range p.held() {
		digest, link, doc, mode := strings.Repeat("0", 64), "X", 0, fmt.Sprintf("%07o", rpmMode(e))
		switch {
		case e.Content != nil:
			digest = e.Content.Digest().Hex()
			if strings.HasPrefix(e.Name, "usr/share/") {
				doc = 1
			}
		case e.Link != "":
			link = e.Link
		default:
			mode = mode[1:]
		}
		fmt.Fprintf(&want, "/%s %d 0 %s %s root root 0 %d 0 %s\n", e.Name, rpmFileSize(e), digest, mode, doc, link)
	}
	if got := run(t, "rpm", "-qp", "--nosignature", "--dump", name); got != want.String() {
		t.Errorf("rpm --dump: got\n%s\nexpected\n%s", got, &want)
	}
}

// TestDiff: the same package in two compressions, and one with something else in it.
func TestDiff(t *testing.T) {
	read := func(name string) Contents {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := read("nfpm-xz.deb"), read("nfpm-zstd.deb")
	if d := Diff(a, a); d.Grade != tarball.Identical || len(d.Entries) > 0 {
		t.Errorf("with itself: %+v", d)
	}
	if d := Diff(a, b); d.Grade != tarball.SameContent || len(d.Entries) > 0 || len(d.Causes) != 1 {
		t.Errorf("another compression: %+v", d)
	}
	b.Entries = slices.Clone(b.Entries)
	b.Entries[2].Mode = 0o777
	b.Entries = b.Entries[:len(b.Entries)-1]
	b.Fields = append(slices.Clone(b.Fields), Field{Name: "owner", Path: "usr", Value: "1:1"})
	var out bytes.Buffer
	if err := tarball.WriteText(&out, Diff(a, b), 0); err != nil {
		t.Fatal(err)
	}
	const want = "differs\n~ usr/bin/alias: mode 0000, 0777\n- usr/share/tool\n+ usr: owner\n"
	if out.String() != want {
		t.Errorf("got\n%s\nexpected\n%s", &out, want)
	}
}
