package oci

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/release"
)

func platform(t testing.TB, s string) release.Platform {
	t.Helper()
	p, err := release.ParsePlatform(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParseRef(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	for _, good := range []string{
		"localhost:5000/a/b:1.0", "127.0.0.1:5000/a", "example.com/a/b@" + digest, "example.com/a:t@" + digest,
		"oci-layout:build/oci", "oci-layout:/abs/oci:1.0-x", "oci-layout:d@" + digest, "docker-archive:x.tar",
		"docker-archive:x.tar:tool:1", "oci-archive:x.tar:1", "oci-layout:d:docker.io/library/x:1", "oci-layout:d:localhost:5000/x:1@" + digest,
	} {
		r, err := ParseRef(good)
		if err != nil {
			t.Errorf("%s: %v", good, err)
		} else if r.String() != good {
			t.Errorf("%s came back as %s", good, r)
		}
	}
	for bad, want := range map[string]string{
		"":                               "names nothing",
		"facerec":                        "names no registry",
		"facerec:1.0":                    "names no registry",
		"library/facerec":                "names no registry",
		"example.com/Upper":              "reference",
		"example.com/a:bad tag":          "is not a tag",
		"example.com/a@sha256:12":        "expected 64 hexadecimal digits",
		"example.com/a@md5:12":           "expected the form sha256:HEX",
		"oci-layout:":                    "names nothing",
		"docker-archive:":                "names nothing",
		"https://example.com/a":          "reference",
		"example.com/a@" + digest + "00": "expected 64",
	} {
		if r, err := ParseRef(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v; want …%s…", bad, r, err, want)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	f.Add("localhost:5000/a/b:1.0")
	f.Add("oci-layout:d:t@sha256:" + strings.Repeat("0", 64))
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		if again, err := ParseRef(r.String()); err != nil || again != r {
			t.Errorf("%q → %q → %v, %v", s, r, again, err)
		}
	})
}

func TestPlainHTTPOnlyWithLoopback(t *testing.T) {
	a := Access{Insecure: []string{"mirror.lan:5000"}}
	for host, want := range map[string]bool{
		"127.0.0.1:5000": true, "localhost": true, "localhost:80": true, "[::1]:5000": true, "127.8.9.1": true,
		"mirror.lan:5000": true, "mirror.lan": false, "192.168.0.1:5000": false, "10.0.0.1": false, "x.local": false, "example.com": false,
	} {
		if got := a.permits(host); got != want {
			t.Errorf("permits(%s) = %v", host, got)
		}
	}
	// The library itself would speak plain HTTP with these.
	for _, host := range []string{"10.255.255.1:5000", "x.local"} {
		g := &guarded{access: Access{home: host, Named: []string{host}}, next: http.DefaultTransport}
		req := httptest.NewRequest(http.MethodGet, "http://"+host+"/v2/", nil)
		resp, err := g.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "--insecure-registry") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestUnreachableRegistry(t *testing.T) {
	const host = "127.0.0.1:1" // nobody listens there, and no server is given that port
	_, err := ReadIndex(context.Background(), mustRef(t, host+"/a:1"), Access{Named: loopback})
	if err == nil || !strings.Contains(err.Error(), "cannot reach registry "+host) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownTagAndPlatform(t *testing.T) {
	host := startRegistry(t)
	pushIndex(t, host+"/a/tool:1", makeIndex(map[string]v1.Image{
		"linux/amd64":     makeImage(t, amd64, []file{reg("app/x", "x")}),
		"unknown/unknown": makeImage(t, v1.Platform{OS: "unknown", Architecture: "unknown"}, []file{reg("att", "x")}),
	}))
	ctx := context.Background()
	if _, err := ReadIndex(ctx, mustRef(t, host+"/a/tool:2"), Access{Named: loopback}); !IsNotFound(err) || !strings.Contains(err.Error(), host+"/a/tool:2") {
		t.Errorf("unknown tag: %v", err)
	}
	ix, err := ReadIndex(ctx, mustRef(t, host+"/a/tool:1"), Access{Named: loopback})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ix.Image(ctx, platform(t, "linux/arm64"))
	if !IsNotFound(err) || !strings.Contains(err.Error(), "linux/arm64") || !strings.Contains(err.Error(), "the image has linux/amd64") || strings.Contains(err.Error(), "unknown/unknown") {
		t.Errorf("missing platform: %v", err)
	}
	images, err := ix.Images(ctx)
	if err != nil || len(images) != 1 {
		t.Errorf("attestation was not passed over: %d, %v", len(images), err)
	}
}

// TestTagIsResolvedOnce moves the tag between the look-up and the layers.
func TestTagIsResolvedOnce(t *testing.T) {
	host := startRegistry(t)
	old := makeIndex(map[string]v1.Image{"linux/amd64": makeImage(t, amd64, []file{dir("app", 0o755), reg("app/x", "old")})})
	pushIndex(t, host+"/tool:1", old)
	ctx := context.Background()
	ix, err := ReadIndex(ctx, mustRef(t, host+"/tool:1"), Access{Named: loopback})
	if err != nil {
		t.Fatal(err)
	}
	pushIndex(t, host+"/tool:1", makeIndex(map[string]v1.Image{"linux/amd64": makeImage(t, amd64, []file{dir("app", 0o755), reg("app/x", "new")})}))
	img, err := ix.Image(ctx, platform(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := readLayers(ctx, img)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(plain); err != nil || !bytes.Contains(got, []byte("old")) {
		t.Errorf("got %q, %v", got, err)
	}
}
