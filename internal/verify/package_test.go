package verify_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"facerec/internal/packages"
	"facerec/internal/packages/packagestest"
	"facerec/internal/release"
	"facerec/internal/verify"
)

// addPackages puts a package of each format into the first cell.
func (s *small) addPackages(t *testing.T) {
	t.Helper()
	c := &s.record.Cells[0]
	for _, f := range []release.PackageFormat{release.APK, release.Deb, release.RPM} {
		r := release.RecordPackage{
			Format: f, Asset: "facerec_1.2.3." + string(f), Recipe: release.PackageRecipe(f), Name: "facerec", Maintainer: "A", Description: "recognises",
			Files: []release.PackageFile{{Src: "b", Dest: "/usr/bin/facerec"}, {Src: "sub", Dest: "/usr/share/doc/facerec"}},
		}
		p, err := packages.New(r, s.record.Version, c.Platform, s.images.trees[c.ManifestDigest])
		if err != nil {
			t.Fatal(err)
		}
		_, file := packagestest.Make(t, p)
		r.FileSHA256, r.FileSize = release.HexDigest{Digest: release.DigestBytes(file)}, int64(len(file))
		c.Packages = append(c.Packages, r)
		s.put(r.Asset, file)
	}
	s.seal(t)
}

// replacePackage signs other bytes in the place of a package, as a publisher with
// the key could.
func (s *small) replacePackage(t *testing.T, f release.PackageFormat, change func([]byte) []byte) {
	t.Helper()
	i := slices.IndexFunc(s.record.Cells[0].Packages, func(p release.RecordPackage) bool { return p.Format == f })
	p := &s.record.Cells[0].Packages[i]
	b := change(bytes.Clone(s.dist[p.Asset].Data))
	p.FileSHA256, p.FileSize = release.HexDigest{Digest: release.DigestBytes(b)}, int64(len(b))
	s.put(p.Asset, b)
	s.seal(t)
}

func TestPackagesHold(t *testing.T) {
	s := newSmall(t)
	s.addPackages(t)
	r := s.verify(t)
	if !r.Verified || strings.Count(r.Text(), "the image gives the same file, byte for byte, ") != 3 {
		t.Fatalf("got %d:\n%s", r.ExitCode, r.Text())
	}
	fast := s.verify(t, func(in *verify.Input) { in.Fast = true })
	if !fast.Verified || !strings.Contains(fast.Text(), "note: the packages were not made again") {
		t.Errorf("fast: got %d:\n%s", fast.ExitCode, fast.Text())
	}
	one := s.verify(t, func(in *verify.Input) { in.Assets = []string{"facerec_1.2.3.deb"} })
	if got := links(one); !one.Verified || got != "index manifest layers package repackaged" {
		t.Errorf("one package: links %s\n%s", got, one.Text())
	}
	delete(s.dist, "facerec_1.2.3.rpm")
	if gone := s.verify(t); gone.ExitCode != 5 || !strings.Contains(gone.Text(), "facerec_1.2.3.rpm: not found in the directory") {
		t.Errorf("a missing package: got %d:\n%s", gone.ExitCode, gone.Text())
	}
	bare := s.verify(t, func(in *verify.Input) { in.Images = verify.WithoutImages("offline") })
	if bare.ExitCode != 5 || strings.Contains(bare.Text(), "ok    "+cellA+"    repackaged") {
		t.Errorf("without images: got %d:\n%s", bare.ExitCode, bare.Text())
	}
}

// links are those of the first cell, in order.
func links(r verify.Report) string {
	var out []string
	for _, s := range r.Results {
		if s.Cell == cellA {
			out = append(out, s.Link)
		}
	}
	return strings.Join(out, " ")
}

