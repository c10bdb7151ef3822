package kit

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/checksum"
	"facerec/internal/oci"
	"facerec/internal/oci/ocitest"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/verify"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bundleAbout is a bundle that nobody signed, with a statement about digests.
func bundleAbout(t testing.TB, materials string, digests ...release.Digest) []byte {
	t.Helper()
	var subjects []string
	for _, d := range digests {
		subjects = append(subjects, fmt.Sprintf(`{"name": "x", "digest": {"sha256": %q}}`, d.Hex()))
	}
	st := fmt.Sprintf(`{"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1", "subject": [%s],
		"predicate": {"buildDefinition": {"resolvedDependencies": [%s]}}}`, strings.Join(subjects, ", "), materials)
	return fmt.Appendf(nil, `{"dsseEnvelope": {"payloadType": "application/vnd.in-toto+json", "payload": %q}}`, base64.StdEncoding.EncodeToString([]byte(st)))
}

// linkAbout is a file with a link of rebuilderd, signed by nobody.
func linkAbout(d release.Digest) []byte {
	hash := fmt.Sprintf(`{"x": {"sha256": %q}}`, d.Hex())
	return fmt.Appendf(nil, `{"signatures": [{"sig": %q}], "signed": {"_type": "link", "name": "rebuild x", "materials": %s, "products": %s}}`,
		strings.Repeat("0", 128), hash, hash)
}

// releaseIn makes a directory with a release of some cells, whose tarballs have size
// bytes, and an image for all of them. Nothing in it is signed.
func releaseIn(t testing.TB, version release.Version, cells, size int) (dir string, images oci.Ref) {
	t.Helper()
	layout, dir := t.TempDir(), t.TempDir()
	ocitest.SaveLayout(t, layout, "1", ocitest.Index(map[string]v1.Image{"linux/amd64": ocitest.Image(t, ocitest.AMD64,
		[]ocitest.File{ocitest.Dir("app", 0o755), ocitest.Reg("app/a", string(version))})}))
	images, err := oci.ParseLayout(layout)
	must(t, err)
	ix, err := oci.ReadIndex(t.Context(), images.WithTag("1"), oci.Access{})
	must(t, err)
	platform, err := release.ParsePlatform("linux/amd64")
	must(t, err)
	record := release.Record{Schema: release.RecordSchema, Project: "tool", Version: version}
	var sums []checksum.Sum
	put := func(name string, data []byte) {
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
		sums = append(sums, checksum.Sum{Name: name, Digest: release.DigestBytes(data)})
	}
	for i := range cells {
		lineage := fmt.Sprintf("l%02d", i)
		asset := "tool_" + string(version) + "_linux_amd64-" + lineage + ".tar.gz"
		data := bytes.Repeat([]byte{byte(i + 1)}, size)
		d := release.DigestBytes(data)
		record.Cells = append(record.Cells, release.RecordCell{
			Lineage: lineage, Platform: platform, Asset: asset, Image: "example.org/tool:" + string(version), IndexDigest: ix.Digest, ManifestDigest: ix.Manifests[0].Digest,
			Path: "/app", Prefix: "tool", Recipe: "gnu-gzip-6", TarSHA256: release.HexDigest{Digest: d}, TarSize: 10240, FileSHA256: release.HexDigest{Digest: d}, FileSize: int64(size),
			Entries: []release.RecordEntry{{Name: ".", Type: release.EntryDir, Mode: 0o755}},
		})
		put(asset, data)
	}
	raw, err := record.Marshal()
	must(t, err)
	put(release.RecordFile, raw)
	put("tool.spdx.json", []byte("{}"))
	all, err := checksum.New(sums)
	must(t, err)
	put(checksum.File, all.Format())
	put(release.BundleFile, []byte("{}"))
	config := release.DigestBytes([]byte("config"))
	put(release.ProvenanceFile, bundleAbout(t, fmt.Sprintf(`{"uri": "image", "digest": {"sha256": %[1]q}}, {"name": "config.json", "digest": {"sha256": %[1]q}}, {"name": "sources", "digest": {"gitCommit": "00"}}`, config.Hex()), config))
	return dir, images
}

