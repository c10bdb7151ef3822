//go:build unix

package layer_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/oci/ocitest"
)

// TestFlattenAgreesWithUmoci unpacks the same images with an independent tool.
func TestFlattenAgreesWithUmoci(t *testing.T) {
	umoci, err := exec.LookPath("umoci")
	if err != nil {
		t.Skip("umoci is not installed (Debian package umoci): the second opinion is missing")
	}
	if os.Getuid() != 0 {
		t.Skip("umoci sets owners and modes: needs root")
	}
	for _, c := range flattenCases {
		t.Run(c.name, func(t *testing.T) {
			d := t.TempDir()
			img := ocitest.Image(t, ocitest.AMD64, c.layers...)
			ocitest.SaveLayout(t, filepath.Join(d, "oci"), "x", ocitest.Index(map[string]v1.Image{"linux/amd64": img}))
			out, err := exec.Command(umoci, "raw", "unpack", "--image", filepath.Join(d, "oci")+":x", filepath.Join(d, "bundle")).CombinedOutput()
			if err != nil {
				t.Fatalf("umoci: %v\n%s", err, out)
			}
			app, err := filepath.EvalSymlinks(filepath.Join(d, "bundle", "app"))
			if err != nil {
				t.Fatal(err)
			}
			if got := describeDisk(t, app); got != c.want {
				t.Errorf("umoci made\n%swe expect\n%s", got, c.want)
			}
		})
	}
}

// describeDisk prints a folder in the form of describe.
func describeDisk(t testing.TB, root string) string {
	t.Helper()
	var b strings.Builder
	first := map[uint64]string{}
	var walk func(rel string)
	walk = func(rel string) {
		full := filepath.Join(root, rel)
		fi, err := os.Lstat(full)
		if err != nil {
			t.Fatal(err)
		}
		st := fi.Sys().(*syscall.Stat_t)
		mode := uint32(st.Mode) & 0o7777 //nolint:unconvert // narrower on some systems
		switch {
		case fi.IsDir():
			if rel == "." {
				fmt.Fprintf(&b, ". %04o\n", mode)
			} else {
				fmt.Fprintf(&b, "%s dir %04o\n", rel, mode)
			}
			list, err := os.ReadDir(full)
			if err != nil {
				t.Fatal(err)
			}
			sort.Slice(list, func(i, j int) bool { return list[i].Name() < list[j].Name() })
			for _, e := range list {
				walk(filepath.Join(rel, e.Name()))
			}
			return
		case fi.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(full)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s -> %s\n", rel, to)
			return
		}
		if name, again := first[st.Ino]; again {
			fmt.Fprintf(&b, "%s = %s\n", rel, name)
			return
		}
		first[st.Ino] = rel
		body, err := os.ReadFile(full)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %04o %q\n", rel, mode, body)
	}
	walk(".")
	return b.String()
}
