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

func aTree(t testing.TB) tarball.Tree { return packagestest.Tree(t) }

func aRecord(f release.PackageFormat) release.RecordPackage {
	return packagestest.Record(f, release.PackageRecipe(f))
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
