package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// retryTransport makes requests that only read again as long as its RetryPolicy lasts, and
// cuts connections that fall silent. What comes with a body is made once: the
// library that pushes has its own way to repeat that. A last failed answer is
// handed on as it is.
type retryTransport struct {
	retry *RetryPolicy
	next  http.RoundTripper
}

func (p retryTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return p.next.RoundTrip(r)
	}
	t, host := triesOf(r.Context()), r.URL.Host
	for {
		t.all++
		resp, err := p.once(r)
		why, asked := p.passing(host, resp, err)
		if why == "" {
			if err == nil {
				p.retry.succeeded(host)
			}
			return resp, err
		}
		more, stop := p.retry.again(r.Context(), t, host, why, asked)
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

// once makes a request whose answer, and every piece of its body, must come
// before the stall is over.
func (p retryTransport) once(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	stalled := &stallError{p.retry.stall()}
	timer := time.AfterFunc(stalled.after, func() { cancel(stalled) })
	resp, err := p.next.RoundTrip(r.WithContext(ctx))
	timer.Stop()
	if err != nil {
		if errors.Is(context.Cause(ctx), stalled) {
			err = stalled
		}
		cancel(nil)
		return nil, err
	}
	resp.Request = r
	resp.Body = &watched{resp.Body, ctx, cancel, timer, stalled}
	return resp, nil
}

// watched is a body that must not fall silent. Only time that is spent waiting
// for it counts, not what its reader does between.
type watched struct {
	io.ReadCloser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	stalled *stallError
}

func (w *watched) Read(p []byte) (int, error) {
	w.timer.Reset(w.stalled.after)
	n, err := w.ReadCloser.Read(p)
	w.timer.Stop()
	if err != nil && err != io.EOF && errors.Is(context.Cause(w.ctx), w.stalled) {
		err = w.stalled
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	return w.ReadCloser.Close()
}

type stallError struct{ after time.Duration }

func (e *stallError) Error() string { return fmt.Sprintf("no byte for %s", e.after) }

// passing says why a failure may pass, or nothing if it is an answer to go by.
// asked is how long the registry wants to be left alone.
func (p retryTransport) passing(host string, resp *http.Response, err error) (why string, asked time.Duration) {
	if err != nil {
		if p.isCut(host, err) {
			return err.Error(), 0
		}
		return "", 0
	}
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout,
		s >= 500 && s != http.StatusNotImplemented && s != http.StatusHTTPVersionNotSupported:
		return "HTTP " + resp.Status, retryAfter(resp.Header)
	}
	return "", 0
}

// isCut tells a bad network from an answer that will not change: a refused
// certificate, a name that nobody has, our own refusal to go there.
func (p retryTransport) isCut(host string, err error) bool {
	var stalled *stallError
	var op *net.OpError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &stalled), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return true
	case errors.As(err, &op) && op.Op == "dial":
		return p.retry.answered(host) // it was there, and may come back
	case errors.As(err, &timeout) && timeout.Timeout():
		return true
	}
	m := err.Error() // net/http keeps the types of its HTTP/2 errors to itself
	return strings.Contains(m, "http2: ") || strings.Contains(m, "stream error: ")
}
