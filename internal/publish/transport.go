package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"facerec/internal/text"
)

// Retry says how often and how patiently requests are repeated. A zero field
// means its default.
type Retry struct {
	Tries   int           // requests in a row that bring nothing new; default 6
	Stall   time.Duration // silence that counts as a cut connection; default 30 s
	First   time.Duration // the first wait, then doubled; default 500 ms
	Longest time.Duration // bounds every wait, default 1 min; a page that asks for more is given up on

	// Notice, if not nil, gets one line for each repeated request.
	Notice func(line string)
}

func (r Retry) tries() int {
	if r.Tries > 0 {
		return r.Tries
	}
	return 6
}

func (r Retry) stall() time.Duration {
	if r.Stall > 0 {
		return r.Stall
	}
	return 30 * time.Second
}

func (r Retry) longest() time.Duration {
	if r.Longest > 0 {
		return r.Longest
	}
	return time.Minute
}

// again waits before try number failures+1. It reports false when the tries are
// used up or the host wants more time than there is.
func (r Retry) again(ctx context.Context, failures int, host, why string, asked time.Duration) bool {
	if failures >= r.tries() || asked > r.longest() {
		return false
	}
	wait := r.First
	if wait <= 0 {
		wait = 500 * time.Millisecond
	}
	for range failures - 1 {
		wait = min(2*wait, r.longest())
	}
	wait = wait/2 + rand.N(wait) //nolint:gosec // spreads requests, guards nothing
	wait = min(max(wait, asked+wait/10), r.longest())
	if r.Notice != nil {
		r.Notice(fmt.Sprintf("%s: %s; try %d of %d after %s", host, text.Line(why, 200), failures+1, r.tries(), wait.Round(10*time.Millisecond)))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// TemporaryError is a failure that may pass.
type TemporaryError struct {
	Err   error
	after time.Duration // that the host asked for
}

func (e *TemporaryError) Error() string { return e.Err.Error() }

// Unwrap returns what failed.
func (e *TemporaryError) Unwrap() error { return e.Err }

// retrying repeats requests that change nothing if they are made twice. An
// upload is made once, unless the host refused it for the moment and its body
// can be fetched again.
type retrying struct {
	retry Retry
	next  http.RoundTripper
}

func (t retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	for failures := 1; ; failures++ {
		resp, err := t.once(r)
		why, asked := passing(resp, err)
		if why == "" || !repeatable(r, resp) || !t.retry.again(r.Context(), failures, r.URL.Host, why, asked) {
			return resp, err
		}
		if err == nil {
			_, _ = io.CopyN(io.Discard, resp.Body, maxProblem) // or the connection cannot be used again
			_ = resp.Body.Close()
		}
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.Body = body
		}
	}
}

// maxProblem bounds what is read of a page's error message, in bytes.
const maxProblem = 16 << 10

// repeatable reports whether a request can be made again after a failure.
func repeatable(r *http.Request, resp *http.Response) bool {
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodDelete:
		return true
	}
	return resp != nil && resp.StatusCode < 500 // refused, so not done
}

// once makes a request that must not fall silent.
func (t retrying) once(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stalled := &stallError{t.retry.stall()}
	timer := time.AfterFunc(stalled.after, func() { cancel(stalled) })
	out := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		out.Body = &watched{r.Body, ctx, func() { timer.Reset(stalled.after) }, stalled}
	}
	resp, err := t.next.RoundTrip(out)
	timer.Stop()
	if err != nil {
		if errors.Is(context.Cause(ctx), stalled) {
			err = stalled
		}
		cancel(nil)
		return nil, err
	}
	resp.Request = r
	resp.Body = &answer{watched{resp.Body, ctx, func() { timer.Reset(stalled.after) }, stalled}, timer, cancel}
	return resp, nil
}

// watched restarts the clock whenever a byte moves.
type watched struct {
	io.ReadCloser
	ctx     context.Context
	moved   func()
	stalled *stallError
}

