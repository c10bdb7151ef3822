//go:build linux

// Native compiles a cell with the compilers of an arm64 machine and compares what comes
// of it with what the cross compilers of this machine, an amd64 one, make.
//
//	go run ./tools/native [--cell dlib20/linux/arm64] [--small] [--keep]
//
// It unpacks a Debian for arm64 with what packages.txt names for such a machine, and runs
// tools/inputs in it: compilers, assembler and linker are arm64's own programs, under
// qemu. The go command and its compiler are this machine's: Go makes the same bytes on
// every machine, which its own tests check.
//
// First each file of the cell's toolchain is compared: dlib's library with our functions
// in it, the BLAS, the headers, all but the two scripts that call the compilers. Then the
// program: facerec, whose compilation takes minutes in an emulator, or with --small
// a little one that is linked with the same C library.
//
// The emulator is registered in a namespace that ends with the command, so nothing on
// this machine changes. That needs root and Linux 6.7, or an older one with an emulator
// registered, as Debian's qemu-user-static does.
//
// Exit codes: 0 all the same · 1 could not do it · 2 usage · 3 something differs ·
// 5 not checked, because this machine cannot · 130 interrupted.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"facerec/internal/inputs"
	"facerec/toolchain"
)

var (
	errUsage     = errors.New("usage: go run ./tools/native [--cell LINEAGE/PLATFORM] [--small] [--keep]")
	errDiffers   = errors.New("an arm64 machine would not make the same bytes: see above")
	errUnchecked = errors.New("not checked")
)

// host is Debian's name of the machines whose compilers are tried.
const host = "arm64"

