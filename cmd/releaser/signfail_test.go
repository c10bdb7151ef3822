package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facerec/internal/checksum"
	"facerec/internal/loopback"
	"facerec/internal/release"
)

// smallDist is a folder that can be signed: one file and its checksums.
func smallDist(t *testing.T) string {
	t.Helper()
	dist := t.TempDir()
	const sums = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7  a.txt\n"
	for name, text := range map[string]string{"a.txt": "a\n", checksum.File: sums} {
		if err := os.WriteFile(filepath.Join(dist, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dist
}

// left names what lies in a folder beside what smallDist put there.
func left(t *testing.T, dist string) string {
	t.Helper()
	entries, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "a.txt" && e.Name() != checksum.File {
			names = append(names, e.Name())
		}
	}
	return strings.Join(names, " ")
}

// configWith replaces one service in the configuration of a Sigstore.
func (s *signing) configWith(t *testing.T, old, url string) string {
	t.Helper()
	raw, err := os.ReadFile(s.SigningConfig)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(raw, []byte(old), []byte(url), 1)
	if bytes.Equal(raw, changed) {
		t.Fatalf("%s is not in %s", old, raw)
	}
	path := filepath.Join(t.TempDir(), "signing_config.json")
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSignFailsHalfWay breaks one service after the other, once with no bundle
// there and once with one: what was there is there, and nothing else.
func TestSignFailsHalfWay(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	answers := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	const closed = "http://127.0.0.1:1" // no server is given that port
	for name, c := range map[string]struct{ config, want string }{
		"log answers 500":                   {s.configWith(t, s.Rekor, answers(500)), "500"},
		"timestamp authority is down":       {s.configWith(t, s.Timestamper, closed), "connection refused"},
		"certificate authority answers 403": {s.configWith(t, s.Fulcio, answers(403)), "403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait between attempts
			dist := smallDist(t)
			args := []string{"sign", dist, "--signing-config", c.config, "--trusted-root", s.TrustedRoot, "--identity-token", s.tokenFile(t),
				"--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail}
			if out := s.releaser(t, 1, args...); strings.Contains(out, "eyJ") || !strings.Contains(out, c.want) {
				t.Errorf("got %s, want %q and no token", out, c.want)
			}
			if got := left(t, dist); got != "" {
				t.Errorf("left behind: %s", got)
			}
			before := filepath.Join(dist, release.BundleFile)
			if err := os.WriteFile(before, []byte("of before"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.releaser(t, 1, args...)
			if b, err := os.ReadFile(before); err != nil || string(b) != "of before" || left(t, dist) != release.BundleFile {
				t.Errorf("got %q, %v, and %s", b, err, left(t, dist))
			}
		})
	}
}

// TestSignInterrupted ends the run while the log does not answer.
func TestSignInterrupted(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	release := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-release
	}))
	defer hung.Close()
	defer close(release)
	dist := smallDist(t)
	var out bytes.Buffer
	code := run(ctx, []string{"sign", dist, "--signing-config", s.configWith(t, s.Rekor, hung.URL), "--trusted-root", s.TrustedRoot,
		"--identity-token", s.tokenFile(t), "--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail}, nil, &out, &out)
	if code != exitInterrupt || left(t, dist) != "" {
		t.Errorf("exit code %d, left behind: %s\n%s", code, left(t, dist), out.String())
	}
}

// TestExpiredTokenIsToldFirst sends nothing anywhere with a token that has run
// out, wherever it came from.
func TestExpiredTokenIsToldFirst(t *testing.T) {
	var asked atomic.Int32
	services := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked.Add(1) }))
	defer services.Close()
	token := fmt.Sprintf("e30.%s.c2ln", base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(-time.Hour).Unix())))
	runner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"value":%q}`, token) }))
	defer runner.Close()
	service := fmt.Sprintf(`[{"url":%q,"majorApiVersion":1,"validFor":{"start":"2020-01-01T00:00:00Z"},"operator":"o"}]`, services.URL)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config.json": `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","caUrls":` + service + `,"rekorTlogUrls":` + service +
			`,"rekorTlogConfig":{"selector":"ANY"},"tsaUrls":` + service + `,"tsaConfig":{"selector":"ANY"}}`,
		"token": token + "\n", "root.json": emptyRoot,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, env := range map[string]map[string]string{
		"file":        nil,
		"environment": {"SIGSTORE_ID_TOKEN": token},
		"runner":      {"ACTIONS_ID_TOKEN_REQUEST_URL": runner.URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, k := range []string{"SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"} {
				t.Setenv(k, env[k])
			}
			dist := smallDist(t)
			args := []string{"sign", dist, "--signing-config", filepath.Join(dir, "config.json"), "--trusted-root", filepath.Join(dir, "root.json"),
				"--certificate-identity", signerMail, "--certificate-oidc-issuer", "https://issuer.example"}
			if env == nil {
				args = append(args, "--identity-token", filepath.Join(dir, "token"))
			}
			var out bytes.Buffer
			if code := run(t.Context(), args, nil, &out, &out); code != exitFailed || !strings.Contains(out.String(), "ran out at ") || strings.Contains(out.String(), token) {
				t.Errorf("exit code %d: %s", code, out.String())
			}
			if asked.Load() != 0 || left(t, dist) != "" {
				t.Errorf("services were asked %d times; left behind: %s", asked.Load(), left(t, dist))
			}
		})
	}
}

