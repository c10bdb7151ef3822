package oci

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"facerec/internal/release"
	"facerec/internal/retry"
)

// far is a registry of one blob behind connections that bring so many bytes a second
// each. It is no server but a transport, so that its time is a bubble's.
type far struct {
	blob []byte
	rate int

	// change, if not nil, makes another answer of the honest one to the nth request for
	// the blob, counted from 0.
	change func(n int, r *http.Request, a *farAnswer)

	mu        sync.Mutex
	asked     []string // Range headers
	now, most int      // answers that are being read
	sent      int64    // bytes of bodies
}

type farAnswer struct {
	status int
	header http.Header
	body   []byte
	cut    bool // after the body
	untold bool // its length
}

func newFar(pieces int) *far {
	f := &far{blob: make([]byte, pieces*farPiece+farPiece/3), rate: 1 << 20}
	fill := rand.NewChaCha8([32]byte{3})
	_, _ = fill.Read(f.blob) // never fails
	return f
}

// farPiece is the size of pieces in these tests.
const farPiece = 16 << 10

func (f *far) descriptor() Descriptor {
	return Descriptor{mediaLayer, release.DigestBytes(f.blob), int64(len(f.blob))}
}

// connections are those of a run whose clock is the bubble's.
func connections() *Connections {
	return &Connections{Clock: time.Now, pieces: pieces{size: farPiece}}
}

func (f *far) open(t testing.TB, c *Connections, p *retry.Policy) Source {
	t.Helper()
	src, err := openRemote(mustRef(t, "registry.example/tool:1"), Access{Transport: f, Connections: c, Retry: p})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (f *far) RoundTrip(r *http.Request) (*http.Response, error) {
	a := &farAnswer{status: http.StatusOK, header: http.Header{}}
	if strings.Contains(r.URL.Path, "/blobs/") {
		f.mu.Lock()
		n := len(f.asked)
		f.asked = append(f.asked, r.Header.Get("Range"))
		f.mu.Unlock()
		a.body = f.blob
		if first, end, ok := farRange(r, len(f.blob)); ok {
			a.status, a.body = http.StatusPartialContent, f.blob[first:end]
			a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, end-1, len(f.blob)))
		}
		if f.change != nil {
			f.change(n, r, a)
		}
	}
	resp := &http.Response{Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, ContentLength: int64(len(a.body)), Request: r}
	if a.untold {
		resp.ContentLength, resp.TransferEncoding = -1, []string{"chunked"}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now++
	f.most = max(f.most, f.now)
	resp.Body = &farBody{f: f, ctx: r.Context(), left: a.body, cut: a.cut}
	return resp, nil
}

func farRange(r *http.Request, size int) (first, end int, ok bool) {
	a, z, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	first, err := strconv.Atoi(a)
	if err != nil {
		return 0, 0, false
	}
	if last, err := strconv.Atoi(z); err == nil {
		size = min(size, last+1)
	}
	return first, size, true
}

type farBody struct {
	f      *far
	ctx    context.Context
	left   []byte
	cut    bool
	closed bool
}

func (b *farBody) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		if b.cut {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 1<<10)], b.left)
	if b.f.rate > 0 {
		select {
		case <-time.After(time.Duration(n) * time.Second / time.Duration(b.f.rate)):
		case <-b.ctx.Done():
		}
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	b.left = b.left[n:]
	b.f.mu.Lock()
	b.f.sent += int64(n)
	b.f.mu.Unlock()
	return n, nil
}

func (b *farBody) Close() error {
	if !b.closed {
		b.closed = true
		b.f.mu.Lock()
		b.f.now--
		b.f.mu.Unlock()
	}
	return nil
}

// settled checks that nothing is left open and no memory is in use.
func (f *far) settled(t *testing.T, c *Connections) {
	t.Helper()
	synctest.Wait()
	if f.now != 0 {
		t.Errorf("%d answers were not closed", f.now)
	}
	for name, h := range c.pieces.hosts {
		if h.now != 0 {
			t.Errorf("%d pieces of %s are still in memory", h.now, name)
		}
	}
	if c.pieces.readers != 0 || c.pieces.free != nil {
		t.Errorf("%d readers and %d pieces of memory are left", c.pieces.readers, len(c.pieces.free))
	}
}

