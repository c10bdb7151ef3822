package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"facerec/internal/inputs"
	"facerec/internal/release"
)

// suite is the Debian whose compilers inputs.lock.json pins.
const suite = inputs.CompilerSuite

// Names of the two local images that stand in for the Dockerfile's defaults.
const (
	baseImage = "localhost/facerec-base"
	goImage   = "localhost/facerec-go"
)

// builder is one run of image.
type builder struct {
	ctx    context.Context
	config *release.Config
	cell   release.Cell
	cache  string // root file system, buildah's state, the builder's own cache
	out    string
	layers bool // keep what each instruction made, for the next target
}

func image(ctx context.Context, config *release.Config, args []string) error {
	flags := flag.NewFlagSet("container image", flag.ContinueOnError)
	name := flags.String("cell", "dlib19/linux/amd64", "LINEAGE/OS/ARCH[/VARIANT]")
	out := flags.String("out", "build/image", "directory for the image and what it is compared with")
	targets := flags.Bool("targets", false, "build and check every target of the Dockerfile")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("image: unexpected %q", flags.Arg(0))}
	}
	cell, err := oneCell(config, *name)
	if err != nil {
		return usageError{err}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	b := &builder{ctx: ctx, config: config, cell: cell, cache: filepath.Join(cache, "facerec", "container"), out: *out, layers: *targets}
	if err := b.tools(); err != nil {
		return err
	}
	for _, dir := range []string{b.out, b.cache} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	steps := []func() error{b.snapshot, b.base, b.golang, b.vendor, b.dockerfile, b.host, b.compare}
	if *targets {
		steps = append(steps, b.targets)
	}
	for _, step := range append(steps, b.tidy) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, "container: "+format+"\n", args...) }

// source is a copy of the repository, so that both builds read the same files
// even while somebody edits, and neither reads what the other made.
func (b *builder) source() string { return filepath.Join(b.out, "source") }

// next to are the directories that a copy does without: git's and what was built.
var beside = []string{".git", "bin", "build", "dist"}

func (b *builder) snapshot() error {
	if err := os.RemoveAll(b.source()); err != nil {
		return err
	}
	if err := os.MkdirAll(b.source(), 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if slices.Contains(beside, e.Name()) {
			continue
		}
		// Of a file's mode only the owner's execute bit counts: any umask will do.
		to := filepath.Join(b.source(), e.Name())
		if e.IsDir() {
			err = os.CopyFS(to, os.DirFS(e.Name()))
		} else {
			err = copyFile(e.Name(), to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	fi, err := os.Stat(from)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, fi.Mode().Perm())
}

// tools installs what packages.txt names for this, and says why not if it can't.
func (b *builder) tools() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: buildah and mmdebstrap need Linux, this is %s", errSkipped, runtime.GOOS)
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("%w: making a root file system and building in a chroot need root", errSkipped)
	}
	sections := []string{"container", "build"}
	if b.cell.Platform.Arch != runtime.GOARCH {
		sections = append(sections, "cross")
	}
	err := b.show(append([]string{"go", "run", "./tools/inputs", "packages"}, sections...)...)
	for _, tool := range []string{"buildah", "mmdebstrap"} {
		if _, lerr := exec.LookPath(tool); lerr != nil {
			if err == nil {
				err = lerr
			}
			return fmt.Errorf("%w: %s is not installed and could not be: %w", errSkipped, tool, err)
		}
	}
	return nil
}

// environ is this program's environment without pointers to a user's registry
// logins: no registry is asked, and buildah fails where they point to nothing.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "DOCKER_CONFIG=") || strings.HasPrefix(kv, "REGISTRY_AUTH_FILE=")
	})
}

// show runs a command, its output passed on to standard error.
func (b *builder) show(args ...string) error {
	say("$ %s", strings.Join(args, " "))
	cmd := exec.CommandContext(b.ctx, args[0], args[1:]...)
	cmd.Env = environ()
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(args[0]), err)
	}
	return nil
}

