// Package ocitest makes images for tests, with archive/tar and
// go-containerregistry: never with the code that is being tested.
package ocitest

import (
	"archive/tar"
	"bytes"
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

type File struct {
	Name, Link, Body string
	Kind             byte // a tar typeflag
	Mode             int64
	PAX              map[string]string
	UID              int
	User             string
}

func Dir(name string, mode int64) File { return File{Name: name, Kind: tar.TypeDir, Mode: mode} }
func Reg(name, body string) File {
	return File{Name: name, Kind: tar.TypeReg, Mode: 0o644, Body: body}
}
func Sym(name, to string) File  { return File{Name: name, Kind: tar.TypeSymlink, Mode: 0o777, Link: to} }
func Hard(name, to string) File { return File{Name: name, Kind: tar.TypeLink, Mode: 0o644, Link: to} }
func Gone(name string) File     { return Reg(name, "") }

func LayerTar(t testing.TB, files ...File) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Typeflag: f.Kind, Mode: f.Mode, Linkname: f.Link, Size: int64(len(f.Body)), PAXRecords: f.PAX, Uid: f.UID, Uname: f.User}
		if f.Kind != tar.TypeReg {
			h.Size = 0
		}
		if f.Kind == tar.TypeChar {
			h.Devmajor, h.Devminor = 1, 3
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if f.Kind == tar.TypeReg {
			if _, err := io.WriteString(w, f.Body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func Layer(t testing.TB, files ...File) v1.Layer {
	t.Helper()
	raw := LayerTar(t, files...)
	l, err := ggtarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil },
		ggtarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func Image(t testing.TB, platform v1.Platform, layers ...[]File) v1.Image {
	t.Helper()
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range layers {
		var err error
		if img, err = mutate.AppendLayers(img, Layer(t, files...)); err != nil {
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

var AMD64 = v1.Platform{OS: "linux", Architecture: "amd64"}

func Index(images map[string]v1.Image) v1.ImageIndex {
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

// SaveLayout writes an index into a layout under a tag.
func SaveLayout(t testing.TB, dir, tag string, ix v1.ImageIndex) {
	t.Helper()
	p, err := layout.FromPath(dir)
	if err != nil {
		if p, err = layout.Write(dir, empty.Index); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.AppendIndex(ix, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})); err != nil {
		t.Fatal(err)
	}
}

// Registry serves go-containerregistry's registry on loopback.
func Registry(t testing.TB) string {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func PushIndex(t testing.TB, at string, ix v1.ImageIndex) {
	t.Helper()
	ref, err := name.ParseReference(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, ix); err != nil {
		t.Fatal(err)
	}
}

func Spool(t testing.TB) *tarball.Spool {
	t.Helper()
	s, err := tarball.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Describe prints a tree, one entry a line.
func Describe(t testing.TB, tree tarball.Tree) string {
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
