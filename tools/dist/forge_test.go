package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"facerec/internal/loopback"
	"facerec/internal/release"
)

// TestForgeServesPackages uploads the packages to a Gitea, which reads them and makes
// the index that apt, dnf or apk would install from: what it found is what we meant.
func TestForgeServesPackages(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && !loopback.Built("gitea") && time.Until(deadline) < time.Hour {
		t.Skip("Gitea is not built yet, which takes longer than this test may: run 'make gitea'")
	}
	server, err := loopback.NewGitea(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	at := server.URL + "/api/packages/" + server.User
	noted, err := os.ReadFile("../../internal/packages/testdata/apk-installed.txt")
	if err != nil {
		t.Fatal(err)
	}
	// What apk-tools notes of a package begins with its entry in the repository's index.
	entry, _, _ := strings.Cut(string(noted), "F:")
	for _, c := range []struct {
		format        release.PackageFormat
		upload, index string
		has           func(file []byte) []string
	}{
		{release.Deb, "/debian/pool/stable/main/upload", "/debian/dists/stable/main/binary-amd64/Packages", func(file []byte) []string {
			return []string{"Package: tool\nVersion: 1.0.0\n", "\nArchitecture: amd64\n", "\nDepends: sh, cat\n", fmt.Sprintf("\nSize: %d\n", len(file)), "\nSHA256: " + release.DigestBytes(file).Hex() + "\n"}
		}},
		{release.RPM, "/rpm/upload", "/rpm/repodata/primary.xml.gz", func(file []byte) []string {
			return []string{"<name>tool</name>", "<arch>x86_64</arch>", `<version epoch="0" ver="1.0.0" rel="1">`, `<checksum type="sha256" pkgid="YES">` + release.DigestBytes(file).Hex() + "<", fmt.Sprintf(`<size package="%d" installed="180045"`, len(file)), `name="sh"`, ">/usr/bin/tool<"}
		}},
		{release.APK, "/alpine/edge/main", "/alpine/edge/main/x86_64/APKINDEX.tar.gz", func([]byte) []string {
			return strings.Split(strings.TrimSpace(entry), "\n")
		}},
	} {
		file := aPackage(t, c.format)
		if err := put(t.Context(), server.Token, at+c.upload, file); err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		index, err := get(t.Context(), at+c.index)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		for _, want := range c.has(file) {
			if !strings.Contains(index, want) {
				t.Errorf("%s: expected %q in\n%s", c.format, want, index)
			}
		}
	}
}

func put(ctx context.Context, token, url string, file []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(file))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "token "+token)
	return done(req, nil)
}

// get downloads a text, and unpacks it.
func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	var got bytes.Buffer
	if err := done(req, &got); err != nil || !strings.HasSuffix(url, ".gz") {
		return got.String(), err
	}
	z, err := gzip.NewReader(&got)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(z)
	return string(text), err
}

func done(req *http.Request, out io.Writer) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL, resp.Status, body)
	}
	if out != nil {
		_, err = out.Write(body)
	}
	return err
}
