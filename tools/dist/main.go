// Dist lays out what a tarball of releaser has, for one platform: the program,
// manual pages, completions. It is the build_cmd of releaser.json.
//
//	RELEASER_PLATFORM=windows/amd64 RELEASER_VERSION=1.2.3 go run ./tools/dist --out build/releaser/windows/amd64
//
// The program is static, without build ID and paths of this machine; settings of
// the environment that Go would read do not reach it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// completions are the shells, each with the file that it looks for.
var completions = [][2]string{{"bash", "releaser.bash"}, {"zsh", "_releaser"}, {"fish", "releaser.fish"}, {"powershell", "releaser.ps1"}}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("out", "", "directory to write; one that exists is replaced")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || flags.NArg() > 0 {
		return fmt.Errorf("usage: RELEASER_PLATFORM=OS/ARCH RELEASER_VERSION=VERSION dist --out DIR")
	}
	platform, err := release.ParsePlatform(os.Getenv("RELEASER_PLATFORM"))
	if err != nil {
		return fmt.Errorf("RELEASER_PLATFORM: %w", err)
	}
	version, err := release.ParseVersion(os.Getenv("RELEASER_VERSION"))
	if err != nil {
		return fmt.Errorf("RELEASER_VERSION: %w", err)
	}
	tmp, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	host := filepath.Join(tmp, "host")
	if err := build(ctx, release.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}, version, host, stderr); err != nil {
		return err
	}
	return atomicfile.ReplaceDir(*out, func(dir string) error {
		name := "releaser"
		if platform.OS == "windows" {
			name += ".exe"
		}
		if err := build(ctx, platform, version, filepath.Join(dir, name), stderr); err != nil {
			return err
		}
		if err := call(ctx, stderr, nil, host, "man", "--out", filepath.Join(dir, "man")); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(dir, "completions"), 0o755); err != nil {
			return err
		}
		for _, c := range completions {
			script, err := exec.CommandContext(ctx, host, "completion", c[0]).Output()
			if err != nil {
				return fmt.Errorf("completion %s: %w", c[0], err)
			}
			if err := os.WriteFile(filepath.Join(dir, "completions", c[1]), script, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

// build compiles releaser for a platform.
func build(ctx context.Context, p release.Platform, v release.Version, out string, stderr io.Writer) error {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		// GOFLAGS and the like change the program; where Go keeps its caches, and
		// from where modules come, does not.
		return strings.HasPrefix(name, "GOARM") || strings.HasPrefix(name, "GOAMD64") || strings.HasPrefix(name, "GO386") ||
			slices.Contains([]string{"GOFLAGS", "GOEXPERIMENT", "GOOS", "GOARCH", "GODEBUG", "GOFIPS140", "CGO_ENABLED", "GOWORK"}, name)
	})
	env = append(env, "CGO_ENABLED=0", "GOEXPERIMENT=simd", "GOWORK=off", "GOOS="+p.OS, "GOARCH="+p.Arch)
	if p.Variant != "" {
		env = append(env, "GOARM="+strings.TrimPrefix(p.Variant, "v"))
	}
	return call(ctx, stderr, env, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.version="+string(v), "-o", out, "./cmd/releaser")
}

func call(ctx context.Context, stderr io.Writer, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, stderr, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(name), args[0], err)
	}
	return nil
}
