package rebuild

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/verify"
)

// side is a release of one cell, made of a tree: what a test compares.
func side(t *testing.T, recipe tarball.Recipe, entries ...tarball.Entry) (release.RecordCell, string) {
	t.Helper()
	tree, err := tarball.NewTree(entries)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	made, err := tarball.Pack(t.Context(), []tarball.Job{{Name: "tool", Tree: tree, Prefix: "tool-1", Recipe: recipe, Out: &b}}, tarball.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tool.tar.gz"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	var layers string
	for _, e := range tree.Entries() {
		layers += e.Name + e.Link
		if e.Type == tarball.Regular {
			layers += e.Content.Digest().String()
		}
	}
	config, layer := digest("config"), digest(layers)
	return release.RecordCell{
		Lineage: "main", Platform: release.Platform{OS: "linux", Arch: "amd64"}, Asset: "tool.tar.gz", Image: "tool:1", Path: "/app", Prefix: "tool-1",
		IndexDigest: digest("index" + layers), ManifestDigest: digest("manifest" + layers), ConfigDigest: &config, Layers: []release.Digest{layer},
		Recipe: string(recipe), Entries: verify.Entries(tree),
		TarSHA256: release.HexDigest{Digest: made[0].Tar}, TarSize: made[0].TarSize, FileSHA256: release.HexDigest{Digest: made[0].File}, FileSize: made[0].FileSize,
	}, dir
}

func file(name, content string, mode uint32) tarball.Entry {
	return tarball.Entry{Name: name, Type: tarball.Regular, Mode: mode, Content: tarball.BytesContent([]byte(content))}
}

const cellName = "main/linux/amd64"

func compare(t *testing.T, want, got release.RecordCell, dist, made string, change func(*Rebuilt)) (Outcome, map[string]verify.Result) {
	t.Helper()
	spool, err := tarball.NewSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	in := Rebuilt{
		Record: release.Record{Project: "tool", Version: "1", Cells: []release.RecordCell{want}}, Cells: []string{cellName}, Dist: dist,
		Made: release.Record{Cells: []release.RecordCell{got}}, MadeDir: made, Whole: []string{"main"}, Spool: spool,
	}
	if change != nil {
		change(&in)
	}
	out, results, err := Compare(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]verify.Result{}
	for _, r := range results {
		links[r.Link] = r
	}
	if len(links) != len(results) {
		t.Errorf("a link is in the report twice: %v", results)
	}
	return out, links
}

func verdicts(o Outcome) map[Level]Verdict {
	out := map[Level]Verdict{}
	for _, c := range o.Cells {
		for _, x := range c.Compared {
			out[x.Level] = worst(append([]Verdict{x.Verdict}, out[x.Level])...)
		}
	}
	return out
}

func TestCompareSame(t *testing.T) {
	want, dist := side(t, tarball.GNUGzip6, file("tool", "x", 0o755), file("doc", "y", 0o644))
	got, made := side(t, tarball.GNUGzip6, file("tool", "x", 0o755), file("doc", "y", 0o644))
	out, links := compare(t, want, got, dist, made, nil)
	if out.Verdict() != Same || out.Cells[0].Verdict != Same || out.Indexes[0].Verdict != Same {
		t.Errorf("got %+v", out)
	}
	for link, r := range links {
		if r.Status != verify.Pass {
			t.Errorf("%s: %+v", link, r)
		}
	}
	if len(links) != 7 {
		t.Errorf("links %v", links)
	}
	// The program is listed, the document is not.
	for _, x := range out.Cells[0].Compared {
		if x.Level == LevelProgram && x.Name != "tool" {
			t.Errorf("listed: %+v", x)
		}
	}
}

// TestComparePackages: a package that the sources do not give makes the cell differ.
func TestComparePackages(t *testing.T) {
	pkg := func(content string) []release.RecordPackage {
		return []release.RecordPackage{{Format: release.Deb, Asset: "tool.deb", FileSHA256: release.HexDigest{Digest: digest(content)}}}
	}
	for _, c := range []struct {
		name string
		got  []release.RecordPackage
		want Verdict
	}{{"same", pkg("a"), Same}, {"another", pkg("b"), Differs}, {"none", nil, Differs}} {
		want, dist := side(t, tarball.GNUGzip6, file("tool", "x", 0o755))
		got, made := side(t, tarball.GNUGzip6, file("tool", "x", 0o755))
		want.Packages, got.Packages = pkg("a"), c.got
		out, links := compare(t, want, got, dist, made, nil)
		r := links[verify.LinkRepackaged]
		if out.Cells[0].Verdict != c.want || verdicts(out)[LevelPackage] != c.want || (r.Status == verify.Pass) != (c.want == Same) || r.Subject != "tool.deb" {
			t.Errorf("%s: expected %s, got %+v, %+v", c.name, c.want, out.Cells[0], r)
		}
	}
}

func TestCompareDiffers(t *testing.T) {
	tool, doc := file("tool", "x", 0o755), file("doc", "y", 0o644)
	for _, c := range []struct {
		name    string
		entries []tarball.Entry
		grade   tarball.Grade
		levels  map[Level]Verdict
		program string // in its differences, or its detail
		causes  string // of the tarball's
	}{
		{"a program", []tarball.Entry{file("tool", "z", 0o755), doc}, tarball.Differs, map[Level]Verdict{LevelProgram: Differs, LevelLayer: Differs, LevelManifest: Differs, LevelTar: Differs, LevelFile: Differs}, "tool differs", "content: "},
		{"a document", []tarball.Entry{tool, file("doc", "z", 0o644)}, tarball.Differs, map[Level]Verdict{LevelProgram: Differs, LevelLayer: Differs, LevelManifest: Differs, LevelTar: Differs, LevelFile: Differs}, "doc differs", "content: "},
		{"one file more", []tarball.Entry{tool, doc, file("more", "", 0o644)}, tarball.Differs, map[Level]Verdict{LevelProgram: Differs, LevelLayer: Differs, LevelManifest: Differs, LevelTar: Differs, LevelFile: Differs}, "more differs", "entries: "},
		{"one file less", []tarball.Entry{tool}, tarball.Differs, map[Level]Verdict{LevelProgram: Differs, LevelLayer: Differs, LevelManifest: Differs, LevelTar: Differs, LevelFile: Differs}, "doc differs", "entries: "},
		{"a mode", []tarball.Entry{file("tool", "x", 0o644), doc}, tarball.SameContent, map[Level]Verdict{LevelProgram: Same, LevelLayer: Same, LevelManifest: Same, LevelTar: Differs, LevelFile: Differs}, "mode: expected 0755, got 0644", "umask: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, dist := side(t, tarball.GNUGzip6, tool, doc)
			got, made := side(t, tarball.GNUGzip6, c.entries...)
			for _, known := range []bool{true, false} { // with and without the release's tarball
				if !known {
					dist = t.TempDir()
				}
				out, links := compare(t, want, got, dist, made, nil)
				if out.Verdict() != Differs || out.Cells[0].Verdict != Differs {
					t.Errorf("got %+v", out)
				}
				levels := verdicts(out)
				delete(levels, LevelConfig)
				if !reflect.DeepEqual(levels, c.levels) {
					t.Errorf("got %v, expected %v", levels, c.levels)
				}
				p, f := links[verify.LinkProgram], links[verify.LinkRebuilt]
				if p.Status != verify.Fail || !strings.Contains(strings.Join(append(p.Differences, p.Detail), "\n"), c.program) {
					t.Errorf("program: %+v", p)
				}
				if f.Status != verify.Fail || *f.Grade != c.grade || known != strings.Contains(strings.Join(f.Causes, "\n"), c.causes) || known == (len(f.Notes) > 0) {
					t.Errorf("file: %+v", f)
				}
				for _, s := range out.Subjects() {
					if s.Name == "tool.tar.gz" && (s.Verdict != Differs || s.Digest != want.FileSHA256.Digest) {
						t.Errorf("subject %+v", s)
					}
				}
			}
		})
	}
}