// held is a verification that every release passes.
func held(_ context.Context, r release.Record, files fs.FS, _ oci.Ref) (verify.Report, error) {
	_, err := fs.Stat(files, "a.rebuild.sigstore.json")
	if !errors.Is(err, fs.ErrNotExist) {
		return verify.Report{}, fmt.Errorf("the rebuild is seen: %w", err)
	}
	return verify.Report{Schema: verify.ReportSchema, Verified: true, Project: r.Project, Version: r.Version}, nil
}

func input(t testing.TB, place oci.Ref, dirs ...string) Input {
	return Input{Dirs: dirs, Place: &place, Root: []byte("{}\n"), Verify: held, Temp: t.TempDir(), Notice: func(line string) { t.Log(line) }}
}

func create(t testing.TB, in Input) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := Create(t.Context(), in, &b)
	must(t, err)
	return b.Bytes()
}

func onDisk(t testing.TB, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.kit")
	must(t, os.WriteFile(path, raw, 0o600))
	return path
}

// check is all that is looked at before a release in a kit is verified.
func check(t testing.TB, raw []byte, path string) error {
	t.Helper()
	k, err := Open(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return err
	}
	faults, err := k.Check(t.Context(), path, nil)
	if err == nil && len(faults) > 0 {
		err = faults[0].err()
	}
	return err
}

func oneKit(t testing.TB) (raw []byte, dir string, images oci.Ref) {
	t.Helper()
	dir, images = releaseIn(t, "1.0.0", 1, 700)
	return create(t, input(t, images, dir)), dir, images
}

// TestSameBytes makes a kit twice of two releases, in two orders, from files with
// other modes.
func TestSameBytes(t *testing.T) {
	one, images := releaseIn(t, "1.0.0", 2, 1000)
	two, other := releaseIn(t, "1.1.0", 1, 1000)
	both := t.TempDir() // a layout with the images of both
	_, err := oci.Pull(t.Context(), []oci.PullJob{{From: images.WithTag("1"), Tag: "one"}, {From: other.WithTag("1"), Tag: "two"}}, both, oci.TransferOptions{})
	must(t, err)
	place, err := oci.ParseLayout(both)
	must(t, err)
	a := create(t, input(t, place, one, two))
	must(t, os.Chmod(filepath.Join(one, release.RecordFile), 0o444))
	b := create(t, input(t, place, two, one, two))
	if !bytes.Equal(a, b) {
		t.Error("the order of the arguments is seen in the bytes")
	}
	must(t, check(t, a, onDisk(t, a)))
	k, err := Open(bytes.NewReader(a), int64(len(a)))
	must(t, err)
	if got := k.Manifest.Releases; len(got) != 2 || got[0].Name() != "tool-1.0.0" || got[1].Name() != "tool-1.1.0" {
		t.Errorf("got %v", got)
	}
	// What the two images share is there once.
	names := map[string]int{}
	for _, f := range k.Manifest.Files {
		names[f.SHA256.Hex()+f.Role]++
	}
	for name, n := range names {
		if strings.HasSuffix(name, RoleBlob) && n != 1 {
			t.Errorf("blob %s comes %d times", name, n)
		}
	}
	// Another release of the same name is no choice that a kit can make.
	must(t, os.Chmod(filepath.Join(one, release.RecordFile), 0o600))
	third, _ := releaseIn(t, "1.0.0", 3, 10)
	if _, err := Create(t.Context(), input(t, place, one, third), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "both are tool-1.0.0, and their files differ") {
		t.Errorf("got %v", err)
	}
}

