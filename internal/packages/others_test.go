package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
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
	if d := Diff(a, b); d.Grade != tarball.SameContent || len(d.Entries) > 0 || len(d.Causes) != 2 || d.Causes[1].Kind != tarball.CausePayload || !strings.HasSuffix(d.Causes[1].Detail, "compressed in another way") {
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
	want := "differs\n  cause payload: " + a.part(tarball.CausePayload).String() + " in a, " + b.part(tarball.CausePayload).String() + " in b\n~ usr/bin/alias: mode 0000, 0777\n- usr/share/tool\n+ usr: owner\n"
	if out.String() != want {
		t.Errorf("got\n%s\nexpected\n%s", &out, want)
	}
}

// TestDiffNamesTheParts changes each part of a package's file, and nothing else.
func TestDiffNamesTheParts(t *testing.T) {
	for _, f := range all {
		r := aRecord(f)
		_, _, plain := makePackage(t, r, "1.0.0", aTree(t))
		read := func(file []byte) Contents {
			t.Helper()
			c, err := Read(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			return c
		}
		kinds := func(file []byte) string {
			t.Helper()
			var out []string
			for _, c := range Diff(read(plain), read(file)).Causes {
				if c.Kind != tarball.CauseFormat {
					out = append(out, c.Kind)
				}
			}
			return strings.Join(out, " ")
		}
		r.Homepage = "https://example.com"
		_, _, other := makePackage(t, r, "1.0.0", aTree(t))
		want := "control"
		if f == release.RPM { // which has digests of the rest in its signature header
			want += " signature"
		}
		if got := kinds(other); got != want {
			t.Errorf("%s: control: got %q, expected %q", f, got, want)
		}
		tree := aTree(t)
		entries := slices.Clone(tree.Entries())
		entries[0].Mode ^= 0o011
		tree, err := tarball.NewTree(entries)
		if err != nil {
			t.Fatal(err)
		}
		_, _, other = makePackage(t, aRecord(f), "1.0.0", tree)
		if got := kinds(other); !strings.HasPrefix(got, "payload") {
			t.Errorf("%s: payload: got %q", f, got)
		}
		switch f {
		case release.Deb:
			signed := append(bytes.Clone(plain), fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", "_gpgorigin", 0, 0, 0, "100644", 4, "sign")...)
			if got := kinds(signed); got != "signature" {
				t.Errorf("%s: signature: got %q", f, got)
			}
			later := bytes.Clone(plain)
			later[len(arMagic)+16] = '1' // the time of the first member
			if got := kinds(later); got != "wrapping" {
				t.Errorf("%s: wrapping: got %q", f, got)
			}
		case release.RPM:
			lead := bytes.Clone(plain)
			lead[rpmLeadSize-1] ^= 1 // reserved
			if got := kinds(lead); got != "wrapping" {
				t.Errorf("%s: wrapping: got %q", f, got)
			}
		case release.APK:
			signature := signatureOf(t, ".SIGN.RSA.a.pub", "sign")
			if got := kinds(append(signature, plain...)); got != "signature" {
				t.Errorf("%s: signature: got %q", f, got)
			}
		}
		// The whole is made of its parts, and nothing else is.
		c := read(plain)
		if c.File != release.DigestBytes(plain) || c.Size != int64(len(plain)) {
			t.Errorf("%s: got %s, %d bytes", f, c.File, c.Size)
		}
	}
	deb, apk := aRecord(release.Deb), aRecord(release.APK)
	_, _, x := makePackage(t, deb, "1.0.0", aTree(t))
	_, _, y := makePackage(t, apk, "1.0.0", aTree(t))
	a, errA := Read(bytes.NewReader(x), int64(len(x)))
	b, errB := Read(bytes.NewReader(y), int64(len(y)))
	if d := Diff(a, b); errA != nil || errB != nil || len(d.Causes) != 1 || d.Causes[0].Detail != "a is a .deb, b is a .apk" {
		t.Errorf("two formats: %+v, %v, %v", d.Causes, errA, errB)
	}
}

// TestDiffTar compares what packages install with tarballs: of the same names, of other
// names, with other bytes, and with what is no tarball.
func TestDiffTar(t *testing.T) {
	pack := func(prefix string, entries ...tarball.Entry) []byte {
		t.Helper()
		tree, err := tarball.NewTree(entries)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := tarball.Pack(t.Context(), []tarball.Job{{Name: "t", Tree: tree, Prefix: prefix, Recipe: tarball.GNUGzip6, Out: &out}}, tarball.Options{}); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	file := func(name, content string) tarball.Entry {
		return tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte(content))}
	}
	release10 := pack("tool-1.0.0", aTree(t).Entries()...)
	for _, f := range all {
		_, _, raw := makePackage(t, aRecord(f), "1.0.0", aTree(t))
		pkg, err := Read(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		diff := func(tar []byte, swapped bool) (tarball.Difference, string) {
			t.Helper()
			c, problems, err := ReadTar(bytes.NewReader(tar))
			if err != nil {
				t.Fatal(err)
			}
			a, b := pkg, c
			if swapped {
				a, b = c, pkg
			}
			d := DiffTar(a, b, problems)
			var out bytes.Buffer
			if err := tarball.WriteText(&out, d, 0); err != nil {
				t.Fatal(err)
			}
			return d, out.String()
		}
		d, got := diff(release10, false)
		for _, want := range []string{
			"differs\n  cause package: a is a ." + string(f) + ", b is none: what it installs is compared\n  cause names: 6 files with the same bytes under another name\n",
			"~ usr/bin/tool: name usr/bin/tool, tool-1.0.0/tool\n", "~ usr/share/doc/tool/copyright: name usr/share/doc/tool/copyright, tool-1.0.0/LICENSE\n",
			"+ tool-1.0.0\n",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: expected %q in\n%s", f, want, got)
			}
		}
		if strings.Contains(got, "content ") || strings.Contains(got, "mode ") || d.Grade != tarball.Differs {
			t.Errorf("%s: got %s", f, got)
		}
		if _, got := diff(release10, true); !strings.Contains(got, "b is a ."+string(f)) || !strings.Contains(got, "~ tool-1.0.0/tool: name tool-1.0.0/tool, usr/bin/tool\n") || !strings.Contains(got, "- tool-1.0.0\n") {
			t.Errorf("%s, the other way round: got %s", f, got)
		}
		if _, got := diff(pack("x", file("tool", "another")), false); !strings.Contains(got, "~ usr/bin/tool: name usr/bin/tool, x/tool\n~ usr/bin/tool: mode 0755, 0644\n~ usr/bin/tool: size ") || !strings.Contains(got, "~ usr/bin/tool: content sha256:") {
			t.Errorf("%s: other bytes: got %s", f, got)
		}
		if d, got := diff([]byte("<html>"), false); d.Grade != tarball.Differs || !strings.Contains(got, "cause not a tar: b: ") {
			t.Errorf("%s: no tarball: got %s", f, got)
		}
		if d, got := diff(release10[:100], true); d.Grade != tarball.Differs || !strings.Contains(got, "cause truncated: a: ") {
			t.Errorf("%s: a cut tarball: got %s", f, got)
		}
	}

	// The payload of a .deb is a tarball of the same content, and a script is none of it.
	raw, err := os.ReadFile("testdata/nfpm-xz.deb")
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	members, err := arMembers(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	data := members[len(members)-1]
	c, problems, err := ReadTar(bytes.NewReader(raw[data.start:data.end]))
	if err != nil {
		t.Fatal(err)
	}
	d := DiffTar(pkg, c, problems)
	if len(d.Entries) != 1 || d.Entries[0].Change != "only in a" || !strings.Contains(d.Entries[0].Name, "script") || !strings.HasSuffix(d.Causes[0].Detail, "its payload has the tar stream of b") {
		t.Errorf("the payload: got %+v", d)
	}
	pkg.Fields = nil
	if d := DiffTar(c, pkg, nil); d.Grade != tarball.SameContent || len(d.Entries) > 0 {
		t.Errorf("the payload, without scripts: got %+v", d)
	}
}

// signatureOf is what abuild-sign puts before a package: a gzip member with a tar of
// one file and no end.
func signatureOf(t *testing.T, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err := errors.Join(err, w.Flush(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
