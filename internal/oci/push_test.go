package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/loopback/hostile"
	"facerec/internal/oci/ocitest"
	"facerec/internal/release"
	"facerec/internal/retry"
)

// pushing is a layout with one image under the tag 1, and a registry that fails
// as it is told.
type pushing struct {
	*hostile.Registry
	layout, to Ref
}

func newPushing(t *testing.T) *pushing {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	ocitest.SaveLayout(t, dir, "1", makeIndex(map[string]v1.Image{
		"linux/amd64": makeImage(t, amd64, []file{reg("app/x", strings.Repeat("noise", 5000))}),
	}))
	p := &pushing{Registry: hostile.New(registry.New(registry.Logger(log.New(io.Discard, "", 0)))), layout: Ref{Kind: Layout, Name: dir}}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.to = mustRef(t, strings.TrimPrefix(s.URL, "http://")+"/tool")
	return p
}

// arrived reads the image back, every byte.
func (p *pushing) arrived(t *testing.T) {
	t.Helper()
	p.ClearFaults()
	if _, err := pull1(t, p.to, filepath.Join(t.TempDir(), "back"), TransferOptions{Access: Access{Named: loopback}}); err != nil {
		t.Errorf("read back: %v", err)
	}
}

// TestPushOnBadNetwork has every kind of request fail twice, in every way.
func TestPushOnBadNetwork(t *testing.T) {
	for name, with := range map[string]struct {
		done  bool // by the registry, and only the answer is not what it was
		spoil hostile.Spoiler
	}{
		"cut":                        {false, hostile.Drop},
		"cut when it was done":       {true, hostile.Drop},
		"silence":                    {false, hostile.Mute},
		"429":                        {false, hostile.Status(429, "Retry-After", "1")}, // the policy bounds it
		"503":                        {false, hostile.Status(503)},
		"503 until a date":           {false, hostile.Status(503, "Retry-After", "Fri, 31 Dec 2099 23:59:59 GMT")},
		"a gateway's 504, it's done": {true, hostile.Status(504)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // silence takes its time
			for _, kind := range []struct{ name, method, suffix string }{
				{"log-in", "GET", "/v2/"}, {"look for a blob", "HEAD", ""}, {"start of an upload", "POST", "/blobs/uploads/"},
				{"upload", "PATCH", ""}, {"end of an upload", "PUT", ""}, {"index", "PUT", "/manifests/1"}, {"reading back", "GET", "/manifests/1"},
			} {
				p := newPushing(t)
				p.SpoilMethod(kind.method, kind.suffix, 2, with.done, with.spoil)
				policy := hasty()
				if name == "silence" {
					policy = impatient()
				}
				if _, err := Push(t.Context(), p.layout, p.to, TransferOptions{Jobs: 1, Access: Access{Named: loopback, Retry: policy}}); err != nil {
					t.Errorf("%s: %v", kind.name, err)
					continue
				}
				if got := len(p.RequestsOf(kind.method, kind.suffix)); got < 3 {
					t.Errorf("%s: %d requests, expected 3 or more", kind.name, got)
				}
				p.arrived(t)
			}
		})
	}
}

// TestPushWaitsAsTold has a registry ask for an hour, for each kind of request.
func TestPushWaitsAsTold(t *testing.T) {
	for _, kind := range []struct{ name, method, suffix string }{
		{"look for a blob", "HEAD", ""}, {"start of an upload", "POST", ""}, {"upload", "PATCH", ""}, {"end of an upload", "PUT", ""}, {"index", "PUT", "/manifests/1"},
	} {
		p := newPushing(t)
		p.SpoilMethod(kind.method, kind.suffix, 0, false, hostile.Status(429, "Retry-After", "3600"))
		ctx, cancel := context.WithCancel(t.Context())
		noticed := ""
		policy := &retry.Policy{Longest: 2 * time.Hour, Notice: func(line string) { noticed = line; cancel() }}
		_, err := Push(ctx, p.layout, p.to, TransferOptions{Jobs: 1, Access: Access{Named: loopback, Retry: policy}})
		if !errors.Is(err, context.Canceled) || !strings.Contains(noticed, "429") || !strings.Contains(noticed, "try 2 of 6 after 1h0m0") {
			t.Errorf("%s: got %v, notice %q", kind.name, err, noticed)
		}
		cancel()
	}
}

