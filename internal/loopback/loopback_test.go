package loopback

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needTools builds what a test needs, or skips it where that cannot be done.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if !Built(name) && testing.Short() {
			t.Skipf("%s is not built yet, and building it takes minutes (-short)", name)
		}
		if _, err := Tool(t.Context(), name); err != nil {
			t.Skipf("cannot have the real server: %v", err)
		}
	}
}

func TestRegistry(t *testing.T) {
	needTools(t, "registry")
	r, err := NewRegistry(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	resp, err := http.Get("http://" + r.Addr + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Docker-Distribution-Api-Version") != "registry/2.0" {
		t.Errorf("got %s", resp.Status)
	}
	r.Close()
	if resp, err := http.Get("http://" + r.Addr + "/v2/"); err == nil {
		_ = resp.Body.Close()
		t.Error("it still answers after Close")
	}
}

func TestSigstoreComesUp(t *testing.T) {
	needTools(t, SigstoreTools()...)
	dir := t.TempDir()
	s, err := NewSigstore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for _, path := range []string{s.TrustedRoot, s.SigningConfig} {
		if filepath.Dir(path) != dir {
			t.Errorf("%s is not in %s", path, dir)
		}
		if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "127.0.0.1") {
			t.Errorf("%s: %v\n%s", path, err, b)
		}
	}
}

func TestServerThatDoesNotComeUp(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	never := func(ctx context.Context) error { return answers("http://127.0.0.1:1/")(ctx) }
	_, err = start(t.Context(), t.TempDir(), "broken", never, sh, "-c", "echo one; echo no such file >&2; exit 7")
	if err == nil || !strings.Contains(err.Error(), "broken ended before it answered (exit status 7)") || !strings.Contains(err.Error(), "no such file") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = start(ctx, t.TempDir(), "silent", never, sh, "-c", "exec sleep 60")
	if err == nil || !strings.Contains(err.Error(), "silent does not answer") {
		t.Errorf("got %v", err)
	}
	_, err = start(t.Context(), t.TempDir(), "missing", never, filepath.Join(t.TempDir(), "none"))
	if err == nil || !strings.Contains(err.Error(), "missing: ") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownTool(t *testing.T) {
	if _, err := Tool(t.Context(), "hammer"); err == nil || !strings.Contains(err.Error(), "expected one of registry, fulcio") {
		t.Errorf("got %v", err)
	}
	if Built("hammer") {
		t.Error("an unknown tool is built")
	}
}

func TestIdentities(t *testing.T) {
	i, err := NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	const job = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0.0"
	if i.URL(job) != i.Actions || i.URL("ann@example.com") != i.Mail {
		t.Error("an identity went to the wrong issuer")
	}
	for _, id := range []string{job, "ann@example.com"} {
		if token, err := i.Token(id); err != nil || strings.Count(token, ".") != 2 {
			t.Errorf("%s: got %q, %v", id, token, err)
		}
	}
	for _, id := range []string{"", "ann", "https://github.com/acme/app", "https://gitlab.com/a/b/c@d"} {
		if _, err := i.Token(id); err == nil {
			t.Errorf("%q: a token was made", id)
		}
	}
}
