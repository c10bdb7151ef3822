package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/oci/layer"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// fixture is a project with what a configuration can ask for.
func fixture(t *testing.T) (*release.Config, string) {
	t.Helper()
	root := t.TempDir()
	for name, mode := range map[string]fs.FileMode{
		"out/old/linux/amd64/program": 0o700, "data/a/deep/file": 0o600, "data/script": 0o764, "data/plain": 0o666, "LICENSE": 0o640,
	} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("plain", filepath.Join(root, "data", "link")); err != nil {
		t.Fatal(err)
	}
	config, err := release.Parse("config.json", []byte(`{"project_name": "fixture", "version": "1.0.0", "build_cmd": "true",
  "artifacts": [{"src": "out/{lineage}/{platform}/program", "dest": "/app/bin/program"}],
  "extern_data": [{"src": "data", "dest": "/app/data"}, {"src": "LICENSE", "dest": "/app/LICENSE", "mode": "0444"}],
  "lineages": [{"name": "old", "suffix": "-old"}, {"name": "new", "suffix": ""}],
  "platforms": ["linux/amd64"]}`))
	if err != nil {
		t.Fatal(err)
	}
	return config, root
}

func listing(tree tarball.Tree) []string {
	var out []string
	for _, e := range tree.Entries() {
		line := fmt.Sprintf("%s %04o %s %s", e.Type, e.Mode, e.Name, e.Link)
		if e.Content != nil {
			line += e.Content.Digest().String()
		}
		out = append(out, line)
	}
	return out
}

// TestStageIsWhatReleaserBuilds lays a cell out under an odd umask and builds
// its image with `releaser build`'s code: both hold the same.
func TestStageIsWhatReleaserBuilds(t *testing.T) {
	config, root := fixture(t)
	cell, err := oneCell(config, "old/linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "stage")
	umask := syscall.Umask(0o077)
	err = lay(config, cell, root, dir)
	syscall.Umask(umask)
	if err != nil {
		t.Fatal(err)
	}

	spool, err := tarball.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = spool.Close() }()
	staged, err := layer.ReadDirectory(spool, filepath.Join(dir, "app"))
	if err != nil {
		t.Fatal(err)
	}
	plan := build.Plan{Config: config, Version: config.Version, Cells: []release.Cell{cell}, Root: root, Spool: spool}
	layout := filepath.Join(t.TempDir(), "oci")
	snapshot, err := plan.Snapshot(cell)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Layout(t.Context(), layout, []build.Snapshot{snapshot}); err != nil {
		t.Fatal(err)
	}
	ref, err := oci.ParseLayout(layout)
	if err != nil {
		t.Fatal(err)
	}
	index, err := oci.ReadIndex(t.Context(), ref, oci.Access{Named: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	image, err := index.Image(t.Context(), cell.Platform)
	if err != nil {
		t.Fatal(err)
	}
	flat, err := layer.NewUnpacker(spool, layer.Limits{}).Flatten(t.Context(), image, "/app")
	if err != nil {
		t.Fatal(err)
	}
	got, want := listing(staged), listing(flat.Tree)
	if !slices.Equal(got, want) || len(got) < 8 {
		t.Errorf("staged:\n  %s\nbuilt:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestStageRefuses(t *testing.T) {
	config, root := fixture(t)
	cell, err := oneCell(config, "old/linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	if err := lay(config, cell, root, t.TempDir()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a directory that is there: got %v, want %v", err, fs.ErrExist)
	}
	other, err := oneCell(config, "new/linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	if err := lay(config, other, root, filepath.Join(t.TempDir(), "stage")); err == nil || !strings.Contains(err.Error(), "out/new/linux/amd64/program not found") {
		t.Errorf("a cell that was not built: got %v", err)
	}
	if _, err := oneCell(config, "old/linux/s390x"); err == nil || !strings.Contains(err.Error(), "old/linux/amd64") {
		t.Errorf("an unknown cell: got %v, want the known ones named", err)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err         error
		interrupted bool
		want        int
	}{
		{nil, false, 0},
		{errors.New("any"), false, 1},
		{usageError{errors.New("any")}, false, 2},
		{fmt.Errorf("%w: user", errDiffers), false, 3},
		{fmt.Errorf("%w: no buildah", errSkipped), false, 5},
		{errors.New("killed"), true, 130},
	} {
		if got := code(c.err, c.interrupted); got != c.want {
			t.Errorf("%v: got %d, want %d", c.err, got, c.want)
		}
	}
}
