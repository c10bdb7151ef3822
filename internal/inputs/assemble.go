package inputs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"facerec/toolchain"
)

// Toolchain is a directory with everything that a static facerec of one cell is
// compiled and linked with:
//
//	bin/cc, bin/c++   the compilers, wrapped (toolchain/cc.sh)
//	include/          dlib and libjpeg, and facerec/, which dlib's detector includes
//	lib/              libdlib.a, libjpeg.a, and our BLAS under the names go-face links
//	MANIFEST          SHA-256 of each of these files, checked on every use
//
// Its name ends in a hash of what it was made from.
type Toolchain struct {
	Dir     string
	Lineage string
	Target  toolchain.Target
	Dlib    string   // Debian version of libdlib-dev
	Gcc     string   // compiler version, "12.2.0"
	Drift   []string // compiler packages that are not the pinned ones, one line each
}

// recipe counts the ways in which this file puts a toolchain together.
const recipe = "7"

// Toolchain assembles the toolchain for one lineage and platform, or takes the
// one that is there.
func (s *Store) Toolchain(ctx context.Context, l *Lock, lineage, platform string) (*Toolchain, error) {
	target, err := toolchain.For(platform)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(l.Lineages(), lineage) {
		return nil, fmt.Errorf("lineage %q unknown, expected one of %s", lineage, strings.Join(l.Lineages(), ", "))
	}
	pins, err := l.For(lineage, target.Debian)
	if err != nil {
		return nil, err
	}
	host := HostArch(ctx)
	gcc, err := findCompilers(ctx, target, host)
	if err != nil {
		return nil, err
	}
	t := &Toolchain{Lineage: lineage, Target: target, Gcc: gcc}
	installed, drift := compilerDrift(ctx, l, target, host)
	t.Drift = drift

	h := sha256.New()
	_, _ = fmt.Fprintln(h, recipe, lineage, platform, gcc, target.Flags, target.On(host), installed)
	for _, p := range pins {
		if p.Name == "libdlib-dev" {
			t.Dlib = p.Version
		}
		_, _ = fmt.Fprintln(h, p.File, p.SHA256)
	}
	err = fs.WalkDir(toolchain.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := toolchain.Files.ReadFile(name)
		_, _ = fmt.Fprintln(h, name, sum(b))
		return err
	})
	if err != nil {
		return nil, err
	}
	name := lineage + "-" + strings.ReplaceAll(platform, "/", "-") + "-" + hex.EncodeToString(h.Sum(nil))[:16]
	t.Dir, err = filepath.Abs(filepath.Join(s.Dir, "toolchains", name))
	if err != nil {
		return nil, err
	}
	return t, s.locked("toolchains", func() error { return s.assemble(ctx, t, l, host, pins) })
}

// CC and CXX are what CGO's variables of these names are set to.
func (t *Toolchain) CC() string  { return filepath.Join(t.Dir, "bin", "cc") }
func (t *Toolchain) CXX() string { return filepath.Join(t.Dir, "bin", "c++") }

