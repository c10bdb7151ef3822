package tarball

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/release"
)

var update = flag.Bool("update", false, "write testdata/golden.txt anew, from the installed GNU tar and gzip")

// lcg makes bytes that no library version can change (Knuth's MMIX constants).
type lcg uint64

func (g *lcg) next() byte {
	*g = *g*6364136223846793005 + 1442695040888963407
	return byte(*g >> 56)
}

func (g *lcg) bytes(n int, f func(byte) byte) string {
	return string(fill(n, func(int) byte { return f(g.next()) }))
}

// goldenTrees are what the golden vectors are about. Nothing here may change:
// releases that were made are to be made again.
func goldenTrees() []struct {
	name    string
	entries []Entry
} {
	g := lcg(1)
	same := func(b byte) byte { return b }
	text := func(b byte) byte { return "etaoin shrdlu\n.,"[b&15] }
	periodic := rep(g.bytes(777, same), 300)
	return []struct {
		name    string
		entries []Entry
	}{
		{"empty", nil},
		{"names", []Entry{dir(".", 0o2755), dir("sub", 0o1777), file("sub/"+rep("n", 120), 0o4755, "n"), file("sub-x", 0o600, ""), symlink("l", rep("t", 150)), hardlink("h", "sub-x"), file("\xff\n", 0o644, "odd")}},
		{"zeros", []Entry{file("z", 0o644, rep("\x00", 1<<20))}},
		{"random", []Entry{file("r", 0o644, g.bytes(300_000, same))}},
		{"text", []Entry{file("t", 0o644, g.bytes(500_000, text))}},
		{"periodic", []Entry{file("p", 0o644, periodic)}},
		{"skewed", []Entry{file("s", 0o644, g.bytes(400_000, func(b byte) byte { return b & (b >> 3) & 0x3f }))}},
		{"floats", []Entry{file("f", 0o644, string(fill(600_000, func(i int) byte {
			if i%4 == 3 {
				return 0x3c | g.next()&0x83
			}
			return g.next()
		})))}},
		{"all", []Entry{file("a", 0o755, g.bytes(70_000, text)), file("b", 0o644, g.bytes(70_000, same)), dir("c", 0o755), file("c/a", 0o644, periodic[:100_000]), file("d", 0o644, g.bytes(70_000, text))}},
	}
}

// The vectors hold the recipe where tar and gzip are missing, and against any
// change of a library or of this package. Each was written by the real tools.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "golden.txt")
	if *update {
		needGNU(t, "tar")
		needGNU(t, "gzip")
		b := bytes.NewBufferString("# name, sha256 of the tar stream, sha256 of the gzip file; written by GNU tar 1.34 and GNU gzip 1.12\n")
		for _, c := range goldenTrees() {
			raw := realTar(t, mustTree(t, c.entries...), "golden")
			fmt.Fprintf(b, "%s %s %s\n", c.name, hexSum(raw), hexSum(realGzip(t, raw)))
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]string{}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 3 {
			want[f[0]] = [2]string{f[1], f[2]}
		}
	}
	for _, c := range goldenTrees() {
		t.Run(c.name, func(t *testing.T) {
			res, err := Pack(context.Background(), []Job{{Name: c.name, Tree: mustTree(t, c.entries...), Prefix: "golden", Recipe: GNUGzip6}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := [2]string{res[0].Tar.Hex(), res[0].File.Hex()}; got != want[c.name] {
				t.Errorf("got  %s\nwant %s", got, want[c.name])
			}
		})
		delete(want, c.name)
	}
	if len(want) > 0 {
		t.Errorf("vectors without a tree: %v", want)
	}
}

func hexSum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// TestRealFiles compresses what the machine has: programs, libraries, images,
// texts. TARBALL_FILES names a folder to take instead, and then all of it.
func TestRealFiles(t *testing.T) {
	needGNU(t, "gzip")
	roots, most := []string{"/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/share"}, 12
	if r := os.Getenv("TARBALL_FILES"); r != "" {
		roots, most = []string{r}, 1<<30
	} else if testing.Short() {
		most = 2
	}
	n := 0
	for _, root := range roots {
		taken, seen := 0, 0
		err := filepath.Walk(root, func(p string, info os.FileInfo, err error) error {
			if err != nil || !info.Mode().IsRegular() || info.Size() > 4<<20 || taken == most {
				return nil //nolint:nilerr // what cannot be looked at is not looked at
			}
			if seen++; most < 1<<30 && (seen*7919)%61 != 0 {
				return nil
			}
			data, err := os.ReadFile(p)
			if err != nil {
				return nil //nolint:nilerr // the same
			}
			taken++
			n++
			sameBytes(t, p, ours(t, data, Options{ChunkSize: 32 << 10}), realGzip(t, data))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d files", n)
	if n == 0 {
		t.Skip("no files found")
	}
}

// A release as shell scripts make them: a few folders and files put together
// with cp, a versioned top directory, GNU tar and gzip through a pipe, under
// an umask. Described with Sub, Filter and Add, it comes out byte for byte.
func TestOtherPeoplesRelease(t *testing.T) {
	needGNU(t, "tar")
	needGNU(t, "gzip")
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs sh")
	}
	image := mustTree(t, dir("app", 0o755), dir("app/bin", 0o755), file("app/bin/tool", 0o755, rep("program ", 40000)), dir("app/share", 0o755),
		file("app/share/data", 0o644, rep("0123456789", 9999)), file("app/share/notes~", 0o644, "scratch"), dir("app/tmp", 0o777), file("app/tmp/x", 0o644, "x"), file("etc", 0o644, ""))
	root := t.TempDir()
	unpack(t, image, filepath.Join(root, "image"))
	if err := os.WriteFile(filepath.Join(root, "LICENSE"), []byte("free\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-ec", `umask 022
		mkdir tool-1.2
		cp -r image/app/bin image/app/share tool-1.2
		rm tool-1.2/share/notes~
		cp LICENSE tool-1.2
		tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - tool-1.2 | gzip -n > out.tar.gz`)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	have, err := os.ReadFile(filepath.Join(root, "out.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := image.Sub("app")
	if err != nil {
		t.Fatal(err)
	}
	if tree, err = tree.Filter([]string{"bin", "share"}, []string{"**/*~"}); err != nil {
		t.Fatal(err)
	}
	if tree, err = tree.Add(file("LICENSE", 0o644, "free\n")); err != nil {
		t.Fatal(err)
	}
	v, err := Pack(context.Background(), []Job{{Name: "tool-1.2", Tree: tree, Prefix: "tool-1.2", Recipe: GNUGzip6}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if v[0].File != release.DigestBytes(have) {
		t.Error("another file than tar | gzip -n makes")
	}
}
