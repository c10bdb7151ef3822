package layer_test

import (
	"archive/tar"
	"context"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/oci/ocitest"
	"facerec/internal/text"
)

// flattenCases are the ways in which layers can hide, replace and link what
// lies below them. want is the content of /app; each case is also unpacked by
// umoci, which must agree.
var flattenCases = []struct {
	name   string
	layers [][]ocitest.File
	want   string
}{
	{"one layer", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", "A")}},
		". 0755\na 0644 \"A\"\n"},
	{"leading ./ and /", [][]ocitest.File{{ocitest.Dir("./app/", 0o755), ocitest.Reg("./app/a", "A"), ocitest.Reg("/app/b", "B")}},
		". 0755\na 0644 \"A\"\nb 0644 \"B\"\n"},
	{"whiteout of a file", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", "A"), ocitest.Reg("app/b", "B")}, {ocitest.Gone("app/.wh.a")}},
		". 0755\nb 0644 \"B\"\n"},
	{"whiteout of a folder", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("app/d", 0o755), ocitest.Reg("app/d/x", "X"), ocitest.Reg("app/b", "B")}, {ocitest.Gone("app/.wh.d")}},
		". 0755\nb 0644 \"B\"\n"},
	{"whiteout and again in the same layer, whiteout last", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", "old")}, {ocitest.Reg("app/a", "new"), ocitest.Gone("app/.wh.a")}},
		". 0755\na 0644 \"new\"\n"},
	{"opaque folder", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("app/d", 0o700), ocitest.Reg("app/d/x", "X"), ocitest.Reg("app/d/y", "Y")}, {ocitest.Dir("app/d", 0o750), ocitest.Gone("app/d/.wh..wh..opq"), ocitest.Reg("app/d/z", "Z")}},
		". 0755\nd dir 0750\nd/z 0644 \"Z\"\n"},
	{"opaque marker behind the files", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("app/d", 0o700), ocitest.Reg("app/d/x", "X")}, {ocitest.Dir("app/d", 0o750), ocitest.Reg("app/d/z", "Z"), ocitest.Gone("app/d/.wh..wh..opq")}},
		". 0755\nd dir 0750\nd/z 0644 \"Z\"\n"},
	{"file over a folder", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("app/d", 0o755), ocitest.Reg("app/d/x", "X")}, {ocitest.Reg("app/d", "now a file")}},
		". 0755\nd 0644 \"now a file\"\n"},
	{"file over a folder and back", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("app/d", 0o755), ocitest.Reg("app/d/x", "X")}, {ocitest.Reg("app/d", "F")}, {ocitest.Dir("app/d", 0o711), ocitest.Reg("app/d/y", "Y")}},
		". 0755\nd dir 0711\nd/y 0644 \"Y\"\n"},
	{"folder over a symlink", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("other", 0o755), ocitest.Reg("other/o", "O"), ocitest.Sym("app/d", "/other")}, {ocitest.Dir("app/d", 0o755), ocitest.Reg("app/d/y", "Y")}},
		". 0755\nd dir 0755\nd/y 0644 \"Y\"\n"},
	{"symlinked parent", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("app/real", 0o755), ocitest.Sym("app/link", "real")}, {ocitest.Reg("app/link/f", "F")}},
		". 0755\nlink -> real\nreal dir 0755\nreal/f 0644 \"F\"\n"},
	{"symlinked parent, absolute, out of the way of below", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("app/real", 0o755), ocitest.Sym("opt", "/app/real")}, {ocitest.Reg("opt/f", "F")}},
		". 0755\nreal dir 0755\nreal/f 0644 \"F\"\n"},
	{"symlink that climbs is held in the root", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Sym("app/up", "../../../../app/d"), ocitest.Dir("app/d", 0o755)}, {ocitest.Reg("app/up/f", "F")}},
		". 0755\nd dir 0755\nd/f 0644 \"F\"\nup -> ../../../../app/d\n"},
	{"folder mode from a lower layer", [][]ocitest.File{{ocitest.Dir("app", 0o751), ocitest.Dir("app/d", 0o700)}, {ocitest.Reg("app/d/f", "F")}},
		". 0751\nd dir 0700\nd/f 0644 \"F\"\n"},
	{"hard link in one layer", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", "A"), ocitest.Hard("app/b", "app/a")}},
		". 0755\na 0644 \"A\"\nb = a\n"},
	{"hard link whose target is replaced later", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", "old"), ocitest.Hard("app/b", "app/a")}, {ocitest.Reg("app/a", "new")}},
		". 0755\na 0644 \"new\"\nb 0644 \"old\"\n"},
	{"hard link whose target is whited out later", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", "A"), ocitest.Hard("app/b", "app/a"), ocitest.Hard("app/c", "app/a")}, {ocitest.Gone("app/.wh.a")}},
		". 0755\nb 0644 \"A\"\nc = b\n"},
	{"hard link to a lower layer", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", "A")}, {ocitest.Hard("app/b", "app/a")}},
		". 0755\na 0644 \"A\"\nb = a\n"},
	{"hard link to a target outside", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("lib", 0o755), ocitest.Reg("lib/x", "X"), ocitest.Hard("app/b", "lib/x")}},
		". 0755\nb 0644 \"X\"\n"},
	{"two hard links to a target outside, replaced later", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Dir("lib", 0o755), ocitest.Reg("lib/x", "X"), ocitest.Hard("app/c", "lib/x"), ocitest.Hard("app/b", "lib/x")}, {ocitest.Reg("lib/x", "new")}},
		". 0755\nb 0644 \"X\"\nc = b\n"},
	{"missing parents are made", [][]ocitest.File{{ocitest.Reg("app/d/e/f", "F")}},
		". 0755\nd dir 0755\nd/e dir 0755\nd/e/f 0644 \"F\"\n"},
	{"set-id and sticky bits", [][]ocitest.File{{{Name: "app", Kind: tar.TypeDir, Mode: 0o1777}, {Name: "app/s", Kind: tar.TypeReg, Mode: 0o4755, Body: "S"}, {Name: "app/g", Kind: tar.TypeReg, Mode: 0o2755, Body: "G"}}},
		". 1777\ng 2755 \"G\"\ns 4755 \"S\"\n"},
	{"dangling symlink", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Sym("app/l", "/nowhere")}},
		". 0755\nl -> /nowhere\n"},
	{"name twice in one layer, the last wins", [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", "1"), ocitest.Reg("app/a", "2")}},
		". 0755\na 0644 \"2\"\n"},
}