// bubble runs a test in a time of its own, in which nobody is still at work in the end.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	synctest.Test(t, test)
}

// TestPieces reads a blob of 12⅓ times the size of a piece from all kinds of registries.
func TestPieces(t *testing.T) {
	size := 12*farPiece + farPiece/3
	later := func(change func(a *farAnswer)) func(int, *http.Request, *farAnswer) {
		return func(n int, _ *http.Request, a *farAnswer) {
			if n > 0 {
				change(a)
			}
		}
	}
	first := func(change func(a *farAnswer)) func(int, *http.Request, *farAnswer) {
		return func(n int, _ *http.Request, a *farAnswer) {
			if n == 0 {
				change(a)
			}
		}
	}
	whole := func(f *far) func(a *farAnswer) {
		return func(a *farAnswer) { a.status, a.header, a.body = http.StatusOK, http.Header{}, f.blob }
	}
	for _, c := range []struct {
		name     string
		pieces   int
		set      func(f *far)
		requests int
		most     int   // answers at a time
		sent     int   // bytes, 0: those of the blob
		failures int   // that are told at most, and one at least
		rest     bool  // the last request is for all that is missing
		clock    bool  // none
		err      error // nil: as it should be
	}{
		{name: "ranges", requests: 14, most: 5},
		{name: "fast", set: func(f *far) { f.rate = 32 << 20 }, requests: 2, most: 1},
		{name: "no clock", clock: true, requests: 1, most: 1},
		{name: "a small blob", pieces: bigBlob - 1, requests: 1, most: 1},
		{name: "a blob that is big enough", pieces: bigBlob, requests: 10, most: 5},
		{name: "no ranges", set: func(f *far) {
			f.change = func(_ int, _ *http.Request, a *farAnswer) { whole(f)(a) }
		}, requests: 1, most: 1},
		{name: "ranges refused with 416", set: func(f *far) {
			f.change = first(func(a *farAnswer) { *a = farAnswer{status: 416, header: http.Header{}} })
		}, requests: 2, most: 1},
		{name: "ranges refused with 400", set: func(f *far) {
			f.change = first(func(a *farAnswer) { *a = farAnswer{status: 400, header: http.Header{}} })
		}, requests: 2, most: 1},
		{name: "ranges refused with 501", set: func(f *far) {
			f.change = first(func(a *farAnswer) { *a = farAnswer{status: 501, header: http.Header{}} })
		}, requests: 2, most: 1},
		{name: "another range first", set: func(f *far) {
			f.change = first(func(a *farAnswer) { a.header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", farPiece, size)) })
		}, requests: 2, most: 1},
		{name: "of another size first", set: func(f *far) {
			f.change = first(func(a *farAnswer) { a.header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", farPiece-1, size+1)) })
		}, requests: 2, most: 1},
		{name: "a size that is not told", set: func(f *far) {
			f.change = func(_ int, _ *http.Request, a *farAnswer) {
				a.header.Set("Content-Range", strings.Replace(a.header.Get("Content-Range"), strconv.Itoa(size), "*", 1))
				a.untold = true
			}
		}, requests: 14, most: 5},
		// Of the three pieces that were asked for besides the first, one after another is
		// asked for again by the reader, and with it all the rest.
		{name: "ranges that are others later", set: func(f *far) {
			f.change = later(func(a *farAnswer) { a.header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", farPiece-1, size)) })
		}, sent: size + farPiece, most: 5},
		{name: "ranges to the end later", set: func(f *far) {
			f.change = later(func(a *farAnswer) {
				if r := fullRange(a); r.last > 0 {
					a.body = f.blob[r.first:]
					a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", r.first, size-1, size))
				}
			})
		}, sent: size + farPiece, most: 5},
		{name: "200 later", set: func(f *far) { f.change = later(whole(f)) }, sent: size + farPiece, most: 5},
		{name: "416 later", set: func(f *far) {
			f.change = later(func(a *farAnswer) {
				if a.status == http.StatusPartialContent {
					*a = farAnswer{status: 416, header: http.Header{}}
				}
			})
		}, sent: size + farPiece, most: 5},
		{name: "longer pieces", set: func(f *far) {
			f.change = func(_ int, _ *http.Request, a *farAnswer) {
				if int(fullRange(a).last) < size-1 {
					a.body, a.untold = append(bytes.Clone(a.body), 1, 2, 3), true
				}
			}
		}, requests: 14, most: 8, sent: size + 13},
		{name: "shorter pieces", set: func(f *far) {
			f.change = func(_ int, _ *http.Request, a *farAnswer) {
				if r := fullRange(a); r.last-r.first > farPiece/2 {
					a.body = a.body[:farPiece/2]
					a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", r.first, r.first+farPiece/2-1, size))
				}
			}
		}, requests: 2, most: 1},
		{name: "shorter pieces later", set: func(f *far) {
			f.change = later(func(a *farAnswer) {
				if r := fullRange(a); r.last-r.first > farPiece/2 {
					a.body = a.body[:farPiece/2]
					a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", r.first, r.first+farPiece/2-1, size))
				}
			})
		}, requests: 26, most: 5, failures: 12},
		{name: "each piece cut once", set: func(f *far) {
			f.change = func(_ int, _ *http.Request, a *farAnswer) {
				if r := fullRange(a); r.first%farPiece == 0 {
					a.body, a.cut = a.body[:1+int(r.first/farPiece)*400], true
				}
			}
		}, most: 5, failures: 13},
		{name: "429 to each piece", set: func(f *far) {
			times := map[string]int{}
			f.change = func(n int, r *http.Request, a *farAnswer) {
				f.mu.Lock()
				defer f.mu.Unlock()
				asked := r.Header.Get("Range")
				if times[asked]++; n > 0 && times[asked] == 1 && !strings.HasSuffix(asked, "-") {
					*a = farAnswer{status: 429, header: http.Header{"Retry-After": {"3"}}}
				}
			}
		}, most: 5, failures: 4, rest: true},
		{name: "429 to more than two at a time", set: func(f *far) {
			f.change = func(_ int, _ *http.Request, a *farAnswer) {
				if f.busy() >= 2 {
					*a = farAnswer{status: 429, header: http.Header{"Retry-After": {"3"}}}
				}
			}
		}, most: 5, failures: 2},
		{name: "wrong bytes in a piece", set: func(f *far) {
			f.change = func(n int, _ *http.Request, a *farAnswer) {
				if n == 5 {
					a.body = bytes.Clone(a.body)
					a.body[0] ^= 1
				}
			}
		}, requests: 14, most: 5, err: &MismatchError{}},
		{name: "gone later", set: func(f *far) {
			f.change = later(func(a *farAnswer) { *a = farAnswer{status: 404, header: http.Header{}} })
		}, most: 5, err: &NotFoundError{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFar(12)
				if c.pieces > 0 {
					f = newFar(c.pieces)
				}
				if c.set != nil {
					c.set(f)
				}
				conns := connections()
				if c.clock {
					conns.Clock = nil
				}
				failures := 0
				raw, err := wholeBlob(t.Context(), f.open(t, conns, &retry.Policy{Notice: func(line string) {
					failures++
					t.Log(line)
				}}), f.descriptor())
				f.settled(t, conns)
				switch {
				case c.err == nil && (err != nil || !bytes.Equal(raw, f.blob)):
					t.Fatalf("got %d bytes, %v; expected the %d of the blob", len(raw), err, len(f.blob))
				case c.err != nil && fmt.Sprintf("%T", err) != fmt.Sprintf("%T", c.err):
					t.Fatalf("got %v, expected a %T", err, c.err)
				}
				t.Logf("%d requests, %d at a time, %d bytes: %q", len(f.asked), f.most, f.sent, f.asked)
				if c.requests > 0 && len(f.asked) != c.requests {
					t.Errorf("%d requests, expected %d", len(f.asked), c.requests)
				}
				if last := f.asked[len(f.asked)-1]; c.rest {
					from, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(last, "bytes="), "-"))
					if err != nil || from > size-3*farPiece {
						t.Errorf("last asked for %q, expected the rest, of several pieces", last)
					}
				}
				if f.most > c.most {
					t.Errorf("%d answers at a time, expected at most %d", f.most, c.most)
				}
				if c.sent == 0 {
					c.sent = len(f.blob)
				}
				if f.sent > int64(c.sent) || c.err == nil && f.sent < int64(len(f.blob)) {
					t.Errorf("%d bytes were sent, expected at most %d", f.sent, c.sent)
				}
				if failures > c.failures || failures == 0 && c.failures > 0 {
					t.Errorf("%d failures were told, expected at most %d", failures, c.failures)
				}
			})
		})
	}
}

func (f *far) busy() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// fullRange is what range an answer says that it is.
func fullRange(a *farAnswer) contentRange {
	r, _ := parseContentRange(a.header.Get("Content-Range"))
	return r
}

// TestPiecesAreSooner has a time in which one connection brings 1 MiB a second and an
// answer takes a tenth of a second.
func TestPiecesAreSooner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFar(40)
		f.change = func(int, *http.Request, *farAnswer) { time.Sleep(2 * time.Millisecond) }
		var took [2]time.Duration
		for i, c := range []*Connections{{}, connections()} {
			start := time.Now()
			if _, err := wholeBlob(t.Context(), f.open(t, c, nil), f.descriptor()); err != nil {
				t.Fatal(err)
			}
			took[i] = time.Since(start)
		}
		t.Log(took)
		if took[0] < 3*took[1] {
			t.Errorf("one connection took %v and several %v, expected less than a third", took[0], took[1])
		}
	})
}

