package publish_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/atomicfile"
	"facerec/internal/publish"
)

func tgz(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		body := ""
		if h.Typeflag == tar.TypeReg {
			body = "x"
			h.Size = 1
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func dirEntry(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}
}
func regular(name string, mode int64) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode}
}

func unpack(t testing.TB, data []byte) (dir, to string, err error) {
	dir = t.TempDir()
	file := filepath.Join(t.TempDir(), "a.tar.gz")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	to, err = publish.Unpack(file, dir)
	return dir, to, err
}

func TestUnpack(t *testing.T) {
	dir, to, err := unpack(t, tgz(t, dirEntry("top/"), regular("top/run", 0o4755), dirEntry("top/locked/"), regular("top/locked/secret", 0o400),
		tar.Header{Name: "top/link", Typeflag: tar.TypeSymlink, Linkname: "locked/secret"},
		tar.Header{Name: "top/hard", Typeflag: tar.TypeLink, Linkname: "top/run"}))
	if err != nil || to != filepath.Join(dir, "top") {
		t.Fatalf("%s, %v", to, err)
	}
	for name, mode := range map[string]os.FileMode{"run": 0o755, "hard": 0o755, "locked/secret": 0o400} {
		fi, err := os.Stat(filepath.Join(to, name))
		if err != nil || fi.Mode() != mode {
			t.Errorf("%s: %v, %v", name, fi.Mode(), err)
		}
	}
	if l, err := os.Readlink(filepath.Join(to, "link")); err != nil || l != "locked/secret" {
		t.Errorf("%s, %v", l, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	top := dirEntry("top/")
	for name, c := range map[string]struct {
		entries []tar.Header
		want    string
	}{
		"parent":               {[]tar.Header{top, regular("top/../../x", 0o644)}, "top/../../x"},
		"absolute":             {[]tar.Header{regular("/x", 0o644)}, "/x"},
		"backslash":            {[]tar.Header{top, regular(`top\..\x`, 0o644)}, `top\..\x`},
		"two tops":             {[]tar.Header{top, dirEntry("other/")}, "everything below top"},
		"link out":             {[]tar.Header{top, {Name: "top/l", Typeflag: tar.TypeSymlink, Linkname: "../../etc/passwd"}}, "leads out"},
		"link to root":         {[]tar.Header{top, {Name: "top/l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, "leads out"},
		"through a link":       {[]tar.Header{top, {Name: "top/l", Typeflag: tar.TypeSymlink, Linkname: "."}, regular("top/l/x", 0o644)}, "its directory is not"},
		"hard link out":        {[]tar.Header{top, {Name: "top/l", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}}, "hard link"},
		"device":               {[]tar.Header{top, {Name: "top/d", Typeflag: tar.TypeChar}}, "expected a file"},
		"fifo":                 {[]tar.Header{top, {Name: "top/d", Typeflag: tar.TypeFifo}}, "expected a file"},
		"twice":                {[]tar.Header{top, regular("top/a", 0o644), regular("top/a", 0o644)}, "duplicate"},
		"case":                 {[]tar.Header{top, regular("top/README", 0o644), regular("top/Readme", 0o644)}, "top/Readme: differs from top/README"},
		"case of a directory":  {[]tar.Header{top, dirEntry("top/A/"), dirEntry("top/a/")}, "differs from top/A"},
		"case, not in English": {[]tar.Header{top, regular("top/ſ", 0o644), regular("top/S", 0o644)}, "differs from"},
		"nothing":              {nil, "no entries"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, err := unpack(t, tgz(t, c.entries...))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected %s", err, c.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// What a system cannot have is refused with both names, before anything is put
// in place.
func TestUnpackForOtherSystems(t *testing.T) {
	top := dirEntry("top/")
	for name, c := range map[string]struct {
		system  string
		entries []tar.Header
		want    string
	}{
		"device":             {"windows", []tar.Header{top, regular("top/aux.txt", 0o644)}, "top/aux.txt: AUX is a device on Windows"},
		"stream":             {"windows", []tar.Header{top, regular("top/a:b", 0o644)}, "top/a:b: Windows allows no ':' in names"},
		"dot at the end":     {"windows", []tar.Header{top, dirEntry("top/d./")}, "top/d./: Windows drops the dot"},
		"drive in a link":    {"windows", []tar.Header{top, {Name: "top/l", Typeflag: tar.TypeSymlink, Linkname: "c:/windows"}}, "its target is not a name on this system"},
		"form of letters":    {"darwin", []tar.Header{top, regular("top/\u00e9", 0o644), regular("top/e\u0301", 0o644)}, "top/e\u0301: differs from top/\u00e9 by the form of its letters alone"},
		"case, as on all":    {"linux", []tar.Header{top, regular("top/A", 0o644), regular("top/a", 0o644)}, "top/a: differs from top/A by upper and lower case alone"},
		"Linux takes a name": {"linux", []tar.Header{top, regular("top/aux.txt", 0o644), regular("top/a:b", 0o644)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(t.TempDir(), "a.tar.gz")
			if err := os.WriteFile(file, tgz(t, c.entries...), 0o644); err != nil {
				t.Fatal(err)
			}
			rules := atomicfile.RulesOf(c.system)
			rules.Fold = true
			_, err := publish.UnpackFor(file, dir, rules)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected %s", err, c.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestAssetsThatCannotBeTogether(t *testing.T) {
	names := []string{"checksums.txt", "tool.tar.gz", "Tool.tar.gz"}
	if err := publish.Together(names, atomicfile.RulesOf("linux")); err != nil {
		t.Error(err)
	}
	want := "entry Tool.tar.gz: differs from tool.tar.gz by upper and lower case alone"
	if err := publish.Together(names, atomicfile.RulesOf("darwin")); err == nil || err.Error() != want {
		t.Errorf("got %v, expected %s", err, want)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(tgz(f, dirEntry("top/"), regular("top/a", 0o644)))
	f.Add(tgz(f, dirEntry("top/"), tar.Header{Name: "top/l", Typeflag: tar.TypeSymlink, Linkname: "../x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir, to, err := unpack(t, data)
		left, rerr := os.ReadDir(dir)
		if rerr != nil || err != nil && len(left) > 0 || err == nil && (len(left) != 1 || filepath.Join(dir, left[0].Name()) != to) {
			t.Errorf("%v: %v, %v", err, left, rerr)
		}
	})
}
