package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"facerec/internal/oci"
	"facerec/internal/oci/ocitest"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Names that need more than their bytes are refused before they are made.
func TestNamesAreBounded(t *testing.T) {
	deep := strings.Repeat("a/", maxDepth-1)
	for _, c := range []struct {
		name  string
		files []ocitest.File
		want  string
	}{
		{"long name", []ocitest.File{ocitest.Reg(strings.Repeat("x", tarball.MaxName+1), "")}, "name or link of more than 65536 bytes"},
		{"long link", []ocitest.File{ocitest.Sym("l", strings.Repeat("x", tarball.MaxName+1))}, "name or link of more than 65536 bytes"},
		{"deep", []ocitest.File{ocitest.Reg(strings.Repeat("a/", 30_000)+"f", "")}, "more than 1024 directories inside one another"},
		{"deeper through a link", []ocitest.File{ocitest.Reg(deep+"f", ""), ocitest.Sym("l", deep), ocitest.Reg("l/"+deep+"f", "")}, "more than 1024 directories inside one another"},
		{"good", []ocitest.File{ocitest.Reg("app/"+strings.Repeat("a/", 100)+"f", "")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewUnpacker(ocitest.Spool(t), Limits{}).Flatten(t.Context(), openLayers(t, c.files), "/")
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A view does work in proportion to its entries, whatever links and missing
// directories multiply.
func TestViewIsLinear(t *testing.T) {
	wide := func(n int) (out []Entry) {
		for i := range n {
			out = append(out, Entry{Name: fmt.Sprintf("%d/%s", i, strings.Repeat("a/", 1000)), Kind: tar.TypeDir})
		}
		return out
	}
	long := []Entry{}
	for i := range 300 {
		long = append(long, Entry{Name: fmt.Sprintf("%s%d/%s", strings.Repeat("x", 30_000), i, strings.Repeat("a/", 1000)), Kind: tar.TypeDir})
	}
	again := []Entry{{Name: "d", Kind: tar.TypeDir}}
	for i := range 30_000 {
		again = append(again, Entry{Name: fmt.Sprintf("d/%d", i), Kind: tar.TypeReg})
	}
	for range 10_000 {
		again = append(again, Entry{Name: ".wh.d", Kind: tar.TypeReg})
	}
	for name, entries := range map[string][]Entry{"missing directories": wide(200), "long paths": long, "whiteouts again and again": again} {
		if err := NewView().Apply(0, Entries{entries}); err == nil || !strings.Contains(err.Error(), errTooMuch.Error()) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := NewView().Apply(0, Entries{wide(50)}); err != nil {
		t.Errorf("a few deep names: %v", err)
	}
}

func TestDevicesAndAttributes(t *testing.T) {
	ping := ocitest.Reg("bin/ping", "P")
	ping.PAX = map[string]string{"SCHILY.xattr.security.capability": "\x01", "SCHILY.xattr.user.a": "b"}
	null := ocitest.File{Name: "dev/null", Kind: tar.TypeChar, Mode: 0o666}
	pipe := ocitest.File{Name: "dev/pipe", Kind: tar.TypeFifo, Mode: 0o600}
	img := openLayers(t, []ocitest.File{ping, null, pipe})
	_, flat, err := NewUnpacker(ocitest.Spool(t), Limits{}).File(t.Context(), img, "/")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range flat.Devices {
		got = append(got, d.Name+" "+d.What)
	}
	got = append(got, flat.Lost(flat.Tree)...)
	if want := "dev/null char 1:3; dev/pipe pipe; bin/ping: security.capability, user.a"; strings.Join(got, "; ") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "; "), want)
	}
}

// Compressed streams as tools write them, down to no byte at all.
func TestDecompressed(t *testing.T) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	one, two := w.EncodeAll([]byte("one "), nil), w.EncodeAll([]byte("two"), nil)
	skip := append([]byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0}, "any"...)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"nothing":          {nil, ""},
		"plain":            {[]byte("plain"), "plain"},
		"zstd":             {one, "one "},
		"zstd, skip first": {join(skip, one, two), "one two"},
		"zstd, skip among": {join(one, skip, skip, two, skip), "one two"},
	} {
		r, done, err := decompressed(bufio.NewReader(bytes.NewReader(c.in)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(r)
		done()
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// Layers as tools write them are read whole, down to no byte at all.
func TestLayersAsToolsWriteThem(t *testing.T) {
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := func(raw []byte) []byte { return zw.EncodeAll(raw, nil) }
	zipped := func(raw []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write(raw)
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	skip := append([]byte{0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0}, "any"...)
	whole := ocitest.LayerTar(t, ocitest.Dir("a", 0o755), ocitest.Reg("a/b", "B"))
	for _, c := range []struct {
		name       string
		plain, raw []byte
		want       int // entries
	}{
		{"no byte", nil, nil, 0},
		{"nothing, gzip", nil, zipped(nil), 0},
		{"nothing, zstd", nil, packed([]byte{}), 0},
		{"a skippable frame alone", nil, skip, 0},
		{"the end of an archive alone", make([]byte, 1024), make([]byte, 1024), 0},
		{"plain", whole, whole, 2},
		{"gzip in two members", whole, join(zipped(whole[:700]), zipped(whole[700:])), 2},
		{"zstd", whole, packed(whole), 2},
		{"zstd in two frames", whole, join(packed(whole[:700]), packed(whole[700:])), 2},
		{"skippable frames everywhere", whole, join(skip, skip, packed(whole[:700]), skip, packed(whole[700:]), skip), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := NewUnpacker(ocitest.Spool(t), Limits{})
			u.sum.stored.Store(int64(len(c.raw)))
			entries, err := u.unpack(bytes.NewReader(c.raw), &layerUse{u: u}, "test", oci.Layer{DiffID: release.DigestBytes(c.plain)}, "")
			if err != nil || entries.Len() != c.want {
				t.Errorf("got %d entries, %v, want %d", entries.Len(), err, c.want)
			}
		})
	}
}

// openLayers puts layers into a layout and opens their image.
func openLayers(t *testing.T, layers ...[]ocitest.File) *oci.Image {
	t.Helper()
	dir := t.TempDir()
	ocitest.SaveLayout(t, dir, "x", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(t, ocitest.AMD64, layers...)}))
	ix, err := oci.ReadIndex(t.Context(), oci.Ref{Kind: oci.Layout, Name: dir}, oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	images, err := ix.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return images[0]
}

// What layers may cost grows with what is stored of all of them: many small ones
// are no way round the limits of one.
func TestLayersAreBoundedTogether(t *testing.T) {
	header := func(name string, change func(*tar.Header)) []byte {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}
		if change != nil {
			change(h)
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	big := strings.Repeat("x", 900_000)
	sparse := strings.NewReplacer("GNU?sparse?", "GNU.sparse.").Replace // the writer of archive/tar refuses such records
	hole := header("hole", func(h *tar.Header) {
		h.PAXRecords = map[string]string{"GNU?sparse?major": "1", "GNU?sparse?minor": "0", "GNU?sparse?realsize": "400000000", "GNU?sparse?name": "h"}
		h.Size = 512
	})
	hole = append([]byte(sparse(string(hole))), append([]byte("0\n"), make([]byte, 510)...)...)
	for _, c := range []struct {
		name   string
		limits Limits
		piece  []byte
		times  int // of the piece in a layer
		layers int // that are read until one is refused
		want   string
	}{
		{"entries", Limits{}, header("a", nil), 60_000, 2, fmt.Sprintf("expected at most %d entries in layers of 1000 bytes, got more", tarball.AllowedEntries(1000))},
		{"attributes", Limits{}, header("a", func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": big} }), 10, 2, fmt.Sprintf("expected at most %d bytes of names and attributes in layers of 1000 bytes, got more", tarball.AllowedNames(1000))},
		{"users", Limits{}, header("a", func(h *tar.Header) { h.Uname = big }), 6, 2, "bytes of names and attributes"},
		{"holes", Limits{}, hole, 1, 1, "the layers inflate to more than 268435456 bytes and 200 times the 1000 bytes that are stored"},
		{"bytes of all", Limits{Ratio: 10}, make([]byte, 1<<20), 150, 2, "the layers inflate to more than 268435456 bytes and 10 times the 1000 bytes that are stored"},
		{"bytes of one", Limits{Bytes: 1 << 20}, make([]byte, 1<<20), 2, 1, "inflates to more than the 1048576 bytes that are allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := NewUnpacker(ocitest.Spool(t), c.limits)
			u.sum.stored.Store(1000)
			body := append(bytes.Repeat(c.piece, c.times), make([]byte, 1024)...)
			var err error
			for i := range c.layers {
				if err != nil {
					t.Fatalf("layer %d of %d: %v", i, c.layers, err)
				}
				sum := release.NewHasher()
				_, _ = sum.Write(body) // a hash does not fail
				_, err = u.unpack(bytes.NewReader(body), &layerUse{u: u}, "test", oci.Layer{DiffID: sum.Digest()}, "")
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, expected %q", err, c.want)
			}
		})
	}
}

// A layer that an image has many times is applied a bounded number of times.
func TestAppliedEntriesAreBounded(t *testing.T) {
	v := NewView()
	entries := make([]Entry, 1_000_000)
	for i := range entries {
		entries[i] = Entry{Kind: tar.TypeDir} // the root itself
	}
	var err error
	for i := range 5 {
		if err = v.Apply(i, Entries{entries}); err != nil && i < maxApplied/len(entries) {
			t.Fatalf("layer %d: %v", i, err)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "more than 4000000 entries") {
		t.Errorf("got %v", err)
	}
}

// A directory whose content lies elsewhere is read again, whole. That does not
// count twice.
func TestReadingAgainDoesNotCountTwice(t *testing.T) {
	files := []ocitest.File{ocitest.Reg("other/a", "A"), ocitest.Hard("app/a", "other/a")}
	for range 50_000 {
		files = append(files, ocitest.Reg("other/b", ""))
	}
	u := NewUnpacker(ocitest.Spool(t), Limits{})
	if _, err := u.Flatten(t.Context(), openLayers(t, files), "/app"); err != nil {
		t.Fatal(err)
	}
	if n := u.sum.entries.Load(); n != int64(len(files)) {
		t.Errorf("expected %d entries counted, got %d", len(files), n)
	}
}

// What was dropped is read again where another directory is asked for, and counts once.
func TestDrop(t *testing.T) {
	files := []ocitest.File{ocitest.Reg("app/a", "A"), ocitest.Reg("other/b", "B")}
	img := openLayers(t, files)
	u := NewUnpacker(ocitest.Spool(t), Limits{})
	before, err := u.Flatten(t.Context(), img, "/app")
	if err != nil {
		t.Fatal(err)
	}
	u.Drop()
	if n := u.Held(); n != 0 {
		t.Errorf("%d entries are held", n)
	}
	for _, dir := range []string{"/app", "/other"} {
		if after, err := u.Flatten(t.Context(), img, dir); err != nil || after.Tree.Len() != 1 {
			t.Errorf("%s: %d entries, %v", dir, after.Tree.Len(), err)
		}
	}
	if e := before.Tree.At(0); e.Name != "a" || e.Content.Size() != 1 {
		t.Errorf("the tree has %+v", e)
	}
	if n, held := u.sum.entries.Load(), u.Held(); n != int64(len(files)) || held != len(files) {
		t.Errorf("expected %d entries counted and held, got %d, %d", len(files), n, held)
	}
}

// Several Unpackers read a layer once, and each counts it for itself: one whose
// images cost too much does not spoil the others.
func TestSharedLayersAreCountedByEach(t *testing.T) {
	files := []ocitest.File{ocitest.Reg("app/a", "A")}
	for range 50_000 {
		files = append(files, ocitest.Reg("app/b", ""))
	}
	img := openLayers(t, files)
	first := NewUnpacker(ocitest.Spool(t), Limits{})
	if _, err := first.Flatten(t.Context(), img, "/app"); err != nil {
		t.Fatal(err)
	}
	second := first.Another()
	for range 2 { // the second time changes nothing
		if _, err := second.Flatten(t.Context(), img, "/app"); err != nil {
			t.Fatal(err)
		}
	}
	for name, u := range map[string]*Unpacker{"first": first, "second": second} {
		if n := u.sum.entries.Load(); n != int64(len(files)) {
			t.Errorf("%s: expected %d entries counted, got %d", name, len(files), n)
		}
		if n := u.Held(); n != len(files) {
			t.Errorf("%s: expected %d entries held, got %d: the layer was read twice", name, len(files), n)
		}
	}
	spent := first.Another()
	spent.sum.entries.Store(1 << 40)
	for range 2 {
		if _, err := spent.Flatten(t.Context(), img, "/app"); err == nil || !strings.Contains(err.Error(), "expected at most") {
			t.Errorf("more than the limit: got %v", err)
		}
	}
	if _, err := first.Another().Flatten(t.Context(), img, "/app"); err != nil {
		t.Errorf("after one that used too much: %v", err)
	}
	// An Unpacker whose own limits stop the reading says so for itself alone.
	files[0].Body = "B"
	other := openLayers(t, files)
	spent = first.Another()
	spent.sum.entries.Store(1 << 40)
	if _, err := spent.Flatten(t.Context(), other, "/app"); err == nil {
		t.Error("more than the limit, read first: got no error")
	}
	if _, err := first.Another().Flatten(t.Context(), other, "/app"); err != nil {
		t.Errorf("after one that could not read it: %v", err)
	}
}