func main() {
	if len(os.Args) > 3 && os.Args[1] == inside {
		fmt.Fprintf(os.Stderr, "native: %v\n", enter(os.Args[2], os.Args[3:]))
		os.Exit(noEntry)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "native: %v\n", err)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		os.Exit(130)
	case errors.Is(err, errUsage):
		os.Exit(2)
	case errors.Is(err, errDiffers):
		os.Exit(3)
	case errors.Is(err, errUnchecked):
		os.Exit(5)
	default:
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("native", flag.ContinueOnError)
	cell := flags.String("cell", "dlib20/linux/arm64", "which cell")
	small := flags.Bool("small", false, "compare a small program, not facerec")
	keep := flags.Bool("keep", false, "keep the working directory")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	lineage, platform, _ := strings.Cut(*cell, "/")
	target, err := toolchain.For(platform)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if !slices.Contains(target.Hosts, host) {
		return fmt.Errorf("%w: %s is not built on %s machines", errUsage, platform, host)
	}
	if here := inputs.HostArch(ctx); here != toolchain.Reference {
		return fmt.Errorf("%w: the cross compilers to compare with are those of %s, this machine is %s", errUnchecked, toolchain.Reference, here)
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("%w: unpacking a root file system needs root", errUnchecked)
	}
	for _, tool := range []string{"mmdebstrap", emulator} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: %w; install it with: make packages PACKAGES=\"cross test\"", errUnchecked, err)
		}
	}
	dir, err := os.MkdirTemp("", "native-")
	if err != nil {
		return err
	}
	if *keep {
		fmt.Println("working in", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	t := &test{ctx: ctx, dir: dir, root: filepath.Join(dir, "root"), lineage: lineage, platform: platform}
	start := time.Now()
	if err := t.debian(); err != nil {
		return err
	}
	if err := t.toolchains(); err != nil {
		return err
	}
	source := "./cmd/facerec"
	if *small {
		source = "./tools/skips"
	}
	if err := t.programs(source); err != nil {
		return err
	}
	fmt.Printf("native: %s: the same on an %s machine, %s\n", *cell, host, time.Since(start).Round(time.Second))
	return nil
}

// test is one comparison.
type test struct {
	ctx               context.Context
	dir, root         string // where to work; the arm64 Debian in it
	lineage, platform string
	foreign           [][2]string // directory here, and in root
}

// program is tools/inputs in the root, which both sides run.
const program = "/usr/local/bin/inputs"

// debian unpacks what a machine that builds the cell has, without configuring it, and
// puts tools/inputs there.
func (t *test) debian() error {
	list, err := os.ReadFile("packages.txt")
	if err != nil {
		return err
	}
	names, err := inputs.ParsePackages(string(list), host, []string{"build", "cross"})
	if err != nil {
		return err
	}
	// Nothing is run in an emulator there, and inputs needs the others.
	names = slices.DeleteFunc(names, func(n string) bool { return n == "qemu-user-static" })
	names = append(names, "dash", "dpkg", "tar")
	sources, err := (&inputs.Store{}).DebianSources(inputs.CompilerSuite)
	if err != nil {
		return err
	}
	file := filepath.Join(t.dir, "debian.sources")
	if err := os.WriteFile(file, []byte(sources), 0o644); err != nil {
		return err
	}
	fmt.Printf("native: unpacking %s for %s\n", inputs.CompilerSuite, host)
	if err := t.run(exec.CommandContext(t.ctx, "mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--arch="+host, "--include="+strings.Join(names, ","), inputs.CompilerSuite, t.root, file)); err != nil {
		return err
	}
	build := exec.CommandContext(t.ctx, "go", "build", "-o", t.root+program, "./tools/inputs")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := t.run(build); err != nil {
		return err
	}
	out, err := exec.CommandContext(t.ctx, "go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	where := strings.Fields(string(out))
	if len(where) != 2 {
		return fmt.Errorf("go env: expected two directories, got %q", out)
	}
	cache, err := inputs.DefaultDir()
	if err != nil {
		return err
	}
	top, err := os.Getwd()
	if err != nil {
		return err
	}
	t.foreign = [][2]string{{"/dev", "/dev"}, {where[0], "/go"}, {where[1], "/modules"}, {top, "/src"}, {filepath.Join(cache, "files"), "/cache/files"}}
	return nil
}

// cell are the flags that choose it.
func (t *test) cell() []string { return []string{"--lineage", t.lineage, "--platform", t.platform} }

// toolchains compares every file of the two.
func (t *test) toolchains() error {
	// What both are made from is fetched here; the other side has the files.
	own := []string{"dlib", "--quiet", "--lineage", t.lineage, "--platform", "linux/" + host}
	if _, err := t.answer(exec.CommandContext(t.ctx, t.root+program, own...)); err != nil {
		return err
	}
	here, err := t.answer(exec.CommandContext(t.ctx, t.root+program, append([]string{"dlib", "--quiet"}, t.cell()...)...))
	if err != nil {
		return err
	}
	fmt.Printf("native: %s: the toolchain, with %s's compilers\n", t.platform, host)
	there, err := t.answer(t.emulated(append([]string{program, "dlib", "--quiet", "--cache", "/cache"}, t.cell()...)...))
	if err != nil {
		return err
	}
	a, err := manifest(here)
	if err != nil {
		return err
	}
	z, err := manifest(filepath.Join(t.root, there))
	if err != nil {
		return err
	}
	names, differ := maps.Clone(a), 0
	maps.Copy(names, z)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a[name] != z[name] {
			fmt.Printf("DIFFERS %s: %.16s by cross compilers, %.16s on %s\n", name, a[name], z[name], host)
			differ++
		}
	}
	if differ > 0 {
		return errDiffers
	}
	for _, name := range []string{"lib/libdlib.a", "lib/libcblas.a"} {
		if a[name] == "" {
			return fmt.Errorf("%s has no %s to compare", here, name)
		}
		fmt.Printf("same    %s %.16s\n", name, a[name])
	}
	fmt.Printf("same    %d files of the toolchain in all\n", len(a))
	return nil
}

// manifest reads what a toolchain says of its files, without the two scripts that call
// the compilers.
func manifest(dir string) (map[string]string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return nil, fmt.Errorf("%s: MANIFEST: expected HASH and PATH, got %q", dir, line)
		}
		if !strings.HasPrefix(name, "bin/") {
			files[name] = sum
		}
	}
	return files, nil
}

// programs compares what is built of a package.
func (t *test) programs(source string) error {
	here, there := filepath.Join(t.dir, "program"), "/tmp/program"
	fmt.Printf("native: %s: %s, by both\n", t.platform, source)
	build := append([]string{"facerec", "--quiet", "--package", source}, t.cell()...)
	if _, err := t.answer(exec.CommandContext(t.ctx, t.root+program, append(build, "--out", here)...)); err != nil {
		return err
	}
	if _, err := t.answer(t.emulated(append(append([]string{program}, build...), "--cache", "/cache", "--out", there)...)); err != nil {
		return err
	}
	var sums []string
	for _, path := range []string{here, filepath.Join(t.root, there)} {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(raw)))
	}
	if sums[0] != sums[1] {
		fmt.Printf("DIFFERS %s: %s by cross compilers, %s on %s\n", source, sums[0], sums[1], host)
		return errDiffers
	}
	fmt.Printf("same    %s %s\n", source, sums[0])
	return nil
}

func (t *test) run(cmd *exec.Cmd) error {
	_, err := t.answer(cmd)
	return err
}

// answer runs a command and gives the one line that it prints.
func (t *test) answer(cmd *exec.Cmd) (string, error) {
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == noEntry:
		return "", fmt.Errorf("%w: %s", errUnchecked, strings.TrimSpace(complaint.String()))
	case err != nil:
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, complaint.String())
	}
	return strings.TrimSpace(string(out)), nil
}
