package publish_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"facerec/internal/checksum"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/text"
)

// fetchAll gets every file of the latest release into dir. What d has counts as
// signed, and nothing else.
func fetchAll(t *testing.T, page publish.Reader, d publish.Dist, dir string) error {
	t.Helper()
	temp, err := os.MkdirTemp(dir, ".partial-fetch-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	signed, err := os.ReadFile(filepath.Join(filepath.Dir(d.Files[0].Path), checksum.File))
	if err != nil {
		t.Fatal(err)
	}
	_, err = publish.Fetch(t.Context(), publish.Fetching{
		Page: page, Dir: dir, Temp: temp, Retry: quick(),
		Wanted: publish.Wanted{All: true, Choose: func(r release.Record) ([]release.RecordCell, error) { return r.Cells, nil }},
		Signed: func(_ context.Context, _ release.Record, sums, _ []byte) error {
			if !bytes.Equal(sums, signed) {
				return errNotSigned
			}
			return nil
		},
	})
	return err
}

var errNotSigned = errors.New("not signed")

// onlyTrue fails if a directory has other bytes than the release under a name of
// its files. The bundle is whatever the check of the signature took.
func onlyTrue(t *testing.T, dir string, d publish.Dist) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ok := strings.HasPrefix(e.Name(), ".partial-") || e.Name() == release.BundleFile
		for _, f := range d.Files {
			got, err := release.DigestFile(filepath.Join(dir, e.Name()))
			ok = ok || f.Name == e.Name() && err == nil && got == f.Digest
		}
		if !ok {
			t.Errorf("%s was kept, and is not the release's", e.Name())
		}
	}
}

