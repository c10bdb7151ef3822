package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/tarball"
	"facerec/internal/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

// images are the platform images of a small release, as a registry would give
// them.
type images struct {
	manifests map[release.Digest]release.Digest // by index and platform
	trees     map[release.Digest]tarball.Tree   // by manifest
	manifest  verify.ImageManifest
	beside    []verify.SignatureLayer
	err       error // of all but layers
	layers    error
	lost      []string
}

var testIndex = release.DigestBytes([]byte("index"))

func platformKey(index release.Digest, p release.Platform) release.Digest {
	return release.DigestBytes([]byte(index.String() + p.String()))
}

func (im *images) Resolve(context.Context, string) (release.Digest, error) {
	return testIndex, im.err
}

func (im *images) Platform(_ context.Context, _ string, index release.Digest, p release.Platform) (release.Digest, error) {
	if im.err != nil {
		return release.Digest{}, im.err
	}
	d, ok := im.manifests[platformKey(index, p)]
	if !ok {
		return release.Digest{}, &verify.Error{Class: verify.Differs, Check: "index", Field: "platforms", Expected: p.String(), Got: "none"}
	}
	return d, nil
}

func (im *images) Referrers(_ context.Context, _ string, index release.Digest) (verify.ImageSubject, error) {
	return verify.ImageSubject{Digest: index, Layers: im.beside}, im.err
}

func (im *images) Manifest(_ context.Context, c release.RecordCell) (verify.ImageManifest, error) {
	if _, ok := im.trees[c.ManifestDigest]; !ok {
		return verify.ImageManifest{}, errors.New("manifest unknown")
	}
	return im.manifest, nil
}

func (im *images) Prepare(context.Context, []release.RecordCell) func() { return func() {} }

func (im *images) Tree(_ context.Context, c release.RecordCell) (verify.ImageTree, error) {
	return verify.ImageTree{Tree: im.trees[c.ManifestDigest], Lost: im.lost}, im.layers
}

func treeOf(t *testing.T, files map[string]string) tarball.Tree {
	t.Helper()
	entries := []tarball.Entry{{Name: ".", Type: tarball.Dir, Mode: 0o755}, {Name: "sub", Type: tarball.Dir, Mode: 0o755}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte(files[name]))})
	}
	entries = append(entries, tarball.Entry{Name: "link", Type: tarball.Symlink, Mode: 0o777, Link: "sub/a"},
		tarball.Entry{Name: "sub/hard", Type: tarball.Hardlink, Mode: 0o644, Link: "b"})
	tree, err := tarball.NewTree(entries)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func packTree(t *testing.T, tree tarball.Tree, prefix string) ([]byte, tarball.Result) {
	t.Helper()
	var out bytes.Buffer
	r, err := tarball.Pack(t.Context(), []tarball.Job{{Name: "cell", Tree: tree, Prefix: prefix, Recipe: tarball.GNUGzip6, Out: &out}}, tarball.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), r[0]
}

// small is a signed release of two cells, its images, and who signed it.
type small struct {
	dist   fstest.MapFS
	images *images
	policy verify.Policy
	key    *sign.Key
	record release.Record
}

const (
	assetA = "facerec_1.2.3_linux_amd64.tar.gz"
	assetB = "facerec_1.2.3_linux_arm64.tar.gz"
	cellA  = "dlib19/linux/amd64"
	cellB  = "dlib19/linux/arm64"
	sbom   = "facerec_1.2.3_linux_amd64.spdx.json"
)