// TestManyBlobsShareMemory reads more blobs than there is memory for pieces of, one of
// which is opened, read in part and then left alone, with all its pieces.
func TestManyBlobsShareMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := connections()
		idle := newFar(12)
		stuck, err := idle.open(t, c, nil).Blob(t.Context(), idle.descriptor())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(stuck, make([]byte, farPiece)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if now := c.pieces.host("registry.example").now; now != maxAhead {
			t.Fatalf("%d pieces are asked for, expected %d", now, maxAhead)
		}
		var all sync.WaitGroup
		most := 0
		for range 6 {
			all.Go(func() {
				f := newFar(12)
				f.change = func(int, *http.Request, *farAnswer) {
					c.pieces.mu.Lock()
					defer c.pieces.mu.Unlock()
					most = max(most, c.pieces.host("registry.example").now)
				}
				if raw, err := wholeBlob(t.Context(), f.open(t, c, nil), f.descriptor()); err != nil || !bytes.Equal(raw, f.blob) {
					t.Errorf("%d bytes, %v", len(raw), err)
				}
				if f.sent != int64(len(f.blob)) {
					t.Errorf("%d bytes were sent, expected the %d of the blob", f.sent, len(f.blob))
				}
			})
		}
		all.Wait()
		if rest, err := io.ReadAll(stuck); err != nil || len(rest) != len(idle.blob)-farPiece {
			t.Errorf("the one that was left alone: %d bytes, %v", len(rest), err)
		}
		_ = stuck.Close()
		if most > maxAhead {
			t.Errorf("%d pieces in memory, expected at most %d", most, maxAhead)
		}
		idle.settled(t, c)
	})
}

