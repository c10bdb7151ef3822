package packages

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"facerec/internal/packages/packagestest"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// aTree is what an image has below /app: files, directories, links, a set-id bit.
func aTree(t testing.TB) tarball.Tree {
	t.Helper()
	file := func(name string, mode uint32, content string) tarball.Entry {
		return tarball.Entry{Name: name, Type: tarball.Regular, Mode: mode, Content: tarball.BytesContent([]byte(content))}
	}
	dir := func(name string) tarball.Entry { return tarball.Entry{Name: name, Type: tarball.Dir, Mode: 0o755} }
	tree, err := tarball.NewTree([]tarball.Entry{
		file("tool", 0o755, "#!/bin/sh\necho tool 1.0.0\n"+strings.Repeat("# filler\n", 20_000)), file("LICENSE", 0o644, "MIT\n"), dir("man"), file("man/tool.1", 0o644, ".TH TOOL 1\n"),
		dir("docs"), file("docs/a", 0o640, "a\n"), dir("docs/more"), file("docs/more/empty", 0o644, ""),
		{Name: "docs/link", Type: tarball.Symlink, Link: "a"}, {Name: "docs/again", Type: tarball.Hardlink, Link: "docs/a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func aRecord(f release.PackageFormat) release.RecordPackage {
	return release.RecordPackage{
		Format: f, Asset: "tool." + string(f), Recipe: release.PackageRecipe(f), Name: "tool", Maintainer: "A B <a@example.org>",
		Description: "a tool\nThat does things.\n\nAnd more.", Section: "utils", Licence: "MIT", Homepage: "https://example.org", Depends: []string{"sh", "cat"},
		Files: []release.PackageFile{{Src: "tool", Dest: "/usr/bin/tool"}, {Src: "man", Dest: "/usr/share/man/man1"}, {Src: "docs", Dest: "/usr/share/doc/tool"}, {Src: "LICENSE", Dest: "/usr/share/doc/tool/copyright"}},
	}
}

// makePackage makes a package for linux/amd64.
func makePackage(t testing.TB, r release.RecordPackage, v release.Version, tree tarball.Tree) (*Package, tarball.Result, []byte) {
	t.Helper()
	p, err := New(r, v, release.Platform{OS: "linux", Arch: "amd64"}, tree)
	if err != nil {
		t.Fatal(err)
	}
	made, file := packagestest.Make(t, p)
	return p, made, file
}

var all = []release.PackageFormat{release.Deb, release.RPM, release.APK}

// TestReadIsTheInverse makes each package, reads it back and finds what was to be
// in it, and that the file is the package.
func TestReadIsTheInverse(t *testing.T) {
	for _, f := range all {
		for _, v := range []release.Version{"1.0.0", "1.0.0-rc.1"} {
			p, made, file := makePackage(t, aRecord(f), v, aTree(t))
			if dir := os.Getenv("KEEP_PACKAGES"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, string(v)+"."+string(f)), file, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Read(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			want, err := p.Expected()
			if err != nil {
				t.Fatal(err)
			}
			if d := Differences(want.Fields, got.Fields); len(d) > 0 {
				t.Errorf("%s: %s", f, strings.Join(d, "\n"))
			}
			if !reflect.DeepEqual(got.Entries, want.Entries) || len(got.Problems) > 0 {
				t.Errorf("%s: problems %q, entries\n%+v, expected\n%+v", f, got.Problems, got.Entries, want.Entries)
			}
			if same, err := p.Same(t.Context(), made, bytes.NewReader(file), int64(len(file))); err != nil || !same {
				t.Errorf("%s: Same: %t, %v", f, same, err)
			}
			for _, at := range []int{5, len(file) / 2, len(file) - 1} {
				other := bytes.Clone(file)
				other[at] ^= 1
				if same, err := p.Same(t.Context(), made, bytes.NewReader(other), int64(len(other))); err != nil || same {
					t.Errorf("%s: byte %d changed: Same: %t, %v", f, at, same, err)
				}
			}
		}
	}
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
