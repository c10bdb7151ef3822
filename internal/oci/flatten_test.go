package oci

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// flattenCases are the ways in which layers can hide, replace and link what
// lies below them. want is the content of /app; each case is also unpacked by
// umoci, which must agree.
var flattenCases = []struct {
	name   string
	layers [][]file
	want   string
}{
	{"one layer", [][]file{{dir("app", 0o755), reg("app/a", "A")}},
		". 0755\na 0644 \"A\"\n"},
	{"leading ./ and /", [][]file{{dir("./app/", 0o755), reg("./app/a", "A"), reg("/app/b", "B")}},
		". 0755\na 0644 \"A\"\nb 0644 \"B\"\n"},
	{"whiteout of a file", [][]file{{dir("app", 0o755), reg("app/a", "A"), reg("app/b", "B")}, {gone("app/.wh.a")}},
		". 0755\nb 0644 \"B\"\n"},
	{"whiteout of a folder", [][]file{{dir("app", 0o755), dir("app/d", 0o755), reg("app/d/x", "X"), reg("app/b", "B")}, {gone("app/.wh.d")}},
		". 0755\nb 0644 \"B\"\n"},
	{"whiteout and again in the same layer, whiteout last", [][]file{{dir("app", 0o755), reg("app/a", "old")}, {reg("app/a", "new"), gone("app/.wh.a")}},
		". 0755\na 0644 \"new\"\n"},
	{"opaque folder", [][]file{{dir("app", 0o755), dir("app/d", 0o700), reg("app/d/x", "X"), reg("app/d/y", "Y")}, {dir("app/d", 0o750), gone("app/d/.wh..wh..opq"), reg("app/d/z", "Z")}},
		". 0755\nd dir 0750\nd/z 0644 \"Z\"\n"},
	{"opaque marker behind the files", [][]file{{dir("app", 0o755), dir("app/d", 0o700), reg("app/d/x", "X")}, {dir("app/d", 0o750), reg("app/d/z", "Z"), gone("app/d/.wh..wh..opq")}},
		". 0755\nd dir 0750\nd/z 0644 \"Z\"\n"},
	{"file over a folder", [][]file{{dir("app", 0o755), dir("app/d", 0o755), reg("app/d/x", "X")}, {reg("app/d", "now a file")}},
		". 0755\nd 0644 \"now a file\"\n"},
	{"file over a folder and back", [][]file{{dir("app", 0o755), dir("app/d", 0o755), reg("app/d/x", "X")}, {reg("app/d", "F")}, {dir("app/d", 0o711), reg("app/d/y", "Y")}},
		". 0755\nd dir 0711\nd/y 0644 \"Y\"\n"},
	{"folder over a symlink", [][]file{{dir("app", 0o755), dir("other", 0o755), reg("other/o", "O"), sym("app/d", "/other")}, {dir("app/d", 0o755), reg("app/d/y", "Y")}},
		". 0755\nd dir 0755\nd/y 0644 \"Y\"\n"},
	{"symlinked parent", [][]file{{dir("app", 0o755), dir("app/real", 0o755), sym("app/link", "real")}, {reg("app/link/f", "F")}},
		". 0755\nlink -> real\nreal dir 0755\nreal/f 0644 \"F\"\n"},
	{"symlinked parent, absolute, out of the way of below", [][]file{{dir("app", 0o755), dir("app/real", 0o755), sym("opt", "/app/real")}, {reg("opt/f", "F")}},
		". 0755\nreal dir 0755\nreal/f 0644 \"F\"\n"},
	{"symlink that climbs is held in the root", [][]file{{dir("app", 0o755), sym("app/up", "../../../../app/d"), dir("app/d", 0o755)}, {reg("app/up/f", "F")}},
		". 0755\nd dir 0755\nd/f 0644 \"F\"\nup -> ../../../../app/d\n"},
	{"folder mode from a lower layer", [][]file{{dir("app", 0o751), dir("app/d", 0o700)}, {reg("app/d/f", "F")}},
		". 0751\nd dir 0700\nd/f 0644 \"F\"\n"},
	{"hard link in one layer", [][]file{{dir("app", 0o755), reg("app/a", "A"), hard("app/b", "app/a")}},
		". 0755\na 0644 \"A\"\nb = a\n"},
	{"hard link whose target is replaced later", [][]file{{dir("app", 0o755), reg("app/a", "old"), hard("app/b", "app/a")}, {reg("app/a", "new")}},
		". 0755\na 0644 \"new\"\nb 0644 \"old\"\n"},
	{"hard link whose target is whited out later", [][]file{{dir("app", 0o755), reg("app/a", "A"), hard("app/b", "app/a"), hard("app/c", "app/a")}, {gone("app/.wh.a")}},
		". 0755\nb 0644 \"A\"\nc = b\n"},
	{"hard link to a lower layer", [][]file{{dir("app", 0o755), reg("app/a", "A")}, {hard("app/b", "app/a")}},
		". 0755\na 0644 \"A\"\nb = a\n"},
	{"hard link to a target outside", [][]file{{dir("app", 0o755), dir("lib", 0o755), reg("lib/x", "X"), hard("app/b", "lib/x")}},
		". 0755\nb 0644 \"X\"\n"},
	{"two hard links to a target outside, replaced later", [][]file{{dir("app", 0o755), dir("lib", 0o755), reg("lib/x", "X"), hard("app/c", "lib/x"), hard("app/b", "lib/x")}, {reg("lib/x", "new")}},
		". 0755\nb 0644 \"X\"\nc = b\n"},
	{"missing parents are made", [][]file{{reg("app/d/e/f", "F")}},
		". 0755\nd dir 0755\nd/e dir 0755\nd/e/f 0644 \"F\"\n"},
	{"set-id and sticky bits", [][]file{{{name: "app", kind: tar.TypeDir, mode: 0o1777}, {name: "app/s", kind: tar.TypeReg, mode: 0o4755, body: "S"}, {name: "app/g", kind: tar.TypeReg, mode: 0o2755, body: "G"}}},
		". 1777\ng 2755 \"G\"\ns 4755 \"S\"\n"},
	{"dangling symlink", [][]file{{dir("app", 0o755), sym("app/l", "/nowhere")}},
		". 0755\nl -> /nowhere\n"},
	{"name twice in one layer, the last wins", [][]file{{dir("app", 0o755), reg("app/a", "1"), reg("app/a", "2")}},
		". 0755\na 0644 \"2\"\n"},
}