// served publishes a release in a web root and serves it. spoil may change an
// answer's body; n counts requests from 0.
func served(t *testing.T, d publish.Dist, spoil func(n int64, path string, body []byte) []byte) publish.Reader {
	t.Helper()
	root := t.TempDir()
	if _, err := put(t, open(t, publish.DirPrefix+root, ""), d); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		body = spoil(n.Add(1)-1, r.URL.Path, bytes.Clone(body))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}))
	t.Cleanup(s.Close)
	page, err := publish.Open(t.Context(), "web:"+s.URL, options(""))
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// A page serves other bytes to every second request: whatever comes through, no
// file that is not the release's gets its name, and an honest page is enough to
// complete the rest.
func TestFetchFromAPageOfTwoMinds(t *testing.T) {
	d := dist(t, "tool", "1.0.0")
	for _, c := range []struct {
		name string
		bad  func(body []byte) []byte
	}{
		{"a bit", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"shorter", func(b []byte) []byte { return b[:len(b)/2] }},
		{"longer", func(b []byte) []byte { return append(b, "more"...) }},
		{"empty", func([]byte) []byte { return nil }},
	} {
		for parity := range int64(2) {
			t.Run(fmt.Sprint(c.name, parity), func(t *testing.T) {
				honest := false
				page := served(t, d, func(n int64, _ string, body []byte) []byte {
					if !honest && n%2 == parity {
						return c.bad(body)
					}
					return body
				})
				dir := t.TempDir()
				failures := 0
				for range 8 { // the documents come in any order
					if err := fetchAll(t, page, d, dir); err != nil {
						failures++
					}
					onlyTrue(t, dir, d)
				}
				if failures == 0 {
					t.Error("every second answer is wrong, and nothing failed")
				}
				honest = true
				if err := fetchAll(t, page, d, dir); err != nil {
					t.Fatalf("an honest page after it: %v", err)
				}
				onlyTrue(t, dir, d)
				for _, f := range d.Files {
					if _, err := os.Stat(filepath.Join(dir, f.Name)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// The documents come first, once each, and with them the bundles that checksums.txt
// does not name; who has seen enough of them gets no tarball.
func TestFetchDocumentsFirst(t *testing.T) {
	d := with(t, dist(t, "tool", "1.0.0"), release.ProvenanceFile, "{}\n")
	d = with(t, d, "ann.rebuild.sigstore.json", "{}\n")
	var asked []string
	page := served(t, d, func(_ int64, path string, body []byte) []byte {
		asked = append(asked, filepath.Base(path))
		return body
	})
	enough := errors.New("enough")
	for _, c := range []struct {
		name    string
		wanted  publish.Wanted
		bundles []string
		stop    error
	}{
		{"all", publish.Wanted{All: true}, []string{"ann.rebuild.sigstore.json", release.ProvenanceFile}, nil},
		{"all of the documents", publish.Wanted{All: true}, []string{"ann.rebuild.sigstore.json", release.ProvenanceFile}, enough},
		{"one", publish.Wanted{Also: []string{release.ProvenanceFile, "none.sigstore.json"}}, []string{release.ProvenanceFile}, nil},
		{"none", publish.Wanted{}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked = nil
			dir := t.TempDir()
			in := publish.Fetching{Page: page, Dir: dir, Temp: filepath.Join(dir, "temp"), Retry: quick(), Wanted: c.wanted,
				Signed: func(context.Context, release.Record, []byte, []byte) error { return nil },
				Documents: func(_ context.Context, temp string) error {
					entries, err := os.ReadDir(temp)
					if err != nil {
						return err
					}
					var got []string
					for _, e := range entries {
						got = append(got, e.Name())
					}
					want := append([]string{checksum.File, release.BundleFile, release.RecordFile}, c.bundles...)
					slices.Sort(want)
					if !slices.Equal(got, want) {
						t.Errorf("got %v, expected %v", got, want)
					}
					return c.stop
				}}
			if err := os.Mkdir(in.Temp, 0o700); err != nil {
				t.Fatal(err)
			}
			in.Wanted.Choose = func(r release.Record) ([]release.RecordCell, error) { return r.Cells, nil }
			got, err := publish.Fetch(t.Context(), in)
			if !errors.Is(err, c.stop) {
				t.Fatal(err)
			}
			if n := len(slices.Compact(slices.Sorted(slices.Values(asked)))); n != len(asked) {
				t.Errorf("asked for %v", asked)
			}
			if tarball := slices.ContainsFunc(asked, release.IsTarball); tarball == (c.stop != nil) {
				t.Errorf("asked for %v", asked)
			}
			if c.stop == nil && len(got.Files) != 4+len(c.bundles) {
				t.Errorf("got %+v", got.Files)
			}
		})
	}
}

// An asset alone is other bytes at every second request: it is asked for once.
func TestFetchSaysWhichAssetDiffers(t *testing.T) {
	d := dist(t, "tool", "1.0.0")
	for _, f := range d.Files {
		if f.Name == release.BundleFile {
			continue
		}
		var n atomic.Int64
		page := served(t, d, func(_ int64, path string, body []byte) []byte {
			if strings.HasSuffix(path, "/"+f.Name) && n.Add(1)%2 == 1 {
				body[len(body)/2] ^= 1
			}
			return body
		})
		dir := t.TempDir()
		err := fetchAll(t, page, d, dir)
		switch {
		case f.Name == checksum.File && !errors.Is(err, errNotSigned), f.Name != checksum.File && !isRefusal(err, f.Name, "the page serves other bytes"):
			t.Errorf("%s: got %v", f.Name, err)
		}
		onlyTrue(t, dir, d)
		if err := fetchAll(t, page, d, dir); err != nil {
			t.Errorf("%s: the second time: %v", f.Name, err)
		}
	}
}

// Who may not read a page is told so, and what to do.
func TestFetchWithoutTheRight(t *testing.T) {
	d := dist(t, "tool", "1.0.0")
	g := newFakeGitHub(t)
	g.tag("v1.0.0", commitA)
	if _, err := put(t, open(t, g.page(), fakeToken), d); err != nil {
		t.Fatal(err)
	}
	private := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" && strings.HasPrefix(r.URL.Path, "/api/") {
			g.problem(w, http.StatusNotFound, "Not Found", "")
			return true
		}
		return false
	}
	for _, c := range []struct {
		name, token string
		fault       func(http.ResponseWriter, *http.Request) bool
		status      int
		hint        string
	}{
		{"public, without a token", "", nil, 0, ""},
		{"public, a wrong token", "wrong", nil, http.StatusUnauthorized, "the token is wrong or has expired"},
		{"private, with the token", fakeToken, private, 0, ""},
		{"private, without a token", "", private, http.StatusNotFound, "a private page needs a token that may read it"},
		{"no right", fakeToken, func(w http.ResponseWriter, _ *http.Request) bool {
			g.problem(w, http.StatusForbidden, "Resource not accessible by personal access token", "")
			return true
		}, http.StatusForbidden, "the token needs the right"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.mu.Lock()
			g.fault = c.fault
			g.mu.Unlock()
			dir := t.TempDir()
			err := fetchAll(t, open(t, g.page(), c.token), d, dir)
			var status *publish.StatusError
			if c.status == 0 && err != nil || c.status != 0 && (!errors.As(err, &status) || status.Status != c.status || !strings.Contains(text.Hint(err), c.hint)) {
				t.Errorf("got %v (%s)", err, text.Hint(err))
			}
			onlyTrue(t, dir, d)
			if entries, err := os.ReadDir(dir); c.status != 0 && (err != nil || len(entries) != 0) {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

// A certificate of a page that is not valid by this machine's clock: the clock may
// be what is wrong, and the error has a hint. Signatures do not depend on it: their
// time is the timestamp's in the bundle.
func TestFetchByAWrongClock(t *testing.T) {
	for name, from := range map[string]time.Duration{"slow clock": time.Hour, "fast clock": -48 * time.Hour} {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, time.Now().Add(from))}}
		s.Config.ErrorLog = nil
		s.StartTLS()
		_, err := publish.Open(t.Context(), s.URL+"/o/r", options(""))
		s.Close()
		if err == nil || !strings.Contains(err.Error(), "certificate has expired or is not yet valid") || !strings.Contains(text.Hint(err), "this machine's clock") {
			t.Errorf("%s: got %v (%s)", name, err, text.Hint(err))
		}
	}
}

// certificate is valid for a day.
func certificate(t *testing.T, from time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "loopback"}, NotBefore: from, NotAfter: from.Add(24 * time.Hour), DNSNames: []string{"localhost"}}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}
