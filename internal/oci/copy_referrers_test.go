package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/release"
)

// putTagged puts an image of one layer under a tag, as cosign up to version 2
// keeps signatures.
func putTagged(t *testing.T, at Ref, tag, text string) {
	t.Helper()
	repo, err := Access{Named: loopback}.repository(at.Name)
	if err != nil {
		t.Fatal(err)
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for i, l := range []v1.Layer{static.NewLayer([]byte("{}"), types.OCIConfigJSON), static.NewLayer([]byte(text), types.MediaType(bundleType))} {
		if err := remote.WriteLayer(repo, l); err != nil {
			t.Fatal(err)
		}
		digest, _ := l.Digest()
		size, _ := l.Size()
		mediaType, _ := l.MediaType()
		d := v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}
		if i == 0 {
			m.Config = d
		} else {
			m.Layers = append(m.Layers, d)
		}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	putManifest(t, at, tag, mediaManifest, raw)
}

// texts reads what stands beside an image, sorted.
func texts(t *testing.T, at Ref, subject release.Digest) []string {
	t.Helper()
	found, problems, err := Referrers(t.Context(), at, subject, Access{Named: loopback})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	var out []string
	for _, a := range found {
		data, err := a.Read(t.Context(), a.Layers[0], 100)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(data))
	}
	slices.Sort(out)
	return out
}

func pull1(t *testing.T, from Ref, dir string, o TransferOptions) (Pushed, error) {
	t.Helper()
	got, err := Pull(t.Context(), []PullJob{{from.WithTag("1"), "1"}}, dir, o)
	if err != nil {
		return Pushed{}, err
	}
	return got[0], nil
}

// TestReferrersTravel pulls an image with what stands beside it, in each kind of
// registry, and pushes the layout into each kind: everything is beside it again,
// and the layout still has one image.
func TestReferrersTravel(t *testing.T) {
	want := []string{"att", "referrer one", "referrer two", "sig"}
	for _, api := range []bool{true, false} {
		t.Run(fmt.Sprintf("api %v", api), func(t *testing.T) {
			_, from := newTwisted(t, api)
			for _, text := range want[1:3] {
				if _, err := Attach(t.Context(), from, []byte(text), bundleType, nil, Access{Named: loopback}); err != nil {
					t.Fatal(err)
				}
			}
			putTagged(t, from, fallbackTag(from.Digest)+".sig", "sig")
			putTagged(t, from, fallbackTag(from.Digest)+".att", "att")
			dir := filepath.Join(t.TempDir(), "layout")
			pulled, err := pull1(t, from, dir, TransferOptions{Access: Access{Named: loopback}, Jobs: 2})
			if err != nil || pulled.Digest != from.Digest || pulled.Referrers != 4 {
				t.Fatalf("got %+v, %v", pulled, err)
			}
			layout := Ref{Kind: Layout, Name: dir}
			if got := texts(t, layout, from.Digest); !slices.Equal(got, want) {
				t.Errorf("in the layout: %q", got)
			}
			if tags, err := LayoutTags(layout); err != nil || !slices.Equal(tags, []string{"1"}) {
				t.Errorf("tags: %q, %v", tags, err)
			}
			if ix, err := ReadIndex(t.Context(), layout, Access{Named: loopback}); err != nil || ix.Digest != from.Digest {
				t.Errorf("the layout without a tag: %+v, %v", ix, err)
			}
			for _, other := range []bool{true, false} {
				_, to := newTwisted(t, other)
				to = Ref{Name: to.Name + "-copy"}
				pushed, err := Push(t.Context(), layout, to, TransferOptions{Access: Access{Named: loopback}})
				if err != nil || len(pushed) != 1 || pushed[0].Referrers != 4 {
					t.Fatalf("api %v: got %+v, %v", other, pushed, err)
				}
				if got := texts(t, to, from.Digest); !slices.Equal(got, want) {
					t.Errorf("api %v: in the registry: %q", other, got)
				}
				bare := Ref{Name: to.Name + "-bare"}
				if pushed, err = Push(t.Context(), layout, bare, TransferOptions{Access: Access{Named: loopback}, ImagesOnly: true}); err != nil || pushed[0].Referrers != 0 {
					t.Fatalf("got %+v, %v", pushed, err)
				}
				if got := texts(t, bare, from.Digest); len(got) > 0 {
					t.Errorf("images only, and beside it: %q", got)
				}
			}
			bare := filepath.Join(t.TempDir(), "bare")
			if pulled, err = pull1(t, from, bare, TransferOptions{Access: Access{Named: loopback}, ImagesOnly: true}); err != nil || pulled.Referrers != 0 {
				t.Fatalf("got %+v, %v", pulled, err)
			}
			if got := texts(t, Ref{Kind: Layout, Name: bare}, from.Digest); len(got) > 0 {
				t.Errorf("images only, and beside it: %q", got)
			}
		})
	}
}

