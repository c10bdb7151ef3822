package pack_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/oci/layer"
	"facerec/internal/oci/ocitest"
	"facerec/internal/pack"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLostAttributesAreNamed: what the tarball cannot hold of its own entries, by
// pack and to verify, and not of entries that it leaves out.
func TestLostAttributesAreNamed(t *testing.T) {
	capable := func(name string) ocitest.File {
		f := ocitest.Reg(name, name)
		f.PAX = map[string]string{"SCHILY.xattr.security.capability": "\x01"}
		return f
	}
	dir := t.TempDir()
	ocitest.SaveLayout(t, dir, "1.0.0", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(t, ocitest.AMD64,
		[]ocitest.File{ocitest.Dir("app", 0o755), capable("app/ping"), capable("app/left-out"), capable("other/ping"), ocitest.Reg("app/a", "A")})}))
	config, err := release.Parse("config.json", []byte(`{"project_name": "tool", "version": "1.0.0", "build_cmd": "true",
		"artifacts": [{"src": "tool", "dest": "/app/tool"}], "platforms": ["linux/amd64"], "extract": {"exclude": ["left-out"]}}`))
	must(t, err)
	layout, err := oci.ParseLayout(dir)
	must(t, err)
	var notices []string
	in := pack.Input{Config: config, Version: "1.0.0", Cells: config.Cells(), Root: dir, Images: layout, Notice: func(line string) { notices = append(notices, line) }}
	record, err := pack.Release(t.Context(), in, filepath.Join(dir, "dist"))
	must(t, err)
	const want = "warning: default/linux/amd64: the tarball loses attributes of ping: security.capability"
	if n := slices.Index(notices, want); n < 0 {
		t.Errorf("got %q, want %q", notices, want)
	}
	spool, err := tarball.NewSpool("")
	must(t, err)
	defer spool.Close()
	at := layout.WithTag("1.0.0")
	images := pack.Images{Override: &at, Unpacker: layer.NewUnpacker(spool, layer.Limits{})}
	tree, err := images.Tree(t.Context(), record.Cells[0])
	must(t, err)
	if got := strings.Join(tree.Lost, "; "); got != "ping: security.capability" {
		t.Errorf("verify is told %q", got)
	}
}

// TestRefresh packs a release again: what is the same is left as it is, with its
// signatures; anything else is replaced.
func TestRefresh(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "tool"), []byte("tool"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("one"), 0o600))
	config, err := release.Parse("config.json", []byte(`{"project_name": "tool", "version": "1.0.0", "build_cmd": "true",
		"artifacts": [{"src": "tool", "dest": "/app/tool"}], "platforms": ["linux/amd64"], "extract": {"files": [{"src": "LICENSE", "dest": "LICENSE"}]}}`))
	must(t, err)
	spool, err := tarball.NewSpool("")
	must(t, err)
	defer spool.Close()
	plan := &build.Plan{Config: config, Version: "1.0.0", Cells: config.Cells(), Root: dir, Spool: spool, Revision: "0123456789abcdef"}
	snapshot, err := plan.Snapshot(plan.Cells[0])
	must(t, err)
	_, err = plan.Layout(t.Context(), filepath.Join(dir, "oci"), []build.Snapshot{snapshot})
	must(t, err)
	layout, err := oci.ParseLayout(filepath.Join(dir, "oci"))
	must(t, err)
	if got, err := oci.LayoutRevision(layout); err != nil || got != plan.Revision {
		t.Errorf("the layout names commit %q, %v", got, err)
	}
	in := pack.Input{Config: config, Version: "1.0.0", Cells: plan.Cells, Root: dir, Images: layout, Limits: layer.Limits{Entries: 100, Bytes: 1 << 20, Ratio: 1000}}
	dist := filepath.Join(dir, "dist")
	bundle := filepath.Join(dist, release.BundleFile)
	for _, c := range []struct {
		name   string
		change func()
		kept   bool
	}{
		{"nothing there", func() {}, false},
		{"signed", func() {}, true},
		{"another file", func() { must(t, os.WriteFile(filepath.Join(dist, "other.spdx.json"), nil, 0o600)) }, false},
		{"one changed", func() { must(t, os.WriteFile(filepath.Join(dist, release.RecordFile), []byte("{}"), 0o600)) }, false},
		{"one gone", func() { must(t, os.Remove(filepath.Join(dist, "tool_1.0.0_linux_amd64.tar.gz"))) }, false},
		{"sums changed", func() { must(t, os.WriteFile(filepath.Join(dist, release.ChecksumsFile), nil, 0o600)) }, false},
		{"other sources", func() { must(t, os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("two"), 0o600)) }, false},
		{"and again", func() {}, true},
	} {
		c.change()
		record, kept, err := pack.Refresh(t.Context(), in, dist)
		if err != nil || kept != c.kept || len(record.Cells) != 1 || record.Cells[0].FileSize == 0 {
			t.Fatalf("%s: kept %t, want %t; %d cells, %v", c.name, kept, c.kept, len(record.Cells), err)
		}
		if _, err := os.Stat(bundle); (err == nil) != c.kept {
			t.Errorf("%s: the signature: %v", c.name, err)
		}
		must(t, os.WriteFile(bundle, []byte("signature"), 0o600))
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".partial-*")); err != nil || left != nil {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