// TestSharesOfMemory takes all there is, for one blob and for several, from one registry
// and from two.
func TestSharesOfMemory(t *testing.T) {
	p := &pieces{size: 10}
	take := func(host string, has, want, most int) {
		t.Helper()
		n := 0
		for {
			memory, m := p.take(host, has)
			if m != most {
				t.Errorf("%s: %d pieces may be asked for, expected %d", host, m, most)
			}
			if memory == nil {
				break
			}
			n, has = n+1, has+1
		}
		if n != want {
			t.Errorf("%s: %d pieces, expected %d", host, n, want)
		}
	}
	back := func(host string, n int) {
		for range n {
			p.giveBack(host, make([]byte, 10))
		}
	}
	p.join()
	take("a", 0, 4, 4)
	p.join()
	take("b", 0, 0, 4) // the other blob has all
	back("a", 1)
	take("a", 3, 0, 4) // and more than its share
	take("b", 0, 1, 4)
	back("a", 3)
	take("b", 1, 1, 4)
	take("a", 0, 2, 4)
	back("a", 2)
	back("b", 2)
	p.leave()
	for _, most := range []int{2, 1, 0} {
		for range 3 { // what was refused together
			p.refused("a", max(2*most, 1))
		}
		take("a", 0, most, most)
		back("a", most)
	}
	take("b", 0, 4, 4)
	back("b", 4)
	if p.leave(); p.free != nil {
		t.Errorf("%d pieces of memory are kept for nobody", len(p.free))
	}
}