// TestUnverified puts nothing in that does not hold.
// TestFiles reads a release in a kit as a directory, and compares it with the one on
// disk that it came from.
func TestFiles(t *testing.T) {
	raw, dir, _ := oneKit(t)
	if !Begins(bytes.NewReader(raw)) || Begins(bytes.NewReader(raw[1:])) || Begins(bytes.NewReader(raw[:100])) {
		t.Error("a kit does not begin as one, or something else does")
	}
	k, err := Open(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	if root, err := k.Root(); err != nil || string(root) != "{}\n" {
		t.Errorf("the trusted root: got %q, %v", root, err)
	}
	files := k.Files(k.Manifest.Releases[0])
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		want, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		got, err := fs.ReadFile(files, e.Name())
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes, %v, expected %d", e.Name(), len(got), err, len(want))
		}
	}
	must(t, fstest.TestFS(files, names...))
	for _, name := range []string{"missing", "../kit.json", "/" + names[0]} {
		if _, err := files.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestUnverified(t *testing.T) {
	dir, images := releaseIn(t, "1.0.0", 1, 10)
	in := input(t, images, dir)
	in.Verify = func(context.Context, release.Record, fs.FS, oci.Ref) (verify.Report, error) {
		class := verify.Untrusted
		return verify.Unopened(verify.Input{Before: []verify.Result{{Link: verify.LinkBundle, Subject: "x", Status: verify.Fail, Class: &class, Detail: "no"}}}), nil
	}
	var unverified *UnverifiedError
	if _, err := Create(t.Context(), in, &bytes.Buffer{}); !errors.As(err, &unverified) || unverified.Report.ExitCode != 4 {
		t.Errorf("got %v", err)
	}
}

// link is what a worker of rebuilderd signs, with a signature that nobody made.
var link = `{"signed": {"_type": "link", "name": "rebuild x", "products": {"x": {"sha256": "DIGEST"}}, "materials": {"x": {"sha256": "DIGEST"}}},
	"signatures": [{"sig": "` + strings.Repeat("00", 64) + `"}]}`

// TestAdd holds that adding gives what creating gives.
func TestAdd(t *testing.T) {
	raw, dir, images := oneKit(t)
	k, err := Open(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	sums, err := os.ReadFile(filepath.Join(dir, checksum.File))
	must(t, err)
	bundle := bundleAbout(t, "", release.DigestBytes(sums))
	path := onDisk(t, raw)
	var added bytes.Buffer
	_, err = Add(t.Context(), k, path, "a.rebuild.sigstore.json", bundle, &added)
	must(t, err)
	must(t, check(t, added.Bytes(), path))
	must(t, os.WriteFile(filepath.Join(dir, "a.rebuild.sigstore.json"), bundle, 0o600))
	if created := create(t, input(t, images, dir)); !bytes.Equal(created, added.Bytes()) {
		t.Error("kit add gives other bytes than kit create")
	}
	k, err = Open(bytes.NewReader(added.Bytes()), int64(added.Len()))
	must(t, err)
	var withLink bytes.Buffer
	_, err = Add(t.Context(), k, path, "farm.rebuild.link", linkAbout(release.DigestBytes(sums)), &withLink)
	must(t, err)
	must(t, check(t, withLink.Bytes(), path))
	for _, c := range []struct {
		name   string
		bundle []byte
		want   string
	}{
		{"b.sigstore.json", bundle, "expected the name of a rebuilder's attestation"},
		{"../b.rebuild.sigstore.json", bundle, "expected the name of a rebuilder's attestation"},
		{"b.rebuild.sigstore.json", bundleAbout(t, "", release.DigestBytes([]byte("other"))), "neither files nor images of tool 1.0.0"},
		{"b.rebuild.sigstore.json", []byte("{}"), "expected a bundle with a DSSE envelope"},
		{"b.rebuild.sigstore.json", []byte("x"), "is not a bundle"},
		{"farm.rebuild.link", linkAbout(release.DigestBytes([]byte("other"))), "neither files nor images of tool 1.0.0"},
		{"farm.rebuild.link", bytes.Replace(linkAbout(release.DigestBytes(sums)), []byte("rebuild x"), []byte("x"), 1), "rebuild link: link 1: name"},
		{"a.rebuild.sigstore.json", bundleAbout(t, "", release.DigestBytes(sums), release.DigestBytes(nil)), "another attestation has the name already"},
		{"b.rebuild.link", []byte(strings.ReplaceAll(link, "DIGEST", release.DigestBytes(nil).Hex())), "are neither files nor images of tool 1.0.0"},
		{"b.rebuild.link", []byte(strings.ReplaceAll(link, "DIGEST", release.DigestBytes(sums).Hex())), ""},
	} {
		if c.want == "" {
			_, err = Add(t.Context(), k, path, c.name, c.bundle, &bytes.Buffer{})
			must(t, err)
			continue
		}
		if _, err := Add(t.Context(), k, path, c.name, c.bundle, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestEveryByte flips a bit in every byte of a kit's frame and manifest, and in the
// first, middle and last byte of every other file: all are found, and contents by name.
func TestEveryByte(t *testing.T) {
	raw, _, _ := oneKit(t)
	path := onDisk(t, raw)
	must(t, check(t, raw, path))
	k, err := Open(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	content := map[int]string{}
	var tries []int
	for name, s := range k.stored {
		if s.off < 0 || s.size == 0 {
			continue
		}
		for i := s.off; i < s.off+s.size; i++ {
			content[int(i)] = name
			if name == ManifestFile || i == s.off || i == s.off+s.size/2 || i == s.off+s.size-1 {
				tries = append(tries, int(i))
			}
		}
	}
	for i := range raw {
		if _, ok := content[i]; !ok {
			tries = append(tries, i)
		}
	}
	for _, i := range tries {
		raw[i] ^= 1 << (i % 8)
		err := check(t, raw, path)
		raw[i] ^= 1 << (i % 8)
		var damaged *DamagedError
		if !errors.As(err, &damaged) {
			t.Fatalf("byte %d (%s): got %v", i, content[i], err)
		}
		if name := content[i]; name != "" && name != ManifestFile && damaged.Where != name {
			t.Errorf("byte %d of %s: got %v", i, name, err)
		}
	}
	t.Logf("%d of %d bytes flipped", len(tries), len(raw))
}

// archive makes an archive by hand.
func archive(t testing.TB, prefix string, entries ...tarball.Entry) []byte {
	t.Helper()
	tree, err := tarball.NewTree(entries)
	must(t, err)
	var b bytes.Buffer
	must(t, tarball.WriteTar(t.Context(), &b, tree, prefix))
	return b.Bytes()
}

// TestDamaged is what else can happen to a kit.
func TestDamaged(t *testing.T) {
	raw, _, _ := oneKit(t)
	path := onDisk(t, raw)
	k, err := Open(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	record := k.stored["releases/tool-1.0.0/release.json"]
	at := int(record.off) - tarball.BlockSize
	end := int(record.off+record.size+tarball.BlockSize-1) / tarball.BlockSize * tarball.BlockSize
	one := raw[at:end] // an entry, whole
	without := slices.Concat(raw[:at], raw[end:], make([]byte, end-at))
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	file := func(name string) tarball.Entry {
		return tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte("x"))}
	}
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "not found: not a kit, or only a part of one", nil},
		{"text", "expected a kit, got a file of another kind", []byte(strings.Repeat("text ", 300))},
		{"JSON", "expected a kit, got JSON", []byte(strings.Repeat(`{"a": 1}`, 100))},
		{"one block", "not found: not a kit, or only a part of one", make([]byte, 512)},
		{"cut in a header", "the kit ends there: it was cut", raw[:at+100]},
		{"cut before a header", "got", raw[:at]},
		{"cut in a file", "the kit was cut", raw[:end-600]},
		{"cut by a byte", "got", raw[:len(raw)-1]},
		{"cut by a block", "got", raw[:len(raw)-512]},
		{"a byte more", "got", join(raw, []byte{0})},
		{"a record more", "got", join(raw, make([]byte, 10240))},
		{"text after the end", "got", join(raw, []byte("more"))},
		{"twice", "releases/tool-1.0.0/release.json: duplicate entry", join(raw[:end], one, raw[end:])},
		{"gone", "got", without[:len(without)-(end-at)]},
		{"out of order", "is not in its place", join(raw[:at], raw[end:end+1024], one, raw[end+1024:])},
		{"a link", "expected a regular file or a directory", archive(t, "", tarball.Entry{Name: "a", Type: tarball.Symlink, Link: "b"})},
		{"an empty directory", "a directory too many", archive(t, "", file("kit.json"), tarball.Entry{Name: "b", Type: tarball.Dir, Mode: 0o755})},
		{"no kit.json", "kit.json: not found: not a kit, or only a part of one", archive(t, "", file("a"))},
		{"another kit.json", "kit.json: ", archive(t, "", file("kit.json"))},
		{"below a directory", "kit.json: not found", archive(t, "kit", file("kit.json"))},
		{"a long name", "a name of more than", archive(t, "", file(strings.Repeat("n", maxName+1)))},
		{"two kits", "got", join(raw, raw)},
	} {
		err := check(t, c.data, path)
		var damaged *DamagedError
		if !errors.As(err, &damaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	var many []tarball.Entry
	for i := range maxFiles + 1 {
		many = append(many, file(fmt.Sprint(i)))
	}
	if err := check(t, archive(t, "", many...), path); err == nil || !strings.Contains(err.Error(), "more than 16384 entries") {
		t.Errorf("too many entries: %v", err)
	}
}

// forge writes an archive that is a kit by its form, whatever is in it: its kit.json
// lists the files with their roles, and edit changes it.
func forge(t testing.TB, files map[string][]byte, edit func(*Manifest)) []byte {
	t.Helper()
	m := Manifest{Schema: Schema}
	for name, data := range files {
		role, _, err := roleOf(name)
		if err != nil {
			role = RoleAsset
		}
		m.Files = append(m.Files, File{name, role, int64(len(data)), release.HexDigest{Digest: release.DigestBytes(data)}})
	}
	slices.SortFunc(m.Files, func(a, b File) int { return release.ComparePaths(a.Name, b.Name) })
	m.Releases = []Release{{Project: "tool", Version: "1.0.0", Images: []Image{}}}
	s := staged{}
	for _, f := range m.Files {
		s[f.Name] = part{f, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files[f.Name])), nil }}
	}
	if d, err := derive(s); err == nil {
		m.Releases = d.Releases
	}
	edit(&m)
	raw, err := m.marshal()
	must(t, err)
	var entries []tarball.Entry
	dirs := map[string]bool{}
	for name, data := range files {
		entries = append(entries, tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent(data)})
		for dir := filepath.Dir(name); dir != "." && !dirs[dir]; dir = filepath.Dir(dir) {
			dirs[dir] = true
			entries = append(entries, tarball.Entry{Name: dir, Type: tarball.Dir, Mode: 0o755})
		}
	}
	return archive(t, "", append(entries, tarball.Entry{Name: ManifestFile, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent(raw)})...)
}

// TestPassengers forges kits whose list and bytes agree: what no release needs, and
// what a release lacks, is refused all the same.
func TestPassengers(t *testing.T) {
	raw, _, _ := oneKit(t)
	k, err := Open(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	files := map[string][]byte{}
	for _, f := range k.Manifest.Files {
		if files[f.Name], err = small(k, f.Name, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	same := forge(t, files, func(*Manifest) {})
	if !bytes.Equal(same, raw) {
		t.Fatal("the forger writes other bytes")
	}
	const dir = "releases/tool-1.0.0/"
	blob := blobsDir + "/" + release.DigestBytes([]byte("more")).Hex()
	var anyBlob string
	for _, f := range k.Manifest.Files {
		if f.Role == RoleBlob && f.Size < 400 {
			anyBlob = f.Name
		}
	}
	nothing := func(*Manifest) {}
	for _, c := range []struct {
		name   string
		change func(f map[string][]byte)
		edit   func(m *Manifest)
		want   string
	}{
		{"a blob more", func(f map[string][]byte) { f[blob] = []byte("more") }, nothing, "a blob too many"},
		{"a blob of another name", func(f map[string][]byte) { f[blob] = []byte("other") }, nothing, "expected the blob of that digest"},
		{"a blob less", func(f map[string][]byte) { delete(f, anyBlob) }, nothing, ""},
		{"a file more in the release", func(f map[string][]byte) { f[dir+"README"] = nil }, nothing, "a file too many: checksums.txt does not name it"},
		{"a file more on top", func(f map[string][]byte) { f["README"] = nil }, nothing, "a file too many: a kit has no such file"},
		{"a file less", func(f map[string][]byte) { delete(f, dir+"tool.spdx.json") }, nothing, "not in the kit, and checksums.txt names it"},
		{"no signature", func(f map[string][]byte) { delete(f, dir+release.BundleFile) }, nothing, "the release is not signed"},
		{"another tarball", func(f map[string][]byte) { f[dir+"tool_1.0.0_linux_amd64-l00.tar.gz"] = []byte("evil") }, nothing, "expected "},
		{"a source that the provenance does not name", func(f map[string][]byte) { f["sources/tool-1.0.0/x"] = nil }, nothing, "a file too many: the provenance does not name it"},
		{"another source", func(f map[string][]byte) { f["sources/tool-1.0.0/config.json"] = nil }, nothing, "as the provenance says"},
		{"the report of another", func(f map[string][]byte) {
			f["reports/tool-1.0.0.json"] = []byte(`{"verified": true, "project": "tool", "version": "2.0.0"}`)
		}, nothing, "expected the report of tool-1.0.0, verified, got that of tool 2.0.0"},
		{"a report that says no", func(f map[string][]byte) {
			f["reports/tool-1.0.0.json"] = []byte(`{"verified": false, "project": "tool", "version": "1.0.0"}`)
		}, nothing, "expected the report"},
		{"no report", func(f map[string][]byte) { delete(f, "reports/tool-1.0.0.json") }, nothing, "not in the kit"},
		{"the rebuild of another release", func(f map[string][]byte) {
			f[dir+"a.rebuild.sigstore.json"] = bundleAbout(t, "", release.DigestBytes(nil))
		}, nothing, "are neither files nor images of tool 1.0.0"},
		{"a rebuild that is none", func(f map[string][]byte) { f[dir+"a.rebuild.sigstore.json"] = []byte("x") }, nothing, "is not a bundle"},
		{"a report of no release", func(f map[string][]byte) { f["reports/x-1.json"] = []byte("{}") }, nothing, "releases/x-1/checksums.txt: not in the kit"},
		{"an image more", func(f map[string][]byte) { f["index.json"] = withTop(t, f["index.json"]) }, nothing, "an image too many"},
		{"a name of an image", func(f map[string][]byte) {
			f["index.json"] = bytes.Replace(f["index.json"], []byte("tool:1.0.0"), []byte("tool:9.0.0"), 1)
		}, nothing, "an image too many"},
		{"no image", func(f map[string][]byte) { f["index.json"] = []byte(`{"schemaVersion":2,"manifests":[]}`) }, nothing, "not in the kit, and tool-1.0.0 names it"},
		{"another project", func(map[string][]byte) {}, func(m *Manifest) { m.Releases[0].Project = "tools" }, "does not say of the releases"},
		{"another role", func(map[string][]byte) {}, func(m *Manifest) { m.Files[0].Role = RoleSBOM }, "role: expected"},
		{"another schema", func(map[string][]byte) {}, func(m *Manifest) { m.Schema = "releaser.kit/v2" }, "schema: expected"},
		{"no releases", func(map[string][]byte) {}, func(m *Manifest) { m.Releases = nil }, "expected 1 to 256 releases, got 0"},
		{"a file that is not listed", func(map[string][]byte) {}, func(m *Manifest) { m.Files = m.Files[1:] }, "a file too many: kit.json does not list it"},
		{"a file that is missing", func(map[string][]byte) {}, func(m *Manifest) { m.Files = append(m.Files, File{Name: "z", SHA256: m.Files[0].SHA256}) }, "z: not in the kit, and kit.json lists it"},
	} {
		changed := maps.Clone(files)
		c.change(changed)
		raw := forge(t, changed, c.edit)
		err := check(t, raw, onDisk(t, raw))
		var damaged *DamagedError
		if !errors.As(err, &damaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// withTop adds the first image of an index.json once more, under another name.
func withTop(t testing.TB, index []byte) []byte {
	t.Helper()
	var m v1.IndexManifest
	must(t, json.Unmarshal(index, &m))
	more := m.Manifests[0]
	more.Annotations = map[string]string{"org.opencontainers.image.ref.name": "evil:1"}
	m.Manifests = append(m.Manifests, more)
	raw, err := json.Marshal(m)
	must(t, err)
	return raw
}

// TestExtract unpacks a kit, and nothing of a damaged one.
func TestExtract(t *testing.T) {
	raw, dir, _ := oneKit(t)
	path := onDisk(t, raw)
	k, err := Open(bytes.NewReader(raw), int64(len(raw)))
	must(t, err)
	to := t.TempDir()
	must(t, Extract(t.Context(), k, path, to))
	for _, name := range []string{checksum.File, release.RecordFile} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		got, err := os.ReadFile(filepath.Join(to, "releases", "tool-1.0.0", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %d bytes", name, err, len(got))
		}
	}
	s := k.stored["releases/tool-1.0.0/"+checksum.File]
	raw[s.off] ^= 1
	empty := t.TempDir()
	if err := Extract(t.Context(), k, path, empty); err == nil {
		t.Error("a damaged kit was extracted")
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestMemory holds that what is allocated in all does not grow with the bytes of 24
// cells, neither for writing nor for checking.
func TestMemory(t *testing.T) {
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	const most = 16 << 20
	for _, size := range []int{1 << 10, 4 << 20} {
		dir, images := releaseIn(t, "1.0.0", 24, size)
		path := filepath.Join(t.TempDir(), "x.kit")
		f, err := os.Create(path)
		must(t, err)
		in := input(t, images, dir)
		if n := allocated(func() { _, err = Create(t.Context(), in, f) }); err != nil || n > most {
			t.Errorf("24 cells of %d bytes: writing allocates %d bytes in all, expected at most %d (%v)", size, n, most, err)
		}
		fi, err := f.Stat()
		must(t, err)
		if n := allocated(func() {
			k, err := Open(f, fi.Size())
			must(t, err)
			faults, err := k.Check(t.Context(), path, nil)
			if err != nil || len(faults) > 0 {
				t.Errorf("%v %v", faults, err)
			}
		}); n > most {
			t.Errorf("24 cells of %d bytes: checking allocates %d bytes in all, expected at most %d", size, n, most)
		}
		must(t, f.Close())
	}
}

// FuzzOpen holds that there is one kit of some files: what is accepted is what would
// be written.
func FuzzOpen(f *testing.F) {
	raw, _, _ := oneKit(f)
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add(archive(f, "", tarball.Entry{Name: ManifestFile, Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte(`{"schema":"releaser.kit/v1"}`))}))
	path := onDisk(f, raw)
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		faults, err := k.Check(t.Context(), path, nil)
		if err != nil || len(faults) > 0 {
			return
		}
		files := staged{}
		for _, file := range k.Manifest.Files {
			content, err := small(k, file.Name, int64(len(data)))
			must(t, err)
			must(t, files.bytes(file.Name, content))
		}
		var again bytes.Buffer
		if _, err := files.write(t.Context(), &again); err != nil || !bytes.Equal(again.Bytes(), data) {
			t.Errorf("what is accepted is not what is written: %v", err)
		}
	})
}
