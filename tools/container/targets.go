package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// target is a named stage of the Dockerfile that people build.
type target struct {
	name  string
	check func(b *builder, image string) (string, error) // what was seen
}

// targets are checked in the order in which they build on each other.
var targets = []target{
	{"dlib", (*builder).checkDlib},
	{"go-face", (*builder).checkGoFace},
	{"builder", (*builder).checkBuilder},
	{"dev", (*builder).checkDev},
	{"runtime", (*builder).checkRuntime},
	{"debug", (*builder).checkDebug},
	{"releaser", (*builder).checkReleaser},
}

// targets builds every target and checks each against what it is for: that it can be built
// on, or that its program has the same bytes as everywhere.
func (b *builder) targets() error {
	for _, t := range targets {
		image := "localhost/facerec-" + t.name + ":" + b.tag()
		if err := b.bud(t.name, image); err != nil {
			return fmt.Errorf("target %s: %w", t.name, err)
		}
		seen, err := t.check(b, image)
		if err != nil {
			return fmt.Errorf("target %s: %w", t.name, err)
		}
		fmt.Printf("%s: target %-8s %s\n", b.cell, t.name, seen)
	}
	return nil
}

// derive builds a Dockerfile of its own on an image, and gives what the command
// prints in the result.
func (b *builder) derive(image, name, containerfile string, files map[string]string) (string, error) {
	dir := filepath.Join(b.out, "derived-"+name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	files["Dockerfile"] = "FROM " + image + "\nWORKDIR /own\nCOPY . .\n" + containerfile
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	derived := "localhost/facerec-derived-" + name + ":" + b.tag()
	if err := b.budOf(dir, "bud", "--file", filepath.Join(dir, "Dockerfile"), "--tag", derived); err != nil {
		return "", err
	}
	return b.in(derived, "cat", "/own/seen")
}

// in runs a command in an image.
func (b *builder) in(image string, command ...string) (string, error) {
	c, err := b.answer(b.buildah("from", "--pull-never", image)...)
	if err != nil {
		return "", err
	}
	defer func() { _, _ = b.answer(b.buildah("rm", c)...) }()
	return b.answer(b.buildah(append([]string{"run", "--isolation", "chroot", c, "--"}, command...)...)...)
}

// sum is the SHA-256 of a file in an image, which need not have a program in it.
func (b *builder) sum(image, path string) (string, error) {
	c, err := b.answer(b.buildah("from", "--pull-never", image)...)
	if err != nil {
		return "", err
	}
	defer func() { _, _ = b.answer(b.buildah("rm", c)...) }()
	root, err := b.answer(b.buildah("mount", c)...)
	if err != nil {
		return "", err
	}
	return b.sumOf(filepath.Join(root, path))
}

func (b *builder) sumOf(path string) (string, error) {
	out, err := b.answer("sha256sum", path)
	if err != nil {
		return "", err
	}
	return strings.Fields(out)[0], nil
}

// native reports whether this machine runs what the cell's compilers make.
func (b *builder) native() bool {
	arch, err := b.answer("go", "env", "GOHOSTARCH")
	return err == nil && b.cell.Platform.Arch == arch
}

// want fails unless two texts are the same.
func want(what, want, got string) error {
	if want != got {
		return fmt.Errorf("%w: %s: expected %q, got %q", errDiffers, what, want, got)
	}
	return nil
}

// checkDlib compiles a program in C++ that calls into libdlib.a.
func (b *builder) checkDlib(image string) (string, error) {
	run := "./own"
	if !b.native() {
		run = "true"
	}
	out, err := b.derive(image, "dlib", "RUN with-dlib sh -c '$CXX -O1 -static -o own own.cc -ldlib' && "+run+" >seen\n", map[string]string{
		"own.cc": "#include <dlib/md5.h>\n#include <iostream>\nint main() { std::cout << dlib::md5(\"abc\") << std::endl; }\n",
	})
	if err != nil || !b.native() {
		return "a program on dlib compiles and links", err
	}
	return "a program on dlib compiles, links and runs", want("MD5 of abc by dlib", "900150983cd24fb0d6963f7d28e17f72", out)
}

// checkGoFace compiles a Go module of its own that imports go-face.
func (b *builder) checkGoFace(image string) (string, error) {
	run := "./own"
	if !b.native() {
		run = "echo no models"
	}
	out, err := b.derive(image, "go-face", "ARG GOPROXY\nRUN cp /src/go.sum . && "+
		"with-dlib go build -mod=mod -trimpath -ldflags '-linkmode=external -extldflags=-static' -o own . && "+run+" >seen\n", map[string]string{
		"go.mod":  "module own\n\ngo 1.26\n\nrequire " + b.goFace() + "\n",
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\n\tface \"github.com/Kagami/go-face\"\n)\n\nfunc main() {\n\tif _, err := face.NewRecognizer(\"/nowhere\"); err != nil {\n\t\tfmt.Println(\"no models\")\n\t}\n}\n",
	})
	if err != nil {
		return "", err
	}
	return "a module that imports go-face compiles, links" + map[bool]string{true: " and runs"}[b.native()], want("a recognizer without models", "no models", out)
}

// goFace is the module and version of go.mod.
func (b *builder) goFace() string {
	out, _ := b.answer("go", "list", "-m", "github.com/Kagami/go-face")
	return out
}

// artifact is the program that releaser build made on this machine, and where the
// image has it.
func (b *builder) artifact() (host, dest string) {
	it := b.config.Artifacts[0]
	return filepath.Join(b.source(), it.Source(b.config.Version, b.cell)), it.Dest
}

// same holds a program in an image to the one that releaser build made.
func (b *builder) same(image, path string) (string, error) {
	host, _ := b.artifact()
	expected, err := b.sumOf(host)
	if err != nil {
		return "", err
	}
	got, err := b.sum(image, path)
	if err != nil {
		return "", err
	}
	return "the program is the same, " + got, want("SHA-256 of "+path, expected, got)
}

func (b *builder) checkBuilder(image string) (string, error) {
	it := b.config.Artifacts[0]
	return b.same(image, filepath.Join("/src", it.Source(b.config.Version, b.cell)))
}

func (b *builder) checkDev(image string) (string, error) {
	if out, err := b.in(image, "gdb", "--version"); err != nil || !strings.Contains(out, "GNU gdb") {
		return "", fmt.Errorf("gdb: got %q, %w", out, err)
	}
	if b.native() {
		_, dest := b.artifact()
		if _, err := b.in(image, dest, "--help"); err != nil {
			return "", err
		}
	}
	seen, err := b.checkBuilder(image)
	return seen + "; gdb is there", err
}

func (b *builder) checkRuntime(image string) (string, error) {
	_, dest := b.artifact()
	return b.same(image, dest)
}

// checkDebug wants all of runtime, and a shell.
func (b *builder) checkDebug(image string) (string, error) {
	layout := filepath.Join(b.out, "oci-debug-"+b.tag())
	if err := b.push(image, layout); err != nil {
		return "", err
	}
	if err := b.show("bin/releaser", "diff", "--path", b.config.Extract.Path, "--platform", b.cell.Platform.String(), "oci-layout:"+b.layout(), "oci-layout:"+layout); err != nil {
		return "", fmt.Errorf("%w: %w", errDiffers, err)
	}
	if !b.native() {
		return b.checkRuntime(image)
	}
	out, err := b.in(image, "/bin/sh", "-c", "id -u; ls "+b.config.Extract.Path+" | head -1")
	if err != nil {
		return "", err
	}
	seen, err := b.checkRuntime(image)
	if err != nil {
		return "", err
	}
	return seen + "; a shell runs in it", want("user of the shell", strings.Split(b.config.Image.User, ":")[0], strings.Fields(out)[0])
}

// checkReleaser compares the program with what `make releaser` makes of the same
// sources for that platform.
func (b *builder) checkReleaser(image string) (string, error) {
	host, err := filepath.Abs(filepath.Join(b.out, "releaser-"+b.tag()))
	if err != nil {
		return "", err
	}
	arm := strings.TrimPrefix(b.cell.Platform.Variant, "v")
	if err := b.show("env", "-C", b.source(), "CGO_ENABLED=0", "GOOS="+b.cell.Platform.OS, "GOARCH="+b.cell.Platform.Arch, "GOARM="+arm, "GOFLAGS=", "GOEXPERIMENT=simd",
		"go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", host, "./cmd/releaser"); err != nil {
		return "", err
	}
	expected, err := b.sumOf(host)
	if err != nil {
		return "", err
	}
	got, err := b.sum(image, "/releaser")
	if err != nil {
		return "", err
	}
	if err := want("SHA-256 of /releaser", expected, got); err != nil {
		return "", err
	}
	if b.native() {
		if _, err := b.in(image, "/releaser", "--help"); err != nil {
			return "", err
		}
	}
	_, err = b.sum(image, "/etc/ssl/certs/ca-certificates.crt")
	return "the program is the same, " + got, err
}
