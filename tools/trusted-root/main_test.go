package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"facerec/internal/loopback"
	"facerec/internal/release"
)

const emptyRoot = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`

// fakeNPM puts a program called npm first in the path, which answers as npm does
// with a package that has these seeds.
func fakeNPM(t *testing.T, seeds, integrity string) {
	t.Helper()
	var tgz bytes.Buffer
	zw := gzip.NewWriter(&tgz)
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Name: "package/seeds.json", Mode: 0o644, Size: int64(len(seeds))}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write([]byte(seeds)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	if integrity == "" {
		sum := sha512.Sum512(tgz.Bytes())
		integrity = "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
	}
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nset -e\ncd '%s'\nif [ $1 = pack ]; then cp p.tgz \"$5/p.tgz\"; cat pack.json; else cat time.json; fi\n", dir)
	for name, text := range map[string]string{
		"npm": script, "p.tgz": tgz.String(), "time.json": `{"9.9.9": "2026-11-05T00:19:12.345000+00:00"}`,
		"pack.json": fmt.Sprintf(`[{"version":"9.9.9","integrity":%q,"filename":"p.tgz"}]`, integrity),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// fixture is a TUF repository of the test's own, and a directory that carries what
// it published first.
type fixture struct {
	*loopback.TUF
	dir    string
	anchor string // file
	root   []byte
	now    time.Time
}

const later = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[]}`

func newFixture(t *testing.T) *fixture {
	t.Helper()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	r, err := loopback.NewTUF(now.AddDate(0, 3, 0))
	must(t, err)
	t.Cleanup(r.Close)
	f := &fixture{TUF: r, dir: t.TempDir(), anchor: filepath.Join(t.TempDir(), "root.json"), now: now}
	must(t, r.Put(target, []byte(emptyRoot)))
	f.newRoot(t)
	must(t, r.Publish())
	must(t, os.WriteFile(f.anchor, f.root, 0o644))
	fakeNPM(t, f.seeds(t, f.root, emptyRoot), "")
	if _, err := f.run(t); err != nil {
		t.Fatal(err)
	}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newRoot publishes the next root.
func (f *fixture) newRoot(t *testing.T) {
	t.Helper()
	root, err := f.PublishRoot()
	must(t, err)
	f.root = root
}

// replace publishes another target.
func (f *fixture) replace(t *testing.T, text string) {
	t.Helper()
	must(t, f.Put(target, []byte(text)))
	must(t, f.Next())
}

func (f *fixture) seeds(t *testing.T, root []byte, text string) string {
	t.Helper()
	return seedsOf(t, f.URL, root, text)
}

func seedsOf(t *testing.T, mirror string, root []byte, text string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{mirror: map[string]any{"root.json": root, "targets": map[string][]byte{target: []byte(text)}}})
	must(t, err)
	return string(b)
}

func (f *fixture) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), append([]string{"--dir", f.dir, "--repository", f.URL, "--root", f.anchor}, args...), f.now, &out, &errs)
	return out.String(), err
}

// files is every file below the directory, by its path.
func (f *fixture) files(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(f.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %s\n", strings.TrimPrefix(path, f.dir), release.DigestBytes(data))
		return err
	}))
	return b.String()
}

// TestCarried holds what is committed to the signatures that are committed with it.
func TestCarried(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--check", "--dir", "../../internal/verify/roots"}, time.Time{}, &out, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"proven      TUF root ", "proven      trusted_root.json: TUF targets ", "not proven  that nothing newer was published"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s, want %q in it", out.String(), want)
		}
	}
}

