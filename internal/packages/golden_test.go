package packages

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// golden are the digests of the packages that aTree and aRecord make. They never
// change: a recipe that was released stays as it is.
var golden = map[string]string{
	"deb-1 1.0.0":      "daa0942a53182f55054a119a8f772ca96be1371cd78ce9c66b8ea2626c1165b0",
	"deb-1 1.0.0-rc.1": "ef7678582a642dd41cc37c355628f61ada57adb4c0ee1bb5c7e8dd54eea1a70a",
	"rpm-1 1.0.0":      "0f484ee767417da66d0399e6d9e9d1489c76bae4062d1d7795e73983afd4804e",
	"rpm-1 1.0.0-rc.1": "b7dd46ce4467a45c11f10648e0750189690c8315bdc3d60567bdd589ac9bfc0c",
	"apk-1 1.0.0":      "f3710b2b60db14d402ab0edb83b7fbfa8c9d6b819f99f082d202e16b2f26ea1f",
	"apk-1 1.0.0-rc.1": "70e4ac50d7081ce0764ded2b6d22c37fe1f6eac2c80c9329f4cb8b4495214848",
}

func TestGolden(t *testing.T) {
	for _, f := range all {
		for _, v := range []release.Version{"1.0.0", "1.0.0-rc.1"} {
			_, _, file := makePackage(t, aRecord(f), v, aTree(t))
			name := fmt.Sprintf("%s %s", release.PackageRecipe(f), v)
			if got := release.DigestBytes(file).Hex(); got != golden[name] {
				t.Errorf("%s: expected %s, got %s", name, golden[name], got)
			}
		}
	}
}

// TestNew refuses what cannot be made.
func TestNew(t *testing.T) {
	linux := release.Platform{OS: "linux", Arch: "amd64"}
	for _, c := range []struct {
		name    string
		version release.Version
		p       release.Platform
		edit    func(*release.RecordPackage)
		says    string
	}{
		{"no such file", "1.0.0", linux, func(r *release.RecordPackage) { r.Files[0].Src = "none" }, `"none" is to be in the package, and the image has no such file`},
		{"two of one name", "1.0.0", linux, func(r *release.RecordPackage) { r.Files[0].Dest = "/usr/share/doc/tool/a" }, `"/usr/share/doc/tool/a" would be in the package twice`},
		{"below a file", "1.0.0", linux, func(r *release.RecordPackage) { r.Files[0].Dest = "/usr/share/doc/tool/copyright/x" }, "is a file, expected a dir"},
		{"another recipe", "1.0.0", linux, func(r *release.RecordPackage) { r.Recipe = "deb-9" }, `recipe "deb-9" is not known for deb packages`},
		{"another format's recipe", "1.0.0", linux, func(r *release.RecordPackage) { r.Recipe = "rpm-1" }, `recipe "rpm-1" is not known for deb packages`},
		{"a pre-release that apk has no word for", "1.0.0-dev.1", linux, func(r *release.RecordPackage) { r.Format, r.Recipe = release.APK, "apk-1" }, "alpha, beta, pre or rc"},
		{"no such architecture", "1.0.0", release.Platform{OS: "linux", Arch: "wasm"}, func(*release.RecordPackage) {}, "no architecture for linux/wasm"},
		{"no Linux", "1.0.0", release.Platform{OS: "windows", Arch: "amd64"}, func(*release.RecordPackage) {}, "no architecture for windows/amd64"},
	} {
		r := aRecord(release.Deb)
		c.edit(&r)
		if _, err := New(r, c.version, c.p, aTree(t)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: expected %q, got %v", c.name, c.says, err)
		}
	}
	r := aRecord(release.RPM)
	r.Depends = []string{"libc >= 2 or so"}
	p, err := New(r, "1.0.0", linux, aTree(t))
	if err == nil {
		_, _, err = p.format.around(t.Context(), p, tarball.Result{})
	}
	if err == nil || !strings.Contains(err.Error(), "expected NAME or NAME OPERATOR VERSION") {
		t.Errorf("a dependency that RPM cannot write: got %v", err)
	}
}

