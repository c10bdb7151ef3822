package oci

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"facerec/internal/loopback/hostile"
	"facerec/internal/retry"
)

// login makes a Docker configuration with credentials for registries, and returns
// the header that carries them.
func login(t *testing.T, registries ...string) string {
	t.Helper()
	secret := base64.StdEncoding.EncodeToString([]byte("me:secret"))
	var auths []string
	for _, r := range registries {
		auths = append(auths, fmt.Sprintf(`%q: {"auth": %q}`, r, secret))
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	config := `{"auths": {` + strings.Join(auths, ", ") + `}}`
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return "Basic " + secret
}

// tokens gives out a token, and notes what it was shown.
type tokens struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newTokens(t *testing.T) *tokens {
	t.Helper()
	s := &tokens{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body := ""
		if r.Method == http.MethodPost {
			body = " " + r.FormValue("refresh_token")
		}
		s.seen = append(s.seen, r.Header.Get("Authorization")+body)
		fmt.Fprint(w, `{"token": "good"}`)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestCredentialsStayHome records which host sees credentials.
func TestCredentialsStayHome(t *testing.T) {
	newRegistry := func(t *testing.T) (*pushing, string) {
		p := newPushing(t)
		if _, err := Push(t.Context(), p.layout, p.to, TransferOptions{Access: Access{}.Naming(p.to)}); err != nil {
			t.Fatal(err)
		}
		p.ClearFaults()
		return p, strings.SplitN(p.to.Name, "/", 2)[0]
	}
	back := func(t *testing.T, p *pushing, access Access) error {
		access.Retry = hasty()
		_, err := pull1(t, p.to, filepath.Join(t.TempDir(), "layout"), TransferOptions{Access: access})
		return err
	}
	all := func(p *hostile.Registry) (sent []string) {
		for _, r := range p.RequestsOf("", "") {
			sent = append(sent, r.Authorization)
		}
		return sent
	}

	t.Run("who named the registry", func(t *testing.T) {
		for _, c := range []struct {
			name   string
			access func(host string) Access
			sent   bool
		}{
			{"the caller", func(host string) Access { return Access{Named: []string{host}} }, true},
			{"the caller, by --insecure-registry", func(host string) Access { return Access{Insecure: []string{host}} }, true},
			{"a release whose signature holds", func(string) Access { return Access{Trusted: true, Named: loopback} }, true},
			{"a release that nobody signed", func(string) Access { return Access{Named: loopback} }, false}, // the machine is named, the registry is not
		} {
			p, host := newRegistry(t)
			header := login(t, host)
			p.User, p.Password = "me", "secret"
			err := back(t, p, c.access(host))
			if c.sent != (err == nil) {
				t.Errorf("%s: %v", c.name, err)
			}
			for _, a := range all(p.Registry) {
				if a != "" && (!c.sent || a != header) {
					t.Errorf("%s: sent %q", c.name, a)
				}
			}
		}
	})
	t.Run("redirect", func(t *testing.T) {
		p, host := newRegistry(t)
		login(t, host)
		p.User, p.Password = "me", "secret"
		storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s %s came with %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
			}
			w.WriteHeader(http.StatusNotFound)
		}))
		t.Cleanup(storage.Close)
		p.Spoil(blobOf(t, p), 0, hostile.Redirect(storage.URL))
		if err := back(t, p, Access{Named: []string{host}}); !IsNotFound(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("upload to another host", func(t *testing.T) {
		p, host := newRegistry(t)
		login(t, host)
		p.User, p.Password = "me", "secret"
		asked := 0
		storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s came with %q", r.Method, r.Header.Get("Authorization"))
			}
			w.WriteHeader(http.StatusBadRequest)
		}))
		t.Cleanup(storage.Close)
		p.to = Ref{Name: p.to.Name + "-new"}
		p.SpoilMethod("HEAD", "", 0, false, hostile.Status(404))
		p.SpoilMethod("POST", "", 0, false, hostile.Status(202, "Location", storage.URL+"/x"))
		_, err := Push(t.Context(), p.layout, p.to, TransferOptions{Jobs: 1, Access: Access{Retry: hasty()}.Naming(p.to)})
		if err == nil || asked == 0 {
			t.Errorf("got %v, %d requests", err, asked)
		}
	})
	t.Run("token server", func(t *testing.T) {
		for _, c := range []struct {
			name     string
			identity bool // a refresh token instead of a password
			access   func(registry, server string) Access
			sent     string // to the token server
			said     string
		}{
			{"elsewhere", false, func(r, s string) Access { return Access{Named: []string{r}} }, "", "credentials for 127.0.0.1"},
			{"elsewhere, named as a registry", false, func(r, s string) Access { return Access{Named: []string{r, s}} }, "", "use --token-server localhost:"},
			{"elsewhere, named as a token server", false, func(r, s string) Access { return Access{Named: []string{r}, TokenServers: []string{s}} }, "Basic", ""},
			{"elsewhere, with a refresh token", true, func(r, s string) Access { return Access{Named: []string{r}} }, "none", ""},
			{"elsewhere, named, with a refresh token", true, func(r, s string) Access { return Access{Named: []string{r}, TokenServers: []string{s}} }, " refresh", ""},
		} {
			p, host := newRegistry(t)
			login(t, host)
			if c.identity {
				config := fmt.Sprintf(`{"auths": {%q: {"identitytoken": "refresh"}}}`, host)
				if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			server := newTokens(t)
			elsewhere := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
			p.Spoil("/v2/", 0, hostile.Status(401, "WWW-Authenticate", `Bearer realm="`+elsewhere+`/token",service="x"`))
			access := c.access(host, strings.TrimPrefix(elsewhere, "http://"))
			said := ""
			access.Retry = &retry.Policy{Notice: func(line string) { said += line }}
			_, err := ReadIndex(t.Context(), p.to.WithTag("1"), access)
			if c.sent == "none" {
				if err == nil || !strings.Contains(err.Error(), "are not sent to localhost") || len(server.seen) > 0 {
					t.Errorf("%s: got %v, the token server saw %q", c.name, err, server.seen)
				}
				continue
			}
			if err != nil || len(server.seen) == 0 || !strings.Contains(said, c.said) || (said == "") != (c.said == "") {
				t.Errorf("%s: got %v, said %q", c.name, err, said)
			}
			for _, seen := range server.seen {
				if c.sent == "" && seen != "" || !strings.HasPrefix(seen, c.sent) {
					t.Errorf("%s: the token server saw %q", c.name, seen)
				}
			}
			for _, a := range all(p.Registry) {
				if a != "" && a != "Bearer good" {
					t.Errorf("%s: the registry saw %q", c.name, a)
				}
			}
		}
	})
}

