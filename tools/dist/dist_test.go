package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"facerec/internal/loopback"
	"facerec/internal/release"
)

// TestReleaserReleasesItself closes the circle: releaser builds its own release,
// publishes it, fetches the program from the page, and the fetched program builds
// the same release again from another directory; and one of facerec, which the first
// program built as well.
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

	t.Run("facerec", func(t *testing.T) { sameFacerec(t, top, first, released) })
	t.Run("container", func(t *testing.T) {
		image := registry.Addr + "/facerec/releaser:0.1.0"
		verifiesInAContainer(t, image, one, "--config", "releaser.json", "verify", "dist", "--image", "oci-layout:oci", "--key", "k.pub", noLog)
	})
}

// verifiesInAContainer runs releaser's own image in a real engine, hardened, on a release
// in dir. The image has neither shell nor temporary directory.
func verifiesInAContainer(t *testing.T, image, dir string, args ...string) {
	engine, err := loopback.NewEngine(t.Context(), t.TempDir())
	if errors.Is(err, loopback.ErrNoEngine) {
		t.Skipf("the image is not run: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	// The container's user is another one, to whom a test's directory is closed.
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	all := slices.Concat(loopback.Hardened(), []string{"--volume", dir + ":/work:ro", "--workdir", "/work", image}, args)
	out, err := engine.Command(t.Context(), all...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "verified: ") {
		t.Errorf("docker %s: %v\n%s", strings.Join(all, " "), err, out)
	}
	config, err := engine.Command(t.Context(), "image", "inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}}", image).Output()
	if err != nil || string(config) != "10001:10001 [/app/releaser]\n" {
		t.Errorf("the image has %q, %v", config, err)
	}
}

// sameFacerec has two releasers build a cell of facerec, each from sources of its own.
func sameFacerec(t *testing.T, top, first, released string) {
	host := release.HostPlatform()
	if !slices.Contains([]string{"linux/amd64", "linux/arm64"}, host.String()) {
		t.Skip("facerec is built on Linux")
	}
	dir := t.TempDir()
	var indexes, assets []string
	for _, program := range []string{first, released} {
		at := sources(t, top, filepath.Join(dir, fmt.Sprint(len(indexes)), "facerec"))
		for _, fetched := range []string{"models", "persons", "images"} { // what the lock files pin is not in git
			if err := fetchedFiles(filepath.Join(top, fetched), filepath.Join(at, fetched)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(filepath.Join(at, "models", "mmod_human_face_detector.dat")); err != nil {
			t.Skip("no models: run make models samples")
		}
		cell := "dlib19/" + host.String()
		do(t, at, program, "-q", "build", "--cells", cell, "--out", "oci")
		do(t, at, program, "-q", "pack", "--cells", cell, "--image", "oci-layout:oci", "--out", "dist")
		indexes, assets = append(indexes, index(t, at)), append(assets, tarballs(t, at))
	}
	if indexes[0] != indexes[1] || assets[0] != assets[1] || strings.Count(assets[0], ".tar.gz\n") != 1 {
		t.Errorf("the released program builds another facerec: expected %s\n%sgot %s\n%s", indexes[0], assets[0], indexes[1], assets[1])
	}
}

// fetchedFiles copies what is below from and not below to.
func fetchedFiles(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		if _, err := os.Lstat(at); err == nil {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, b, 0o644))
	})
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
