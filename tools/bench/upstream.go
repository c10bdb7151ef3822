package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed upstream/main.go.txt
var upstreamSource []byte

// unpackDebs fetches packages through the machine's own apt and unpacks them
// below keep, unless they are there.
func unpackDebs(ctx context.Context, keep string, names ...string) (string, error) {
	root := filepath.Join(keep, "debian")
	for _, name := range names {
		mark := filepath.Join(keep, name+".unpacked")
		if _, err := os.Stat(mark); err == nil {
			continue
		}
		dir := filepath.Join(keep, "fetched", name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", err
		}
		if err := call(ctx, dir, nil, "apt-get", "download", "-q", name); err != nil {
			return "", err
		}
		debs, err := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
		if err != nil {
			return "", err
		}
		if len(debs) != 1 {
			return "", fmt.Errorf("%s: %d files fetched for %s, expected one", dir, len(debs), name)
		}
		if err := call(ctx, dir, nil, "dpkg-deb", "-x", debs[0], root); err != nil {
			return "", err
		}
		if err := os.WriteFile(mark, nil, 0o666); err != nil {
			return "", err
		}
	}
	return root, nil
}

// anyCPU is a compiler that does not hear of -march=native, which go-face asks for.
const anyCPU = `#!/bin/sh
for a do
  shift
  [ "$a" = -march=native ] || set -- "$@" "$a"
done
exec g++ "$@"
`

// buildUpstream compiles another side with go-face's own flags, or without
// -march=native, in a module of its own that has this one's versions.
func buildUpstream(ctx context.Context, keep, debs string, native bool) (string, error) {
	// Headers, libdlib.a and libjpeg.a as for facerec itself; but the BLAS is
	// OpenBLAS, and the HOG detector and the networks are dlib's own.
	text, err := exec.CommandContext(ctx, "go", "run", "./tools/inputs", "dlib", "--lineage", "dlib19", "--quiet").Output()
	if err != nil {
		return "", fmt.Errorf("go run ./tools/inputs dlib: %w", err)
	}
	toolchain := strings.TrimSpace(string(text))
	name := map[bool]string{true: "upstream-", false: "any-"}[native]
	out := filepath.Join(keep, name+filepath.Base(toolchain))
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	found, err := filepath.Glob(filepath.Join(debs, "usr/lib/*/openblas-pthread/libopenblas.a"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%s: %d libopenblas.a, expected one", debs, len(found))
	}
	dir := filepath.Join(keep, "module")
	lib := filepath.Join(dir, "lib")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(lib, 0o777); err != nil {
		return "", err
	}
	if err := plainDlib(ctx, lib, filepath.Join(toolchain, "lib", "libdlib.a"), debs); err != nil {
		return "", err
	}
	for name, to := range map[string]string{
		"libjpeg.a": filepath.Join(toolchain, "lib", "libjpeg.a"),
		"libblas.a": found[0], "libcblas.a": found[0], "liblapack.a": found[0],
	} {
		if err := os.Symlink(to, filepath.Join(lib, name)); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		if err := copyFile(name, filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "main.go"), upstreamSource, 0o666); err != nil {
		return "", err
	}
	env := []string{
		"CGO_ENABLED=1", "CGO_CFLAGS=-O2 -I" + filepath.Join(toolchain, "include"), "CGO_CXXFLAGS=-O2 -DFACEREC_PLAIN_DLIB -I" + filepath.Join(toolchain, "include"),
		"CGO_LDFLAGS=-L" + lib, "GOFLAGS=-mod=mod",
	}
	if !native {
		compiler := filepath.Join(dir, "c++")
		if err := os.WriteFile(compiler, []byte(anyCPU), 0o755); err != nil {
			return "", err
		}
		env = append(env, "CXX="+compiler)
	}
	return out, call(ctx, dir, env, "go", "build", "-ldflags", "-linkmode=external -extldflags=-static", "-tags", "netgo,osusergo", "-o", out, ".")
}

// plainDlib makes libdlib.a in lib: the toolchain's, with the object that the toolchain
// changes as Debian has it.
func plainDlib(ctx context.Context, lib, toolchains, debs string) error {
	found, err := filepath.Glob(filepath.Join(debs, "usr/lib/*/libdlib.a"))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%s: %d libdlib.a, expected one", debs, len(found))
	}
	if err := copyFile(toolchains, filepath.Join(lib, "libdlib.a")); err != nil {
		return err
	}
	const changed = "cpu_dlib.cpp.o"
	for _, args := range [][]string{{"x", found[0], changed}, {"d", "libdlib.a", "cpu.o"}, {"r", "libdlib.a", changed}} {
		if err := call(ctx, lib, nil, "ar", args...); err != nil {
			return err
		}
	}
	return nil
}

func call(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, args[0], err, out)
	}
	return nil
}
