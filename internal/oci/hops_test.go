package oci

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"facerec/internal/loopback/hostile"
	"facerec/internal/release"
)

// nameServer answers for every name: with 127.0.0.1, or with a NAT64 address of
// 10.0.0.1 where the name says so. It is the name server of the process until the
// test ends.
func nameServer(t *testing.T) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = old
		_ = c.Close()
	})
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			nat64 := strings.Contains(q.Name.String(), "nat64")
			m.Response, m.Authoritative, m.Additionals = true, true, nil
			h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
			switch {
			case q.Type == dnsmessage.TypeA && !nat64:
				m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
			case q.Type == dnsmessage.TypeAAAA && nat64:
				m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: [16]byte{0, 0x64, 0xff, 0x9b, 12: 10, 15: 1}}}}
			}
			if raw, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(raw, from)
			}
		}
	}()
}

// counting accepts connections and closes them.
func counting(t *testing.T) (port string, connected *atomic.Int32) {
	t.Helper()
	connected = new(atomic.Int32)
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
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, connected
}

// TestEveryHop has a registry that the caller named lead to this machine or its
// network, at each request that it can lead away from, by each kind of name.
func TestEveryHop(t *testing.T) {
	nameServer(t)
	port, connected := counting(t)
	read := func(ctx context.Context, to, _ Ref, o TransferOptions) error {
		_, err := Pull(ctx, []PullJob{{to.WithTag("1"), "1"}}, filepath.Join(t.TempDir(), "layout"), o)
		return err
	}
	write := func(ctx context.Context, to, layout Ref, o TransferOptions) error {
		_, err := Push(ctx, layout, to, o)
		return err
	}
	away := func(target string) hostile.Spoiler {
		return func(w http.ResponseWriter, r *http.Request, _ hostile.Answer) {
			http.Redirect(w, r, target+r.URL.Path, http.StatusTemporaryRedirect)
		}
	}
	location := func(status int) func(string) hostile.Spoiler {
		return func(target string) hostile.Spoiler {
			return hostile.Status(status, "Location", target+"/upload?state=1")
		}
	}
	realm := func(target string) hostile.Spoiler {
		return hostile.Status(http.StatusUnauthorized, "WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test"`, target))
	}
	for _, hop := range []struct {
		name, method, suffix string
		lead                 func(target string) hostile.Spoiler
		do                   func(ctx context.Context, to, layout Ref, o TransferOptions) error
	}{
		{"ping", "GET", "/v2/", away, read},
		{"token server", "GET", "/v2/", realm, read},
		{"redirected tag", "GET", "/manifests/1", away, read},
		{"redirected blob", "GET", "", away, read},
		{"redirected list of referrers", "GET", "", away, read},
		{"token server of a push", "GET", "/v2/", realm, write},
		{"redirected look for a blob", "HEAD", "", away, write},
		{"redirected start of an upload", "POST", "", away, write},
		{"location of an upload", "POST", "", location(http.StatusAccepted), write},
		{"redirected upload", "PATCH", "", away, write},
		{"location of an upload's end", "PATCH", "", location(http.StatusAccepted), write},
		{"redirected end of an upload", "PUT", "", away, write},
		{"redirected manifest", "PUT", "/manifests/1", away, write},
	} {
		t.Run(hop.name, func(t *testing.T) {
			for _, target := range []string{
				"https://storage.example:" + port, // in the name server alone
				"https://nat64.example:" + port,
				"https://127.0.0.1:" + port, "https://127.1:" + port, "https://0x7f000001:" + port, "https://2130706433:" + port, "https://0177.0.0.1:" + port,
				"https://localhost:" + port, "https://localhost.:" + port, "https://a.localhost:" + port,
				"https://[::1]:" + port, "https://[::ffff:127.0.0.1]:" + port, "https://[64:ff9b::7f00:1]:" + port, "https://[64:ff9b::10.0.0.1]:" + port,
				"https://100.64.0.1:" + port, "https://169.254.169.254", "https://10.1.2.3", "https://192.168.1.1", "https://[fe80::1]", "https://[fd00::1]",
				"http://127.0.0.1:" + port, "http://localhost:" + port,
			} {
				p := newPushing(t)
				_, registryPort, _ := strings.Cut(strings.SplitN(p.to.Name, "/", 2)[0], ":")
				host := "registry.example:" + registryPort
				access := Access{Insecure: []string{host}, Retry: hasty()}
				p.to = mustRef(t, host+"/tool")
				if fmt.Sprintf("%p", hop.do) == fmt.Sprintf("%p", read) {
					if _, err := Push(t.Context(), p.layout, p.to, TransferOptions{Access: access}); err != nil {
						t.Fatal(err)
					}
				}
				p.ClearFaults()
				suffix := hop.suffix
				switch hop.name {
				case "redirected blob":
					suffix = blobOf(t, p)
				case "redirected list of referrers":
					suffix = "/referrers/" + topOf(t, p)
				}
				p.SpoilMethod(hop.method, suffix, 0, false, hop.lead(target))
				err := hop.do(t.Context(), p.to, p.layout, TransferOptions{Jobs: 1, Access: access})
				if err == nil || !strings.Contains(err.Error(), "inside this network") && !strings.Contains(err.Error(), "private or link-local") {
					t.Errorf("to %s: got %v", target, err)
				}
				if len(p.RequestsOf(hop.method, suffix)) == 0 {
					t.Errorf("to %s: the registry was not asked at all", target)
				}
			}
		})
	}
	if n := connected.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// topOf and blobOf are digests of the layout's image.
func topOf(t *testing.T, p *pushing) string {
	t.Helper()
	src, err := openLayout(p.layout.WithTag("1"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := src.Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest.String()
}

func blobOf(t *testing.T, p *pushing) string {
	t.Helper()
	ix, err := ReadIndex(t.Context(), p.layout.WithTag("1"), Access{})
	if err != nil {
		t.Fatal(err)
	}
	img, err := ix.Image(t.Context(), platform(t, "linux/amd64"))
	if err != nil {
		t.Fatal(err)
	}
	return img.Layers[0].Digest.String()
}

// TestWhoNamedIt opens a registry inside this network that a release names, and that
// the caller names in some way or not. Who signed the release makes no difference.
func TestWhoNamedIt(t *testing.T) {
	nameServer(t)
	p := newPushing(t)
	host := strings.SplitN(p.to.Name, "/", 2)[0]
	_, port, _ := strings.Cut(host, ":")
	if _, err := Push(t.Context(), p.layout, p.to, TransferOptions{Access: Access{}.Naming(p.to)}); err != nil {
		t.Fatal(err)
	}
	const loopback, alone = true, false
	registries := []struct {
		host    string
		machine bool // a name of this machine that stands for all others
	}{
		{"127.0.0.1:" + port, loopback},
		{"localhost:" + port, loopback},
		{"127.1:" + port, alone}, // only as it is written
		{"registry.example:" + port, alone},
		{"10.1.2.3:" + port, alone},
		{"169.254.1.2:" + port, alone},
		{"[fd00::1]:" + port, alone},
	}
	if at, ok := forwardedFrom6(t, host); ok {
		registries = append(registries, registries[0])
		registries[len(registries)-1].host = at
	}
	for _, r := range registries {
		bare, _, _ := net.SplitHostPort(r.host)
		for _, way := range []struct {
			name    string
			access  Access
			allowed bool
		}{
			{"nobody", Access{}, false},
			{"a public registry", Access{Named: []string{"ghcr.io"}}, false},
			{"another private address", Access{Named: []string{"10.1.2.4", "192.168.1.1:" + port}}, false},
			{"the same", Access{Named: []string{r.host}}, true},
			{"the same host at another port", Access{Named: []string{net.JoinHostPort(bare, "1")}}, true},
			{"the same, by --insecure-registry", Access{Insecure: []string{r.host}}, true},
			{"the same, by --token-server", Access{TokenServers: []string{r.host}}, true},
			{"127.0.0.1", Access{Named: []string{"127.0.0.1"}}, r.machine},
			{"localhost", Access{Named: []string{"localhost:1"}}, r.machine},
			{"[::1]", Access{Named: []string{"[::1]:1"}}, r.machine},
			{"127.0.0.1, by --insecure-registry", Access{Insecure: []string{"127.0.0.1:1"}}, r.machine},
		} {
			for _, signed := range []bool{false, true} {
				p.ClearFaults()
				access := way.access
				access.Trusted, access.Retry, access.Connections = signed, hasty(), &Connections{}
				if way.allowed && release.Inside(bare) && !r.machine { // no such address leads here
					access.Transport = insteadOf{host}
				}
				_, err := ReadIndex(t.Context(), mustRef(t, r.host+"/tool:1"), access)
				if r.host == "registry.example:"+port && way.allowed && len(access.Insecure) == 0 {
					if err == nil || strings.Contains(err.Error(), "inside this network") {
						t.Errorf("%s, named by %s (signed: %v): got %v, expected to be let in, and no plain HTTP", r.host, way.name, signed, err)
					}
					continue
				}
				if way.allowed != (err == nil) || err != nil && !strings.Contains(err.Error(), "inside this network that was not requested") {
					t.Errorf("%s, named by %s (signed: %v): got %v", r.host, way.name, signed, err)
				}
				if asked := len(p.RequestsOf("", "")); way.allowed != (asked > 0) {
					t.Errorf("%s, named by %s (signed: %v): %d requests", r.host, way.name, signed, asked)
				}
			}
		}
	}
}

// insteadOf sends every request to a host.
type insteadOf struct{ host string }

func (i insteadOf) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", i.host
	return http.DefaultTransport.RoundTrip(r)
}

// forwardedFrom6 has a port of [::1] lead to a host, if this machine has that address.
func forwardedFrom6(t *testing.T, host string) (at string, ok bool) {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Logf("not tried at [::1]: %v", err)
		return "", false
	}
	s := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: host})
	}}}
	go s.Serve(l) // it ends with the test
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String(), true
}

// A run that shares its connections does not share who named what.
func TestConnectionsAreNotShared(t *testing.T) {
	nameServer(t)
	p := newPushing(t)
	_, port, _ := strings.Cut(strings.SplitN(p.to.Name, "/", 2)[0], ":")
	shared := &Connections{}
	ref := mustRef(t, "registry.example:"+port+"/tool:1")
	insecure := []string{"registry.example:" + port}
	if _, err := ReadIndex(t.Context(), ref, Access{Insecure: insecure, Connections: shared}); !IsNotFound(err) {
		t.Fatal(err)
	}
	if _, err := ReadIndex(t.Context(), ref, Access{Connections: shared}); err == nil || !strings.Contains(err.Error(), "inside this network") {
		t.Errorf("got %v", err)
	}
}