// TestSignAsOnARunner signs with what GitHub Actions hands to a job, and nothing
// else.
func TestSignAsOnARunner(t *testing.T) {
	s := newSigning(t)
	const workflow = "https://github.com/acme/tool/.github/workflows/release.yml@refs/tags/v1.0.0"
	url, secret := s.Runner(workflow)
	t.Setenv("SIGSTORE_ID_TOKEN", "")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", url)
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", secret)
	dist := smallDist(t)
	trust := []string{"--trusted-root", s.TrustedRoot, "--certificate-identity", workflow, "--certificate-oidc-issuer", s.Actions}
	s.releaser(t, 2, append([]string{"sign", dist}, trust...)...)
	out := s.releaser(t, 0, append([]string{"sign", dist, "--signing-config", s.SigningConfig}, trust...)...)
	if !strings.Contains(out, "signed by "+workflow) || strings.Contains(out, secret) || left(t, dist) != release.BundleFile {
		t.Errorf("got %s and %s", out, left(t, dist))
	}
	s.releaser(t, 0, append([]string{"verify-bundle", "--bundle", filepath.Join(dist, release.BundleFile), filepath.Join(dist, checksum.File)}, trust...)...)
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "wrong")
	other := smallDist(t)
	s.releaser(t, 1, append([]string{"sign", other, "--signing-config", s.SigningConfig}, trust...)...)
	if got := left(t, other); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

// TestSignByWhatWasKept fetches root and services through TUF, and then signs and
// verifies without naming either.
func TestSignByWhatWasKept(t *testing.T) {
	s := newSigning(t)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	r, err := loopback.NewTUF(time.Now().Add(24 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for name, path := range map[string]string{"trusted_root.json": s.TrustedRoot, "signing_config.v0.2.json": s.SigningConfig} {
		raw, err := os.ReadFile(path)
		if err == nil {
			err = r.Put(name, raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	anchor, err := r.PublishRoot()
	if err == nil {
		err = r.Publish()
	}
	if err != nil {
		t.Fatal(err)
	}
	s.releaser(t, 0, "trust", "update", "--mirror", r.URL, "--root", s.write(t, "root.json", string(anchor)))
	dist := smallDist(t)
	signer := []string{"--certificate-identity", signerMail, "--certificate-oidc-issuer", s.Mail}
	out := s.releaser(t, 0, append([]string{"sign", dist, "--identity-token", s.tokenFile(t)}, signer...)...)
	if !strings.Contains(out, "trust: root kept from "+r.URL) || !strings.Contains(out, "sign: by the services that "+r.URL+" names") {
		t.Errorf("got %s", out)
	}
	r.Close() // verifying asks nobody
	s.releaser(t, 0, append([]string{"verify-blob", "--bundle", filepath.Join(dist, release.BundleFile), filepath.Join(dist, checksum.File)}, signer...)...)
}