// TestCarriedIsHeld changes one file at a time.
func TestCarriedIsHeld(t *testing.T) {
	for name, want := range map[string]string{
		dataFile:   "is not what targets.json",
		recordFile: "tuf_root: expected",
		filepath.Join(evidenceDir, "targets.json"): "targets.json: ",
		filepath.Join(evidenceDir, "15.root.json"): "root.json 15: ",
	} {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS("../../internal/verify/roots")))
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		must(t, err)
		changed := bytes.Replace(data, []byte("2027-"), []byte("2037-"), 1)     // the record
		changed = bytes.Replace(changed, []byte(`"2036-`), []byte(`"2046-`), 1) // targets.json
		if bytes.Equal(changed, data) || name == filepath.Join(evidenceDir, "15.root.json") {
			changed = bytes.Replace(data, []byte("2026-"), []byte("2028-"), 1) // root.json
		}
		if bytes.Equal(changed, data) {
			changed = append(data, '\n') // the trusted root
		}
		must(t, os.WriteFile(path, changed, 0o644))
		var out bytes.Buffer
		if err := run(t.Context(), []string{"--check", "--dir", dir}, time.Time{}, &out, &out); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("%s: got %v and %s, want %q", name, err, out.String(), want)
		}
	}
}

func TestRenew(t *testing.T) {
	f := newFixture(t)
	f.Asked()

	// A root more, the same target: what is carried shows it.
	f.newRoot(t)
	fakeNPM(t, f.seeds(t, f.root, emptyRoot), "")
	out, err := f.run(t)
	must(t, err)
	if asked := f.Asked(); len(asked) > 0 {
		t.Errorf("asked the repository for %v", asked)
	}
	c, err := readRoot(f.dir)
	must(t, err)
	if string(c.data) != emptyRoot || c.record.Version != "9.9.9" || c.record.TUFRoot.Version != 2 || c.record.TUFTargets.Version != 1 || c.record.Published.Year() != 2026 {
		t.Errorf("got %+v", c.record)
	}
	for _, want := range []string{"- TUF root    1, until", "+ TUF root    2, until", "  TUF targets 1, until", "root 1, which --root names"} {
		if !strings.Contains(out, want) {
			t.Errorf("got\n%s, want %q in it", out, want)
		}
	}
	if out, err := f.run(t); err != nil || strings.Contains(out, "\n+") || strings.Contains(out, "\n-") {
		t.Errorf("again: got %v\n%s, want no difference", err, out)
	}

	// Two roots more, other keys and another target: the repository is asked.
	for range 2 {
		for _, role := range []string{metadata.ROOT, metadata.TARGETS} {
			must(t, f.AddKey(role))
			must(t, f.DropKey(role))
		}
		f.newRoot(t)
	}
	f.replace(t, later)
	fakeNPM(t, f.seeds(t, f.root, later), "")
	if _, err := f.run(t); err != nil {
		t.Fatal(err)
	}
	c, err = readRoot(f.dir)
	must(t, err)
	if string(c.data) != later || c.record.TUFRoot.Version != 4 || c.record.TUFTargets.Version != 2 || len(c.evidence.roots) != 3 {
		t.Errorf("got %+v and %d roots", c.record, len(c.evidence.roots))
	}
	if out, err := f.run(t, "--check"); err != nil || !strings.Contains(out, "proven      TUF root 4, ") {
		t.Errorf("got %v\n%s", err, out)
	}

	// A root to begin with that is newer takes what was before it away.
	must(t, os.WriteFile(f.anchor, c.evidence.roots[3], 0o644))
	if out, err := f.run(t); err != nil || !strings.Contains(out, "beginning with root 3, ") {
		t.Errorf("got %v\n%s", err, out)
	}
	if files := f.files(t); strings.Contains(files, "/3.root.json") || !strings.Contains(files, "/4.root.json") {
		t.Errorf("got\n%s", files)
	}
}

// TestFromDirectory has the metadata from files instead of the repository.
func TestFromDirectory(t *testing.T) {
	f := newFixture(t)
	f.newRoot(t)
	f.newRoot(t)
	f.replace(t, later)
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "root_history"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "root_history", "2.root.json"), f.Files()["2.root.json"], 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "targets.json"), f.Files()["2.targets.json"], 0o644))
	f.Close()
	fakeNPM(t, f.seeds(t, f.root, later), "")
	if _, err := f.run(t); err == nil || !strings.Contains(err.Error(), "expected root.json 2") || !strings.Contains(err.Error(), "cannot ask") {
		t.Errorf("got %v, want what is missing and that nobody could be asked", err)
	}
	if _, err := f.run(t, "--metadata", dir); err != nil {
		t.Error(err)
	}
}