// TestCompareCompression changes the compression alone.
func TestCompareCompression(t *testing.T) {
	want, dist := side(t, tarball.GNUGzip6, file("tool", strings.Repeat("x", 1000), 0o755))
	got := want
	made := t.TempDir()
	raw, err := os.ReadFile(filepath.Join(dist, want.Asset))
	if err != nil {
		t.Fatal(err)
	}
	raw[8] = 2 // gzip's extra flags
	if err := os.WriteFile(filepath.Join(made, want.Asset), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	got.FileSHA256 = release.HexDigest{Digest: release.DigestBytes(raw)}
	out, links := compare(t, want, got, dist, made, nil)
	if l := verdicts(out); l[LevelTar] != Same || l[LevelFile] != Differs || out.Cells[0].Verdict != Differs {
		t.Errorf("got %v", l)
	}
	if f := links[verify.LinkRebuilt]; *f.Grade != tarball.SameTar || len(f.Causes) == 0 {
		t.Errorf("got %+v", f)
	}
}

// TestCompareConfig changes the image's configuration alone.
func TestCompareConfig(t *testing.T) {
	want, dist := side(t, tarball.GNUGzip6, file("tool", "x", 0o755))
	got, made := side(t, tarball.GNUGzip6, file("tool", "x", 0o755))
	other := digest("other")
	got.ConfigDigest, got.ManifestDigest = &other, digest("other manifest")
	out, links := compare(t, want, got, dist, made, nil)
	if l := verdicts(out); l[LevelConfig] != Differs || l[LevelManifest] != Differs || l[LevelFile] != Same || out.Cells[0].Verdict != Differs {
		t.Errorf("got %v", l)
	}
	if m := links[verify.LinkManifest]; m.Status != verify.Fail || len(m.Causes) != 1 || !strings.Contains(m.Causes[0], "configuration") {
		t.Errorf("got %+v", m)
	}
}

// TestCompareIncomplete leaves out a cell that could not be built, and indexes that
// were not asked for.
func TestCompareIncomplete(t *testing.T) {
	want, dist := side(t, tarball.GNUGzip6, file("tool", "x", 0o755))
	got, made := side(t, tarball.GNUGzip6, file("tool", "x", 0o755))
	arm := want
	arm.Platform.Arch = "arm64"
	both := func(in *Rebuilt) { in.Record.Cells, in.Whole = []release.RecordCell{want, arm}, nil }
	out, links := compare(t, want, got, dist, made, both)
	if out.Verdict() != Same || len(out.Indexes) != 0 || len(out.Cells) != 1 {
		t.Errorf("one cell asked for: %+v", out)
	}
	if _, ok := links[verify.LinkIndex]; ok {
		t.Error("an index that was not asked for is in the report")
	}
	out, _, err := Compare(t.Context(), Rebuilt{Record: release.Record{Cells: []release.RecordCell{arm}}, Cells: []string{arm.String()}, NotBuilt: map[string]NotBuilt{arm.String(): {Why: "no compiler"}}})
	if err != nil || out.Verdict() != Skipped || out.Cells[0].Verdict != Skipped || out.Cells[0].Why != "no compiler" || out.Indexes[0].Verdict != Skipped || len(out.Subjects()) != 0 {
		t.Errorf("not built: %+v, %v", out, err)
	}
	// A build that failed is an error, and not a skip; what it wrote is not signed.
	out, all, err := Compare(t.Context(), Rebuilt{Record: release.Record{Cells: []release.RecordCell{arm}}, Cells: []string{arm.String()},
		NotBuilt: map[string]NotBuilt{arm.String(): {Why: "exit status 1", Failed: true, Last: []string{"boom"}}}})
	if err != nil || out.Verdict() != Failed || out.Cells[0].Verdict != Failed || out.Cells[0].Why != "exit status 1" || len(out.Subjects()) != 0 {
		t.Errorf("failed: %+v, %v", out, err)
	}
	if b := all[0]; b.Link != verify.LinkBuilt || b.Status != verify.Fail || *b.Class != verify.Failed || !slices.Equal(b.Output, []string{"boom"}) {
		t.Errorf("failed: %+v", b)
	}
	// What was built is missing: an error, and no verdict.
	if _, _, err := Compare(t.Context(), Rebuilt{Record: release.Record{Cells: []release.RecordCell{want}}, Cells: []string{cellName}}); err == nil {
		t.Error("a cell that was neither built nor skipped is accepted")
	}
}
