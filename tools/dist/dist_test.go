package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"facerec/internal/loopback"
	"facerec/internal/release"
)

// TestReleaserReleasesItself closes the circle: releaser builds its own release,
// publishes it, fetches the program from the page, and the fetched program builds
// the same release again from another directory.
func TestReleaserReleasesItself(t *testing.T) {
	if testing.Short() {
		t.Skip("builds releaser twice (-short)")
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	first := filepath.Join(dir, "releaser")
	do(t, top, "go", "build", "-o", first, "./cmd/releaser")
	cells := release.HostPlatform().String() + ",windows/amd64"
	registry, err := loopback.NewInProcess(filepath.Join(dir, "registry"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	t.Setenv("RELEASER_REGISTRY", registry.Addr)
	const noLog = "--unsafe-no-transparency-log"

	one := sources(t, top, filepath.Join(dir, "one"))
	do(t, one, first, "-q", "--config", "releaser.json", "build", "--cells", cells, "--out", "oci")
	do(t, one, first, "-q", "push", "oci", registry.Addr+"/facerec/releaser")
	do(t, one, first, "-q", "--config", "releaser.json", "pack", "--cells", cells, "--registry", registry.Addr, "--out", "dist")
	do(t, one, first, "-q", "keygen", "k")
	do(t, one, first, "-q", "sign", "dist", "--key", "k.key")
	changelog, err := os.ReadFile(filepath.Join(one, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	// A version's section is written when it is released.
	changelog = bytes.Replace(changelog, []byte("## Unreleased"), []byte("## 0.1.0"), 1)
	if err := os.WriteFile(filepath.Join(one, "CHANGELOG.md"), changelog, 0o644); err != nil {
		t.Fatal(err)
	}
	do(t, one, first, "-q", "--config", "releaser.json", "publish", "dist", "--page", "dir:www", "--key", "k.pub", noLog)
	do(t, one, first, "-q", "fetch", "dir:www", "got", "--unpack", "unpacked", "--key", "k.pub", noLog)

	released := filepath.Join(one, "unpacked", "releaser-0.1.0", "releaser")
	if text := do(t, one, released, "version"); !strings.HasPrefix(text, "releaser 0.1.0 (") {
		t.Errorf("the released program says %q", text)
	}
	for _, name := range []string{"LICENSE", "LICENCES.md", "man/releaser-verify.1", "completions/releaser.bash", "docs/verify.md"} {
		if fi, err := os.Stat(filepath.Join(filepath.Dir(released), name)); err != nil || fi.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}

	two := sources(t, top, filepath.Join(dir, "elsewhere", "two"))
	do(t, two, released, "-q", "--config", "releaser.json", "build", "--cells", cells, "--out", "oci")
	if a, b := index(t, one), index(t, two); a != b {
		t.Errorf("the released program builds another index: expected %s, got %s\n%s", a, b, do(t, dir, first, "diff", "oci-layout:one/oci", "oci-layout:elsewhere/two/oci"))
	}
	do(t, two, released, "-q", "--config", "releaser.json", "pack", "--cells", cells, "--image", "oci-layout:oci", "--out", "dist")
	a, b := tarballs(t, one), tarballs(t, two)
	if a != b {
		t.Errorf("other tarballs: expected\n%sgot\n%s", a, b)
	}
	if n := strings.Count(a, ".deb\n") + strings.Count(a, ".rpm\n") + strings.Count(a, ".apk\n"); runtime.GOOS == "linux" && n != 3 {
		t.Errorf("expected three packages, got %d in:\n%s", n, a)
	}
	if !regexp.MustCompile(`(?m)  releaser_0\.1\.0_windows_amd64\.tar\.gz$`).MatchString(a) {
		t.Errorf("no tarball for Windows in:\n%s", a)
	}
	do(t, two, released, "--config", "releaser.json", "verify", filepath.Join(one, "dist"), "--image", "oci-layout:oci", "--key", filepath.Join(one, "k.pub"), noLog)
}

// do runs a program and gives its standard output.
func do(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

// sources copies what git tracks, as it is in the working tree.
func sources(t *testing.T, from, to string) string {
	t.Helper()
	for name := range strings.SplitSeq(strings.TrimRight(do(t, from, "git", "ls-files", "-z"), "\x00"), "\x00") {
		b, err := os.ReadFile(filepath.Join(from, filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(to, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// tarballs are the lines of checksums.txt for them and packages; release.json names where the image is.
func tarballs(t *testing.T, dir string) (lines string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "dist", "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if name := strings.TrimSpace(line); release.IsTarball(name) || release.IsPackage(name) {
			lines += line
		}
	}
	return lines
}

// index is the digest of a layout's index.
func index(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "oci", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var top struct{ Manifests []struct{ Digest string } }
	if err := json.Unmarshal(b, &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("index.json: %v\n%s", err, b)
	}
	return top.Manifests[0].Digest
}