// TestRenewRefuses leaves the files as they are.
func TestRenewRefuses(t *testing.T) {
	otherRoot := func(t *testing.T, version int64) []byte {
		other, err := loopback.NewTUF(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
		must(t, err)
		t.Cleanup(other.Close)
		other.Root.Signed.Version = version
		root, err := other.PublishRoot()
		must(t, err)
		return root
	}
	for name, c := range map[string]struct {
		seeds     func(t *testing.T, f *fixture) string
		integrity string
		want      string
	}{
		"another package": {func(t *testing.T, f *fixture) string { return f.seeds(t, f.root, emptyRoot) }, "sha512-AAAA", "integrity: expected sha512-AAAA"},
		"another mirror":  {func(t *testing.T, f *fixture) string { return seedsOf(t, "https://mirror.example", f.root, emptyRoot) }, "", "has no root.json"},
		"no trusted root": {func(t *testing.T, f *fixture) string { return f.seeds(t, f.root, "{}") }, "", "trust root"},
		"no JSON":         {func(*testing.T, *fixture) string { return "x" }, "", "seeds.json"},
		"no root":         {func(t *testing.T, f *fixture) string { return f.seeds(t, []byte("{}"), emptyRoot) }, "", "root.json: "},
		"root of others":  {func(t *testing.T, f *fixture) string { return f.seeds(t, otherRoot(t, 3), emptyRoot) }, "", "root.json 3: unsigned metadata error"},
		"root of others, of a version that is carried": {func(t *testing.T, f *fixture) string { return f.seeds(t, otherRoot(t, 2), emptyRoot) }, "", "root.json 2: two files of that version differ"},
		"root rolled back": {func(t *testing.T, f *fixture) string { return f.seeds(t, f.Files()["1.root.json"], emptyRoot) }, "", "has TUF root 1, older than 2"},
		"one digit of a signature": {func(t *testing.T, f *fixture) string {
			f.newRoot(t)
			at := bytes.Index(f.root, []byte(`"sig":"`)) + 10
			if f.root[at]++; f.root[at] == '9'+1 || f.root[at] > 'f' {
				f.root[at] = '0'
			}
			return f.seeds(t, f.root, emptyRoot)
		}, "", "root.json 3: "},
		"target tampered with": {func(t *testing.T, f *fixture) string { return f.seeds(t, f.root, later) }, "", "is not what targets.json 2 lists"},
		"targets by another key": {func(t *testing.T, f *fixture) string {
			must(t, f.AddKey(metadata.TARGETS)) // in no root that is published
			f.replace(t, later)
			return f.seeds(t, f.root, later)
		}, "", "Verifying targets failed"},
		"targets rolled back": {func(t *testing.T, f *fixture) string {
			f.Targets.Signed.Version = 0
			f.Timestamp.Signed.Version++
			f.Snapshot.Signed.Version++
			f.replace(t, later)
			return f.seeds(t, f.root, later)
		}, "", "TUF targets 1 are older than 2"},
		"root expired": {func(t *testing.T, f *fixture) string {
			f.Root.Signed.Expires = f.now
			f.newRoot(t)
			return f.seeds(t, f.root, emptyRoot)
		}, "", "TUF root 3 expired at 2026-11-01T12:00:00Z"},
		"newer in the repository": {func(t *testing.T, f *fixture) string {
			f.replace(t, strings.Replace(later, "[]", "[ ]", 1))
			return f.seeds(t, f.root, later)
		}, "", "is not the one that http://127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.newRoot(t)
			must(t, f.Put("more", nil))
			must(t, f.Next())
			fakeNPM(t, f.seeds(t, f.root, emptyRoot), "")
			must(t, os.WriteFile(filepath.Join(f.dir, evidenceDir, "targets.json"), f.Files()["2.targets.json"], 0o644))
			if _, err := f.run(t); err != nil {
				t.Fatal(err)
			}
			before := f.files(t)
			fakeNPM(t, c.seeds(t, f), c.integrity)
			out, err := f.run(t)
			if err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
				t.Errorf("got %v and %s, want %q", err, out, c.want)
			}
			if after := f.files(t); before != after {
				t.Errorf("the files have changed:\n%s, want\n%s", after, before)
			}
		})
	}
}
