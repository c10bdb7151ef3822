package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/atomicfile"
	"facerec/internal/tarball"
)

// TestTreesForOtherSystems writes trees under the rules of systems whose
// directories cannot have them. Nothing is written.
func TestTreesForOtherSystems(t *testing.T) {
	file := func(name string) tarball.Entry {
		return tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte(name))}
	}
	for name, c := range map[string]struct {
		system  string
		entries []tarball.Entry
		want    string // "" where it is written
	}{
		"case":              {"darwin", []tarball.Entry{file("README"), file("Readme")}, "entry Readme: differs from README by upper and lower case alone"},
		"case on Linux":     {"linux", []tarball.Entry{file("README"), file("Readme")}, ""},
		"normalisation":     {"darwin", []tarball.Entry{file("e\u0301"), file("\u00e9")}, "entry \u00e9: differs from e\u0301 by the form of its letters alone"},
		"device":            {"windows", []tarball.Entry{file("a"), file("nul.tar.gz")}, "entry nul.tar.gz: NUL is a device on Windows"},
		"link to a drive":   {"windows", []tarball.Entry{{Name: "l", Type: tarball.Symlink, Link: "c:/x"}}, "entry c:/x: Windows allows no ':' in names"},
		"long, and allowed": {"windows", []tarball.Entry{file(strings.Repeat("n", 200))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := tarball.NewTree(c.entries)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			err = writeTree(tree, dir, dir, atomicfile.RulesOf(c.system))
			left, rerr := os.ReadDir(dir)
			if rerr != nil {
				t.Fatal(rerr)
			}
			if c.want == "" {
				if err != nil || len(left) != len(c.entries) {
					t.Errorf("got %v, %v", left, err)
				}
				return
			}
			if err == nil || err.Error() != c.want || len(left) > 0 {
				t.Errorf("got %v and %v, expected %s", left, err, c.want)
			}
		})
	}
}

// A path of more than 260 bytes, which old programs on Windows cannot open.
func TestLongPaths(t *testing.T) {
	var entries []tarball.Entry
	name := strings.Repeat("d", 100)
	for range 4 {
		entries = append(entries, tarball.Entry{Name: name, Type: tarball.Dir, Mode: 0o755})
		name += "/" + strings.Repeat("d", 100)
	}
	entries = append(entries, tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte("x"))})
	tree, err := tarball.NewTree(entries)
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "dest")
	if err := cpTree(tree, dest); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dest, filepath.FromSlash(name))); err != nil || string(b) != "x" {
		t.Errorf("got %q, %v", b, err)
	}
}
