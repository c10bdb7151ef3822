package tarball

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// realTar is what the installed GNU tar writes for a tree made on disk.
func realTar(t testing.TB, tree Tree, prefix string) []byte {
	t.Helper()
	needGNU(t, "tar")
	dir := t.TempDir()
	unpack(t, tree, filepath.Join(dir, prefix))
	// Folders that cannot be written to could not be removed again.
	defer filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
		if d != nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return nil
	})
	cmd := exec.Command("tar", "--format=gnu", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cf", "-", prefix)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tar: %v: %s", err, stderr.Bytes())
	}
	return out
}

// unpack makes the tree on disk; modes come last, the deepest first.
func unpack(t testing.TB, tree Tree, root string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(root, 0o700))
	entries := tree.Entries()
	for _, e := range entries {
		p := filepath.Join(root, e.Name)
		switch e.Type {
		case Dir:
			check(os.Mkdir(p, 0o700))
		case Regular:
			b := make([]byte, e.Content.Size())
			if len(b) > 0 {
				_, err := e.Content.ReadAt(b, 0)
				check(err)
			}
			check(os.WriteFile(p, b, 0o600))
		case Symlink:
			check(os.Symlink(e.Link, p))
		case Hardlink:
			check(os.Link(filepath.Join(root, e.Link), p))
		}
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if e := entries[i]; e.Type != Symlink && e.Type != Hardlink {
			check(syscall.Chmod(filepath.Join(root, e.Name), e.Mode))
		}
	}
	check(syscall.Chmod(root, tree.TopMode()))
}

