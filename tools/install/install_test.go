// Package install tests install.sh, which the composite action and other CIs
// use to get releaser.
package install

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// tarball holds a program that says what it was asked.
func tarball(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	const program = "#!/bin/sh\necho this is version $1\n"
	if err := w.WriteHeader(&tar.Header{Name: "releaser-1.2.3/releaser", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(program)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestInstall(t *testing.T) {
	for _, program := range []string{"bash", "curl", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the test has assets for amd64 and arm64")
	}
	raw := tarball(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/p/releases/download/v1.2.3/releaser_1.2.3_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(raw)
	}))
	defer page.Close()
	sum := sha256.Sum256(raw)
	good := hex.EncodeToString(sum[:])
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"as pinned", []string{page.URL + "/p", "1.2.3", good}, 0, "this is version version"},
		{"with a v", []string{page.URL + "/p", "v1.2.3", good}, 0, "this is version version"},
		{"another digest", []string{page.URL + "/p", "1.2.3", strings.Repeat("0", 64)}, 3, "expected sha256"},
		{"no digest", []string{page.URL + "/p", "1.2.3", ""}, 3, "expected sha256"},
		{"no such version", []string{page.URL + "/p", "9.9.9", good}, 22, "404"},
		{"too few arguments", []string{page.URL}, 2, "usage"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "bin")
			if len(c.args) == 3 {
				c.args = append(c.args, dir)
			}
			cmd := exec.Command("bash", append([]string{"install.sh"}, c.args...)...)
			out, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(string(out), c.want) {
				t.Errorf("want exit code %d and %q, got %d: %s", c.code, c.want, got, out)
			}
			if _, err := os.Stat(filepath.Join(dir, "releaser")); (err == nil) != (c.code == 0) {
				t.Errorf("releaser in place: %v", err)
			}
		})
	}
}
