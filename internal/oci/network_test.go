package oci

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/loopback/hostile"
	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

// hasty is a policy for tests. Nothing is taken for silence: a machine that is busy
// is not a bad network.
func hasty() *retry.Policy {
	return &retry.Policy{First: time.Millisecond, Longest: 20 * time.Millisecond, Stall: 5 * time.Minute}
}

// impatient is one for registries that fall silent. Where this machine is slow, an
// honest answer may count as silence too: there are tries enough for that.
func impatient() *retry.Policy {
	p := hasty()
	p.Stall, p.Tries = 200*time.Millisecond, 100
	return p
}

// badNetwork is a registry with one image, HOST/tool:1, of a layer that a range
// can be taken of.
type badNetwork struct {
	*hostile.Registry
	server   *httptest.Server
	ref      Ref
	manifest release.Digest
	config   release.Digest
	layer    Descriptor
	body     []byte // of the layer, as stored
}

func newBadNetwork(t testing.TB) *badNetwork {
	t.Helper()
	n := &badNetwork{Registry: hostile.New(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))}
	n.Ranges = true
	n.server = httptest.NewServer(n)
	t.Cleanup(n.server.Close)
	n.ref = mustRef(t, strings.TrimPrefix(n.server.URL, "http://")+"/tool:1")
	noise := make([]byte, 300<<10)
	fill := rand.NewChaCha8([32]byte{1})
	if _, err := fill.Read(noise); err != nil {
		t.Fatal(err)
	}
	img := makeImage(t, amd64, []file{dir("app", 0o755), reg("app/x", string(noise))})
	pushIndex(t, n.ref.String(), makeIndex(map[string]v1.Image{"linux/amd64": img}))
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	rc, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	if n.body, err = io.ReadAll(rc); err != nil {
		t.Fatal(err)
	}
	n.layer = Descriptor{mediaLayer, release.DigestBytes(n.body), int64(len(n.body))}
	for _, c := range []struct {
		to   *release.Digest
		from func() (v1.Hash, error)
	}{{&n.manifest, img.Digest}, {&n.config, img.ConfigName}} {
		h, err := c.from()
		if err != nil {
			t.Fatal(err)
		}
		if *c.to, err = digestOf(h); err != nil {
			t.Fatal(err)
		}
	}
	n.ClearFaults() // forget the push
	return n
}

// pull reads the image down to its layer, as pack does.
func (n *badNetwork) pull(ctx context.Context, t testing.TB, access Access) error {
	t.Helper()
	ix, err := ReadIndex(ctx, n.ref, access)
	if err != nil {
		return err
	}
	img, err := ix.Image(ctx, platform(t, "linux/amd64"))
	if err != nil {
		return err
	}
	_, err = readLayers(ctx, img)
	return err
}

func want[E error](t *testing.T, err error, parts ...string) {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a %T", err, e)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error()+"\n"+text.Hint(err), p) {
			t.Errorf("got %q with hint %q, want …%s…", err, text.Hint(err), p)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("not a clean line: %q", err)
	}
}

// TestBadNetworkIsSurvived spoils what passes, for every kind of request.
func TestBadNetworkIsSurvived(t *testing.T) {
	for name, with := range map[string]hostile.Spoiler{
		"cut before a byte":      hostile.Cut(0),
		"cut after some":         hostile.Cut(40),
		"silence from the start": hostile.Mute,
		"silence after some":     hostile.Stall(40),
		"429":                    hostile.Status(429, "Retry-After", "1"), // the RetryPolicy bounds it
		"429 until a date":       hostile.Status(429, "Retry-After", "Fri, 31 Dec 2099 23:59:59 GMT"),
		"429, and nonsense":      hostile.Status(429, "Retry-After", "soon"),
		"500":                    hostile.Status(500),
		"502":                    hostile.Status(502),
		"503":                    hostile.Status(503),
		"504":                    hostile.Status(504),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // silence takes its time
			n := newBadNetwork(t)
			for kind, suffix := range map[string]string{
				"log-in": "/v2/", "tag": "/manifests/1", "manifest": n.manifest.String(), "config": n.config.String(), "layer": n.layer.Digest.String(),
			} {
				n.ClearFaults()
				n.Spoil(suffix, 2, with)
				policy, most := hasty(), 3
				if strings.HasPrefix(name, "silence") {
					policy, most = impatient(), 100
				}
				if err := n.pull(t.Context(), t, Access{Named: loopback, Retry: policy}); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				if got := len(n.Requests(suffix)); (got < 3 || got > most) && kind != "log-in" { // that is tried by https besides
					t.Errorf("%s: %d requests, want 3", kind, got)
				}
			}
		})
	}
}