// TestPushGivesUp has failures that stay, and answers that are final.
func TestPushGivesUp(t *testing.T) {
	for _, c := range []struct {
		name, method, suffix string
		with                 hostile.Spoiler
		requests             int
		expected             []string
	}{
		{"uploads fail", "PATCH", "", hostile.Status(503), 3, []string{"pushing to ", "HTTP 503", "not today", "in 3 tries", "--retries"}},
		{"uploads are cut", "PATCH", "", hostile.Drop, 3, []string{"pushing to ", "EOF", "in 3 tries"}},
		{"silence", "PATCH", "", hostile.Mute, 3, []string{"no byte for 300ms", "in 3 tries"}},
		{"blobs cannot be looked for", "HEAD", "", hostile.Status(503), 3, []string{"HTTP 503", "in 3 tries"}},
		{"the end fails", "PUT", "", hostile.Status(502), 3, []string{"HTTP 502", "in 3 tries"}},
		{"the tag fails", "PUT", "/manifests/1", hostile.Status(500), 3, []string{"HTTP 500", "in 3 tries"}},
		{"too large", "PATCH", "", hostile.Status(413), 1, []string{"HTTP 413", "not today"}},
		{"digest not believed", "PUT", "", hostile.Status(400), 1, []string{"HTTP 400"}},
		{"no right to push", "POST", "", hostile.Status(403), 1, []string{"refused access", "HTTP 403"}},
		{"read-only", "PUT", "/manifests/1", hostile.Status(405), 1, []string{"HTTP 405"}},
		{"nowhere to upload to", "POST", "", hostile.Status(202), 1, []string{"expected a Location"}},
		{"a location with a user", "POST", "", hostile.Status(202, "Location", "https://a:secret@r.example/x"), 1, []string{"without a user"}},
		{"a location that is a file", "POST", "", hostile.Status(202, "Location", "file:///etc/passwd"), 1, []string{"http or https"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPushing(t)
			p.SpoilMethod(c.method, c.suffix, 0, false, c.with)
			policy := hasty()
			policy.Tries = 3
			if c.name == "silence" {
				policy.Stall = 300 * time.Millisecond
			}
			_, err := Push(t.Context(), p.layout, p.to, TransferOptions{Jobs: 1, Access: Access{Named: loopback, Retry: policy}})
			want[error](t, err, c.expected...)
			if err != nil && (strings.Contains(err.Error(), "tries") != (c.requests > 1) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("got %q", err)
			}
			if got := len(p.RequestsOf(c.method, c.suffix)); got != c.requests {
				t.Errorf("%d requests, expected %d", got, c.requests)
			}
		})
	}
}

// TestPushIsSentOnce pushes twice: what is there is not sent again, and the
// progress counts it all the same.
func TestPushIsSentOnce(t *testing.T) {
	p := newPushing(t)
	for i, uploads := range []int{2, 0} { // a configuration and a layer
		p.ClearFaults()
		var done, total int64
		o := TransferOptions{Access: Access{Named: loopback, Retry: hasty()}, Progress: func(d, of int64) { done, total = d, of }}
		if i == 0 {
			p.SpoilMethod("PATCH", "", 1, true, hostile.Drop)
			uploads++
		}
		if _, err := Push(t.Context(), p.layout, p.to, o); err != nil {
			t.Fatal(err)
		}
		if got := len(p.RequestsOf("PATCH", "")); got != uploads || done != total || total == 0 {
			t.Errorf("push %d: %d uploads, expected %d; %d of %d bytes", i+1, got, uploads, done, total)
		}
	}
}

// TestPushWithShortTokens needs a new token in the middle of everything: a body
// that was sent with an old one is sent again whole.
func TestPushWithShortTokens(t *testing.T) {
	p := newPushing(t)
	behind := p.to
	var mu sync.Mutex
	given, left := 0, 0
	var scopes []string
	var guarded *httptest.Server
	guarded = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if r.URL.Path == "/token" {
			given, left = given+1, 2
			scopes = append(scopes, r.URL.Query().Get("scope"))
			fmt.Fprintf(w, `{"token":"t%d"}`, given)
			mu.Unlock()
			return
		}
		if left--; left < 0 || r.Header.Get("Authorization") != fmt.Sprintf("Bearer t%d", given) {
			mu.Unlock()
			_, _ = io.Copy(io.Discard, r.Body) // it was sent for nothing
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test"`, guarded.URL))
			http.Error(w, "{}", http.StatusUnauthorized)
			return
		}
		mu.Unlock()
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(guarded.Close)
	p.to = mustRef(t, strings.TrimPrefix(guarded.URL, "http://")+"/tool")
	if _, err := Push(t.Context(), p.layout, p.to, TransferOptions{Jobs: 1, Access: Access{Named: loopback, Retry: hasty()}}); err != nil {
		t.Fatal(err)
	}
	if given < 4 || scopes[0] != "repository:tool:push,pull" {
		t.Errorf("%d tokens, the first for %q", given, scopes[0])
	}
	p.to = behind // reading is another test's
	p.arrived(t)
}

// A blob that changes on the disk between the check and the upload does not
// arrive, and is not sent again and again.
func TestPushOfOtherBytes(t *testing.T) {
	p := newPushing(t)
	s, err := openWriter(p.to, Access{Named: loopback, Retry: hasty()})
	if err != nil {
		t.Fatal(err)
	}
	u := bytesUpload([]byte("what the manifest names"))
	u.open = func() (io.ReadCloser, error) {
		return newChecked(io.NopCloser(bytes.NewReader([]byte("what the manifest nameD"))), u.Descriptor, "blob", "here"), nil
	}
	err = s.explain("push", s.putBlobs(t.Context(), []upload{u}, 1, nil))
	want[*MismatchError](t, err, "blob of here", "expected "+release.DigestBytes([]byte("what the manifest names")).String())
	if got := len(p.RequestsOf("PATCH", "")); got > 1 {
		t.Errorf("sent %d times", got)
	}
}
