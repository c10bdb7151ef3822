package loopback

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"facerec/internal/atomicfile"
)

// pin is one program: the package that "go install" builds, and its version; or
// rebuilderd, which Debian has built.
type pin struct {
	name, pkg, version string
	toolchain          string // the Go that it needs, where ours is too old
	edit               edit   // what is changed in it; the zero edit changes nothing
}

// edit replaces a text that a file of a module has once.
type edit struct{ file, from, to string }

// pins are the released programs that are used here.
var pins = []pin{
	{name: "registry", pkg: "github.com/distribution/distribution/v3/cmd/registry", version: "v3.1.2"},
	{name: "fulcio", pkg: "github.com/sigstore/fulcio", version: "v1.8.8"},
	{name: "rekor-server", pkg: "github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix", version: "v2.3.0"},
	{name: "tesseract", pkg: "github.com/transparency-dev/tesseract/cmd/tesseract/posix", version: "v0.1.1"},
	{name: "timestamp-server", pkg: "github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server", version: "v2.1.3",
		// Its metrics have a fixed port on every address, and no flag: only one could
		// run on a machine.
		edit: edit{"pkg/server/prometheus.go", `":2112"`, `"127.0.0.1:0"`}},
	{name: "cosign", pkg: "github.com/sigstore/cosign/v3/cmd/cosign", version: "v3.1.3"},
	{name: "cosign-v2", pkg: "github.com/sigstore/cosign/v2/cmd/cosign", version: "v2.6.5"},
	{name: "crane", pkg: "github.com/google/go-containerregistry/cmd/crane", version: "v0.22.1"},
	{name: "actionlint", pkg: "github.com/rhysd/actionlint/cmd/actionlint", version: "v1.7.12"},
	{name: "act", pkg: "github.com/nektos/act", version: "v0.2.89"},
	{name: "gitleaks", pkg: "github.com/zricethezav/gitleaks/v8", version: "v8.30.1"},
	{name: "govulncheck", pkg: "golang.org/x/vuln/cmd/govulncheck", version: "v1.9.0"},
	{name: "osv-scanner", pkg: "github.com/google/osv-scanner/v2/cmd/osv-scanner", version: "v2.6.0", toolchain: "go1.27.3"},
	{name: "syft", pkg: "github.com/anchore/syft/cmd/syft", version: "v1.57.0"},
	{name: "nfpm", pkg: "github.com/goreleaser/nfpm/v2/cmd/nfpm", version: "v2.45.2"},
	{name: "gitea", pkg: giteaModule, version: "v1.26.0"},
	{name: rebuilderd, version: "0.24.0-1"},
}

// Tools are the names of the programs that Tool can build.
func Tools() (names []string) {
	for _, p := range pins {
		names = append(names, p.name)
	}
	return names
}

func pinned(name string) (pin, error) {
	for _, p := range pins {
		if p.name == name {
			return p, nil
		}
	}
	return pin{}, fmt.Errorf("tool %q is not known: expected one of %s", name, strings.Join(Tools(), ", "))
}

// path is where a tool lies, or would: CACHE/facerec/tools/NAME@VERSION/NAME.
func (p pin) path() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("tool %s: %w", p.name, err)
	}
	dir := p.name + "@" + p.version
	if p.edit != (edit{}) {
		sum := sha256.Sum256([]byte(p.edit.file + p.edit.from + p.edit.to))
		dir += fmt.Sprintf("-edited-%x", sum[:4])
	}
	return filepath.Join(cache, "facerec", "tools", dir, p.name), nil
}

// Built reports whether a tool is in the cache already, so that Tool would return
// at once.
func Built(name string) bool {
	p, err := pinned(name)
	if err != nil {
		return false
	}
	path, err := p.path()
	if err != nil {
		return false
	}
	_, err = os.Stat(path)
	return err == nil
}

// Tool gives the path of a program, building it first if the cache does not have
// it. Two callers at once, in one process or in several, build it once. The go
// command is needed, and its module proxy; a tool that is half-built is never
// left under its name.
func Tool(ctx context.Context, name string) (string, error) {
	p, err := pinned(name)
	if err != nil {
		return "", err
	}
	path, err := p.path()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("tool %s: %w", name, err)
	}
	unlock, err := atomicfile.Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("tool %s: %w", name, err)
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil // somebody else built it while we waited
	}
	if err := p.build(ctx, path); err != nil {
		return "", fmt.Errorf("tool %s: %w", name, err)
	}
	return path, nil
}

func (p pin) build(ctx context.Context, path string) (err error) {
	tmp, err := os.MkdirTemp(filepath.Dir(path), "build-")
	if err != nil {
		return err
	}
	defer func() {
		if rerr := os.RemoveAll(tmp); err == nil {
			err = rerr
		}
	}()
	if p.name == rebuilderd {
		unpacked, err := unpackRebuilderd(ctx, p.version, tmp, filepath.Dir(path))
		if err != nil {
			return err
		}
		return os.Rename(unpacked, path)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the go command is not installed, and it is needed to build the tool")
	}
	if p.pkg == giteaModule {
		built, err := buildGitea(ctx, goTool, p.version, tmp, filepath.Dir(path))
		if err != nil {
			return err
		}
		return os.Rename(built, path)
	}
	cmd := exec.CommandContext(ctx, goTool, "install", "-trimpath", p.pkg+"@"+p.version)
	cmd.Dir = tmp // away from any module or workspace
	if p.edit != (edit{}) {
		source, err := os.MkdirTemp("", "tool-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(source)) }()
		if err := p.edited(ctx, goTool, source); err != nil {
			return err
		}
		cmd = exec.CommandContext(ctx, goTool, "install", "-trimpath", "-buildvcs=false", p.pkg)
		cmd.Dir = source
	}
	cmd.Env = append(os.Environ(), "GOBIN="+tmp, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "GOOS=", "GOARCH=")
	if p.toolchain != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+p.toolchain)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go install %s@%s: %w: %s", p.pkg, p.version, err, tail(string(out), 3))
	}
	// go install names a program after the last part of its package that is not a
	// version.
	built, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil {
		return err
	}
	if len(built) != 1 {
		return fmt.Errorf("go install %s@%s: expected one program, got %d", p.pkg, p.version, len(built))
	}
	return os.Rename(built[0], path)
}

// edited writes the module of a tool into dir, with the edit.
func (p pin) edited(ctx context.Context, goTool, dir string) error {
	module, _, _ := strings.Cut(p.pkg, "/cmd/")
	from, err := download(ctx, goTool, dir, module+"@"+p.version)
	if err != nil {
		return err
	}
	// The module cache is read-only; what is copied can be removed.
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		return err
	}
	file := filepath.Join(dir, filepath.FromSlash(p.edit.file))
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), p.edit.from); n != 1 {
		return fmt.Errorf("%s: expected %s once, got it %d times", p.edit.file, p.edit.from, n)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), p.edit.from, p.edit.to, 1)), 0o644)
}

// tail is the last lines of a text, on one line.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, " | ")
}
