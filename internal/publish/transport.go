package publish

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"facerec/internal/dial"
	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

// TemporaryError is a failure that may pass.
type TemporaryError struct {
	Err   error
	after time.Duration // that the host asked for
}

func (e *TemporaryError) Error() string { return e.Err.Error() }

// Unwrap returns what failed.
func (e *TemporaryError) Unwrap() error { return e.Err }

// maxProblem bounds what is read of a page's error message, in bytes.
const maxProblem = 16 << 10

// repeatable reports whether a request can be made again after a failure. An
// upload is made once, unless the host refused it for the moment.
func repeatable(r *http.Request, resp *http.Response) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodDelete:
		return true
	}
	return resp != nil && resp.StatusCode < 500 // refused, so not done
}

// passing is [retry.Passing] for forges. GitHub signals its rate limits with 403 or
// 429: the primary one by X-Ratelimit-Remaining and the time at which it ends, the
// secondary one by Retry-After or by its message alone
// (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
func passing(resp *http.Response) (why string, asked time.Duration) {
	after := retry.After(resp.Header)
	if s := resp.StatusCode; s == http.StatusTooManyRequests || s == http.StatusForbidden {
		if reset := rateReset(resp.Header); reset > 0 {
			return "rate limit reached, HTTP " + resp.Status, reset
		}
		if s == http.StatusTooManyRequests || after > 0 || secondary(resp) {
			return "rate limit reached, HTTP " + resp.Status, after
		}
	}
	return retry.Passing(resp)
}

// secondary looks for GitHub's secondary rate limit in a message and leaves the
// message to be read again.
func secondary(resp *http.Response) bool {
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
	return err == nil && strings.Contains(string(head), "secondary rate limit")
}

// rateReset is how long GitHub's primary rate limit still lasts, by the server's
// own clock.
func rateReset(h http.Header) time.Duration {
	if h.Get("X-Ratelimit-Remaining") != "0" {
		return 0
	}
	reset, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64)
	now, nerr := http.ParseTime(h.Get("Date"))
	if err != nil || nerr != nil {
		return 0
	}
	return max(time.Second, time.Unix(reset, 0).Sub(now))
}

func (o Options) plainHTTP(host string) bool {
	return release.Loopback(dial.Hostname(host)) || o.named(host)
}

// named reports whether the caller named a host, HOST or HOST:PORT, as one that may be
// spoken to over plain HTTP.
func (o Options) named(host string) bool {
	return slices.ContainsFunc(o.Insecure, func(named string) bool {
		return strings.EqualFold(named, host) || strings.EqualFold(named, dial.Hostname(host))
	})
}

// connect decides which addresses may be connected to: one inside this network only
// if the page is there too, or if the caller named the host.
func (o Options) connect(page *url.URL) func(ctx context.Context, host, ip string) error {
	var inside atomic.Bool // where the page is
	return func(_ context.Context, host, ip string) error {
		switch {
		case !release.Inside(ip):
		case strings.EqualFold(host, page.Hostname()):
			inside.Store(true)
		case !inside.Load() && !slices.ContainsFunc(o.Insecure, func(named string) bool { return strings.EqualFold(dial.Hostname(named), host) }):
			return &dial.InsideError{Host: host, IP: ip, Advice: fmt.Sprintf("use --insecure-registry %s if it is meant", text.Show(host))}
		}
		return nil
	}
}

// client makes requests to a page and to where it redirects.
func (o Options) client(page *url.URL) *http.Client {
	t := dial.Transport(o.connect(page))
	return &http.Client{
		Transport:     agent{o, retry.Transport{Policy: o.Retry, Next: t, Repeatable: repeatable, Passing: passing}},
		CheckRedirect: o.redirect(page),
	}
}

type agent struct {
	o    Options
	next http.RoundTripper
}

func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", a.o.UserAgent)
	resp, err := a.next.RoundTrip(r)
	if err == nil && resp.StatusCode < 400 {
		a.o.Retry.Delivered(r.URL.Host)
	}
	return resp, clockHint(err)
}

// clockHint adds advice to the error of a certificate that is not valid now: now is
// what this machine's clock says.
func clockHint(err error) error {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return text.WithHint(err, "check this machine's clock; if it is right, the host has to renew its certificate")
	}
	return err
}

// redirect decides where a page may send us: pages do so for assets that are in
// another storage. net/http leaves out the token on another host. Nobody outside
// may send us to plain HTTP or to what only this machine can reach.
func (o Options) redirect(page *url.URL) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		from, to := via[len(via)-1].URL, req.URL
		switch {
		case len(via) >= 10:
			return fmt.Errorf("redirected more than 10 times, last to %s", text.Show(to.Host))
		case to.Scheme != "https" && from.Scheme == "https", to.Scheme != "https" && !o.plainHTTP(to.Host):
			return fmt.Errorf("refused to be redirected from %s to plain HTTP on %s", from.Host, text.Show(to.Host))
		case release.Inside(to.Hostname()) && !release.Inside(page.Hostname()) && !o.named(to.Host):
			return fmt.Errorf("refused to be redirected from %s to %s, an address inside this network", from.Host, text.Show(to.Host))
		}
		return nil
	}
}

// get makes a GET request and returns an answer that is among want.
func get(ctx context.Context, c *http.Client, u string, header http.Header, want ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(want, resp.StatusCode) {
		_ = resp.Body.Close()
		return nil, &StatusError{URL: u, Status: resp.StatusCode}
	}
	return resp, nil
}

// StatusError is an HTTP answer that was not expected.
type StatusError struct {
	URL    string
	Status int
	Detail string // what the page said, one line
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s: HTTP %d %s", text.Show(e.URL), e.Status, http.StatusText(e.Status))
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Hint names what is usually wrong.
func (e *StatusError) Hint() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "the token is wrong or has expired: set RELEASER_TOKEN, GITHUB_TOKEN or GITEA_TOKEN, or give --token-file"
	case http.StatusForbidden:
		return "the token needs the right to write releases of this repository"
	case http.StatusNotFound:
		return "check the page's address; a private page needs a token that may read it"
	case http.StatusTooManyRequests:
		return "the page limits requests: run again later, publish goes on where it stopped"
	}
	return ""
}

func statusOf(err error) int {
	var e *StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
