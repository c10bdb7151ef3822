package build

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/oci"
	"facerec/internal/oci/ocitest"
	"facerec/internal/release"
)

// partsOf builds each cell alone, in a working copy of its own.
func partsOf(t *testing.T, config *release.Config, v release.Version) []oci.Ref {
	t.Helper()
	var out []oci.Ref
	for i, cell := range config.Cells() {
		p := Plan{Config: config, Version: v, Cells: []release.Cell{cell}, Root: project(t, []os.FileMode{0o644, 0o600}[i%2]), Spool: ocitest.Spool(t)}
		s, err := p.Snapshot(cell)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "oci")
		if _, err := p.Layout(context.Background(), dir, []Snapshot{s}); err != nil {
			t.Fatal(err)
		}
		out = append(out, oci.Ref{Kind: oci.Layout, Name: dir})
	}
	return out
}

func sixConfig(t *testing.T) *release.Config {
	t.Helper()
	config, err := release.Parse("config.json", []byte(sixCells))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestJoinIsWhatOneMachineMakes joins six cells from six working copies, in several
// orders, and compares the whole layout with that of one build.
func TestJoinIsWhatOneMachineMakes(t *testing.T) {
	whole, built, err := buildProject(t, project(t, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	want := listing(t, whole)
	config := sixConfig(t)
	parts := partsOf(t, config, "1.0.0")
	p := Plan{Config: config, Version: "1.0.0", Cells: config.Cells()}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		dir := filepath.Join(t.TempDir(), "oci")
		joined, err := p.Join(context.Background(), dir, append(parts, parts[0]), oci.TransferOptions{Access: oci.Access{Named: []string{"127.0.0.1"}}})
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range built {
			if fmt.Sprint(joined[i]) != fmt.Sprint(b) {
				t.Errorf("expected %v, got %v", b, joined[i])
			}
		}
		if got := listing(t, dir); got != want {
			t.Errorf("expected the layout\n%s\ngot\n%s", want, got)
		}
	}
}

// listing has the name and the digest of every file.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		fmt.Fprintf(&out, "%s %s\n", strings.TrimPrefix(path, dir), release.DigestBytes(raw))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestJoinRefusals(t *testing.T) {
	config := sixConfig(t)
	parts := partsOf(t, config, "1.0.0")
	p := Plan{Config: config, Version: "1.0.0", Cells: config.Cells()}

	other := project(t, 0o644)
	if err := os.WriteFile(filepath.Join(other, "out/arm64/tool"), []byte("another binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	conflicting, _, err := buildProject(t, other)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := release.Parse("config.json", []byte(strings.Replace(sixCells, "A=b", "A=c", 1)))
	if err != nil {
		t.Fatal(err)
	}
	more, err := release.Parse("config.json", []byte(strings.Replace(sixCells, `"linux/arm/v7"`, `"linux/riscv64"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	fewer := Plan{Config: more, Version: "1.0.0", Cells: more.Cells()}
	for _, c := range []struct {
		name    string
		plan    Plan
		parts   []oci.Ref
		missing bool
		want    []string
	}{
		{"one missing", p, parts[:5], true, []string{"1 cell missing: one/linux/arm/v7"}},
		{"two missing", p, parts[1:5], true, []string{"2 cells missing: two/linux/amd64, one/linux/arm/v7"}},
		{"two images of a cell", p, append([]oci.Ref{{Kind: oci.Layout, Name: conflicting}}, parts...), false, []string{"cell two/linux/arm64: expected sha256:", ", got sha256:", "as in oci-layout:" + conflicting}},
		{"another version", p, partsOf(t, config, "1.0.1"), false, []string{"expected the image configuration of version 1.0.0", "of version 1.0.1"}},
		{"another configuration", p, partsOf(t, changed, "1.0.0")[:1], false, []string{"two/linux/amd64: expected the image configuration"}},
		{"another platform", fewer, parts, false, []string{"expected a platform of the configuration, got linux/arm/v7"}},
	} {
		dir := filepath.Join(t.TempDir(), "oci")
		_, err := c.plan.Join(context.Background(), dir, c.parts, oci.TransferOptions{Access: oci.Access{Named: []string{"127.0.0.1"}}})
		var missing *MissingCellsError
		var conflict *ConflictError
		if err == nil || errors.As(err, &missing) != c.missing || errors.As(err, &conflict) == c.missing {
			t.Errorf("%s: got %v", c.name, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: expected %q in %q", c.name, w, err)
			}
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: something was written", c.name)
		}
	}
}
