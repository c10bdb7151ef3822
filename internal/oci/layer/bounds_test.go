package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"facerec/internal/oci"
	"facerec/internal/oci/ocitest"
)

// Names that need more than their bytes are refused before they are made.
func TestNamesAreBounded(t *testing.T) {
	deep := strings.Repeat("a/", maxDepth-1)
	for _, c := range []struct {
		name  string
		files []ocitest.File
		want  string
	}{
		{"long name", []ocitest.File{ocitest.Reg(strings.Repeat("x", maxName+1), "")}, "name or link of more than 65536 bytes"},
		{"long link", []ocitest.File{ocitest.Sym("l", strings.Repeat("x", maxName+1))}, "name or link of more than 65536 bytes"},
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
		if err := NewView().Apply(0, entries); err == nil || !strings.Contains(err.Error(), errTooMuch.Error()) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := NewView().Apply(0, wide(50)); err != nil {
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
	got = append(got, flat.Lost()...)
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

// openLayers puts layers into a layout and opens their image.
func openLayers(t *testing.T, layers ...[]ocitest.File) *oci.Image {
	t.Helper()
	dir := t.TempDir()
	ocitest.SaveLayout(t, dir, "x", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(t, ocitest.AMD64, layers...)}))
	ix, err := oci.ReadIndex(t.Context(), oci.Ref{Kind: oci.Layout, Name: dir}, oci.Access{})
	if err != nil {
		t.Fatal(err)
	}
	images, err := ix.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return images[0]
}