func TestFlatten(t *testing.T) {
	for _, c := range flattenCases {
		t.Run(c.name, func(t *testing.T) {
			flat, err := flattenLayers(t, "/app", Limits{}, c.layers...)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(t, flat.Tree); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

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
			img := makeImage(t, amd64, c.layers...)
			saveLayout(t, filepath.Join(d, "oci"), "x", makeIndex(map[string]v1.Image{"linux/amd64": img}))
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

func TestFlattenRefuses(t *testing.T) {
	big := strings.Repeat("x", 4096)
	cases := []struct {
		name   string
		limits Limits
		layers [][]file
		want   string
	}{
		{"escape", Limits{}, [][]file{{reg("../etc/passwd", "x")}}, `"../etc/passwd" escapes`},
		{"escape in the middle", Limits{}, [][]file{{reg("app/../../x", "x")}}, `escapes`},
		{"escaping hard link", Limits{}, [][]file{{dir("app", 0o755), hard("app/h", "../../etc/shadow")}}, `escapes`},
		{"device", Limits{}, [][]file{{dir("app", 0o755), {name: "app/null", kind: tar.TypeChar, mode: 0o666}}}, `"null" is a device`},
		{"named pipe", Limits{}, [][]file{{dir("app", 0o755), {name: "app/pipe", kind: tar.TypeFifo, mode: 0o666}}}, `"pipe" is a device or a named pipe`},
		{"hard link to nothing", Limits{}, [][]file{{dir("app", 0o755), hard("app/h", "app/none")}}, `hard link to "app/none", which is not there`},
		{"hard link to a folder", Limits{}, [][]file{{dir("app", 0o755), hard("h", "app")}}, `hard link to the directory`},
		{"file as parent", Limits{}, [][]file{{reg("app", "x")}, {reg("app/x", "x")}}, `not a directory`},
		{"symlink loop", Limits{}, [][]file{{sym("a", "b"), sym("b", "a"), reg("a/x", "x")}}, `symbolic links`},
		{"whiteout of the parent", Limits{}, [][]file{{dir("app", 0o755), gone("app/.wh...")}}, `refused`},
		{"too many entries", Limits{Entries: 2}, [][]file{{dir("app", 0o755), reg("app/a", ""), reg("app/b", "")}}, `more than 2 entries, the last "app/b"`},
		{"too large", Limits{Bytes: 2048}, [][]file{{dir("app", 0o755), reg("app/a", big)}}, `--max-layer-bytes`},
		{"no such folder", Limits{}, [][]file{{reg("other", "x")}}, `/app in `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := flattenLayers(t, "/app", c.limits, c.layers...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

func TestFlattenReportsWhatIsLeftOut(t *testing.T) {
	x := reg("app/x", "X")
	x.pax = map[string]string{"SCHILY.xattr.user.note": "v"}
	flat, err := flattenLayers(t, "/app", Limits{}, []file{dir("app", 0o755), x})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(flat.Origins["x"].Notes, ","); got != "extended attributes" {
		t.Errorf("notes = %q", got)
	}
}
