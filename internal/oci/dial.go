package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/dial"
	"facerec/internal/release"
	"facerec/internal/text"
)

// certsDir is where Docker looks for the certificate authorities of a registry,
// in a directory per HOST[:PORT].
const certsDir = "/etc/docker/certs.d"

// maxCertificates bounds a file of certificates, in bytes.
const maxCertificates = 4 << 20

// guarded refuses plain HTTP with hosts that Access does not permit and
// addresses inside this network that the caller did not name, whatever a
// library's defaults, a token server or a redirect say.
type guarded struct {
	access Access
	next   http.RoundTripper

	mu    sync.Mutex
	tls   map[string]*tlsAttempt // by host
	plain map[string]error       // of the last failure of plain HTTP, by the host it began at
}

// maxRedirects is how often one request is led elsewhere.
const maxRedirects = 10

// begun gives the host that a request began at, before it was redirected, and how often
// it was.
func begun(r *http.Request) (host string, redirects int) {
	for r.Response != nil && r.Response.Request != nil {
		r = r.Response.Request
		redirects++
	}
	return r.URL.Host, redirects
}

// withoutTLS gives how many requests found out that a host does not speak TLS, and what
// went wrong with it over plain HTTP.
func (g *guarded) withoutTLS(host string) (requests int64, plain error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a := g.tls[host]; a != nil {
		select {
		case <-a.done:
			if !a.answered {
				requests = 1
			}
		default:
		}
	}
	return requests, g.plain[host]
}

// tlsAttempt is the first HTTPS request to a host.
type tlsAttempt struct {
	done     chan struct{}
	answered bool // in TLS, well or not
}

func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	a, host := g.access, r.URL.Host
	if release.Inside(r.URL.Hostname()) && !a.meant(r.URL.Hostname()) {
		return nil, inside(r.URL.Hostname(), "")
	}
	r, err := g.withhold(r)
	if err != nil {
		return nil, err
	}
	r = r.WithContext(context.WithValue(r.Context(), accessKey{}, a))
	if r.URL.Scheme == "https" {
		return g.overTLS(r)
	}
	if !a.permits(host) {
		return nil, fmt.Errorf("refusing plain HTTP with %s: use --insecure-registry %s if you trust the network between", host, host)
	}
	g.mu.Lock()
	attempt := g.tls[host]
	g.mu.Unlock()
	if attempt != nil {
		select {
		case <-attempt.done:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		if attempt.answered {
			return nil, fmt.Errorf("refusing plain HTTP with %s, which answers in TLS", host)
		}
	}
	first, redirects := begun(r)
	resp, err := g.next.RoundTrip(r)
	if err == nil && redirects == maxRedirects-1 && resp.StatusCode/100 == 3 {
		_ = resp.Body.Close()
		resp, err = nil, fmt.Errorf("redirected more than %d times, last to %s", maxRedirects, text.Show(host))
	}
	if err != nil {
		g.mu.Lock()
		if g.plain == nil {
			g.plain = map[string]error{}
		}
		g.plain[first] = err
		g.mu.Unlock()
	}
	return resp, err
}

func (g *guarded) overTLS(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	attempt := g.tls[r.URL.Host]
	first := attempt == nil
	if first {
		attempt = &tlsAttempt{done: make(chan struct{})}
		if g.tls == nil {
			g.tls = map[string]*tlsAttempt{}
		}
		g.tls[r.URL.Host] = attempt
	}
	g.mu.Unlock()
	resp, err := g.next.RoundTrip(r)
	if first {
		attempt.answered = err == nil || tlsAnswer(err)
		close(attempt.done)
	}
	return resp, err
}

// tlsAnswer reports whether an error is that of a host that speaks TLS: its
// certificate is not accepted, it sent an alert, or the two have no version or
// cipher in common.
func tlsAnswer(err error) bool {
	var plain tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &plain): // not TLS at all
		return false
	case badCertificate(err), errors.As(err, &alert):
		return true
	}
	return err != nil && strings.Contains(err.Error(), "tls: ") // most errors of the package have no type
}

// badCertificate reports whether an error is about the certificate of a host.
func badCertificate(err error) bool {
	var certificate *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &certificate) || errors.As(err, &unknown) || errors.As(err, &hostname) || errors.As(err, &invalid)
}