// answer runs a command quietly and gives its standard output.
func (b *builder) answer(args ...string) (string, error) {
	var complaint bytes.Buffer
	cmd := exec.CommandContext(b.ctx, args[0], args[1:]...)
	cmd.Env = environ()
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// buildah is a call with storage of our own: nothing of the machine's is touched.
func (b *builder) buildah(args ...string) []string {
	return append([]string{"buildah",
		"--root", filepath.Join(b.cache, "storage"), "--runroot", filepath.Join(b.cache, "run"), "--storage-driver", "overlay"}, args...)
}

// base makes the root file system once for each entry of apt's sources.
func (b *builder) base() error {
	store := &inputs.Store{Say: say}
	sources, err := store.DebianSources(suite)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(sources))
	name := filepath.Join(b.cache, "base-"+hex.EncodeToString(sum[:6]))
	tarball := name + ".tar"
	if _, err := os.Stat(tarball); err != nil {
		if err := os.WriteFile(name+".sources", []byte(sources), 0o644); err != nil {
			return err
		}
		tmp := name + ".part.tar"
		defer func() { _ = os.Remove(tmp) }()
		if err := b.show("env", "SOURCE_DATE_EPOCH=0", "mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", suite, tmp, name+".sources"); err != nil {
			return err
		}
		if err := os.Rename(tmp, tarball); err != nil {
			return err
		}
	}
	say("base: %s", tarball)
	return b.local(baseImage, tarball, "/")
}

// golang makes an image of the Go that runs this, in /usr/local/go.
func (b *builder) golang() error {
	root, err := b.answer("go", "env", "GOROOT")
	if err != nil {
		return err
	}
	return b.local(goImage, root, "/usr/local/go")
}

// local makes an image of one tarball or directory, unless it has been made
// from the same one: the label says from what.
func (b *builder) local(name, from, dest string) error {
	mark := from
	if fi, err := os.Stat(filepath.Join(from, "VERSION")); err == nil {
		mark += fmt.Sprint(" ", fi.ModTime().Unix())
	} else if fi, err := os.Stat(from); err == nil {
		mark += fmt.Sprint(" ", fi.ModTime().Unix())
	}
	if have, err := b.answer(b.buildah("inspect", "--type", "image", "--format", `{{index .OCIv1.Config.Labels "made-from"}}`, name)...); err == nil && have == mark {
		return nil
	}
	say("making the local image %s from %s", name, from)
	c, err := b.answer(b.buildah("from", "scratch")...)
	if err != nil {
		return err
	}
	defer func() { _, _ = b.answer(b.buildah("rm", c)...) }()
	for _, step := range [][]string{
		{"add", "--quiet", c, from, dest},
		{"config", "--label", "made-from=" + mark, c},
		{"commit", "--quiet", "--timestamp", "0", c, name},
	} {
		if _, err := b.answer(b.buildah(step...)...); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) tag() string {
	return b.cell.Lineage.Name + "-" + strings.ReplaceAll(b.cell.Platform.String(), "/", "-")
}

func (b *builder) layout() string { return filepath.Join(b.out, "oci-"+b.tag()) }

// vendor collects what a build fetches, once, so that the builder's images hold it
// themselves and need no volume.
func (b *builder) vendor() error {
	return b.show("go", "run", "./tools/inputs", "vendor", "--quiet", filepath.Join(b.cache, "inputs"))
}

// dockerfile builds it and leaves the image as an OCI layout. Only go-face may be
// missing from the module cache: this program and bin/releaser have been compiled.
func (b *builder) dockerfile() error {
	if err := b.show("go", "mod", "download", "github.com/Kagami/go-face"); err != nil {
		return err
	}
	name := "localhost/facerec:" + b.tag()
	if err := b.bud("", name); err != nil {
		return err
	}
	return b.push(name, b.layout())
}

// push leaves an image as an OCI layout.
func (b *builder) push(name, layout string) error {
	if err := os.RemoveAll(layout); err != nil {
		return err
	}
	return b.show(b.buildah("push", "--quiet", name, "oci:"+layout+":"+b.tag())...)
}

// bud builds one target, "" for the default. Go modules come from this machine's
// module cache, in its own format for proxies, so that the chroot needs neither
// certificates nor settings of this machine for them.
func (b *builder) bud(target, name string) error {
	args := []string{"bud"}
	if target != "" {
		args = append(args, "--target", target)
	}
	args = append(args, "--file", filepath.Join(b.source(), "Dockerfile"), "--ignorefile", filepath.Join(b.source(), ".dockerignore"),
		"--build-arg", "BASE="+baseImage, "--build-arg", "GO="+goImage,
		"--build-arg", "LINEAGE="+b.cell.Lineage.Name, "--build-arg", "PLATFORM="+b.cell.Platform.String(), "--tag", name)
	return b.budOf(b.source(), args...)
}

// budOf is a build in any directory, with what is mounted in each of them.
func (b *builder) budOf(dir string, args ...string) error {
	modules, err := b.answer("go", "env", "GOMODCACHE")
	if err != nil {
		return err
	}
	all := append(args, "--isolation", "chroot", fmt.Sprintf("--layers=%v", b.layers), "--force-rm", "--timestamp", "0", "--pull-never",
		"--build-arg", "GOPROXY=file:///modules", "--build-arg", "INPUTS=/inputs",
		"--volume", filepath.Join(modules, "cache", "download")+":/modules:ro",
		"--volume", filepath.Join(b.cache, "inputs")+":/inputs:ro", dir)
	return b.show(b.buildah(all...)...)
}

// tidy removes what builds leave in the storage: containers of stages that only
// lend files, and the images that had the names before. (It takes the image of
// Go with them, which is made again in seconds.) Of several targets the layers
// stay, for the next time.
func (b *builder) tidy() error {
	all := [][]string{{"rm", "--all"}, {"rmi", "--prune"}}
	if b.layers {
		all = all[:1]
	}
	for _, args := range all {
		if _, err := b.answer(b.buildah(args...)...); err != nil {
			return err
		}
	}
	return nil
}

// release is the layout that `releaser build` makes of the same sources.
func (b *builder) release() string { return filepath.Join(b.out, "release-"+b.tag()) }

// host takes the release path for the same cell, on this machine.
func (b *builder) host() error {
	for _, verb := range []string{"models", "samples"} {
		cmd := exec.CommandContext(b.ctx, "go", "run", "./tools/inputs", verb)
		cmd.Dir = b.source()
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		say("$ cd %s && %s", cmd.Dir, strings.Join(cmd.Args, " "))
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("inputs %s: %w", verb, err)
		}
	}
	return b.show("bin/releaser", "--config", filepath.Join(b.source(), "config.json"), "build", "--cells", b.cell.String(), "--out", b.release())
}

