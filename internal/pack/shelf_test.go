package pack_test

import (
	"archive/tar"
	"io"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/oci"
	"facerec/internal/oci/ocitest"
	"facerec/internal/pack"
	"facerec/internal/release"
)

// TestShelves has images of several releases share a shelf, and a full one replaced:
// what was taken from it can be read until the last has given it back.
func TestShelves(t *testing.T) {
	dir := t.TempDir()
	shared := []ocitest.File{ocitest.Reg("app/data", strings.Repeat("d", 3<<20))}
	ocitest.SaveLayout(t, dir, "x", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(t, ocitest.AMD64, shared, []ocitest.File{{Name: "app/x", Kind: tar.TypeReg, Mode: 0o755, Body: "x"}})}))
	ref := oci.Ref{Kind: oci.Layout, Name: dir, Tag: "x"}
	ix, err := oci.ReadIndex(t.Context(), ref, oci.Access{})
	if err != nil {
		t.Fatal(err)
	}
	platform, err := release.ParsePlatform("linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	cell := release.RecordCell{Image: ref.String(), IndexDigest: ix.Digest, Platform: platform, Path: "/app"}
	s := &pack.Shelves{Limit: 1 << 20}
	take := func() *pack.Shelf {
		t.Helper()
		shelf, err := s.Take()
		if err != nil {
			t.Fatal(err)
		}
		return shelf
	}
	read := func(shelf *pack.Shelf) io.ReaderAt {
		t.Helper()
		tree, err := shelf.Images(oci.Access{}, nil).Tree(t.Context(), cell)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range tree.Tree.Entries() {
			if e.Name == "data" {
				return e.Content
			}
		}
		t.Fatal("no data")
		return nil
	}
	readable := func(r io.ReaderAt) bool {
		_, err := r.ReadAt(make([]byte, 1<<20), 0)
		return err == nil
	}
	first, second := take(), take()
	if first != second {
		t.Error("two releases have two shelves")
	}
	data, again := read(first), read(second)
	if data != again {
		t.Error("a layer was read twice")
	}
	s.Limit = 1 // it is full
	third := take()
	if third == first {
		t.Error("a full shelf was given out")
	}
	other := read(third)
	if other == data {
		t.Error("a new shelf has what the old one had")
	}
	if err := first.Done(); err != nil || !readable(data) {
		t.Errorf("%v: a shelf that is in use is gone", err)
	}
	if err := second.Done(); err != nil || readable(data) {
		t.Errorf("%v: a shelf that nobody uses is still there", err)
	}
	if err := s.Close(); err != nil || !readable(other) {
		t.Errorf("%v: the last shelf is gone before its release is done", err)
	}
	if err := third.Done(); err != nil || readable(other) {
		t.Errorf("%v: the last shelf is still there", err)
	}
}