func TestFlatten(t *testing.T) {
	for _, c := range flattenCases {
		t.Run(c.name, func(t *testing.T) {
			flat, err := flattenLayers(t, "/app", layer.Limits{}, c.layers...)
			if err != nil {
				t.Fatal(err)
			}
			if got := ocitest.Describe(t, flat.Tree); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

func TestFlattenRefuses(t *testing.T) {
	big := strings.Repeat("x", 4096)
	cases := []struct {
		name   string
		limits layer.Limits
		layers [][]ocitest.File
		want   string
	}{
		{"escape", layer.Limits{}, [][]ocitest.File{{ocitest.Reg("../etc/passwd", "x")}}, `"../etc/passwd" escapes`},
		{"escape in the middle", layer.Limits{}, [][]ocitest.File{{ocitest.Reg("app/../../x", "x")}}, `escapes`},
		{"escaping hard link", layer.Limits{}, [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Hard("app/h", "../../etc/shadow")}}, `escapes`},
		{"device", layer.Limits{}, [][]ocitest.File{{ocitest.Dir("app", 0o755), {Name: "app/null", Kind: tar.TypeChar, Mode: 0o666}}}, `"null" is a device`},
		{"named pipe", layer.Limits{}, [][]ocitest.File{{ocitest.Dir("app", 0o755), {Name: "app/pipe", Kind: tar.TypeFifo, Mode: 0o666}}}, `"pipe" is a device or a named pipe`},
		{"hard link to nothing", layer.Limits{}, [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Hard("app/h", "app/none")}}, `hard link to "app/none": not found`},
		{"hard link to a folder", layer.Limits{}, [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Hard("h", "app")}}, `hard link to the directory`},
		{"file as parent", layer.Limits{}, [][]ocitest.File{{ocitest.Reg("app", "x")}, {ocitest.Reg("app/x", "x")}}, `not a directory`},
		{"symlink loop", layer.Limits{}, [][]ocitest.File{{ocitest.Sym("a", "b"), ocitest.Sym("b", "a"), ocitest.Reg("a/x", "x")}}, `symbolic links`},
		{"whiteout of the parent", layer.Limits{}, [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Gone("app/.wh...")}}, `refused`},
		{"too many entries", layer.Limits{Entries: 2}, [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", ""), ocitest.Reg("app/b", "")}}, `more than 2 entries, the last "app/b"`},
		{"too large", layer.Limits{Bytes: 2048}, [][]ocitest.File{{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", big)}}, `--max-layer-bytes`},
		{"no such folder", layer.Limits{}, [][]ocitest.File{{ocitest.Reg("other", "x")}}, `/app in `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := flattenLayers(t, "/app", c.limits, c.layers...)
			if err == nil || !strings.Contains(err.Error()+"\n"+text.Hint(err), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
		})
	}
}

func TestFlattenReportsWhatIsLeftOut(t *testing.T) {
	x := ocitest.Reg("app/x", "X")
	x.PAX = map[string]string{"SCHILY.xattr.user.note": "v"}
	flat, err := flattenLayers(t, "/app", layer.Limits{}, []ocitest.File{ocitest.Dir("app", 0o755), x})
	if err != nil {
		t.Fatal(err)
	}
	from, ok := flat.Origin("x")
	if got := strings.Join(from.Notes, ","); got != "user.note" || !ok {
		t.Errorf("notes = %q, %t", got, ok)
	}
}

// flattenLayers puts layers into a layout and flattens a directory of them.
func flattenLayers(t testing.TB, root string, limits layer.Limits, layers ...[]ocitest.File) (layer.Flattened, error) {
	t.Helper()
	d := t.TempDir()
	ocitest.SaveLayout(t, d, "x", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(t, ocitest.AMD64, layers...)}))
	ref, err := oci.ParseRef("oci-layout:" + d + ":x")
	if err != nil {
		t.Fatal(err)
	}
	ix, err := oci.ReadIndex(context.Background(), ref, oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	images, err := ix.Images(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return layer.NewUnpacker(ocitest.Spool(t), limits).Flatten(context.Background(), images[0], root)
}