func (w *watched) Read(p []byte) (int, error) {
	w.moved()
	n, err := w.ReadCloser.Read(p)
	if err != nil && err != io.EOF && errors.Is(context.Cause(w.ctx), w.stalled) {
		err = w.stalled
	}
	return n, err
}

type answer struct {
	watched
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.watched.Read(p)
	a.timer.Stop() // what its reader does meanwhile takes as long as it takes
	return n, err
}

func (a *answer) Close() error {
	a.timer.Stop()
	a.cancel(nil)
	return a.ReadCloser.Close()
}

type stallError struct{ after time.Duration }

func (e *stallError) Error() string { return fmt.Sprintf("no byte for %s", e.after) }

// passing returns why a failure may pass, or "" for an answer to go by, and how
// long the host wants to be left alone.
func passing(resp *http.Response, err error) (why string, asked time.Duration) {
	if err != nil {
		if isCut(err) {
			return err.Error(), 0
		}
		return "", 0
	}
	return passingAnswer(resp)
}

// passingAnswer is passing for an answer. GitHub signals its rate limits with
// 403 or 429: the primary one by X-Ratelimit-Remaining and the time at which it
// ends, the secondary one by Retry-After or by its message alone
// (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
func passingAnswer(resp *http.Response) (string, time.Duration) {
	after := retryAfter(resp.Header)
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests, s == http.StatusForbidden:
		if reset := rateReset(resp.Header); reset > 0 {
			return "rate limit reached, HTTP " + resp.Status, reset
		}
		if s == http.StatusTooManyRequests || after > 0 || secondary(resp) {
			return "rate limit reached, HTTP " + resp.Status, after
		}
	case s == http.StatusRequestTimeout, s >= 500 && s != http.StatusNotImplemented && s != http.StatusHTTPVersionNotSupported:
		return "HTTP " + resp.Status, after
	}
	return "", 0
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

// retryAfter reads the header Retry-After: seconds, or a date (RFC 9110, 10.2.3)
// relative to the answer's own Date, so that only the server's clock counts.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 63); err == nil {
		return time.Duration(min(n, 1<<20)) * time.Second
	}
	at, err := http.ParseTime(v)
	now, nerr := http.ParseTime(h.Get("Date"))
	if err != nil || nerr != nil {
		return 0
	}
	return max(0, at.Sub(now))
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

// isCut tells a bad network from an answer that will not change.
func isCut(err error) bool {
	var stalled *stallError
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &stalled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return true
	case errors.As(err, &dns):
		return dns.IsTemporary || dns.IsTimeout
	case errors.As(err, &op) && op.Op == "dial":
		return false // rather a wrong name than a bad network
	case errors.As(err, &timeout) && timeout.Timeout():
		return true
	}
	m := err.Error() // net/http keeps the types of its HTTP/2 errors to itself
	return strings.Contains(m, "http2: ") || strings.Contains(m, "stream error: ") || strings.Contains(m, "server closed idle connection")
}

func (o Options) plainHTTP(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return name == "localhost" || err == nil && ip.IsLoopback() || slices.Contains(o.Insecure, host) || slices.Contains(o.Insecure, name)
}

// client makes requests to a page and to where it redirects.
func (o Options) client(page *url.URL) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 0 // retrying does that, and for uploads too
	return &http.Client{
		Transport:     agent{o.UserAgent, retrying{o.Retry, t}},
		CheckRedirect: o.redirect(page),
	}
}

type agent struct {
	name string
	next http.RoundTripper
}

func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", a.name)
	return a.next.RoundTrip(r)
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
		case inside(to.Hostname()) && !inside(page.Hostname()) && !slices.Contains(o.Insecure, to.Host):
			return fmt.Errorf("refused to be redirected from %s to %s, an address inside this network", from.Host, text.Show(to.Host))
		}
		return nil
	}
}

// inside reports whether a host, by its address, is this machine or its network.
func inside(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.WithZone("").Unmap()
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsUnspecified()
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