func newSmall(t *testing.T) *small {
	t.Helper()
	s := &small{dist: fstest.MapFS{}, images: &images{manifests: map[release.Digest]release.Digest{}, trees: map[release.Digest]tarball.Tree{}}, key: newKey(t)}
	s.policy = keyPolicy(t, s.key)
	s.record = release.Record{Project: "facerec", Version: "1.2.3", Epoch: 1_700_000_000}
	index, config := testIndex, release.DigestBytes([]byte("configuration"))
	s.images.manifest = verify.ImageManifest{Config: config, Layers: []release.Digest{release.DigestBytes([]byte("layer 1")), release.DigestBytes([]byte("layer 2"))}}
	for _, c := range []struct{ asset, platform, binary string }{{assetA, "linux/amd64", "x86"}, {assetB, "linux/arm64", "arm"}} {
		p, err := release.ParsePlatform(c.platform)
		if err != nil {
			t.Fatal(err)
		}
		tree := treeOf(t, map[string]string{"b": c.binary, "sub/a": "shared"})
		file, result := packTree(t, tree, "facerec-1.2.3")
		manifest := release.DigestBytes([]byte("manifest " + c.platform))
		s.images.manifests[platformKey(index, p)], s.images.trees[manifest] = manifest, tree
		s.put(c.asset, file)
		s.record.Cells = append(s.record.Cells, release.RecordCell{
			Lineage: "dlib19", Platform: p, Asset: c.asset, Image: "127.0.0.1:5000/acme/facerec:1.2.3",
			IndexDigest: index, ManifestDigest: manifest, ConfigDigest: &config, Layers: s.images.manifest.Layers, Path: "/app", Prefix: "facerec-1.2.3", Recipe: release.DefaultRecipe,
			TarSHA256: release.HexDigest{Digest: result.Tar}, TarSize: result.TarSize,
			FileSHA256: release.HexDigest{Digest: result.File}, FileSize: result.FileSize,
			Entries: verify.Entries(tree),
		})
	}
	s.put(sbom, []byte(`{"spdxVersion":"SPDX-2.3"}`))
	s.seal(t)
	return s
}

func (s *small) put(name string, data []byte) {
	s.dist[name] = &fstest.MapFile{Data: data, Mode: 0o644}
}

// seal writes release.json, checksums.txt and the bundle over what is there.
func (s *small) seal(t *testing.T) {
	t.Helper()
	record, err := s.record.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s.put(release.RecordFile, record)
	delete(s.dist, checksum.File)
	delete(s.dist, release.BundleFile)
	var list []checksum.Sum
	for name, f := range s.dist {
		list = append(list, checksum.Sum{Name: name, Digest: release.DigestBytes(f.Data)})
	}
	sums, err := checksum.New(list)
	if err != nil {
		t.Fatal(err)
	}
	s.put(checksum.File, sums.Format())
	bundle, err := sign.Checksums(t.Context(), sums.Format(), sign.Signer{Key: s.key}, selfCheck(s.policy))
	if err != nil {
		t.Fatal(err)
	}
	s.put(release.BundleFile, bundle)
}

func (s *small) input() verify.Input {
	return verify.Input{Dist: s.dist, Policy: s.policy, Images: verify.CompareWith(s.images)}
}

