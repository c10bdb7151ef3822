// Package farm has a small project with signed releases on a page, and the list of
// units that rebuild them: what tests and benchmarks give to rebuilderd and to Slurm.
package farm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"facerec/internal/loopback"
)

// Platforms are those of every release, with one lineage, "one".
var Platforms = []string{"linux/amd64", "linux/arm64"}

// Project is a git repository whose releases are on a page on loopback, signed with a
// key and no log.
type Project struct {
	Source string // the git repository
	Page   string // http://127.0.0.1:PORT
	Key    string // file of the public key
	Hold   string // see below
	List   string // file with the units of all releases

	releaser string // program
	dir      string
	server   *http.Server
	registry *loopback.InProcess // of the images
}

// NewProject makes the project in dir, which must exist, with the program releaser.
//
// A build takes the file Hold away if there is one, and waits until Hold.held, which
// it leaves in its place, is removed. So one build of several can be stopped in its
// middle. Before that it hashes work MB, which takes one core.
func NewProject(ctx context.Context, dir, releaser string, work int) (*Project, error) {
	p := &Project{
		Source: filepath.Join(dir, "source"), Key: filepath.Join(dir, "key.pub"), Hold: filepath.Join(dir, "hold"),
		List: filepath.Join(dir, "units"), releaser: releaser, dir: dir,
	}
	for _, d := range []string{p.Source, p.www()} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	build := fmt.Sprintf(`set -eu
mkdir -p "out/$RELEASER_PLATFORM"
truncate -s %dM out/zeros
sha256sum <out/zeros >"out/$RELEASER_PLATFORM/tool"
cat text - >>"out/$RELEASER_PLATFORM/tool" <<end
$RELEASER_PLATFORM
end
if mv '%[2]s' '%[2]s.held' 2>/dev/null; then
	while [ -e '%[2]s.held' ]; do sleep 0.1; done
fi
`, work, p.Hold)
	for name, content := range map[string]string{
		"build.sh": build, "CHANGELOG.md": "", ".gitignore": "out/\n", "text": "hello\n",
	} {
		if err := os.WriteFile(filepath.Join(p.Source, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	if err := p.git(ctx, "init", "-q", "-b", "main"); err != nil {
		return nil, err
	}
	if err := p.call(ctx, "keygen", filepath.Join(dir, "key")); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if p.registry, err = loopback.NewInProcess(filepath.Join(dir, "registry"), ""); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p.Page = "http://" + l.Addr().String()
	p.server = &http.Server{Handler: http.FileServer(http.Dir(p.www())), ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(l) }() // until Close
	return p, nil
}

// Close ends the page and the registry.
func (p *Project) Close() error {
	p.registry.Close()
	return p.server.Close()
}

func (p *Project) www() string { return filepath.Join(p.dir, "www") }

// Release makes a release, publishes it and adds its units to the list. A planted one
// is built from other sources than those of its tag.
func (p *Project) Release(ctx context.Context, version string, planted bool) error {
	config := fmt.Sprintf(`{
  "project_name": "app", "version": %q, "build_cmd": "sh build.sh",
  "artifacts": [{"src": "out/{platform}/tool", "dest": "/app/tool"}],
  "lineages": [{"name": "one"}], "platforms": ["%s"]
}
`, version, strings.Join(Platforms, `", "`))
	for name, content := range map[string]string{"config.json": config, "CHANGELOG.md": "## " + version + "\nNotes.\n"} {
		if err := os.WriteFile(filepath.Join(p.Source, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	err := errors.Join(p.git(ctx, "add", "-A"), p.git(ctx, "commit", "-q", "-m", version), p.git(ctx, "tag", "v"+version))
	if err != nil {
		return err
	}
	text := filepath.Join(p.Source, "text")
	if planted {
		if err := os.WriteFile(text, []byte("hello, and something else\n"), 0o644); err != nil {
			return err
		}
	}
	dist, layout := filepath.Join(p.dir, "dist"), filepath.Join(p.dir, "oci")
	for _, d := range []string{dist, layout} {
		if err := os.RemoveAll(d); err != nil {
			return err
		}
	}
	signer := p.Flags()
	for _, args := range [][]string{
		{"build", "--out", layout},
		{"push", layout, p.registry.Addr + "/app"},
		{"pack", "--registry", p.registry.Addr, "--out", dist},
		{"sign", dist, "--key", filepath.Join(p.dir, "key.key")},
		append([]string{"publish", dist, "--page", "dir:" + p.www()}, signer...),
	} {
		if err := p.call(ctx, args...); err != nil {
			return err
		}
	}
	if err := p.git(ctx, "checkout", "-q", "."); err != nil {
		return err
	}
	list, err := os.OpenFile(p.List, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	for _, platform := range Platforms {
		fmt.Fprintf(list, "%s/v%s/%s one/%s %s@%s %s %s\n", p.Page, version, Tarball(version, platform), platform, p.Page, version, p.Source, strings.Join(signer, " "))
	}
	return list.Close()
}

// Flags name the signer.
func (p *Project) Flags() []string {
	return []string{"--key", p.Key, "--unsafe-no-transparency-log"}
}

// Tarball is the file name of a release's tarball.
func Tarball(version, platform string) string {
	return "app_" + version + "_" + strings.ReplaceAll(platform, "/", "_") + ".tar.gz"
}

// call runs releaser in the sources.
func (p *Project) call(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, p.releaser, append([]string{"-q"}, args...)...)
	if p.registry != nil { // release.json leads nowhere by itself
		cmd.Env = append(os.Environ(), "RELEASER_REGISTRY="+p.registry.Addr)
	}
	return p.run(cmd)
}

func (p *Project) git(ctx context.Context, args ...string) error {
	return p.run(exec.CommandContext(ctx, "git", append([]string{"-c", "user.name=farm", "-c", "user.email=farm@example.org", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"}, args...)...))
}

func (p *Project) run(cmd *exec.Cmd) error {
	cmd.Dir = p.Source
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// Published is the directory of a release on the page.
func (p *Project) Published(version string) string { return filepath.Join(p.www(), "v"+version) }

// Image is the image of a release.
func (p *Project) Image(version string) string { return p.registry.Addr + "/app:" + version }
