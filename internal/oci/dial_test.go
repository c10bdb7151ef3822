package oci

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/retry"
	"facerec/internal/text"
)

// The address that a name leads to is checked, and nothing is connected to.
func TestDialPolicy(t *testing.T) {
	var connected atomic.Int32
	l := listenAt(t, "127.0.0.1:0")
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connected.Add(1)
			_ = c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, c := range []struct {
		host    string
		access  Access
		refused bool
	}{
		{"127.0.0.1", Access{}, true},
		{"127.0.0.1", Access{home: "127.0.0.1:1"}, true},
		{"localhost", Access{Named: []string{"registry.example"}}, true},
		{"localhost", Access{Named: []string{"localhost:1"}}, false},
		{"127.0.0.1", Access{Named: []string{"registry.example"}, Insecure: []string{"127.0.0.1:2"}}, false},
	} {
		before := connected.Load()
		ctx := context.WithValue(t.Context(), accessKey{}, c.access)
		conn, err := newTransport().DialContext(ctx, "tcp", net.JoinHostPort(c.host, port))
		if err == nil {
			_, _ = io.ReadAll(conn) // until it was accepted and closed
			_ = conn.Close()
		}
		if c.refused != (err != nil) || c.refused && (connected.Load() != before || !strings.Contains(err.Error(), "inside this network")) {
			t.Errorf("%s with %+v: got %v", c.host, c.access, err)
		}
	}
}

// Every request is checked before a connection is made, that for a token too.
func TestHopsInside(t *testing.T) {
	g := (&Access{home: "registry.example", Named: []string{"registry.example"}}).transport()
	for _, url := range []string{"https://127.1/token", "https://localhost./v2/", "https://[64:ff9b::a00:1]/upload", "https://100.64.0.1/blob"} {
		r := httptest.NewRequest(http.MethodGet, url, nil)
		resp, err := g.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "inside this network") || !strings.Contains(text.Hint(err), "--insecure-registry") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

// plainListener counts connections that do not start with a TLS handshake.
type plainListener struct {
	net.Listener
	plain *atomic.Int32
}

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &firstByte{Conn: c, plain: l.plain}, nil
}

type firstByte struct {
	net.Conn
	plain *atomic.Int32
	read  bool
}

func (c *firstByte) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.read {
		c.read = true
		if p[0] != 0x16 {
			c.plain.Add(1)
		}
	}
	return n, err
}

// A certificate that is not trusted ends it: no retry, no plain HTTP, and the
// hint names the ways to trust it. --ca-file is one.
func TestUntrustedCertificate(t *testing.T) {
	var plain atomic.Int32
	var notices bytes.Buffer
	s := httptest.NewUnstartedServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Listener = plainListener{s.Listener, &plain}
	s.StartTLS()
	t.Cleanup(s.Close)
	ref := mustRef(t, strings.TrimPrefix(s.URL, "https://")+"/tool:1")
	access := Access{Named: loopback, Retry: &retry.Policy{Notice: func(line string) { notices.WriteString(line) }}}
	_, err := ReadIndex(t.Context(), ref, access)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("got %v", err)
	}
	for _, way := range []string{"SSL_CERT_FILE", "--ca-file", "/etc/docker/certs.d"} {
		if !strings.Contains(text.Hint(err), way) {
			t.Errorf("%s is missing in the hint %q", way, text.Hint(err))
		}
	}
	if plain.Load() != 0 || notices.Len() != 0 {
		t.Errorf("%d connections in plain HTTP, notices %q", plain.Load(), notices.String())
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadIndex(t.Context(), ref, Access{Named: loopback, CAFile: ca}); !IsNotFound(err) {
		t.Errorf("with --ca-file: got %v, expected an image that is not found", err)
	}
}

