package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ggtarball "github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/tarball"
)

// Images for the tests are made with archive/tar and go-containerregistry,
// never with the code that is being tested.

type file struct {
	name, link, body string
	kind             byte
	mode             int64
	pax              map[string]string
	uid              int
	uname            string
}

func dir(name string, mode int64) file { return file{name: name, kind: tar.TypeDir, mode: mode} }
func reg(name, body string) file {
	return file{name: name, kind: tar.TypeReg, mode: 0o644, body: body}
}
func sym(name, to string) file  { return file{name: name, kind: tar.TypeSymlink, mode: 0o777, link: to} }
func hard(name, to string) file { return file{name: name, kind: tar.TypeLink, mode: 0o644, link: to} }
func gone(name string) file     { return reg(name, "") }

func layerTar(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: f.kind, Mode: f.mode, Linkname: f.link, Size: int64(len(f.body)), PAXRecords: f.pax, Uid: f.uid, Uname: f.uname}
		if f.kind != tar.TypeReg {
			h.Size = 0
		}
		if f.kind == tar.TypeChar {
			h.Devmajor, h.Devminor = 1, 3
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if f.kind == tar.TypeReg {
			if _, err := io.WriteString(w, f.body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeLayer(t testing.TB, files ...file) v1.Layer {
	t.Helper()
	raw := layerTar(t, files...)
	l, err := ggtarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		ggtarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func makeImage(t testing.TB, platform v1.Platform, layers ...[]file) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range layers {
		var err error
		if img, err = mutate.AppendLayers(img, makeLayer(t, files...)); err != nil {
			t.Fatal(err)
		}
	}
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	cf = cf.DeepCopy()
	cf.OS, cf.Architecture, cf.Variant = platform.OS, platform.Architecture, platform.Variant
	if img, err = mutate.ConfigFile(img, cf); err != nil {
		t.Fatal(err)
	}
	return img
}

var amd64 = v1.Platform{OS: "linux", Architecture: "amd64"}

func makeIndex(images map[string]v1.Image) v1.ImageIndex {
	ix := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range []string{"linux/amd64", "linux/arm64", "linux/arm/v7", "unknown/unknown"} {
		if img, ok := images[p]; ok {
			parts := append(strings.Split(p, "/"), "")
			ix = mutate.AppendManifests(ix, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
				Platform: &v1.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]},
			}})
		}
	}
	return ix
}

// saveLayout writes an index into a layout under a tag.
func saveLayout(t testing.TB, dir, tag string, ix v1.ImageIndex) {
	t.Helper()
	p, err := layout.FromPath(dir)
	if err != nil {
		if p, err = layout.Write(dir, empty.Index); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.AppendIndex(ix, layout.WithAnnotations(map[string]string{refName: tag})); err != nil {
		t.Fatal(err)
	}
}

// startRegistry serves go-containerregistry's registry on loopback.
func startRegistry(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func pushIndex(t testing.TB, at string, ix v1.ImageIndex) {
	t.Helper()
	ref, err := name.ParseReference(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, ix); err != nil {
		t.Fatal(err)
	}
}

func mustRef(t testing.TB, s string) Ref {
	t.Helper()
	r, err := ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newSpool(t testing.TB) *tarball.Spool {
	t.Helper()
	s, err := tarball.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// flattenLayers puts layers into a layout and flattens a folder of them.
func flattenLayers(t testing.TB, root string, limits Limits, layers ...[]file) (Flat, error) {
	t.Helper()
	d := t.TempDir()
	saveLayout(t, d, "x", makeIndex(map[string]v1.Image{"linux/amd64": makeImage(t, amd64, layers...)}))
	ix, err := ReadIndex(context.Background(), mustRef(t, "oci-layout:"+d+":x"), Access{})
	if err != nil {
		t.Fatal(err)
	}
	images, err := ix.Images(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return NewUnpacker(newSpool(t), limits).Flatten(context.Background(), images[0], root)
}

// describe prints a tree, one entry a line.
func describe(t testing.TB, tree tarball.Tree) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, ". %04o\n", tree.TopMode())
	for _, e := range tree.Entries() {
		fmt.Fprintf(&b, "%s ", e.Name)
		switch e.Type {
		case tarball.Dir:
			fmt.Fprintf(&b, "dir %04o\n", e.Mode)
		case tarball.Symlink:
			fmt.Fprintf(&b, "-> %s\n", e.Link)
		case tarball.Hardlink:
			fmt.Fprintf(&b, "= %s\n", e.Link)
		default:
			body := make([]byte, e.Content.Size())
			if _, err := e.Content.ReadAt(body, 0); err != nil && err != io.EOF {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%04o %q\n", e.Mode, body)
		}
	}
	return b.String()
}