// TestDamagedReferrerStaysHere spoils a signature in a layout: nothing is pushed,
// the image neither.
func TestDamagedReferrerStaysHere(t *testing.T) {
	_, from := newTwisted(t, true)
	if _, err := Attach(t.Context(), from, []byte("signature"), bundleType, nil, Access{Named: loopback}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	if _, err := pull1(t, from, dir, TransferOptions{Access: Access{Named: loopback}}); err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(dir, "blobs", "sha256", release.DigestBytes([]byte("signature")).Hex())
	if err := os.WriteFile(blob, []byte("signaturf"), 0o644); err != nil {
		t.Fatal(err)
	}
	to := Ref{Name: from.Name + "-copy"}
	if _, err := Push(t.Context(), Ref{Kind: Layout, Name: dir}, to, TransferOptions{Access: Access{Named: loopback}}); !errors.As(err, new(*MismatchError)) {
		t.Errorf("pushed: %v", err)
	}
	if _, err := ReadIndex(t.Context(), to.WithTag("1"), Access{Named: loopback}); !IsNotFound(err) {
		t.Errorf("the image is there: %v", err)
	}
}

// TestPullFailsWhereSignaturesCannotBeSeen has the registry fail at the list of
// referrers.
func TestPullFailsWhereSignaturesCannotBeSeen(t *testing.T) {
	s, from := newTwisted(t, true)
	s.twist = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/referrers/") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	dir := filepath.Join(t.TempDir(), "layout")
	if _, err := pull1(t, from, dir, TransferOptions{Access: Access{Named: loopback}}); err == nil || !strings.Contains(err.Error(), "--images-only leaves them out") {
		t.Errorf("got %v", err)
	}
	if _, err := pull1(t, from, dir, TransferOptions{Access: Access{Named: loopback}, ImagesOnly: true}); err != nil {
		t.Error(err)
	}
}

// TestPullFetchesAsManyAsAsked counts the blobs that are fetched at a time.
func TestPullFetchesAsManyAsAsked(t *testing.T) {
	s, from := newTwisted(t, true)
	for i := range 12 {
		putTagged(t, from, fmt.Sprintf("%s.s%d", fallbackTag(from.Digest), i), "unused") // what no reader looks for stays
		if _, err := Attach(t.Context(), from, fmt.Appendf(nil, "text %d", i), bundleType, nil, Access{Named: loopback}); err != nil {
			t.Fatal(err)
		}
	}
	var now, most atomic.Int64
	s.twist = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			n := now.Add(1)
			for have := most.Load(); n > have && !most.CompareAndSwap(have, n); have = most.Load() {
			}
			// Whoever has the last byte may come again before this handler returns.
			answer := httptest.NewRecorder()
			s.inner.ServeHTTP(answer, r)
			for range 100 { // others come now, if they come at all
				runtime.Gosched()
			}
			now.Add(-1)
			maps.Copy(w.Header(), answer.Header())
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
			return true
		}
		return false
	}
	for _, jobs := range []int{1, 2} {
		most.Store(0)
		var told int
		o := TransferOptions{Access: Access{Named: loopback}, Jobs: jobs, Moved: func(p Pushed) { told = p.Referrers }}
		if _, err := pull1(t, from, filepath.Join(t.TempDir(), "layout"), o); err != nil {
			t.Fatal(err)
		}
		if most.Load() > int64(jobs) || most.Load() == 0 || told != 12 {
			t.Errorf("%d jobs: %d blobs at a time, %d beside it", jobs, most.Load(), told)
		}
	}
}