// TestLimits: what is small on the disk and large in memory is refused.
func TestLimits(t *testing.T) {
	header := func(tags, store int, entry ...uint32) []byte {
		b := append(make([]byte, rpmLeadSize), rpmHeaderMagic...)
		copy(b, rpmLeadMagic)
		b = binary.BigEndian.AppendUint32(b, uint32(tags))
		b = binary.BigEndian.AppendUint32(b, uint32(store))
		for _, v := range entry {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return append(b, make([]byte, 1<<20)...)
	}
	overlapping := []uint32{1, rpmString, 0, 1, 2, rpmBinary, 0, 1000, 3, rpmBinary, 0, 1000}
	members := []byte(arMagic)
	members = append(appendArHeader(members, "debian-binary", 4), debVersion...)
	for range maxMembers + 1 {
		members = appendArHeader(members, "x", 0)
	}
	negative := bytes.Replace(members, []byte("4         `"), []byte("-4        `"), 1)
	var control bytes.Buffer
	w := tar.NewWriter(&control)
	if err := w.WriteHeader(&tar.Header{Name: "control", Size: maxControl + 1, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	s, err := tarball.NewStream(tarball.Part{Raw: control.Bytes()}, tarball.Part{Raw: make([]byte, maxControl+512)})
	if err != nil {
		t.Fatal(err)
	}
	bomb, err := compress(t.Context(), tarball.Job{Stream: s})
	if err != nil {
		t.Fatal(err)
	}
	large := append([]byte(arMagic), appendArHeader(nil, "debian-binary", 4)...)
	large = append(append(large, debVersion...), appendArHeader(nil, "control.tar.gz", int64(len(bomb)))...)
	large = append(large, bomb...)
	for _, c := range []struct {
		name, says string
		file       []byte
	}{
		{"an index larger than the file", "expected at most 65535 entries", header(60_000, 1<<20)},
		{"values larger than the file", "within the file", header(1, 31<<20, 1, rpmString, 0, 1)},
		{"too many entries", "expected at most 65535 entries", header(70_000, 0)},
		{"too many values", "expected at most 2097152 values", header(1, 100, 5, 0, 0, 1<<31)},
		{"values that overlap", "the values overlap", header(3, 1000, overlapping...)},
		{"an offset beyond", "goes beyond the header", header(1, 10, 5, rpmInt32, 1000, 1)},
		{"a string without an end", "go beyond the header", append(header(1, 2, 5, rpmString, 0, 1)[:rpmLeadSize+32], "xx"...)},
		{"an unknown type", "unknown type 77", header(1, 10, 5, 77, 0, 1)},
		{"too many members", "expected at most 100 members", members},
		{"a negative size", "goes beyond the file", negative},
		{"metadata that inflate", tarball.ErrLimit.Error(), large},
	} {
		if _, err := Read(bytes.NewReader(c.file), int64(len(c.file))); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: expected %q, got %v", c.name, c.says, err)
		}
	}
}

// FuzzRead: no input makes a reader fail otherwise than with an error, and what is
// read of our own packages is what was written.
func FuzzRead(f *testing.F) {
	for _, format := range all {
		r := aRecord(format)
		r.Files = r.Files[1:] // small ones are read often
		_, _, file := makePackage(f, r, "1.0.0", aTree(f))
		f.Add(file)
		f.Add(file[:len(file)/2])
		f.Add(bytes.ReplaceAll(file, []byte{0, 0, 0, 1}, []byte{0x7f, 0xff, 0xff, 0xff}))
	}
	f.Add([]byte(arMagic + "debian-binary"))
	f.Add([]byte(rpmLeadMagic))
	f.Fuzz(func(_ *testing.T, b []byte) {
		c, err := Read(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			Differences(c.Fields, c.Fields)
		}
	})
}