// TestResume cuts a layer every 70,000 bytes: what came is kept.
func TestResume(t *testing.T) {
	n := newBadNetwork(t)
	n.Spoil(n.layer.Digest.String(), 0, hostile.Cut(70_000))
	access := Access{Named: loopback, Retry: hasty()}
	access.Retry.Tries = 2
	if err := n.pull(t.Context(), t, access); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range n.Requests(n.layer.Digest.String()) {
		got = append(got, r.Range)
	}
	if want := ", bytes=70000-, bytes=140000-, bytes=210000-, bytes=280000-"; strings.Join(got, ", ") != want {
		t.Errorf("asked for %q, want %q", got, want)
	}
}

// TestNoRanges cuts a layer twice where there are no ranges, or wrong ones: it
// is read again from the start and what was had before is passed over.
func TestNoRanges(t *testing.T) {
	for name, spoil := range map[string]func(n *badNetwork){
		"whole all the same": func(n *badNetwork) {
			n.Spoil(n.layer.Digest.String(), 0, func(w http.ResponseWriter, _ *http.Request, _ hostile.Answer) {
				hostile.Answer{Status: http.StatusOK, Header: http.Header{}, Body: n.body}.Send(w)
			})
		},
		"416": func(n *badNetwork) { n.Spoil(n.layer.Digest.String(), 1, hostile.Status(416)) },
		"another range": func(n *badNetwork) {
			n.Spoil(n.layer.Digest.String(), 1, hostile.Header("Content-Range", fmt.Sprintf("bytes 69999-%d/%d", n.layer.Size-2, n.layer.Size)))
		},
		"a range of something larger": func(n *badNetwork) {
			n.Spoil(n.layer.Digest.String(), 1, hostile.Header("Content-Range", fmt.Sprintf("bytes 70000-%d/%d", n.layer.Size-1, n.layer.Size+1)))
		},
		"no Content-Range":     func(n *badNetwork) { n.Spoil(n.layer.Digest.String(), 1, hostile.Header("Content-Range", "")) },
		"broken Content-Range": func(n *badNetwork) { n.Spoil(n.layer.Digest.String(), 1, hostile.Header("Content-Range", "bytes 7-")) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newBadNetwork(t)
			n.Spoil(n.layer.Digest.String(), 1, hostile.Cut(70_000))
			spoil(n)
			if err := n.pull(t.Context(), t, Access{Named: loopback, Retry: hasty()}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRangeOfOtherBytes continues with what belongs elsewhere: the digest over
// the whole says so.
func TestRangeOfOtherBytes(t *testing.T) {
	n := newBadNetwork(t)
	n.Spoil(n.layer.Digest.String(), 1, hostile.Cut(70_000))
	n.Spoil(n.layer.Digest.String(), 1, hostile.Body(hostile.Flip, true))
	want[*MismatchError](t, n.pull(t.Context(), t, Access{Named: loopback, Retry: hasty()}), n.layer.Digest.String())
}

// TestPatienceEnds has the failures stay.
func TestPatienceEnds(t *testing.T) {
	n := newBadNetwork(t)
	layer := n.layer.Digest.String()
	for _, c := range []struct {
		name, suffix string
		with         hostile.Spoiler
		want         []string
		first        bool // nothing arrives before it
	}{
		{"503 for the tag", "/manifests/1", hostile.Status(503), []string{"image " + n.ref.String(), "HTTP 503", "not today", "in 4 tries", "--retries"}, true},
		{"500 for the layer", layer, hostile.Status(500), []string{"blob " + n.ref.At(n.layer.Digest).String(), "HTTP 500", "in 4 tries"}, false},
		{"a cut that comes closer and closer", layer, hostile.Cut(1), []string{"blob " + n.ref.At(n.layer.Digest).String(), fmt.Sprintf("cut after 4 of %d bytes", n.layer.Size), "in 4 tries"}, false},
		{"silence in the layer", layer, hostile.Stall(5), []string{"no byte for 200ms", "in 4 tries"}, false},
		{"a manifest that is always cut", n.manifest.String(), hostile.Cut(9), []string{"cut after 9 bytes", "in 4 tries"}, false},
		{"429 for the log-in", "/v2/", hostile.Status(429, "Retry-After", "100000"), []string{"HTTP 429", " tries"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(n.ClearFaults)
			n.Spoil(c.suffix, 0, c.with)
			access := Access{Named: loopback, Retry: hasty()}
			access.Retry.Tries = 4
			if strings.HasPrefix(c.want[0], "no byte for ") {
				access.Retry.Stall = 200 * time.Millisecond
			}
			want[error](t, n.pull(t.Context(), t, access), append(c.want, n.ref.Name[:strings.IndexByte(n.ref.Name, '/')])...)
			// Who was given up on is not waited for again, until something arrives.
			before := len(n.Requests(c.suffix))
			if err := n.pull(t.Context(), t, access); err == nil {
				t.Error("a second try went through")
			} else if again := len(n.Requests(c.suffix)) - before; c.first && again != 1 {
				t.Errorf("asked %d times more, want once", again)
			}
		})
	}
}

// TestNeverBelieved has the registry lie.
func TestNeverBelieved(t *testing.T) {
	n := newBadNetwork(t)
	manifest, config, layer := n.manifest.String(), n.config.String(), n.layer.Digest.String()
	zeros := "sha256:" + strings.Repeat("0", 64)
	size := fmt.Sprintf("expected %d bytes", n.layer.Size)
	for _, c := range []struct {
		name, suffix string
		with         hostile.Spoiler
		want         []string
	}{
		{"wrong bytes of the layer", layer, hostile.Body(hostile.Flip, true), []string{"expected " + layer, "got sha256:"}},
		{"longer layer", layer, hostile.Body(hostile.Longer, true), []string{size, fmt.Sprintf("got %d by its Content-Length", n.layer.Size+1)}},
		{"shorter layer", layer, hostile.Body(hostile.Shorter, true), []string{size, fmt.Sprintf("got %d by its Content-Length", n.layer.Size/2)}},
		{"longer layer, untold", layer, hostile.Body(hostile.Longer, false), []string{size, "got more"}},
		{"shorter layer, untold", layer, hostile.Body(hostile.Shorter, false), []string{size, fmt.Sprintf("got %d", n.layer.Size/2)}},
		{"empty layer", layer, hostile.Body(func([]byte) []byte { return nil }, true), []string{size, "got 0 by its Content-Length"}},
		{"empty layer, untold", layer, hostile.Body(func([]byte) []byte { return nil }, false), []string{size, "got 0"}},
		{"the layer twice", layer, hostile.Body(func(b []byte) []byte { return append(b, b...) }, false), []string{size, "got more"}},
		{"endless layer", layer, hostile.Endless, []string{size, "got more"}},
		{"wrong bytes of the manifest", manifest, hostile.Body(hostile.Flip, true), []string{"expected " + manifest}},
		{"longer manifest", manifest, hostile.Body(hostile.Longer, true), []string{"expected " + manifest}},
		{"shorter manifest", manifest, hostile.Body(hostile.Shorter, false), []string{"expected " + manifest}},
		{"wrong bytes of the configuration", config, hostile.Body(hostile.Flip, true), []string{"expected " + config}},
		{"an index where a manifest was asked for", manifest, hostile.Header("Content-Type", mediaIndex), []string{"media type", "expected " + mediaManifest, "got " + mediaIndex}},
		{"a web page where a manifest was asked for", manifest, hostile.Header("Content-Type", "text/html; charset=utf-8"), []string{"expected " + mediaManifest, "got text/html"}},
		{"wrong Docker-Content-Digest", manifest, hostile.Header("Docker-Content-Digest", zeros), []string{"expected " + zeros, "got " + manifest}},
		{"wrong Docker-Content-Digest of the tag", "/manifests/1", hostile.Header("Docker-Content-Digest", zeros), []string{"expected " + zeros}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(n.ClearFaults)
			n.Spoil(c.suffix, 0, c.with)
			want[*MismatchError](t, n.pull(t.Context(), t, Access{Named: loopback, Retry: hasty()}), c.want...)
			if got := len(n.Requests(c.suffix)); got != 1 {
				t.Errorf("asked %d times: a lie is not asked for again", got)
			}
		})
	}
	t.Run("endless manifest", func(t *testing.T) {
		t.Cleanup(n.ClearFaults)
		n.Spoil(manifest, 0, hostile.Endless)
		want[error](t, n.pull(t.Context(), t, Access{Named: loopback, Retry: hasty()}), "more than 4194304 bytes")
	})
	t.Run("no Docker-Content-Digest, no Content-Type", func(t *testing.T) {
		t.Cleanup(n.ClearFaults)
		n.Spoil(manifest, 0, hostile.Header("Docker-Content-Digest", "", "Content-Type", ""))
		if err := n.pull(t.Context(), t, Access{Named: loopback, Retry: hasty()}); err != nil {
			t.Error(err)
		}
	})
}

// TestDescriptorsAreHeldTo has an index that says wrong things of a manifest
// whose digest is right.
func TestDescriptorsAreHeldTo(t *testing.T) {
	n := newBadNetwork(t)
	good := `{"schemaVersion":2,"mediaType":"` + mediaIndex + `","manifests":[{"mediaType":"` + mediaManifest + `","size":SIZE,"digest":"` + n.manifest.String() + `","platform":{"os":"linux","architecture":"amd64"}}]}`
	src, err := Open(t.Context(), n.ref, Access{Named: loopback})
	if err != nil {
		t.Fatal(err)
	}
	_, raw, err := src.Manifest(t.Context(), n.manifest)
	if err != nil {
		t.Fatal(err)
	}
	size := fmt.Sprint(len(raw))
	for _, c := range []struct {
		name, index string
		want        []string
	}{
		{"right", strings.Replace(good, "SIZE", size, 1), nil},
		{"size", strings.Replace(good, "SIZE", "7", 1), []string{"expected 7 bytes", "got " + size}},
		{"media type", strings.Replace(strings.Replace(good, "SIZE", size, 1), mediaManifest, mediaIndex, 1), []string{"expected " + mediaIndex, "got " + mediaManifest}},
	} {
		t.Run(c.name, func(t *testing.T) {
			putManifest(t, n.ref, "1", mediaIndex, []byte(c.index))
			err := n.pull(t.Context(), t, Access{Named: loopback, Retry: hasty()})
			if c.want == nil && err != nil {
				t.Error(err)
			}
			if c.want != nil {
				want[*MismatchError](t, err, c.want...)
			}
		})
	}
	both := strings.Replace(strings.Replace(good, "SIZE", size, 1), `"manifests"`, `"layers":[],"manifests"`, 1)
	if _, err := manifestType([]byte(both), "", "x"); err == nil || !strings.Contains(err.Error(), "at once") {
		t.Errorf("index and image at once: %v", err)
	}
}

// TestInterruptedWait cancels while a registry asks for an hour.
func TestInterruptedWait(t *testing.T) {
	n := newBadNetwork(t)
	n.Spoil(n.layer.Digest.String(), 0, hostile.Status(429, "Retry-After", "3600"))
	ctx, cancel := context.WithCancel(t.Context())
	p := &retry.Policy{Longest: time.Hour, Notice: func(line string) {
		if !strings.Contains(line, "HTTP 429") || !strings.Contains(line, "try 2 of 6 after 1h0m0s") {
			t.Errorf("notice %q", line)
		}
		cancel()
	}}
	if err := n.pull(ctx, t, Access{Named: loopback, Retry: p}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestRegistryComesBack stops a server between two answers, and starts it again.
func TestRegistryComesBack(t *testing.T) {
	n := newBadNetwork(t)
	addr := n.server.Listener.Addr().String()
	p := hasty()
	p.Tries = 1000
	down := true
	p.Notice = func(line string) {
		if !strings.Contains(line, "refused") || !down {
			return
		}
		down = false
		again := httptest.NewUnstartedServer(n)
		again.Listener.Close()
		again.Listener = listenAt(t, addr)
		again.Start()
		t.Cleanup(again.Close)
	}
	src, err := Open(t.Context(), n.ref, Access{Named: loopback, Retry: p})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.server.Close()
	if _, _, err := src.Manifest(t.Context(), n.manifest); err != nil || down {
		t.Errorf("got %v, down %v", err, down)
	}
}

// TestRedirects sends clients elsewhere.
func TestRedirects(t *testing.T) {
	n := newBadNetwork(t)
	n.User, n.Password = "me", "secret"
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	auth := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, n.server.Listener.Addr().String(), base64.StdEncoding.EncodeToString([]byte("me:secret")))
	if err := os.WriteFile(filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), []byte(auth), 0o600); err != nil {
		t.Fatal(err)
	}
	layer := n.layer.Digest.String()
	store := hostile.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(n.body)) // with ranges
	}))
	storage := httptest.NewServer(store)
	t.Cleanup(storage.Close)

	t.Run("to a storage, cut on the way", func(t *testing.T) {
		t.Cleanup(n.ClearFaults)
		t.Cleanup(store.ClearFaults)
		n.Spoil(layer, 0, hostile.Redirect(storage.URL))
		store.Spoil(layer, 2, hostile.Cut(100_000))
		if err := n.pull(t.Context(), t, Access{Retry: hasty()}.Naming(n.ref)); err != nil {
			t.Fatal(err)
		}
		if got := n.Requests(layer); len(got) == 0 || got[0].Authorization == "" {
			t.Errorf("the registry was not logged in to: %+v", got)
		}
		if got := store.Requests(layer); len(got) != 3 {
			t.Errorf("the storage was asked %d times, want 3", len(got))
		}
		for _, r := range store.Requests("") {
			if r.Authorization != "" {
				t.Errorf("the log-in went along: %+v", r)
			}
		}
	})
	t.Run("to a storage that lies", func(t *testing.T) {
		t.Cleanup(n.ClearFaults)
		t.Cleanup(store.ClearFaults)
		n.Spoil(layer, 0, hostile.Redirect(storage.URL))
		store.Spoil(layer, 0, func(w http.ResponseWriter, _ *http.Request, _ hostile.Answer) {
			_, _ = w.Write(hostile.Flip(bytes.Clone(n.body)))
		})
		want[*MismatchError](t, n.pull(t.Context(), t, Access{Retry: hasty()}.Naming(n.ref)), "expected "+layer)
	})
	t.Run("to plain HTTP elsewhere", func(t *testing.T) {
		t.Cleanup(n.ClearFaults)
		n.Spoil(layer, 0, hostile.Redirect("http://storage.example"))
		want[error](t, n.pull(t.Context(), t, Access{Retry: hasty()}.Naming(n.ref)), "refusing plain HTTP with storage.example")
	})
	t.Run("in a circle", func(t *testing.T) {
		t.Cleanup(n.ClearFaults)
		n.Spoil(layer, 0, hostile.Redirect(n.server.URL))
		want[error](t, n.pull(t.Context(), t, Access{Retry: hasty()}.Naming(n.ref)), "more than 10 times")
	})
}

