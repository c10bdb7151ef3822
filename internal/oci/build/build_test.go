package build

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"facerec/internal/oci"
	"facerec/internal/oci/ocitest"
	"facerec/internal/release"
)

const sixCells = `{
  "project_name": "tool", "build_cmd": "true",
  "artifacts": [{"src": "out/{arch}/tool", "dest": "/app/tool", "layer": "binary"}],
  "extern_data": [{"src": "data", "dest": "/app/data"}, {"src": "LICENSE", "dest": "/app/LICENSE"}],
  "maintainers": ["A", "B"],
  "lineages": [{"name": "two"}, {"name": "one", "suffix": "-one"}],
  "platforms": ["linux/amd64", "linux/arm64", "linux/arm/v7"],
  "image": {"entrypoint": ["/app/tool"], "env": ["A=b"], "labels": {"z": "{platform}", "a": "{version}"}},
  "epoch": 1700000000
}`

// project lays out the sources of a build.
func project(t testing.TB, mode fs.FileMode) string {
	t.Helper()
	root := t.TempDir()
	for name, body := range map[string]string{
		"out/amd64/tool": "binary for amd64", "out/arm64/tool": "binary for arm64", "out/armv7/tool": "binary for armv7",
		"data/weights": strings.Repeat("w", 5000), "data/deep/er/x": "x", "LICENSE": "free",
	} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), mode); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "out/") {
			if err := os.Chmod(p, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink("weights", filepath.Join(root, "data/link")); err != nil {
		t.Fatal(err)
	}
	return root
}

func buildProject(t testing.TB, root string) (string, []Built, error) {
	t.Helper()
	config, err := release.Parse("config.json", []byte(sixCells))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "oci")
	p := Plan{Config: config, Version: "1.0.0", Cells: config.Cells(), Root: root, Spool: ocitest.Spool(t)}
	var snapshots []Snapshot
	for _, cell := range p.Cells {
		s, err := p.Snapshot(cell)
		if err != nil {
			return dir, nil, fmt.Errorf("cell %s: %w", cell, err)
		}
		snapshots = append(snapshots, s)
	}
	cells, err := p.Layout(context.Background(), dir, snapshots)
	return dir, cells, err
}

