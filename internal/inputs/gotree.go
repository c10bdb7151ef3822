package inputs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// goHosts are the platforms on which facerec is compiled.
var goHosts = []string{"linux/amd64", "linux/arm64"}

// goTree is a hash over the files of a Go installation that decide a build's bytes:
// the go command, the compiler and its tools, their headers, the standard library.
// It is that of SHA-256 lines "HASH  PATH", sorted by path. Left out is what
// installations of one version differ in: the defaults in go.env, the documents and
// tests. Module files count under the name that they have in golang.org/toolchain.
func goTree(root, platform string) (string, error) {
	tools := strings.ReplaceAll(platform, "/", "_")
	var lines []string
	for _, top := range []string{"VERSION", "bin/go", "pkg/include", "pkg/tool/" + tools, "src"} {
		err := filepath.WalkDir(filepath.Join(root, filepath.FromSlash(top)), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			hash, _, err := hashFile(path)
			if err != nil {
				return err
			}
			name := filepath.ToSlash(rel)
			if before, ok := strings.CutSuffix(name, "/go.mod"); ok {
				name = before + "/_go.mod"
			}
			lines = append(lines, name+"  "+hash+"\n")
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, line := range lines {
		_, _ = h.Write([]byte(line))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// goToolchain has the go command fetch Go itself as a module, which it holds to the
// checksum database, and hashes it.
func goToolchain(ctx context.Context, root, version, platform string) (GoFiles, error) {
	module := "golang.org/toolchain@v0.0.1-" + version + "." + strings.ReplaceAll(platform, "/", "-")
	cmd := exec.CommandContext(ctx, goCommand(), "mod", "download", "-json", module)
	cmd.Dir = root
	out, err := output(cmd)
	if err != nil {
		return GoFiles{}, err
	}
	var m struct{ Sum, Dir, Zip string }
	if err := json.Unmarshal(out, &m); err != nil {
		return GoFiles{}, fmt.Errorf("go mod download %s: %w", module, err)
	}
	g := GoFiles{Platform: platform, Sum: m.Sum}
	g.SHA256, err = goTree(m.Dir, platform)
	return g, err
}

// checkGo compares this machine's Go with the pinned files.
func checkGo(ctx context.Context, l *Lock, good, wrong, open func(format string, args ...any)) error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	i := slices.IndexFunc(l.GoFiles, func(g GoFiles) bool { return g.Platform == platform })
	if i < 0 {
		open("go: its files are not pinned for %s", platform)
		return nil
	}
	out, err := output(exec.CommandContext(ctx, goCommand(), "env", "GOROOT"))
	if err != nil {
		return err
	}
	root := strings.TrimSpace(string(out))
	got, err := goTree(root, platform)
	if err != nil {
		return err
	}
	if want := l.GoFiles[i].SHA256; got != want {
		wrong("go: the files in %s: pinned sha256 %s, got %s; they are not those of golang.org/toolchain", root, want, got)
		return nil
	}
	good("go: the files in %s are those of golang.org/toolchain, %s", root, l.GoFiles[i].Sum)
	return nil
}