func (s *small) verify(t *testing.T, edit ...func(*verify.Input)) verify.Report {
	t.Helper()
	in := s.input()
	for _, e := range edit {
		e(&in)
	}
	r, err := verify.Release(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReleaseHolds(t *testing.T) {
	s := newSmall(t)
	var lines []string
	r := s.verify(t, func(in *verify.Input) { in.Progress = func(st verify.Result) { lines = append(lines, st.Link) } })
	if !r.Verified || r.ExitCode != 0 || r.Verdict != "verified" || len(lines) != len(r.Results) {
		t.Fatalf("got %d:\n%s", r.ExitCode, r.Text())
	}
	if got := r.Cells(); !slices.Equal(got, []string{cellA, cellB}) {
		t.Errorf("cells: %s", got)
	}
	var links []string
	for _, st := range r.Results {
		if st.Cell == cellB {
			links = append(links, st.Link)
		}
	}
	if got, want := strings.Join(links, " "), "tarball release.json index manifest layers entries rebuilt"; got != want {
		t.Errorf("links: got %s, want %s", got, want)
	}
	if len(r.Unchecked) != 2 || !strings.Contains(r.Text(), "note: no transparency log was checked") {
		t.Errorf("what was waived is not said:\n%s", r.Text())
	}
	one := s.verify(t, func(in *verify.Input) { in.Cells = []string{cellB} })
	if !one.Verified || len(one.Cells()) != 1 {
		t.Errorf("one cell: %s", one.Text())
	}
}

// TestLostAttributesAreSaid: once for each cell, in text and JSON; nothing is
// decided by it.
func TestLostAttributesAreSaid(t *testing.T) {
	s := newSmall(t)
	s.images.lost = []string{"bin/ping: security.capability"}
	r := s.verify(t)
	if !r.Verified || r.ExitCode != 0 {
		t.Fatalf("got exit code %d:\n%s", r.ExitCode, r.Text())
	}
	validate(t, r)
	raw, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]string{"text": r.Text(), "JSON": string(raw)} {
		const want = "the image has attributes that the tarball loses: bin/ping: security.capability"
		if n := strings.Count(got, want); n != 2 {
			t.Errorf("%s: said %d times, want once for each of 2 cells:\n%s", what, n, got)
		}
	}
	if want := "note: " + cellA + ": the image has attributes"; !strings.Contains(r.Text(), want) {
		t.Errorf("got\n%s\nwant %s", r.Text(), want)
	}
	s.images.lost = nil
	if text := s.verify(t).Text(); strings.Contains(text, "attributes") {
		t.Errorf("said without a reason:\n%s", text)
	}
}

// TestUnreadIsNotMismatch: what could not be read is not said to differ.
func TestUnreadIsNotMismatch(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("foreign layer not found"), "the layers could not be read"},
		{&verify.Error{Class: verify.Differs, Check: "layer", Expected: "a", Got: "b"}, "the layers do not match their digests"},
	} {
		s := newSmall(t)
		s.images.layers = c.err
		if text := s.verify(t).Text(); !strings.Contains(text, c.want) {
			t.Errorf("%v: want %q, got\n%s", c.err, c.want, text)
		}
	}
}