// TestTokenServerOfTheDomain is what Docker Hub does: the tokens come from another
// host of the same domain, over TLS.
func TestTokenServerOfTheDomain(t *testing.T) {
	nameServer(t)
	var mu sync.Mutex
	seen := map[string][]string{} // by host
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		host := strings.SplitN(r.Host, ":", 2)[0]
		seen[host] = append(seen[host], r.Header.Get("Authorization"))
		_, port, _ := strings.Cut(r.Host, ":")
		switch {
		case r.URL.Path == "/token":
			fmt.Fprint(w, `{"token": "good"}`)
		case r.Header.Get("Authorization") != "Bearer good":
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.example.com:`+port+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "https://"), ":")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	registry := "index.example.com:" + port
	header := login(t, registry)
	access := Access{CAFile: ca, Named: []string{registry, "auth.example.com"}, Retry: hasty()} // both are on this machine here
	if _, err := ReadIndex(t.Context(), mustRef(t, registry+"/tool:1"), access); !IsNotFound(err) {
		t.Fatal(err)
	}
	if got := strings.Join(seen["auth.example.com"], ","); got != header {
		t.Errorf("the token server saw %q", got)
	}
	for _, a := range seen["index.example.com"] {
		if a != "" && a != "Bearer good" {
			t.Errorf("the registry saw %q", a)
		}
	}
}

func TestRelated(t *testing.T) {
	for _, c := range []struct {
		registry, host string
		related        bool
	}{
		{"index.docker.io", "auth.docker.io", true},
		{"registry.gitlab.com", "gitlab.com", true},
		{"registry.corp.example:5000", "tokens.corp.example", true},
		{"REGISTRY.corp.example", "tokens.CORP.example:443", true},
		{"10.0.0.1:5000", "10.0.0.1:5001", true},
		{"registry:5000", "registry:5001", true},
		{"index.docker.io", "docker.io.evil.example", false},
		{"index.docker.io", "auth.docker.com", false},
		{"mine.github.io", "theirs.github.io", false}, // a public suffix
		{"a.co.uk", "b.co.uk", false},
		{"10.0.0.1:5000", "10.0.0.2:5000", false},
		{"registry:5000", "tokens:5000", false},
		{"1.2.3.4", "5.6.3.4", false},
		{"com", "com", true},
		{"index.docker.io", "", false},
	} {
		if got := (Access{home: c.registry}).related(c.host); got != c.related {
			t.Errorf("%s and %s: got %t", c.registry, c.host, got)
		}
	}
}