// TestPlantedInAPackage changes packages and signs them: everything that a package
// manager would act on is named, with and without making the package again.
func TestPlantedInAPackage(t *testing.T) {
	evil := func(h *tar.Header, b []byte) []byte {
		if h.Typeflag == tar.TypeReg && strings.HasSuffix(h.Name, "facerec") {
			b = bytes.Replace(b, []byte("x86"), []byte("bad"), 1)
		}
		return b
	}
	member := func(prefix string, edit func(h *tar.Header, b []byte) []byte, add ...string) func([]byte) []byte {
		return func(deb []byte) []byte {
			return editDeb(t, deb, prefix, func(b []byte) []byte { return editTar(t, b, edit, add...) })
		}
	}
	for _, c := range []struct {
		name   string
		format release.PackageFormat
		change func([]byte) []byte
		says   string
	}{
		{"a file in a deb", release.Deb, member("data", evil), `"usr/bin/facerec": sha256: expected`},
		{"a mode in a deb", release.Deb, member("data", func(h *tar.Header, b []byte) []byte {
			if strings.HasSuffix(h.Name, "bin/facerec") {
				h.Mode = 0o4755
			}
			return b
		}), `"usr/bin/facerec": mode: expected 0644, got 4755`},
		{"an owner in a deb", release.Deb, member("data", func(h *tar.Header, b []byte) []byte {
			if strings.HasSuffix(h.Name, "bin/facerec") {
				h.Uid = 1000
			}
			return b
		}), `owner of usr/bin/facerec: expected nothing, got "1000:0`},
		{"one more file in a deb", release.Deb, member("data", nil, "./etc/cron.d/x"), `"etc/cron.d/x": expected nothing, got a file`},
		{"a script in a deb", release.Deb, member("control", nil, "./postinst"), `script postinst: expected nothing, got "mode 0755, 4 bytes`},
		{"a dependency of a deb", release.Deb, member("control", func(h *tar.Header, b []byte) []byte {
			if h.Name == "./control" {
				b = append(b, "Pre-Depends: other\n"...)
			}
			return b
		}), `control Pre-Depends: expected nothing, got "other"`},
		{"a member of a deb", release.Deb, func(b []byte) []byte {
			return append(b, fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n", "_extra", 0, 0, 0, "100644", 2)+"xx"...)
		}, `member _extra: expected nothing`},
		{"another compression of a deb", release.Deb, member("data", nil), "every entry and all metadata are the same, the archives around them are not what deb-1 makes"},
		{"cut", release.Deb, func(b []byte) []byte { return b[:len(b)-30] }, "goes beyond the file"},
		{"a file in an rpm", release.RPM, editRPMPayload(t, "x86", "bad"), `"usr/bin/facerec": sha256: expected`},
		{"a mode in an rpm's header", release.RPM, func(b []byte) []byte {
			return bytes.Replace(b, []byte{0x81, 0xa4}, []byte{0x89, 0xed}, 1)
		}, `FILEMODES of usr/bin/facerec: expected "100644", got "104755"`},
		{"a name in an rpm's header", release.RPM, func(b []byte) []byte { return bytes.Replace(b, []byte("/usr/bin/"), []byte("/usr/sbi/"), 1) }, `FILEMODES of usr/sbi/facerec: expected nothing`},
		{"a script in an rpm", release.RPM, func(b []byte) []byte {
			// The URL's tag becomes that of a script; so does the group's.
			return bytes.Replace(b, []byte{0, 0, 0x03, 0xf8, 0, 0, 0, 9}, []byte{0, 0, 0x04, 0x00, 0, 0, 0, 6}, 1)
		}, "POSTIN script: expected nothing"},
		{"a file in an apk", release.APK, func(b []byte) []byte { return editAPK(t, b, evil) }, `"usr/bin/facerec": sha256: expected`},
		{"a script in an apk", release.APK, func(b []byte) []byte { return editAPK(t, b, nil, ".post-install") }, "script .post-install: expected nothing"},
		{"another kind of file", release.APK, func([]byte) []byte { return []byte("not a package") }, "expected a .deb, .rpm or .apk package"},
	} {
		for _, fast := range []bool{false, true} {
			s := newSmall(t)
			s.addPackages(t)
			s.replacePackage(t, c.format, c.change)
			r := s.verify(t, func(in *verify.Input) { in.Fast = fast })
			if fast && strings.HasPrefix(c.name, "another compression") { // nothing looked at it
				if !r.Verified {
					t.Errorf("%s, fast: got %d:\n%s", c.name, r.ExitCode, r.Text())
				}
				continue
			}
			if r.ExitCode != 3 || !strings.Contains(r.Text(), c.says) {
				t.Errorf("%s, fast %t: expected exit code 3 and %q, got %d:\n%s", c.name, fast, c.says, r.ExitCode, r.Text())
			}
		}
	}
}

// TestPackageIsNotAsSigned: a copy that was changed later is named as such, and
// what was changed too.
func TestPackageIsNotAsSigned(t *testing.T) {
	s := newSmall(t)
	s.addPackages(t)
	b := bytes.Clone(s.dist["facerec_1.2.3.rpm"].Data)
	b[len(b)-5] ^= 1
	s.put("facerec_1.2.3.rpm", b)
	r := s.verify(t)
	if r.ExitCode != 3 || len(r.Broken()) != 1 || r.Broken()[0].Link != verify.LinkPackage {
		t.Errorf("got %d:\n%s", r.ExitCode, r.Text())
	}
	s = newSmall(t)
	s.addPackages(t)
	s.record.Cells[0].Packages[0].FileSHA256 = release.HexDigest{Digest: release.DigestBytes(nil)}
	s.seal(t)
	if r = s.verify(t); r.ExitCode != 3 || !strings.Contains(r.Text(), "release.json contradicts checksums.txt") {
		t.Errorf("got %d:\n%s", r.ExitCode, r.Text())
	}
}

// editTar makes a gzip file of another: each entry as edit leaves it, then more.
func editTar(t *testing.T, b []byte, edit func(h *tar.Header, b []byte) []byte, add ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	write := func(h *tar.Header, content []byte) {
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	in, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			content = edit(h, content)
		}
		write(h, content)
	}
	for _, name := range add {
		write(&tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg}, []byte("evil"))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// editDeb changes one member.
func editDeb(t *testing.T, deb []byte, prefix string, edit func([]byte) []byte) []byte {
	t.Helper()
	out := append([]byte(nil), deb[:8]...)
	for at := 8; at < len(deb); {
		var n int
		head := deb[at : at+60]
		if _, err := fmt.Sscan(string(head[48:58]), &n); err != nil {
			t.Fatal(err)
		}
		body := deb[at+60 : at+60+n]
		at += 60 + n + n%2
		if bytes.HasPrefix(head, []byte(prefix)) {
			body = edit(body)
		}
		out = append(out, head[:48]...)
		out = append(out, fmt.Sprintf("%-10d`\n", len(body))...)
		out = append(out, body...)
		if len(body)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out
}

// editAPK changes the data, or adds to the control segment.
func editAPK(t *testing.T, apk []byte, edit func(h *tar.Header, b []byte) []byte, add ...string) []byte {
	t.Helper()
	second := 1 + bytes.Index(apk[1:], []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3})
	control, data := apk[:second], apk[second:]
	if add != nil {
		control = editTar(t, control, nil, add...)
	}
	if edit != nil {
		data = editTar(t, data, edit)
	}
	return slices.Concat(control, data)
}

// editRPMPayload replaces bytes in the payload of an RPM and compresses it again.
func editRPMPayload(t *testing.T, from, to string) func([]byte) []byte {
	return func(b []byte) []byte {
		at := bytes.LastIndex(b, []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3})
		in, err := gzip.NewReader(bytes.NewReader(b[at:]))
		if err != nil {
			t.Fatal(err)
		}
		payload, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		if _, err := z.Write(bytes.Replace(payload, []byte(from), []byte(to), 1)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return append(b[:at:at], out.Bytes()...)
	}
}