// TestTokens asks for bearer tokens that are good for two requests: each try after
// that needs a new one, in the middle of a blob too. No storage ever sees one.
func TestTokens(t *testing.T) {
	n := newBadNetwork(t)
	var mu sync.Mutex
	uses, given := map[string]int{}, 0
	fresh := func(token string) bool {
		mu.Lock()
		defer mu.Unlock()
		uses[token]--
		return uses[token] >= 0
	}
	var guarded *httptest.Server
	guarded = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			mu.Lock()
			defer mu.Unlock()
			given++
			token := fmt.Sprintf("t%d", given)
			uses[token] = 2
			fmt.Fprintf(w, `{"token":%q}`, token)
			return
		}
		if !fresh(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test",scope="repository:tool:pull"`, guarded.URL))
			http.Error(w, "{}", http.StatusUnauthorized)
			return
		}
		n.ServeHTTP(w, r)
	}))
	t.Cleanup(guarded.Close)
	store := hostile.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(n.body))
	}))
	storage := httptest.NewServer(store)
	t.Cleanup(storage.Close)
	layer := n.layer.Digest.String()
	n.ref = mustRef(t, strings.TrimPrefix(guarded.URL, "http://")+"/tool:1")
	n.Spoil(layer, 3, hostile.Cut(50_000))
	n.Spoil(layer, 0, hostile.Redirect(storage.URL))
	store.Spoil(layer, 2, hostile.Cut(50_000))
	if err := n.pull(t.Context(), t, Access{Named: loopback, Retry: hasty()}); err != nil {
		t.Fatal(err)
	}
	if given < 3 {
		t.Errorf("%d tokens were fetched: want one every two requests", given)
	}
	got := store.Requests(layer)
	if len(got) != 3 || got[0].Range != "bytes=150000-" {
		t.Errorf("the storage was asked %+v", got)
	}
	for _, r := range got {
		if r.Authorization != "" {
			t.Errorf("the token went along: %+v", r)
		}
	}
}