// TestPiecesEnd closes a reader, or cancels what it is for, at many points. The bubble
// fails the test if anyone is still at work.
func TestPiecesEnd(t *testing.T) {
	size := len(newFar(12).blob)
	for at := 0; at < size; at += farPiece / 3 {
		for _, cancels := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				f, c := newFar(12), connections()
				f.change = func(n int, _ *http.Request, a *farAnswer) {
					if n == 7 {
						*a = farAnswer{status: 429, header: http.Header{"Retry-After": {"30"}}}
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				rc, err := f.open(t, c, &retry.Policy{}).Blob(ctx, f.descriptor())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(rc, make([]byte, at)); err != nil {
					t.Fatal(err)
				}
				if cancels {
					time.AfterFunc(farPiece/4*time.Second/(1<<20), cancel)
					if n, err := io.Copy(io.Discard, rc); !errors.Is(err, context.Canceled) && (err != nil || at+int(n) != size) {
						t.Errorf("cancelled after %d bytes: %d more, %v", at, n, err)
					}
				}
				start := time.Now()
				_ = rc.Close()
				if f.busy() != 0 || !time.Now().Equal(start) {
					t.Errorf("closed after %d bytes: %d answers are still open after %v", at, f.busy(), time.Since(start))
				}
				_ = rc.Close()
				f.settled(t, c)
			})
		}
	}
}

// TestPatienceEndsInPieces has the failures stay: what is said is what is said of one
// answer.
func TestPatienceEndsInPieces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, c := range []struct {
			name   string
			change func(a *farAnswer)
			want   []string
		}{
			{"503", func(a *farAnswer) { *a = farAnswer{status: 503, header: http.Header{}} }, []string{"HTTP 503", "in 4 tries"}},
			{"cuts", func(a *farAnswer) { a.body, a.cut = nil, true }, []string{"unexpected EOF", "in 4 tries"}},
			{"cuts after a byte", func(a *farAnswer) { a.body, a.cut = a.body[:1], true }, []string{"cut after 16388 of 202069 bytes", "in 4 tries"}},
		} {
			f := newFar(12)
			f.change = func(n int, _ *http.Request, a *farAnswer) {
				if n > 0 {
					c.change(a)
				}
			}
			conns := connections()
			_, err := wholeBlob(t.Context(), f.open(t, conns, &retry.Policy{Tries: 4}), f.descriptor())
			want[error](t, err, append(c.want, "registry.example/tool@"+f.descriptor().Digest.String())...)
			f.settled(t, conns)
		}
	})
}