// Every failure of TLS is final, at once, and plain HTTP is not tried after it.
func TestTLSFailures(t *testing.T) {
	for _, c := range []struct {
		name, host string
		config     *tls.Config
		said       string
		hint       bool // the certificate is what is wrong
	}{
		{"another name", "localhost", nil, "certificate is valid for", true},
		{"an old version", "127.0.0.1", &tls.Config{MaxVersion: tls.VersionTLS11}, "protocol version", false},                                                     //nolint:gosec // that is the point
		{"a certificate of the client is expected", "127.0.0.1", &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, "tls: ", false}, //nolint:gosec // that is the point
	} {
		t.Run(c.name, func(t *testing.T) {
			var plain, notices atomic.Int32
			s := httptest.NewUnstartedServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.Listener = plainListener{s.Listener, &plain}
			s.TLS = c.config
			s.StartTLS()
			t.Cleanup(s.Close)
			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			ref := mustRef(t, strings.Replace(strings.TrimPrefix(s.URL, "https://"), "127.0.0.1", c.host, 1)+"/tool:1")
			access := Access{CAFile: ca, Retry: &retry.Policy{Notice: func(string) { notices.Add(1) }}}
			_, err := ReadIndex(t.Context(), ref, access.Naming(ref))
			if err == nil || !strings.Contains(err.Error(), c.said) || strings.Contains(err.Error(), "tries") {
				t.Errorf("got %v", err)
			}
			if hint := text.Hint(err); c.hint != strings.Contains(hint, "--ca-file") {
				t.Errorf("got the hint %q", hint)
			}
			if plain.Load() != 0 || notices.Load() != 0 {
				t.Errorf("%d connections in plain HTTP, %d notices", plain.Load(), notices.Load())
			}
		})
	}
}

// A file server's Content-Type for any file contradicts no manifest.
func TestGenericContentType(t *testing.T) {
	raw := []byte(`{"schemaVersion": 2, "manifests": []}`)
	for _, told := range []string{"", "application/octet-stream", "text/plain; charset=utf-8", "application/json"} {
		if got, err := manifestType(raw, told, "x"); err != nil || got != mediaIndex {
			t.Errorf("%q: got %s, %v", told, got, err)
		}
	}
	if _, err := manifestType(raw, mediaManifest, "x"); err == nil {
		t.Error("the media type of an image is accepted for an index")
	}
}

// A credential helper that is not installed does not stop an anonymous read.
func TestMissingCredentialHelper(t *testing.T) {
	host := startRegistry(t)
	pushIndex(t, host+"/tool:1", makeIndex(map[string]v1.Image{"linux/amd64": makeImage(t, amd64, []file{reg("x", "1")})}))
	for _, key := range []string{`{"credsStore": "missing"}`, `{"credHelpers": {"` + host + `": "missing"}}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("DOCKER_CONFIG", dir)
		var notice string
		_, err := ReadIndex(t.Context(), mustRef(t, host+"/tool:1"), Access{Retry: &retry.Policy{Notice: func(line string) { notice = line }}}.Naming(mustRef(t, host+"/tool:1")))
		if err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if !strings.Contains(notice, filepath.Join(dir, "config.json")) || !strings.Contains(notice, strings.Trim(strings.SplitN(key, ":", 2)[0], `{"`)) {
			t.Errorf("%s: got the notice %q", key, notice)
		}
	}
}

// Of a registry that does not speak TLS, what it does over plain HTTP is said, and the
// request that found out about TLS is not counted.
func TestPlainHTTPFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		said   string
		tries  string
	}{
		"redirected to itself": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, "redirected more than 10 times, last to 127.0.0.1:", ""},
		"closes":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", ", in 3 tries"},
		"fails":                {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "answered HTTP 500", ", in 3 tries"},
	} {
		s := httptest.NewServer(c.answer)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		ref := mustRef(t, strings.TrimPrefix(s.URL, "http://")+"/tool:1")
		policy := hasty()
		policy.Tries = 3
		_, err := ReadIndex(t.Context(), ref, Access{Retry: policy, Connections: &Connections{}}.Naming(ref))
		s.Close()
		if err == nil || !strings.Contains(err.Error(), c.said) || strings.Contains(err.Error(), "tls") || !strings.HasSuffix(err.Error(), c.tries) || c.tries == "" && strings.Contains(err.Error(), "tries") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