// TestFirstBrokenLink breaks one thing at a time and sees the link, the class
// and the exit code that belong to it, and that the other cell was looked at all
// the same.
func TestFirstBrokenLink(t *testing.T) {
	flip := func(s *small, name string, at int) {
		data := bytes.Clone(s.dist[name].Data)
		if at < 0 {
			at += len(data)
		}
		data[at] ^= 1
		s.put(name, data)
	}
	untrusted, differs, failed, incomplete := verify.Untrusted, verify.Differs, verify.Failed, verify.Incomplete
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, s *small, in *verify.Input)
		cell  string // "" for the release
		link  string
		class verify.Class
		want  string
		grade string
	}{
		{"bundle flipped", func(_ *testing.T, s *small, _ *verify.Input) { flip(s, release.BundleFile, 300) }, "", verify.LinkBundle, untrusted, "", ""},
		{"bundle missing", func(_ *testing.T, s *small, _ *verify.Input) { delete(s.dist, release.BundleFile) }, "", verify.LinkBundle, untrusted, "not signed", ""},
		{"other key", func(t *testing.T, _ *small, in *verify.Input) { in.Policy = keyPolicy(t, newKey(t)) }, "", verify.LinkBundle, untrusted, "hint", ""},
		{"checksums flipped", func(_ *testing.T, s *small, _ *verify.Input) { flip(s, checksum.File, 3) }, "", verify.LinkBundle, untrusted, "sha256 of the artifact", ""},
		{"checksums missing", func(_ *testing.T, s *small, _ *verify.Input) { delete(s.dist, checksum.File) }, "", verify.LinkChecksums, untrusted, "not found in the directory", ""},
		{"record flipped", func(_ *testing.T, s *small, _ *verify.Input) { flip(s, release.RecordFile, 400) }, "", verify.LinkRecord, differs, "sha256", ""},
		{"record missing", func(_ *testing.T, s *small, _ *verify.Input) { delete(s.dist, release.RecordFile) }, "", verify.LinkRecord, incomplete, "not found in the directory", ""},
		{"SBOM flipped", func(_ *testing.T, s *small, _ *verify.Input) { flip(s, sbom, 3) }, "", verify.LinkFile, differs, "sha256", ""},
		{"SBOM missing", func(_ *testing.T, s *small, _ *verify.Input) { delete(s.dist, sbom) }, "", verify.LinkFile, incomplete, "not found in the directory", ""},
		{"stranger's file", func(_ *testing.T, s *small, _ *verify.Input) { s.put("facerec_1.2.3_linux_s390x.tar.gz", nil) }, "", verify.LinkFolder, incomplete, "nobody signed it", ""},
		{"tarball flipped", func(_ *testing.T, s *small, _ *verify.Input) { flip(s, assetA, -30) }, cellA, verify.LinkTarball, differs, "sha256", ""},
		{"tarball cut", func(_ *testing.T, s *small, _ *verify.Input) { s.put(assetA, s.dist[assetA].Data[:50]) }, cellA, verify.LinkTarball, differs, "sha256", ""},
		{"tarball empty", func(_ *testing.T, s *small, _ *verify.Input) { s.put(assetA, nil) }, cellA, verify.LinkTarball, differs, "sha256", ""},
		{"tarball missing", func(_ *testing.T, s *small, _ *verify.Input) { delete(s.dist, assetA) }, cellA, verify.LinkTarball, incomplete, "not found in the directory", ""},
		{"no images", func(_ *testing.T, _ *small, in *verify.Input) {
			in.Images = verify.WithoutImages("--offline was given")
		}, cellA, verify.LinkIndex, incomplete, "--offline was given", ""},
		{"registry down", func(_ *testing.T, s *small, _ *verify.Input) { s.images.err = errors.New("connection refused") }, cellA, verify.LinkIndex, failed, "connection refused", ""},
		{"platform missing", func(_ *testing.T, s *small, _ *verify.Input) {
			delete(s.images.manifests, platformKey(s.record.Cells[0].IndexDigest, s.record.Cells[0].Platform))
		}, cellA, verify.LinkIndex, differs, "platforms", ""},
		{"other manifest", func(_ *testing.T, s *small, _ *verify.Input) {
			s.images.manifests[platformKey(s.record.Cells[0].IndexDigest, s.record.Cells[0].Platform)] = release.DigestBytes(nil)
		}, cellA, verify.LinkIndex, differs, "manifest of linux/amd64", ""},
		{"image gone", func(_ *testing.T, s *small, _ *verify.Input) {
			delete(s.images.trees, s.record.Cells[0].ManifestDigest)
		}, cellA, verify.LinkManifest, failed, "manifest unknown", ""},
		{"image holds another file", func(t *testing.T, s *small, _ *verify.Input) {
			s.images.trees[s.record.Cells[0].ManifestDigest] = treeOf(t, map[string]string{"b": "x87", "sub/a": "shared"})
		}, cellA, verify.LinkRebuilt, differs, "has other contents", tarball.Differs.String()},
		{"signed record lies about the entries", func(t *testing.T, s *small, _ *verify.Input) {
			s.record.Cells[0].Entries[1].Mode = 0o600
			s.seal(t)
		}, cellA, verify.LinkEntries, differs, "not those of release.json", ""},
		{"signed record lies about the tar", func(t *testing.T, s *small, _ *verify.Input) {
			s.record.Cells[0].TarSHA256 = release.HexDigest{Digest: release.DigestBytes(nil)}
			s.seal(t)
		}, cellA, verify.LinkEntries, differs, "tar_sha256", ""},
		{"signed record lies about the file", func(t *testing.T, s *small, _ *verify.Input) {
			s.record.Cells[0].FileSHA256 = release.HexDigest{Digest: release.DigestBytes(nil)}
			s.seal(t)
		}, cellA, verify.LinkRecord, differs, "file_sha256", ""},
		{"unknown recipe", func(t *testing.T, s *small, _ *verify.Input) {
			s.record.Cells[0].Recipe = "brotli-11"
			s.seal(t)
		}, cellA, verify.LinkRebuilt, failed, "brotli-11", ""},
		{"other compression", func(t *testing.T, s *small, _ *verify.Input) {
			recompress(t, s, 0)
			s.seal(t)
		}, cellA, verify.LinkRebuilt, differs, "compression differs", tarball.SameTar.String()},
		{"unknown cell asked for", func(_ *testing.T, _ *small, in *verify.Input) { in.Cells = []string{"dlib20/linux/amd64", cellB} }, "dlib20/linux/amd64", verify.LinkRecord, failed, "has no cell", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSmall(t)
			in := s.input()
			c.spoil(t, s, &in)
			r, err := verify.Release(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			var got *verify.Result
			for i, b := range r.Broken() {
				if b.Cell == c.cell {
					got = &r.Broken()[i]
				}
			}
			if got == nil {
				t.Fatalf("nothing is broken at %q:\n%s", c.cell, r.Text())
			}
			text := got.Detail + " " + got.Field
			if got.Link != c.link || *got.Class != c.class || gradeOf(*got) != c.grade || !strings.Contains(text, c.want) {
				t.Errorf("got %s %s %s (%s), want %s %s with %q:\n%s", got.Link, *got.Class, gradeOf(*got), text, c.link, c.class, c.want, r.Text())
			}
			if r.Verified || r.ExitCode != c.class.ExitCode() {
				t.Errorf("exit code: got %d, want %d:\n%s", r.ExitCode, c.class.ExitCode(), r.Text())
			}
			if c.class == differs && got.Status == verify.Fail && got.Expected+got.Got == "" && len(got.Differences) == 0 && !strings.Contains(got.Detail, "entries") {
				t.Errorf("neither expected and got nor differences are named: %+v", *got)
			}
			if c.link != verify.LinkChecksums && c.link != verify.LinkRecord && c.cell != "dlib20/linux/amd64" && !slices.Contains(r.Cells(), cellB) {
				t.Errorf("the other cell was not looked at:\n%s", r.Text())
			}
		})
	}
}