// TestPiecesOverTheNetwork has a registry that speaks HTTP/2, gives out tokens that are
// good for two requests and leads to a storage elsewhere: each piece comes over a
// connection of its own all the same, and no byte twice.
func TestPiecesOverTheNetwork(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	f := newFar(12)
	var mu sync.Mutex
	var sent int64
	tokens := map[string]int{}
	protos, from := map[string]int{}, map[string]bool{}
	together := make(chan struct{}) // closed when as many pieces as may be are asked for
	storage := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		protos[r.Proto]++
		if r.ProtoMajor == 1 {
			from[r.RemoteAddr] = true
			if protos[r.Proto] == maxAhead {
				close(together)
			}
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went along to the storage")
		}
		mu.Unlock()
		if r.ProtoMajor == 1 {
			select {
			case <-together:
			case <-r.Context().Done():
			}
		}
		http.ServeContent(tallying{w, func(n int) {
			mu.Lock()
			defer mu.Unlock()
			sent += int64(n)
		}}, r, "", time.Time{}, bytes.NewReader(f.blob))
	}))
	storage.Config.ErrorLog = log.New(io.Discard, "", 0)
	storage.EnableHTTP2 = true
	storage.StartTLS()
	t.Cleanup(storage.Close)
	var front *httptest.Server
	front = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/token" {
			token := fmt.Sprintf("t%d", len(tokens))
			tokens[token] = 2
			fmt.Fprintf(w, `{"token":%q}`, token)
			return
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if tokens[token]--; tokens[token] < 0 {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test",scope="repository:tool:pull"`, front.URL))
			http.Error(w, "{}", http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, storage.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	var certs bytes.Buffer
	for _, s := range []*httptest.Server{front, storage} {
		if err := pem.Encode(&certs, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(ca, certs.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c := connections()
	now := time.Unix(0, 0)
	c.Clock = func() time.Time { now = now.Add(time.Second); return now } // every byte is slow
	ref := mustRef(t, strings.TrimPrefix(front.URL, "https://")+"/tool:1")
	src, err := openRemote(ref, Access{CAFile: ca, Connections: c, Retry: hasty()}.Naming(ref))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := wholeBlob(t.Context(), src, f.descriptor())
	if err != nil || !bytes.Equal(raw, f.blob) {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	if sent != int64(len(f.blob)) {
		t.Errorf("%d bytes were sent, expected the %d of the blob", sent, len(f.blob))
	}
	// Where others used a token up, the reader asks by itself.
	if protos["HTTP/2.0"] == 0 || len(from) < maxAhead {
		t.Errorf("the storage was asked %v over %d connections, expected HTTP/2 first and at least %d connections besides", protos, len(from), maxAhead)
	}
}

// tallying tells how many bytes of a body are written.
type tallying struct {
	http.ResponseWriter
	wrote func(n int)
}

func (c tallying) Write(p []byte) (int, error) {
	c.wrote(len(p))
	return c.ResponseWriter.Write(p)
}

// FuzzPieces has each answer of a registry changed as a byte says: what is read is the
// blob or an error, and nobody is left at work.
func FuzzPieces(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	f.Add([]byte{0, 0x21, 0x41, 0x61, 0x81, 0xa1, 0xc1, 0xe1})
	f.Add([]byte{4, 4, 4, 0, 0, 3, 3, 3})
	f.Add([]byte{0, 10, 10, 10, 10, 2, 3, 0, 10})
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			r, c := newFar(9), connections()
			r.change = func(n int, _ *http.Request, a *farAnswer) {
				if n >= len(script) {
					return
				}
				much := int(script[n] >> 4) // of 16 parts
				switch script[n] & 15 {
				case 1:
					a.body, a.cut = a.body[:len(a.body)*much/16], true
				case 2:
					*a = farAnswer{status: 429, header: http.Header{"Retry-After": {strconv.Itoa(much)}}}
				case 3:
					*a = farAnswer{status: 500 + much, header: http.Header{}}
				case 4:
					*a = farAnswer{status: 400 + much, header: http.Header{}}
				case 5:
					*a = farAnswer{status: 200, header: http.Header{}, body: r.blob}
				case 6:
					a.body, a.untold = append(bytes.Clone(a.body), script...), true
				case 7:
					a.body, a.untold = a.body[:len(a.body)*much/16], true
				case 8:
					a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", much, len(a.body), len(r.blob)))
				case 9:
					a.body = bytes.Clone(a.body)
					a.body[len(a.body)*much/16] ^= 1
				case 10:
					time.Sleep(time.Duration(much) * time.Second)
				case 11:
					a.header.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(a.body)-1, len(r.blob)+much))
				}
			}
			raw, err := wholeBlob(t.Context(), r.open(t, c, &retry.Policy{}), r.descriptor())
			if err == nil && !bytes.Equal(raw, r.blob) {
				t.Errorf("read %d bytes that are not the blob", len(raw))
			}
			r.settled(t, c)
		})
	})
}
