package inputs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Program says which binary to build.
type Program struct {
	Package string   // "./cmd/facerec"
	Out     string   // path of the binary
	X       []string // "importpath.name=value" for the linker
}

// goTags are the tags of every build: dlib switches the engine on, the others
// keep C's resolver and user database out of a static binary.
const goTags = "dlib,netgo,nodynamic,osusergo"

// ldflags make the link external, static, stripped and without build id.
func (t *Toolchain) ldflags(x []string) string {
	f := "-s -w -buildid= -linkmode=external -extldflags=-static -X=facerec/internal/dlib.lineage=" + t.Lineage
	for _, v := range x {
		f += " '-X=" + v + "'"
	}
	return f
}

// Env is the environment for the go command: this machine's, without anything
// that could change the result, and with the toolchain.
func (t *Toolchain) Env() []string {
	var env []string
	for _, kv := range os.Environ() {
		k, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(k, "CGO_"), strings.HasPrefix(k, "GO386"), k == "GOFLAGS", k == "GOEXPERIMENT", k == "GODEBUG",
			k == "GOOS", k == "GOARCH", k == "GOARM", k == "GOARM64", k == "GOAMD64", k == "CC", k == "CXX", k == "AR",
			k == "GCC_COMPARE_DEBUG", k == "CPATH", k == "C_INCLUDE_PATH", k == "CPLUS_INCLUDE_PATH", k == "LIBRARY_PATH",
			k == "SOURCE_DATE_EPOCH", k == "GOWORK", k == "GCC_EXEC_PREFIX", k == "COMPILER_PATH":
			continue
		}
		env = append(env, kv)
	}
	env = append(env, t.Target.Go...)
	return append(env, "CGO_ENABLED=1", "CC="+quoted(t.CC()), "CXX="+quoted(t.CXX()),
		"CGO_CFLAGS=-O2", "CGO_CXXFLAGS=-O2", "CGO_LDFLAGS=-O2", "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local", "LC_ALL=C.UTF-8")
}

// Build builds one program, checks the ELF file that came out, and only then
// gives it its name.
func (t *Toolchain) Build(ctx context.Context, p Program) (err error) {
	out, err := filepath.Abs(p.Out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(out), ".build-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	bin := filepath.Join(tmp, filepath.Base(out))
	cmd := exec.CommandContext(ctx, goCommand(), "build", "-tags="+goTags, "-trimpath", "-buildvcs=false", "-ldflags="+t.ldflags(p.X), "-o", bin, p.Package)
	cmd.Env = t.Env()
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", p.Package, t.Target.Platform, err, text)
	}
	if err := CheckBinary(bin, t.Target, machinePaths(t)); err != nil {
		return err
	}
	return os.Rename(bin, out)
}

// TestCommand is `go test` with the toolchain. A machine of another architecture
// runs the tests in an emulator, as the baseline's CPU; so does this one when a
// CPU model of the emulator is given.
func (t *Toolchain) TestCommand(ctx context.Context, cpu string, args []string) (*exec.Cmd, error) {
	all := []string{"test", "-tags=" + goTags, "-ldflags=" + t.ldflags(nil)}
	if cpu == "" && !runsHere(t.Target.Go) {
		cpu = t.Target.CPU
	}
	if cpu != "" {
		if _, err := exec.LookPath(t.Target.Qemu); err != nil {
			return nil, &NotInstalled{t.Target.Qemu, []string{"qemu-user-static"}, "cross"}
		}
		all = append(all, "-exec="+t.Target.Qemu+" -cpu "+cpu)
	}
	cmd := exec.CommandContext(ctx, goCommand(), append(all, args...)...)
	cmd.Env = t.Env()
	return cmd, nil
}

func runsHere(env []string) bool { return slices.Contains(env, "GOARCH="+runtime.GOARCH) }

// goCommand is the go command of the PATH; it is the one that runs this tool.
func goCommand() string { return "go" }

// machinePaths are the strings that must not be found in a released binary: where
// the sources, the user, the toolchain and Go's build cache are. Of the directory of
// all caches only those two places are taken: its own name may be a part of an import
// path, as /cache is.
func machinePaths(t *Toolchain) []string {
	paths := []string{t.Dir}
	for _, f := range []func() (string, error){os.Getwd, os.UserHomeDir} {
		if p, err := f(); err == nil && len(p) > 1 {
			paths = append(paths, p+"/")
		}
	}
	if p, err := os.UserCacheDir(); err == nil {
		paths = append(paths, p+"/facerec/", p+"/go-build/")
	}
	return paths
}

// quoted writes a path as go reads it from CC: a list of words at blanks, in
// which a word may stand in single or double quotes, with no way to escape one.
// A path with both kinds of quotes and a blank cannot be written; go then says
// which compiler it did not find.
func quoted(path string) string {
	switch {
	case !strings.ContainsAny(path, " \t\n\r'\""):
		return path
	case strings.Contains(path, "'"):
		return `"` + path + `"`
	}
	return "'" + path + "'"
}
