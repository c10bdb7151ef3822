package retry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// host answers each request with the next of its steps, the last one for ever.
func host(t *testing.T, steps ...http.HandlerFunc) (url string, seen func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		all = append(all, r.Method+" "+string(body))
		n := len(all)
		mu.Unlock()
		steps[min(n, len(steps))-1](w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "said")
	}
}

func cut(_ http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }

func mute(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestTransport(t *testing.T) {
	all := func(*http.Request, *http.Response) bool { return true }
	for _, c := range []struct {
		name       string
		method     string
		body       io.Reader
		repeatable func(*http.Request, *http.Response) bool
		policy     *Policy
		steps      []http.HandlerFunc
		requests   int
		status     int // 0 for an error
	}{
		{"nothing wrong", "GET", nil, nil, nil, []http.HandlerFunc{status(200)}, 1, 200},
		{"503, then good", "GET", nil, nil, nil, []http.HandlerFunc{status(503), status(200)}, 2, 200},
		{"429 for long", "GET", nil, nil, nil, []http.HandlerFunc{status(429, "Retry-After", "100000"), status(200)}, 2, 200},
		{"429 for longer than is waited", "GET", nil, nil, &Policy{Obey: true}, []http.HandlerFunc{status(429, "Retry-After", "100000"), status(200)}, 1, 429},
		{"cut, then good", "HEAD", nil, nil, nil, []http.HandlerFunc{cut, status(200)}, 2, 200},
		{"silent, then good", "GET", nil, nil, &Policy{Stall: 200 * time.Millisecond, Tries: 100}, []http.HandlerFunc{mute, status(200)}, 2, 200},
		{"503 without end", "GET", nil, nil, &Policy{Tries: 3}, []http.HandlerFunc{status(503)}, 3, 503},
		{"404", "GET", nil, nil, nil, []http.HandlerFunc{status(404)}, 1, 404},
		{"501", "GET", nil, nil, nil, []http.HandlerFunc{status(501)}, 1, 501},
		{"a POST, cut", "POST", strings.NewReader("body"), nil, nil, []http.HandlerFunc{cut, status(200)}, 1, 0},
		{"a POST that may be repeated", "POST", strings.NewReader("body"), all, nil, []http.HandlerFunc{status(503), cut, status(201)}, 3, 201},
		{"a body that cannot be sent again", "POST", io.MultiReader(strings.NewReader("body")), all, nil, []http.HandlerFunc{status(503)}, 1, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, seen := host(t, c.steps...)
			p := c.policy
			if p == nil {
				p = &Policy{}
			}
			p.First, p.Longest = time.Millisecond, 5*time.Millisecond
			req, err := http.NewRequestWithContext(t.Context(), c.method, url, c.body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := Transport{Policy: p, Next: http.DefaultTransport, Repeatable: c.repeatable}.RoundTrip(req)
			got := 0
			if err == nil {
				got = resp.StatusCode
				said, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if c.method != "HEAD" && string(said) != "said" {
					t.Errorf("the body of the last answer: %q", said)
				}
			}
			// Where this machine is slow, an honest answer may count as silence too.
			if n := len(seen()); got != c.status || n < c.requests || n > c.requests && p.Stall == 0 {
				t.Errorf("got %d after %d requests (%v), expected %d after %d", got, len(seen()), err, c.status, c.requests)
			}
			for _, s := range seen() {
				if c.body != nil && s != c.method+" body" {
					t.Errorf("sent %q", s)
				}
			}
		})
	}
}

// A request that was sent once can be sent again by who made it, body and all.
func TestBodyIsFresh(t *testing.T) {
	url, seen := host(t, status(401), status(201))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, url, strings.NewReader("all of it"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		resp, err := Transport{Next: http.DefaultTransport}.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if got := strings.Join(seen(), ", "); got != "PATCH all of it, PATCH all of it" {
		t.Errorf("sent %q", got)
	}
}

// Who asks for something once gets the answer that there is, at once.
func TestOnce(t *testing.T) {
	url, seen := host(t, status(503), status(200))
	count := &Tries{Once: true}
	req, err := http.NewRequestWithContext(With(t.Context(), count), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Transport{Policy: &Policy{First: time.Hour}, Next: http.DefaultTransport}.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || len(seen()) != 1 || count.All.Load() != 1 || count.Failures.Load() != 0 {
		t.Errorf("got %d after %d requests, %d failures; expected 503 after 1 request", resp.StatusCode, len(seen()), count.Failures.Load())
	}
}

// Requests that count together may be made at the same time, as a registry's first ones
// are; go test -race sees whether the counting is safe.
func TestTogether(t *testing.T) {
	url, seen := host(t, status(200))
	count := &Tries{}
	ctx := With(t.Context(), count)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := Transport{Next: http.DefaultTransport}.RoundTrip(req)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	all.Wait()
	if n := count.All.Load(); n != 8 || len(seen()) != 8 {
		t.Errorf("counted %d requests of %d, expected 8", n, len(seen()))
	}
}

// A host that was given up on gets one try, until something arrives from it.
func TestGivenUp(t *testing.T) {
	url, seen := host(t, status(503))
	name := strings.TrimPrefix(url, "http://")
	p := &Policy{Tries: 3, First: time.Microsecond, Longest: time.Microsecond}
	for i, expected := range []int{3, 1, 3} {
		if i == 2 {
			p.Delivered(name)
		}
		before := len(seen())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := Transport{Policy: p, Next: http.DefaultTransport}.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := len(seen()) - before; got != expected {
			t.Errorf("time %d: %d requests, expected %d", i+1, got, expected)
		}
	}
}

func TestIsCut(t *testing.T) {
	p := &Policy{}
	p.note("known", func(s *state) { s.answered = true })
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	unknown := &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
	for _, c := range []struct {
		name string
		host string
		err  error
		cut  bool
	}{
		{"the end", "", io.ErrUnexpectedEOF, true},
		{"silence", "", &StallError{time.Second}, true},
		{"refused by a host that never answered", "new", refused, false},
		{"refused by a host that did", "known", refused, true},
		{"a name that does not exist", "new", unknown, false},
		{"a name server that fails for the moment", "new", &net.DNSError{IsTemporary: true}, true},
		{"our own end", "known", context.Canceled, false},
		{"HTTP/2", "", errors.New("stream error: stream ID 1; INTERNAL_ERROR"), true},
		{"anything else", "known", errors.New("certificate signed by unknown authority"), false},
	} {
		if got := p.IsCut(c.host, c.err); got != c.cut {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}