func (s *Store) assemble(ctx context.Context, t *Toolchain, l *Lock, host string, pins []Pin) error {
	switch err := checkManifest(t.Dir); {
	case err == nil:
		s.say("toolchain: %s found, %s", t.Dir, "every file's hash checked")
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		s.say("toolchain: %v; assembling it again", err)
	}
	if err := os.RemoveAll(t.Dir); err != nil {
		return err
	}
	tmp, err := s.tempDir("toolchain-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()

	debs := filepath.Join(tmp, "debs")
	if err := os.Mkdir(debs, 0o755); err != nil {
		return err
	}
	for _, p := range pins {
		deb, err := s.Get(ctx, p)
		if err != nil {
			return err
		}
		s.say("toolchain: unpacking %s %s (%s)", p.Name, p.Version, p.Arch)
		if err := unpackDeb(ctx, deb, debs); err != nil {
			return err
		}
	}
	out := filepath.Join(tmp, "out")
	if err := arrange(debs, out, t.Target); err != nil {
		return err
	}
	if err := writeWrappers(out, t.Target, host); err != nil {
		return err
	}
	s.say("toolchain: compiling the BLAS for %s", t.Target.Platform)
	if err := buildBLAS(ctx, out, t.Target); err != nil {
		return err
	}
	if err := replaceFunctions(ctx, out, t.Target); err != nil {
		return err
	}
	hostLib := filepath.Join(out, "lib", "libdlib.a")
	if host != t.Target.Debian {
		if hostLib, err = s.hostLibrary(ctx, l, t, host, filepath.Join(tmp, "host")); err != nil {
			return err
		}
	}
	if err := addHog(ctx, out, hostLib, t.Target); err != nil {
		return err
	}
	if err := addScores(ctx, out, t.Target); err != nil {
		return err
	}
	if err := writeManifest(out); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(t.Dir), 0o755); err != nil {
		return err
	}
	if err := os.Rename(out, t.Dir); err != nil {
		return err
	}
	s.say("toolchain: made %s", t.Dir)
	return nil
}

// hostLibrary unpacks the lineage's libdlib-dev for this machine, whose
// architecture is arch, into dir and gives its library.
func (s *Store) hostLibrary(ctx context.Context, l *Lock, t *Toolchain, arch, dir string) (string, error) {
	pins, err := l.For(t.Lineage, arch)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(pins, func(p Pin) bool { return p.Name == "libdlib-dev" })
	host := slices.IndexFunc(toolchain.Targets(), func(t toolchain.Target) bool { return t.Debian == arch })
	if i < 0 || host < 0 {
		return "", fmt.Errorf("no libdlib-dev is pinned for %s on %s, on which the toolchain for %s is put together", t.Lineage, arch, t.Target.Platform)
	}
	deb, err := s.Get(ctx, pins[i])
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := unpackDeb(ctx, deb, dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, "usr", "lib", toolchain.Targets()[host].Triplet, "libdlib.a"), nil
}

// arrange moves headers and libraries out of the unpacked packages.
func arrange(debs, out string, t toolchain.Target) error {
	lib, include := filepath.Join(out, "lib"), filepath.Join(out, "include")
	for _, d := range []string{lib, include, filepath.Join(out, "bin")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	moves := [][2]string{
		{"usr/include/dlib", "include/dlib"},
		{"usr/include/jpeglib.h", "include/jpeglib.h"},
		{"usr/include/jmorecfg.h", "include/jmorecfg.h"},
		{"usr/include/jerror.h", "include/jerror.h"},
		{"usr/include/" + t.Triplet + "/jconfig.h", "include/jconfig.h"},
		{"usr/lib/" + t.Triplet + "/libdlib.a", "lib/libdlib.a"},
		{"usr/lib/" + t.Triplet + "/libjpeg.a", "lib/libjpeg.a"},
	}
	for _, m := range moves {
		if err := os.Rename(filepath.Join(debs, m[0]), filepath.Join(out, m[1])); err != nil {
			return fmt.Errorf("the packages are not laid out as expected: %w", err)
		}
	}
	path := filepath.Join(include, "dlib", "config.h")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	edited, err := editConfig(string(b))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(edited), 0o644)
}

// switchedOff are the parts of dlib that facerec does not use and whose
// libraries it does not want to carry: LAPACK, and dlib's own readers of JPEG
// and PNG (go-face brings one for JPEG).
var switchedOff = []string{"DLIB_USE_LAPACK", "DLIB_JPEG_SUPPORT", "DLIB_PNG_SUPPORT"}

// optionalOff are switched off where a newer dlib has them on.
var optionalOff = []string{"DLIB_WEBP_SUPPORT", "DLIB_JXL_SUPPORT", "DLIB_GIF_SUPPORT", "DLIB_USE_FFTW", "DLIB_USE_FFMPEG"}