// TestRedirectRule has no server: it is about hosts that tests cannot have.
func TestRedirectRule(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"https://r.example/a", "https://storage.example/b", ""},
		{"https://r.example/a", "http://storage.example/b", "refusing to be redirected from https://r.example to plain HTTP"},
		{"https://r.example/a", "http://127.0.0.1/b", "plain HTTP"},
		{"https://r.example/a", "https://169.254.169.254/latest", "inside this network"},
		{"https://r.example/a", "https://localhost./b", "inside this network"},
		{"https://r.example/a", "https://127.1/b", "inside this network"},
		{"https://r.example/a", "https://[::ffff:10.0.0.1]/b", "inside this network"},
		{"https://r.example/a", "https://10.1.2.3:9000/b", ""}, // named
		{"https://10.0.0.1/a", "https://10.0.0.2/b", "inside this network"},
		{"http://127.0.0.1:5000/a", "http://127.0.0.1:6000/b", ""},
	} {
		from, to := httptest.NewRequest(http.MethodGet, c.from, nil), httptest.NewRequest(http.MethodGet, c.to, nil)
		err := Access{Insecure: []string{"10.1.2.3:9000"}, Named: []string{from.Host}}.redirect(to, []*http.Request{from})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s → %s: got %v, want %q", c.from, c.to, err, c.want)
		}
	}
}

// TestDowngrade is the same over a real TLS server.
func TestDowngrade(t *testing.T) {
	n := newBadNetwork(t)
	secure := httptest.NewTLSServer(n)
	t.Cleanup(secure.Close)
	n.Spoil(n.layer.Digest.String(), 0, hostile.Redirect(n.server.URL))
	n.ref = mustRef(t, strings.TrimPrefix(secure.URL, "https://")+"/tool:1")
	want[error](t, n.pull(t.Context(), t, Access{Named: loopback, Retry: hasty(), Transport: secure.Client().Transport}), "refusing to be redirected from https://")
}

func listenAt(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
