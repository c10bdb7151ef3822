// Package hostile stands in front of an honest registry and spoils its answers,
// as bad networks, broken proxies and people do.
//
// It is equipment for tests: they say with faults what goes wrong, for which
// paths and how often, and ask afterwards which requests came. What no fault is
// for, goes to the honest registry and back untouched.
package hostile

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// Registry is an http.Handler in front of another.
type Registry struct {
	// Ranges has it answer "Range: bytes=N-" and "bytes=N-M" with 206, as most registries do and
	// go-containerregistry's does not. Set it before the first request.
	Ranges bool
	// User and Password, if set, are asked for (HTTP Basic).
	User, Password string

	honest http.Handler

	mu       sync.Mutex
	faults   []*fault
	requests []Request
}

// Request is one that came.
type Request struct {
	Method, Path  string
	Range         string // the header, "" if there was none
	Authorization string // likewise
}

// Answer is what the honest registry said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// A Spoiler answers a GET in its own way.
type Spoiler func(w http.ResponseWriter, r *http.Request, honest Answer)

type fault struct {
	method, suffix string
	left           int  // negative: for ever
	done           bool // the honest registry does what is requested, only its answer is spoiled
	spoil          Spoiler
}

// New puts a registry in front of an honest one.
func New(honest http.Handler) *Registry { return &Registry{honest: honest} }

// Spoil has the answers to GETs of paths that end in suffix spoiled, as many
// times as given, or for ever with 0. Of several faults that fit, the first that
// is not used up counts.
func (s *Registry) Spoil(suffix string, times int, with Spoiler) {
	s.SpoilMethod(http.MethodGet, suffix, times, true, with)
}

// SpoilMethod is Spoil for any method. Without done the honest registry never
// sees the request, and the spoiler gets an empty answer.
func (s *Registry) SpoilMethod(method, suffix string, times int, done bool, with Spoiler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if times == 0 {
		times = -1
	}
	s.faults = append(s.faults, &fault{method, suffix, times, done, with})
}

// ClearFaults removes all faults and forgets what was requested.
func (s *Registry) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.requests = nil, nil
}

// Requests gives the GETs so far of paths that end in suffix.
func (s *Registry) Requests(suffix string) []Request { return s.RequestsOf(http.MethodGet, suffix) }

// RequestsOf is Requests for any method; "" is all of them.
func (s *Registry) RequestsOf(method, suffix string) []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Request
	for _, r := range s.requests {
		if (r.Method == method || method == "") && strings.HasSuffix(r.Path, suffix) {
			out = append(out, r)
		}
	}
	return out
}

func (s *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := s.note(r)
	if s.User != "" && !s.known(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		http.Error(w, "log in", http.StatusUnauthorized)
		return
	}
	ranged := s.Ranges && r.Header.Get("Range") != "" && strings.Contains(r.URL.Path, "/blobs/")
	if fault == nil && !ranged {
		s.honest.ServeHTTP(w, r)
		return
	}
	a := Answer{Status: http.StatusOK, Header: http.Header{}}
	if fault == nil || fault.done {
		a = s.ask(r, ranged)
	}
	if fault == nil {
		a.Send(w)
		return
	}
	fault.spoil(w, r, a)
}

func (s *Registry) note(r *http.Request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.Header.Get("Range"), r.Header.Get("Authorization")})
	for _, f := range s.faults {
		if f.left != 0 && f.method == r.Method && strings.HasSuffix(r.URL.Path, f.suffix) {
			f.left--
			return f
		}
	}
	return nil
}

func (s *Registry) known(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	return subtle.ConstantTimeCompare([]byte(user+"\x00"+password), []byte(s.User+"\x00"+s.Password)) == 1
}

// ask gives what the honest registry says, cut down to the range.
func (s *Registry) ask(r *http.Request, ranged bool) Answer {
	plain := r.Clone(r.Context())
	if ranged {
		plain.Header.Del("Range")
	}
	rec := httptest.NewRecorder()
	s.honest.ServeHTTP(rec, plain)
	a := Answer{rec.Code, rec.Header().Clone(), bytes.Clone(rec.Body.Bytes())}
	first, last, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	from, err := strconv.Atoi(first)
	if !ranged || a.Status != http.StatusOK || err != nil || from < 0 {
		return a
	}
	size := len(a.Body)
	if from >= size {
		return Answer{http.StatusRequestedRangeNotSatisfiable, http.Header{}, nil}
	}
	to, err := strconv.Atoi(last)
	if err != nil || to >= size {
		to = size - 1
	}
	a.Status, a.Body = http.StatusPartialContent, a.Body[from:to+1]
	a.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, size))
	a.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	return a
}

// Send sends an answer as it is.
func (a Answer) Send(w http.ResponseWriter) {
	a.sendHeader(w)
	_, _ = w.Write(a.Body) // a client that went away is a client's affair
}

func (a Answer) sendHeader(w http.ResponseWriter) {
	for k, v := range a.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(a.Status)
}