func TestBuildIsWhatOthersRead(t *testing.T) {
	dir, cells, err := buildProject(t, project(t, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 6 {
		t.Fatalf("%d cells", len(cells))
	}
	p, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	root, err := p.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	top, err := root.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(top.Manifests) != 2 || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "1.0.0" || top.Manifests[1].Annotations["org.opencontainers.image.ref.name"] != "1.0.0-one" {
		t.Fatalf("index.json points to %+v", top.Manifests)
	}
	for _, m := range top.Manifests {
		ix, err := root.ImageIndex(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(ix); err != nil { // every digest, size and diff ID
			t.Error(err)
		}
		im, err := ix.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		if len(im.Manifests) != 3 || im.Manifests[2].Platform.String() != "linux/arm/v7" {
			t.Errorf("platforms of %s: %+v", m.Digest, im.Manifests)
		}
	}
	ix, err := root.ImageIndex(top.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	im, _ := ix.IndexManifest()
	img, err := ix.Image(im.Manifests[2].Digest)
	if err != nil {
		t.Fatal(err)
	}
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if cf.Config.User != "10001:10001" || cf.Created.Unix() != 1700000000 || cf.Variant != "v7" || cf.Config.Entrypoint[0] != "/app/tool" {
		t.Errorf("configuration %+v", cf)
	}
	if cf.Config.Labels["z"] != "linux/arm/v7" || cf.Config.Labels["org.opencontainers.image.authors"] != "A, B" {
		t.Errorf("labels %v", cf.Config.Labels)
	}
	if len(cf.RootFS.DiffIDs) != 2 {
		t.Errorf("%d layers, want data and binary", len(cf.RootFS.DiffIDs))
	}
}

func TestBuildSharesLayers(t *testing.T) {
	_, cells, err := buildProject(t, project(t, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells[1:] {
		if c.Layers[0] != cells[0].Layers[0] {
			t.Errorf("%s does not share its data layer", c.Cell)
		}
	}
	if cells[0].Layers[1] == cells[1].Layers[1] {
		t.Error("two architectures have one binary")
	}
}

// TestBuildIsReproducible builds from two checkouts with other modes, times and
// paths.
func TestBuildIsReproducible(t *testing.T) {
	a, b := project(t, 0o644), project(t, 0o600)
	if err := os.Chtimes(filepath.Join(b, "LICENSE"), v1.Time{}.Time, v1.Time{}.Time); err != nil {
		t.Fatal(err)
	}
	_, first, err := buildProject(t, a)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := buildProject(t, b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if first[i].Index != second[i].Index || first[i].Manifest != second[i].Manifest {
			t.Errorf("%s: %s and %s", first[i].Cell, first[i].Manifest, second[i].Manifest)
		}
	}
}

func TestBuildNeedsItsInputs(t *testing.T) {
	for _, c := range []struct{ remove, want string }{
		{"out/arm64/tool", "cell two/linux/arm64: artifact out/arm64/tool not found: build_cmd succeeded but did not produce it"},
		{"LICENSE", "extern_data LICENSE not found"},
	} {
		root := project(t, 0o644)
		if err := os.Remove(filepath.Join(root, c.remove)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := buildProject(t, root); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestPushAndPullKeepDigests(t *testing.T) {
	dir, cells, err := buildProject(t, project(t, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	host := ocitest.Registry(t)
	from, err := oci.ParseLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := oci.Push(ctx, from, mustRef(t, host+"/a/tool"), oci.TransferOptions{Access: oci.Access{Named: []string{"127.0.0.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(pushed) != 2 || pushed[0].Digest != cells[0].Index || pushed[1].Digest != cells[3].Index {
		t.Fatalf("pushed %v", pushed)
	}
	back := filepath.Join(t.TempDir(), "back")
	pulled, err := oci.Pull(ctx, []oci.PullJob{{From: mustRef(t, host+"/a/tool:1.0.0"), Tag: "1.0.0"}}, back, oci.TransferOptions{Access: oci.Access{Named: []string{"127.0.0.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if pulled[0].Digest != cells[0].Index {
		t.Errorf("pulled %s, want %s", pulled[0].Digest, cells[0].Index)
	}
	again, err := oci.Push(ctx, mustRef(t, "oci-layout:"+back), mustRef(t, host+"/b/tool:other"), oci.TransferOptions{Access: oci.Access{Named: []string{"127.0.0.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if again[0].Digest != cells[0].Index {
		t.Errorf("pushed again %s, want %s", again[0].Digest, cells[0].Index)
	}
}

func TestPushRefusesADamagedLayout(t *testing.T) {
	dir, cells, err := buildProject(t, project(t, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(dir, "blobs/sha256", cells[0].Layers[0].Digest.Hex())
	raw, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(blob, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	host := ocitest.Registry(t)
	_, err = oci.Push(context.Background(), mustRef(t, "oci-layout:"+dir), mustRef(t, host+"/tool"), oci.TransferOptions{Access: oci.Access{Named: []string{"127.0.0.1"}}})
	if err == nil || !strings.Contains(err.Error(), "expected "+cells[0].Layers[0].Digest.String()) {
		t.Fatalf("got %v", err)
	}
	if _, err := oci.ReadIndex(context.Background(), mustRef(t, host+"/tool:1.0.0"), oci.Access{Named: []string{"127.0.0.1"}}); !oci.IsNotFound(err) {
		t.Errorf("something was pushed: %v", err)
	}
}

func mustRef(t testing.TB, s string) oci.Ref {
	t.Helper()
	r, err := oci.ParseRef(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