// guarded is a folder in which one file may not be read.
type guarded struct {
	fstest.MapFS
	name string
}

func (g guarded) Open(name string) (fs.File, error) {
	if name == g.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return g.MapFS.Open(name)
}

func TestUnreadableFiles(t *testing.T) {
	for name, want := range map[string]struct{ cell, link string }{
		checksum.File:      {"", verify.LinkChecksums},
		release.BundleFile: {"", verify.LinkBundle},
		release.RecordFile: {"", verify.LinkRecord},
		sbom:               {"", verify.LinkFile},
		assetA:             {cellA, verify.LinkTarball},
	} {
		s := newSmall(t)
		r := s.verify(t, func(in *verify.Input) { in.Dist = guarded{s.dist, name} })
		first := r.Broken()[0]
		exit := 1
		if name == checksum.File {
			exit = 4
		}
		if r.ExitCode != exit || first.Cell != want.cell || first.Link != want.link || !strings.Contains(first.Detail, "cannot be read: fix its permissions") {
			t.Errorf("%s: got %d and %s:\n%s", name, r.ExitCode, first.Link, r.Text())
		}
	}
}

// recompress gives a cell's tarball another gzip stream around the same tar.
func recompress(t *testing.T, s *small, cell int) {
	t.Helper()
	c := &s.record.Cells[cell]
	source, err := tarball.TreeSource("", s.images.trees[c.ManifestDigest], c.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	in, err := source.Open()
	if err != nil {
		t.Fatal(err)
	}
	tar, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	storedGzip(t, &file, tar)
	s.put(c.Asset, file.Bytes())
	c.FileSHA256, c.FileSize = release.HexDigest{Digest: release.DigestBytes(file.Bytes())}, int64(file.Len())
}

// TestSeverity holds the order in which classes decide.
func TestSeverity(t *testing.T) {
	s := newSmall(t)
	delete(s.dist, sbom) // incomplete
	want := func(code int, what string) {
		t.Helper()
		if r := s.verify(t); r.ExitCode != code {
			t.Errorf("%s: got %d, want %d:\n%s", what, r.ExitCode, code, r.Text())
		}
	}
	want(5, "incomplete")
	tree := s.images.trees[s.record.Cells[1].ManifestDigest]
	delete(s.images.trees, s.record.Cells[1].ManifestDigest)
	want(1, "incomplete and an error")
	s.put(assetA, []byte("x"))
	want(3, "and a difference")
	s.images.trees[s.record.Cells[1].ManifestDigest] = tree
	delete(s.dist, release.BundleFile)
	want(4, "and no signature")
}

func TestCancelledVerificationHasNoVerdict(t *testing.T) {
	s := newSmall(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := verify.Release(ctx, s.input()); !errors.Is(err, context.Canceled) || r.Verified {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestReportGolden holds the text and the JSON of two reports: one that is good,
// and one that is as bad as it gets. Digests depend on the key and are replaced.
func TestReportGolden(t *testing.T) {
	good := newSmall(t)
	bad := newSmall(t)
	bad.put(assetA, []byte("x"))
	bad.images.trees[bad.record.Cells[1].ManifestDigest] = treeOf(t, map[string]string{"b": "evil", "sub/a": "shared", "sub/new\x1b[2J": "n"})
	delete(bad.dist, release.BundleFile)
	for _, c := range []struct {
		name string
		s    *small
	}{{"good", good}, {"bad", bad}} {
		r := c.s.verify(t, func(in *verify.Input) { in.Images = verify.CompareWithNamed(c.s.images) })
		doc, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var generic struct {
			Schema string `json:"schema"`
		}
		if err := json.Unmarshal(doc, &generic); err != nil || generic.Schema != verify.ReportSchema || !bytes.HasPrefix(doc, []byte("{\n  \"schema\": ")) {
			t.Errorf("%s: schema: %v in %s", c.name, err, doc)
		}
		if strings.Contains(r.Text(), "\x1b") {
			t.Errorf("%s: an escape sequence came through", c.name)
		}
		hide := strings.NewReplacer(c.s.policy.Key.Fingerprint().Hex(), "(key)")
		golden(t, "report-"+c.name+".txt", []byte(hide.Replace(r.Text())))
		golden(t, "report-"+c.name+".json", []byte(hide.Replace(string(doc))))
		golden(t, "report-"+c.name+".md", []byte(hide.Replace(r.Markdown())))
		golden(t, "report-"+c.name+".github", []byte(hide.Replace(r.Annotations())))
		sarif, err := r.SARIF()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "report-"+c.name+".sarif", []byte(hide.Replace(string(sarif))))
		page, err := r.HTML()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "report-"+c.name+".html", []byte(hide.Replace(string(page))))
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is missing; make it with -update", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s moved; got\n%s", name, got)
	}
}

// TestEveryFlipOfARelease changes each byte of each file of a small signed
// release and sees every change found, each with an exit code that says so.
func TestEveryFlipOfARelease(t *testing.T) {
	s := newSmall(t)
	in := s.input()
	n := 0
	for _, name := range slices.Sorted(maps.Keys(s.dist)) {
		whole := s.dist[name].Data
		step := 1
		if os.Getenv("ALL_FLIPS") == "" {
			step = 1 + len(whole)/200 // a sample; ALL_FLIPS=1 takes every byte
		}
		for i := 0; i < len(whole); i += step {
			n++
			bad := bytes.Clone(whole)
			bad[i] ^= 1 << (i % 8)
			s.put(name, bad)
			r, err := verify.Release(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if r.ExitCode != 3 && r.ExitCode != 4 {
				t.Errorf("%s byte %d: exit code %d:\n%s", name, i, r.ExitCode, r.Text())
			}
		}
		s.put(name, whole)
	}
	if r, err := verify.Release(t.Context(), in); err != nil || !r.Verified {
		t.Errorf("put back, it does not verify: %v", err)
	}
	if n < 500 {
		t.Errorf("only %d bytes were changed", n)
	}
}