func mustTree(t testing.TB, entries ...Entry) Tree {
	t.Helper()
	tree, err := NewTree(entries)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func file(name string, mode uint32, content string) Entry {
	return Entry{Name: name, Type: Regular, Mode: mode, Content: BytesContent([]byte(content))}
}
func dir(name string, mode uint32) Entry { return Entry{Name: name, Type: Dir, Mode: mode} }
func symlink(name, target string) Entry  { return Entry{Name: name, Type: Symlink, Link: target} }
func hardlink(name, target string) Entry { return Entry{Name: name, Type: Hardlink, Link: target} }
func rep(s string, n int) string         { return strings.Repeat(s, n) }

func tarOf(t testing.TB, tree Tree, prefix string) []byte {
	t.Helper()
	s, err := newTarStream(tree, prefix)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(s, 0, s.total))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var tarCases = []struct {
	name    string
	prefix  string
	entries []Entry
}{
	{"empty", "p", nil},
	{"top mode", "p", []Entry{dir(".", 0o2750)}},
	{"order", "p", []Entry{file("sub-x", 0o644, "x"), dir("sub", 0o755), file("sub/a", 0o600, "a"), file("sub.y", 0o644, ""), file("Z", 0o644, "z"), file("é", 0o644, "e")}},
	{"set-id", "p", []Entry{file("u", 0o4755, "u"), file("g", 0o2755, "g"), dir("t", 0o1777), file("all", 0o7777, ""), file("none", 0, "")}},
	{"names about 100", "p", []Entry{
		file(rep("a", 97), 0o644, "1"), file(rep("b", 98), 0o644, "2"), file(rep("c", 99), 0o644, "3"),
		dir(rep("d", 96), 0o755), dir(rep("e", 97), 0o755), dir(rep("f", 98), 0o755), file(rep("g", 255), 0o644, "g")}},
	{"link targets about 100", "p", []Entry{symlink("a", rep("x", 99)), symlink("b", rep("x", 100)), symlink("c", rep("x", 101)), symlink("d", rep("x/", 2000))}},
	{"both long", "p", []Entry{symlink(rep("n", 120), rep("t", 120)), file(rep("m", 200), 0o644, "m"), hardlink(rep("o", 200), rep("m", 200))}},
	{"long names that fill blocks", "p", []Entry{dir(rep("d", 200), 0o755), dir(rep("d", 200)+"/"+rep("e", 200), 0o755),
		file(rep("d", 200)+"/"+rep("e", 200)+"/"+rep("f", 106), 0o644, ""), file(rep("d", 200)+"/"+rep("e", 200)+"/"+rep("f", 107), 0o644, ""), file(rep("d", 200)+"/"+rep("e", 200)+"/"+rep("f", 108), 0o644, "")}},
	{"odd names", "p", []Entry{file("new\nline", 0o644, ""), file("back\\slash", 0o644, ""), file("\xff\xfe", 0o644, ""), file(" ", 0o644, ""), file("-rf", 0o644, ""), file("\x01", 0o644, ""), symlink("*", "\xff\n?")}},
	{"hard links", "p", []Entry{file("b", 0o4711, "content"), hardlink("a", "b"), hardlink("c", "a"), dir("0", 0o755), hardlink("0/z", "c"), symlink("s", "b"), hardlink("t", "s")}},
	{"sizes", "p", []Entry{file("0", 0o644, ""), file("1", 0o644, rep("1", 1)), file("511", 0o644, rep("2", 511)), file("512", 0o644, rep("3", 512)), file("513", 0o644, rep("4", 513)), file("10240", 0o644, rep("5", 10240))}},
	{"long prefix", rep("q", 99), []Entry{file("f", 0o644, "f")}},
	{"deep prefix", "a/b", []Entry{file("f", 0o644, "f"), hardlink("g", "f")}},
	{"dot", ".", []Entry{file("f", 0o644, "f"), hardlink("g", "f"), dir("d", 0o700)}},
}

func TestTarLikeGNU(t *testing.T) {
	for _, c := range tarCases {
		t.Run(c.name, func(t *testing.T) {
			tree := mustTree(t, c.entries...)
			sameBytes(t, "tar", tarOf(t, tree, c.prefix), realTar(t, tree, c.prefix))
		})
	}
}

// randomTree makes a tree of n entries or so.
func randomTree(r *rand.Rand, n int) []Entry {
	var entries []Entry
	used := map[string]bool{}
	dirs, files := []string{""}, []string{}
	alphabet := []string{"a", "b", "-", ".x", "Z", "_", "~", " ", "é", "\xfe", "\n", "\\", "0", "longer-piece-of-a-name"}
	for range n {
		name := dirs[r.IntN(len(dirs))]
		for range 1 + r.IntN(4) {
			name += alphabet[r.IntN(len(alphabet))]
		}
		if r.IntN(12) == 0 {
			name += strings.Repeat("n", 60+r.IntN(80))
		}
		base := name[strings.LastIndexByte(name, '/')+1:]
		if used[name] || len(base) > 255 || len(name) > 3000 {
			continue
		}
		used[name] = true
		mode := uint32(r.IntN(0o10000))
		switch r.IntN(8) {
		case 0, 1:
			entries = append(entries, dir(name, mode))
			dirs = append(dirs, name+"/")
		case 2:
			entries = append(entries, symlink(name, strings.Repeat(alphabet[r.IntN(len(alphabet))], 1+r.IntN(60))))
		case 3:
			if len(files) > 0 {
				entries = append(entries, hardlink(name, files[r.IntN(len(files))]))
				files = append(files, name)
				continue
			}
			fallthrough
		default:
			entries = append(entries, file(name, mode, string(fill(r.IntN(3000), func(int) byte { return byte(r.Uint32()) }))))
			files = append(files, name)
		}
	}
	return entries
}

func TestTarLikeGNURandom(t *testing.T) {
	needGNU(t, "tar")
	if os.Getuid() != 0 {
		t.Skip("needs to be root: files of mode 0000 must be readable by tar")
	}
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	r := rand.New(rand.NewPCG(7, 8))
	for i := range rounds {
		entries := randomTree(r, 1+r.IntN(60))
		tree := mustTree(t, entries...)
		want := realTar(t, tree, "top")
		r.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		sameBytes(t, fmt.Sprintf("tree %d", i), tarOf(t, mustTree(t, entries...), "top"), want)
	}
}

func TestNewTreeRefuses(t *testing.T) {
	cases := []struct {
		name    string
		entries []Entry
		want    string
	}{
		{"absolute", []Entry{file("/a", 0o644, "")}, `entry "/a": the name is absolute`},
		{"empty name", []Entry{file("", 0o644, "")}, "empty name"},
		{"dot dot", []Entry{file("../a", 0o644, "")}, `element ".."`},
		{"dot inside", []Entry{dir("a", 0o755), file("a/./b", 0o644, "")}, `element "."`},
		{"trailing slash", []Entry{dir("a/", 0o755)}, "empty element"},
		{"doubled slash", []Entry{dir("a", 0o755), file("a//b", 0o644, "")}, "empty element"},
		{"NUL", []Entry{file("a\x00", 0o644, "")}, "NUL"},
		{"NUL in target", []Entry{symlink("a", "b\x00")}, "NUL"},
		{"twice", []Entry{file("a", 0o644, ""), dir("a", 0o755)}, `"a" appears twice`},
		{"top twice", []Entry{dir(".", 0o755), dir(".", 0o755)}, "appears twice"},
		{"top is a file", []Entry{file(".", 0o644, "")}, "expected a dir"},
		{"no directory", []Entry{file("d/a", 0o644, "")}, `"d/a": its directory "d" is not in the tree`},
		{"file as directory", []Entry{file("d", 0o644, ""), file("d/a", 0o644, "")}, `its parent "d" is a file`},
		{"mode", []Entry{file("a", 0o10644, "")}, "beyond 07777"},
		{"no content", []Entry{{Name: "a", Type: Regular}}, "needs content"},
		{"content of a dir", []Entry{{Name: "a", Type: Dir, Content: BytesContent(nil)}}, "cannot have content"},
		{"no target", []Entry{symlink("a", "")}, "needs a target"},
		{"target of a file", []Entry{{Name: "a", Type: Regular, Link: "b", Content: BytesContent(nil)}}, "cannot have a link target"},
		{"dangling hard link", []Entry{hardlink("a", "b")}, `target "b" is not in the tree`},
		{"hard link outside", []Entry{hardlink("a", "../b")}, "hard link target"},
		{"hard link to a dir", []Entry{dir("d", 0o755), hardlink("a", "d")}, "is a dir"},
		{"hard link circle", []Entry{hardlink("a", "b"), hardlink("b", "a")}, "cycle"},
		{"unknown type", []Entry{{Name: "a", Type: 9}}, "unknown type(9)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewTree(c.entries)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
