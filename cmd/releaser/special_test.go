//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOnlyRegularFiles puts what is not a regular file, and one that is far too
// large, into each place where a verb expects a file. No verb waits for a pipe,
// reads a device, or succeeds.
func TestOnlyRegularFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", "zero"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("directory", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("sparse", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate("sparse", 3<<30); err != nil {
		t.Fatal(err)
	}
	config := `{"project_name": "tool", "build_cmd": "true", "artifacts": [{"src": "x", "dest": "/app/x"}], "version": "1.0.0"}`
	for name, content := range map[string]string{"config.json": config, "x": "x", "d/checksums.txt": "", "d/release.json": "{}"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if code := run(context.Background(), []string{"-q", "keygen", "k"}, nil, &bytes.Buffer{}, &bytes.Buffer{}); code != 0 {
		t.Fatal("keygen", code)
	}
	for _, place := range []string{
		"pack --config FILE", "build --config FILE", "matrix --config FILE",
		"verify-blob --bundle FILE --key k.pub x", "verify-blob --bundle x --key FILE x",
		"verify-blob --bundle x --trusted-root FILE --certificate-identity a@b --certificate-oidc-issuer https://c x",
		"verify d --key FILE", "verify d --key k.pub --trusted-root FILE",
		"verify d --checksums FILE --key k.pub --unsafe-no-transparency-log",
		"sign d --key FILE", "sign d --key k.key --signing-config FILE", "sign d --identity-token FILE --signing-config x",
		"rebuild d --key FILE", "rebuild d --config FILE --key k.pub", "rebuild FILE --key k.pub",
		"check docker-archive:FILE", "ls oci-archive:FILE", "trust show --trusted-root FILE",
	} {
		for _, kind := range []string{"pipe", "zero", "directory", "sparse"} {
			args := strings.Fields(strings.ReplaceAll(place, "FILE", kind))
			if got, _, _ := within(t, args...); got == 0 {
				t.Errorf("%s: expected a failure, got exit code 0", strings.Join(args, " "))
			}
		}
	}
	for _, file := range []string{"checksums.txt", "checksums.txt.sigstore.json", "release.json"} {
		for _, kind := range []string{"pipe", "zero", "directory", "sparse"} {
			path := filepath.Join("d", file)
			old, err := os.ReadFile(path)
			_ = os.Remove(path)
			if err := os.Symlink(filepath.Join("..", kind), path); err != nil {
				t.Fatal(err)
			}
			for _, verb := range []string{"verify d --key k.pub --unsafe-no-transparency-log", "sign d --key k.key", "publish d --page dir:page"} {
				if got, _, _ := within(t, strings.Fields(verb)...); got == 0 && !(file != "checksums.txt" && strings.HasPrefix(verb, "sign")) {
					t.Errorf("%s with a %s as %s: expected a failure, got exit code 0", verb, kind, file)
				}
			}
			_ = os.Remove(path)
			if err == nil {
				if err := os.WriteFile(path, old, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	// The files in which the runner of GitHub Actions collects what a step says.
	t.Setenv("GITHUB_ACTIONS", "true")
	for _, c := range []struct{ variable, verb string }{
		{"GITHUB_OUTPUT", "matrix --github"},
		{"GITHUB_STEP_SUMMARY", "verify d --key k.pub --unsafe-no-transparency-log"},
	} {
		for _, kind := range []string{"pipe", "zero", "directory"} {
			t.Setenv(c.variable, kind)
			if got, _, errs := within(t, strings.Fields(c.verb)...); got == 0 || !strings.Contains(errs, c.variable) {
				t.Errorf("%s=%s: expected a failure that names it, got exit code %d\n%s", c.variable, kind, got, errs)
			}
		}
	}
}