// editConfig switches parts off in dlib's config.h. One that is not on where it
// should be is an error: the file is then not the one this was written for.
func editConfig(text string) (string, error) {
	on := func(name string) string { return "#define " + name + "\n" }
	for _, name := range switchedOff {
		if !strings.Contains(text, on(name)) {
			return "", fmt.Errorf("dlib's config.h does not define %s: look at what its new version calls it", name)
		}
		text = strings.ReplaceAll(text, on(name), "/* #undef "+name+" */\n")
	}
	for _, name := range optionalOff {
		text = strings.ReplaceAll(text, on(name), "/* #undef "+name+" */\n")
	}
	if !strings.Contains(text, on("DLIB_USE_BLAS")) {
		return "", fmt.Errorf("dlib's config.h does not define DLIB_USE_BLAS: its matrix products would be slow")
	}
	return text, nil
}

func writeWrappers(out string, t toolchain.Target, host string) error {
	script, err := toolchain.Files.ReadFile("cc.sh")
	if err != nil {
		return err
	}
	c := t.On(host)
	for _, w := range []struct {
		name, compiler string
		flags          []string
	}{{"cc", "gcc", c.C}, {"c++", "g++", c.CXX}} {
		text := strings.NewReplacer("@CC@", t.Triplet+"-"+w.compiler, "@FLAGS@", strings.Join(slices.Concat(t.Flags, w.flags), " ")).Replace(string(script))
		if err := os.WriteFile(filepath.Join(out, "bin", w.name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// writeSources makes a directory of toolchain.Files below out, and gives the names in
// it as toolchain.Files has them.
func writeSources(out, directory string) ([]string, error) {
	if err := os.Mkdir(filepath.Join(out, directory), 0o755); err != nil {
		return nil, err
	}
	names, err := fs.Glob(toolchain.Files, directory+"/*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := toolchain.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(out, filepath.FromSlash(name)), b, 0o644); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// buildBLAS compiles toolchain/blas into libcblas.a. go-face also asks for
// -lblas and -llapack, in which nothing of ours is looked for: they are empty.
func buildBLAS(ctx context.Context, out string, t toolchain.Target) error {
	src := filepath.Join(out, "blas")
	names, err := writeSources(out, "blas")
	if err != nil {
		return err
	}
	var objects []string
	for _, name := range names {
		base, isC := strings.CutSuffix(strings.TrimPrefix(name, "blas/"), ".c")
		if !isC {
			continue
		}
		cmd := exec.CommandContext(ctx, filepath.Join(out, "bin", "cc"), "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-c", base+".c", "-o", base+".o")
		cmd.Dir = src
		if _, err := output(cmd); err != nil {
			return err
		}
		objects = append(objects, filepath.Join(src, base+".o"))
	}
	for _, lib := range []string{"cblas", "blas", "lapack"} {
		args := []string{"rcsD", filepath.Join(out, "lib", "lib"+lib+".a")}
		if lib == "cblas" {
			args = append(args, objects...)
		}
		if _, err := output(exec.CommandContext(ctx, t.Triplet+"-ar", args...)); err != nil {
			return err
		}
	}
	return os.RemoveAll(src)
}

// What toolchain/dlib/cpu.cc defines, as the linker knows it.
const (
	affine      = "_ZN4dlib3cpu21affine_transform_convERNS_6tensorERKS1_S4_S4_"
	convolution = "_ZN4dlib3cpu11tensor_convclEbRNS_6tensorERKS2_S5_"
	resizing    = "_ZN4dlib3cpu11tensor_convclEbRNS_16resizable_tensorERKNS_6tensorES6_"
)

// replaceFunctions compiles toolchain/dlib/cpu.cc into libdlib.a, in place of Debian's
// functions. The first is called from other objects only, and keeps its code under another
// name. The others are called from their own object too, so they have to keep their names:
// they become weak, and give way to ours, which come along with the first.
func replaceFunctions(ctx context.Context, out string, t toolchain.Target) error {
	work := filepath.Join(out, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		return err
	}
	const member = "cpu_dlib.cpp.o"
	lib := filepath.Join("..", "lib", "libdlib.a")
	for _, name := range []string{"dlib/cpu.cc", "blas/convolve.h"} {
		source, err := toolchain.Files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(work, path.Base(name)), source, 0o644); err != nil {
			return err
		}
	}
	run := func(name string, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = work
		return output(cmd)
	}
	if _, err := run(t.Triplet+"-ar", "x", lib, member); err != nil {
		return err
	}
	symbols, err := run(t.Triplet+"-nm", "--defined-only", member)
	if err != nil {
		return err
	}
	for _, symbol := range []string{affine, convolution, resizing} {
		if !strings.Contains(string(symbols), " T "+symbol+"\n") {
			return fmt.Errorf("libdlib.a's %s does not define %s: look at what its new version calls the functions of toolchain/dlib/cpu.cc", member, symbol)
		}
	}
	steps := [][]string{
		{t.Triplet + "-objcopy", "--redefine-sym", affine + "=" + affine + "_debian", "--weaken-symbol", convolution, "--weaken-symbol", resizing, member},
		{filepath.Join(out, "bin", "c++"), "-std=gnu++17", "-O3", "-DNDEBUG", "-c", "cpu.cc", "-o", "cpu.o"},
		{t.Triplet + "-ar", "rcsD", lib, member, "cpu.o"},
	}
	for _, s := range steps {
		if _, err := run(s[0], s[1:]...); err != nil {
			return err
		}
	}
	return os.RemoveAll(work)
}

// NotInstalled says that a program is not on this machine.
type NotInstalled struct {
	Program  string
	Packages []string // of Debian, which have it
	Section  string   // of packages.txt, "" for the usual ones
}

func (e *NotInstalled) Error() string {
	return fmt.Sprintf("%s is not installed: run `sudo apt-get install %s`, or `%s`", e.Program, strings.Join(e.Packages, " "), strings.TrimSpace("go run ./tools/inputs packages "+e.Section))
}

// findCompilers looks for the target's compilers and gives their version. The
// error says which packages bring them.
func findCompilers(ctx context.Context, t toolchain.Target, host string) (string, error) {
	c := t.On(host)
	for _, tool := range []string{"gcc", "g++", "ar", "nm", "objcopy"} {
		if _, err := exec.LookPath(t.Triplet + "-" + tool); err != nil {
			return "", &NotInstalled{t.Triplet + "-" + tool, c.Install, ""}
		}
	}
	for _, file := range c.Files {
		if _, err := os.Stat(file); err != nil {
			return "", &NotInstalled{file, c.Install, ""}
		}
	}
	out, err := output(exec.CommandContext(ctx, t.Triplet+"-g++", "-dumpfullversion"))
	return strings.TrimSpace(string(out)), err
}

// writeManifest lists every file below dir with its hash, in sha256sum's form.
func writeManifest(dir string) error {
	lines, err := manifestOf(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "MANIFEST"), []byte(lines), 0o644)
}

// checkManifest hashes every file again. fs.ErrNotExist means there is nothing.
func checkManifest(dir string) error {
	want, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
	if err != nil {
		return err
	}
	got, err := manifestOf(dir)
	if err != nil {
		return err
	}
	if got != string(want) {
		return fmt.Errorf("%s was changed since it was made", dir)
	}
	return nil
}

func manifestOf(dir string) (string, error) {
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "MANIFEST" {
			return err
		}
		got, _, err := hashFile(path)
		lines = append(lines, got+"  "+filepath.ToSlash(rel)+"\n")
		return err
	})
	sort.Strings(lines)
	return strings.Join(lines, ""), err
}
