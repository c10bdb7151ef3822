package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

// maxProblem bounds what is read of an answer that is not used, in bytes.
const maxProblem = 16 << 10

// session is one repository, logged in once. The library does the handshake and the
// tokens; requests are made here, so that one place decides when they are repeated,
// where they may be redirected to and how much is read.
type session struct {
	repo   name.Repository
	access Access
	writes bool // the log-in is for pushing too

	mu     sync.Mutex
	client *http.Client
	guard  *guarded // of the log-in
}

// connect logs in, the first time.
func (s *session) connect(ctx context.Context) (*http.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	scope := transport.PullScope
	if s.writes {
		scope = transport.PushScope
	}
	next := s.access.transport()
	s.guard, _ = next.(*guarded)
	agent := transport.NewUserAgent(retry.Transport{Policy: s.access.Retry, Next: next, Repeatable: repeatable}, s.access.agent())
	rt, err := transport.NewWithContext(ctx, s.repo.Registry, s.credentials(ctx), agent, []string{s.repo.Scope(scope)})
	if err != nil {
		return nil, err
	}
	s.client = &http.Client{Transport: rt, CheckRedirect: s.access.redirect}
	return s.client, nil
}

// url is where the distribution specification puts a kind of thing.
func (s *session) url(kind, id string) *url.URL {
	return &url.URL{Scheme: s.repo.Scheme(), Host: s.repo.RegistryStr(), Path: "/v2/" + s.repo.RepositoryStr() + "/" + kind + "/" + id}
}

// get asks for a URL, counting into t. Any answer that is not among want is an
// error.
func (s *session) get(ctx context.Context, t *retry.Tries, u *url.URL, header http.Header, want ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	return s.do(t, req, want...)
}

// do makes a request, counting into t.
func (s *session) do(t *retry.Tries, req *http.Request, want ...int) (*http.Response, error) {
	login := &retry.Tries{}
	client, err := s.connect(retry.With(req.Context(), login))
	if err != nil {
		return nil, s.loginFailed(login.All.Load(), err)
	}
	resp, err := client.Do(req.WithContext(retry.With(req.Context(), t)))
	if err != nil {
		return nil, &triedError{t.All.Load(), err}
	}
	if err := transport.CheckError(resp, want...); err != nil {
		_ = resp.Body.Close()
		why, asked := retry.Passing(resp)
		return nil, &triedError{t.All.Load(), &answerError{err, why, asked}}
	}
	return resp, nil
}

// loginFailed is what went wrong with a log-in. Of a host that does not speak TLS only
// what it did over plain HTTP matters, where that was tried.
func (s *session) loginFailed(tries int64, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard != nil {
		inVain, plain := s.guard.withoutTLS(s.repo.RegistryStr())
		if inVain > 0 && plain != nil && statusOf(err) == 0 {
			err = plain
		}
		tries -= inVain
	}
	return &triedError{tries, err}
}

// answerError is an answer that was not expected.
type answerError struct {
	error
	why   string        // it may pass, "" if not
	asked time.Duration // the registry wants to be left alone
}

func (e *answerError) Unwrap() error { return e.error }

// document gets something small whole, and its headers. A body that is cut is asked for again.
func (s *session) document(ctx context.Context, u *url.URL, accept string, want ...int) (http.Header, []byte, error) {
	t := &retry.Tries{}
	for {
		resp, err := s.get(ctx, t, u, http.Header{"Accept": {accept}}, want...)
		if err != nil {
			return nil, nil, err
		}
		raw, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
		_ = resp.Body.Close()
		switch {
		case err == nil && len(raw) > maxManifest:
			return nil, nil, fmt.Errorf("more than %d bytes: refused", maxManifest)
		case err == nil:
			s.access.Retry.Delivered(u.Host)
			return resp.Header, raw, nil
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		}
		if more, stop := s.access.Retry.Again(ctx, t, u.Host, err.Error(), 0); stop != nil {
			return nil, nil, stop
		} else if !more {
			return nil, nil, &triedError{t.All.Load(), fmt.Errorf("the answer was cut after %d bytes: %w", len(raw), err)}
		}
	}
}

// triedError says how often something was tried that failed in the end.
type triedError struct {
	tries int64
	err   error
}

func (e *triedError) Error() string {
	if e.tries < 2 {
		return e.err.Error()
	}
	return fmt.Sprintf("%v (tried %d times)", e.err, e.tries)
}

func (e *triedError) Unwrap() error { return e.err }

// redirect decides whether to go where a registry points: registries do so for
// blobs that lie in another storage. Nothing that is sent along says who we are
// (the log-in goes to the registry's own host only), and what comes back is
// believed by its digest alone. Still, nobody outside may send us to plain HTTP
// or have us ask what only this machine can reach.
func (a Access) redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("redirected more than %d times, last to %s", maxRedirects, text.Show(req.URL.Host))
	}
	return a.leads(via[len(via)-1].URL, req.URL, "be redirected")
}

// leads decides whether to go from one URL to another that it names.
func (a Access) leads(from, to *url.URL, what string) error {
	switch {
	case from.Scheme == "https" && to.Scheme != "https":
		return fmt.Errorf("refusing to %s from https://%s to plain HTTP with %s", what, from.Host, text.Show(to.Host))
	case release.Inside(to.Hostname()) && !a.meant(to.Hostname()):
		return text.WithHint(fmt.Errorf("refusing to %s from %s to %s, an address inside this network that was not requested", what, from.Host, text.Show(to.Host)),
			"use --insecure-registry %s if it is meant", text.Show(to.Host))
	}
	return nil
}

// statusOf is the HTTP status of an error, or 0.
func statusOf(err error) int {
	var te *transport.Error
	if errors.As(err, &te) {
		return te.StatusCode
	}
	return 0
}