// transport returns how requests are made.
func (a Access) transport() http.RoundTripper {
	next := a.Transport
	if next == nil {
		way, err := a.way()
		if err != nil {
			return failing{err}
		}
		next = way
	}
	return &guarded{access: a, next: next}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// Connections keeps the connections and the log-ins of a whole run. The zero value
// is ready for use.
type Connections struct {
	// Clock measures how fast a big blob comes over one connection. Without it each
	// blob comes over one, however slow.
	Clock func() time.Time

	pieces pieces

	mu         sync.Mutex
	transports map[string]*transports
	sessions   map[string]*session // that only read, by repository
}

// maxSessions is how many log-ins are kept; after that they are made anew.
const maxSessions = 1000

// session returns the log-in that is like s, which is s the first time.
func (c *Connections) session(s *session) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := s.access.key() + s.repo.Name()
	if known := c.sessions[key]; known != nil && known.access.Retry == s.access.Retry && known.access.Cache == s.access.Cache && known.access.UserAgent == s.access.UserAgent {
		return known
	}
	if c.sessions == nil || len(c.sessions) >= maxSessions {
		c.sessions = map[string]*session{}
	}
	c.sessions[key] = s
	return s
}

// key is the same for accesses that reach and trust the same.
func (a Access) key() string {
	return fmt.Sprintf("%q", append([]string{a.home, a.CAFile, fmt.Sprint(a.Trusted)}, slices.Concat(a.Named, a.Insecure, a.TokenServers)...))
}

// transports are the two ways to a registry, for a whole run: over HTTP/2 all requests
// share one connection, and those that are alone have one each.
type transports struct{ shared, alone *http.Transport }

// aloneKey marks the context of a request that needs a connection of its own.
type aloneKey struct{}

func (t *transports) RoundTrip(r *http.Request) (*http.Response, error) {
	if alone, _ := r.Context().Value(aloneKey{}).(bool); alone {
		return t.alone.RoundTrip(r)
	}
	return t.shared.RoundTrip(r)
}

// way returns the transports for a registry, two for the whole run.
func (a Access) way() (http.RoundTripper, error) {
	c := a.Connections
	if c == nil {
		c = &Connections{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := a.key()
	if t := c.transports[key]; t != nil {
		return t, nil
	}
	roots, err := a.roots()
	if err != nil {
		return nil, err
	}
	t := &transports{newTransport(), newTransport()}
	t.alone.ForceAttemptHTTP2, t.alone.Protocols = false, new(http.Protocols)
	t.alone.Protocols.SetHTTP1(true)
	t.alone.MaxIdleConnsPerHost = maxAhead
	if roots != nil {
		for _, one := range []*http.Transport{t.shared, t.alone} {
			one.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		}
	}
	if c.transports == nil {
		c.transports = map[string]*transports{}
	}
	c.transports[key] = t
	return t, nil
}

// roots returns the system's certificate authorities with those that the caller
// and Docker's directory for the registry add, or nil if they add none.
func (a Access) roots() (*x509.CertPool, error) {
	var paths []string
	if a.CAFile != "" {
		paths = append(paths, a.CAFile)
	}
	if a.home != "" {
		docker, _ := filepath.Glob(filepath.Join(certsDir, a.home, "*.crt")) // no pattern of ours is malformed
		paths = append(paths, docker...)
	}
	if len(paths) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, path := range paths {
		pem, err := atomicfile.ReadFile(path, maxCertificates)
		if err != nil {
			return nil, fmt.Errorf("certificate authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authorities: %s has no certificate in PEM form", path)
		}
	}
	return pool, nil
}

type accessKey struct{}

// newTransport connects to addresses inside this network only if the caller named
// the host, whatever name leads there.
func newTransport() *http.Transport {
	return dial.Transport(func(ctx context.Context, host, ip string) error {
		if a, _ := ctx.Value(accessKey{}).(Access); release.Inside(ip) && !a.meant(host) {
			return inside(host, ip)
		}
		return nil
	})
}

// inside is a refusal to connect to this machine or its network.
func inside(host, ip string) error {
	return &dial.InsideError{Host: host, IP: ip, Advice: fmt.Sprintf("name the registry on the command line or in RELEASER_REGISTRY, or use --insecure-registry %s, if it is meant", text.Show(host))}
}

// meant reports whether a host, given without its port, may be inside this network:
// the caller named it, or it is this machine and the caller named that in any way.
func (a Access) meant(host string) bool {
	for _, named := range slices.Concat(a.Named, a.Insecure, a.TokenServers) {
		named = dial.Hostname(named)
		if strings.EqualFold(named, host) || release.Loopback(named) && release.Loopback(host) {
			return true
		}
	}
	return false
}