// compare reports whether both are the same: every entry of /app, and what the
// image is configured to run.
func (b *builder) compare() error {
	err := b.show("bin/releaser", "diff", "--path", b.config.Extract.Path, "--platform", b.cell.Platform.String(),
		"oci-layout:"+b.release(), "oci-layout:"+b.layout())
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		return fmt.Errorf("%w: see above for the entries", errDiffers)
	}
	if err != nil {
		return err
	}
	raw, err := b.answer(b.buildah("inspect", "--type", "image", "localhost/facerec:"+b.tag())...)
	if err != nil {
		return err
	}
	var inspected struct {
		OCIv1 struct {
			Architecture string `json:"architecture"`
			Variant      string `json:"variant"`
			OS           string `json:"os"`
			Config       struct {
				User       string
				WorkingDir string
				Entrypoint []string
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(raw), &inspected); err != nil {
		return fmt.Errorf("buildah inspect: %w", err)
	}
	got := inspected.OCIv1
	im := b.config.Image
	p := b.cell.Platform
	for _, c := range []struct{ what, want, got string }{
		{"os", p.OS, got.OS},
		{"architecture", p.Arch, got.Architecture},
		{"variant", p.Variant, got.Variant},
		{"user", im.User, got.Config.User},
		{"workdir", im.Workdir, got.Config.WorkingDir},
		{"entrypoint", strings.Join(im.Entrypoint, " "), strings.Join(got.Config.Entrypoint, " ")},
	} {
		if c.want != c.got {
			return fmt.Errorf("%w: %s: config.json says %q, the image %q", errDiffers, c.what, c.want, c.got)
		}
	}
	for _, it := range b.config.Artifacts {
		sum, err := b.answer("sha256sum", filepath.Join(b.source(), it.Source(b.config.Version, b.cell)))
		if err != nil {
			return err
		}
		fmt.Printf("%s: releaser build and the Dockerfile give the same %s; sha256 of %s: %s\n", b.cell, b.config.Extract.Path, it.Dest, strings.Fields(sum)[0])
	}
	return nil
}
