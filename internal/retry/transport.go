package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxProblem bounds what is read of an answer that is not used, in bytes.
const maxProblem = 16 << 10

// Transport repeats requests as long as its Policy allows, and cuts connections
// that fall silent. The last failed answer is returned as it is.
type Transport struct {
	Policy *Policy
	Next   http.RoundTripper

	// Repeatable reports whether a request does no harm if it is made again after
	// an answer, which is nil if there was none. A request with a body needs
	// GetBody in any case. Nil: GET and HEAD are repeatable.
	Repeatable func(*http.Request, *http.Response) bool

	// Passing is [Passing] unless it is set.
	Passing func(*http.Response) (why string, asked time.Duration)
}

// RoundTrip makes a request. Where the request has GetBody, each try sends a body
// of its own, so that whoever repeats a request above this transport, with another
// token for example, sends the whole body again.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	count, host := triesOf(r.Context()), r.URL.Host
	for {
		count.All.Add(1)
		out, err := fresh(r)
		if err != nil {
			return nil, err
		}
		resp, err := t.once(out)
		why, asked := t.passing(host, resp, err)
		if err == nil && why == "" {
			t.Policy.note(host, func(s *state) { s.answered = true })
		}
		if why == "" || count.Once || !t.repeatable(r, resp) {
			return resp, err
		}
		more, stop := t.Policy.Again(r.Context(), count, host, why, asked)
		if !more && stop == nil {
			return resp, err
		}
		if err == nil {
			_, _ = io.CopyN(io.Discard, resp.Body, maxProblem) // or the connection cannot be used again
			_ = resp.Body.Close()
		}
		if stop != nil {
			return nil, stop
		}
	}
}

// fresh returns the request with a body that nobody has read from.
func fresh(r *http.Request) (*http.Request, error) {
	if r.GetBody == nil || r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	r = r.Clone(r.Context())
	r.Body = body
	return r, nil
}

func (t Transport) repeatable(r *http.Request, resp *http.Response) bool {
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return false
	}
	if t.Repeatable != nil {
		return t.Repeatable(r, resp)
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// once makes a request. Its body must move, and its answer and every piece of that
// must come, before the stall is over.
func (t Transport) once(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	w := &watch{ctx: ctx, cancel: cancel, stalled: &StallError{t.Policy.stall()}}
	w.timer = time.AfterFunc(w.stalled.After, func() { cancel(w.stalled) })
	out := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		out.Body = &sent{r.Body, w}
	}
	resp, err := t.Next.RoundTrip(out)
	w.answer()
	if err != nil {
		err = w.cause(err)
		cancel(nil)
		return nil, err
	}
	resp.Request = r
	resp.Body = &received{resp.Body, w}
	return resp, nil
}

// watch cancels a request that is silent for too long.
type watch struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	stalled *StallError

	mu       sync.Mutex
	timer    *time.Timer
	answered bool
}

// answer ends the wait for an answer, during which the body is sent.
func (w *watch) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = true
	w.timer.Stop()
}

func (w *watch) cause(err error) error {
	if err != nil && err != io.EOF && errors.Is(context.Cause(w.ctx), w.stalled) {
		return w.stalled
	}
	return err
}

// sent is the body of a request.
type sent struct {
	io.ReadCloser
	watch *watch
}

func (s *sent) Read(p []byte) (int, error) {
	s.watch.mu.Lock()
	if !s.watch.answered {
		s.watch.timer.Reset(s.watch.stalled.After)
	}
	s.watch.mu.Unlock()
	return s.ReadCloser.Read(p)
}

// received is the body of an answer. Only time that is spent waiting for it
// counts, not what its reader does between.
type received struct {
	io.ReadCloser
	watch *watch
}

func (b *received) Read(p []byte) (int, error) {
	b.watch.timer.Reset(b.watch.stalled.After)
	n, err := b.ReadCloser.Read(p)
	b.watch.timer.Stop()
	return n, b.watch.cause(err)
}

func (b *received) Close() error {
	b.watch.timer.Stop()
	b.watch.cancel(nil)
	return b.ReadCloser.Close()
}

// StallError is a connection that was silent for too long.
type StallError struct{ After time.Duration }

func (e *StallError) Error() string { return fmt.Sprintf("no byte for %s", e.After) }

// passing returns why a failure may pass, or "" for an answer to go by, and how
// long the host wants to be left alone.
func (t Transport) passing(host string, resp *http.Response, err error) (why string, asked time.Duration) {
	switch {
	case err != nil && t.Policy.IsCut(host, err):
		return err.Error(), 0
	case err != nil:
		return "", 0
	case t.Passing != nil:
		return t.Passing(resp)
	}
	return Passing(resp)
}

// Passing returns why an answer is one that may pass, or "" if it is not, and how
// long the host wants to be left alone.
func Passing(resp *http.Response) (why string, asked time.Duration) {
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout,
		s >= 500 && s != http.StatusNotImplemented && s != http.StatusHTTPVersionNotSupported:
		return "HTTP " + resp.Status, After(resp.Header)
	}
	return "", 0
}

// After reads the header Retry-After: seconds, or a date (RFC 9110, 10.2.3). The
// date is compared with the answer's own Date, so that only the server's clock
// counts. What cannot be read is zero.
func After(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 63); err == nil {
		return time.Duration(min(n, 1<<20)) * time.Second // 12 days; longer makes no difference
	}
	at, err := http.ParseTime(v)
	now, nerr := http.ParseTime(h.Get("Date"))
	if err != nil || nerr != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// IsCut distinguishes a bad network from an answer that will not change: a
// certificate that is not trusted, a name that does not exist, a refusal of our
// own to connect.
func (p *Policy) IsCut(host string, err error) bool {
	var stalled *StallError
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &stalled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return true
	case errors.As(err, &dns) && (dns.IsTemporary || dns.IsTimeout):
		return true
	case dns != nil, errors.As(err, &op) && op.Op == "dial":
		return p.answered(host) // it was there, and may come back
	case errors.As(err, &timeout) && timeout.Timeout():
		return true
	}
	m := err.Error() // net/http keeps the types of its HTTP/2 errors to itself
	return strings.Contains(m, "http2: ") || strings.Contains(m, "stream error: ") || strings.Contains(m, "server closed idle connection")
}
