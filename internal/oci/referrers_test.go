package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"facerec/internal/release"
)

const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// twisted is a registry whose answers a test may change.
type twisted struct {
	inner http.Handler
	twist func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

func (s *twisted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.twist == nil || !s.twist(w, r) {
		s.inner.ServeHTTP(w, r)
	}
}

func newTwisted(t *testing.T, api bool) (*twisted, Ref) {
	t.Helper()
	s := &twisted{inner: registry.New(registry.WithReferrersSupport(api), registry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	ref, err := ParseRef(strings.TrimPrefix(server.URL, "http://") + "/test/tool")
	if err != nil {
		t.Fatal(err)
	}
	manifest := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	putManifest(t, ref, "1", mediaIndex, manifest)
	return s, ref.At(release.DigestBytes(manifest))
}

func putManifest(t *testing.T, ref Ref, name, mediaType string, raw []byte) {
	t.Helper()
	host, path, _ := strings.Cut(ref.Name, "/")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+host+"/v2/"+path+"/manifests/"+name, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%s: %s", name, resp.Status)
	}
}

func attachments(t *testing.T, ref Ref) ([]Referrer, []error) {
	t.Helper()
	found, problems, err := Referrers(t.Context(), ref, ref.Digest, Access{Named: loopback})
	if err != nil {
		t.Fatal(err)
	}
	return found, problems
}

// TestAttachAndFind puts two things beside an image and finds them, with the
// referrers API and without.
func TestAttachAndFind(t *testing.T) {
	for _, api := range []bool{true, false} {
		t.Run(fmt.Sprintf("api %v", api), func(t *testing.T) {
			_, ref := newTwisted(t, api)
			want := map[release.Digest]string{}
			for _, text := range []string{"one", "two"} {
				d, err := Attach(t.Context(), ref, []byte(text), bundleType, map[string]string{"k": text}, Access{Named: loopback})
				if err != nil {
					t.Fatal(err)
				}
				want[d] = text
			}
			again, err := Attach(t.Context(), ref, []byte("one"), bundleType, map[string]string{"k": "one"}, Access{Named: loopback})
			if err != nil || want[again] != "one" {
				t.Errorf("the same again: %s, %v", again, err)
			}
			found, problems := attachments(t, ref)
			if len(found) != 2 || len(problems) > 0 {
				t.Fatalf("found %+v, %v", found, problems)
			}
			for _, a := range found {
				data, err := a.Read(t.Context(), a.Layers[0], 100)
				if err != nil || string(data) != want[a.Digest] || a.ArtifactType != bundleType || a.Layers[0].MediaType != bundleType {
					t.Errorf("got %q of %+v, %v", data, a, err)
				}
				if _, err := a.Read(t.Context(), a.Layers[0], 2); err == nil || !strings.Contains(err.Error(), "at most 2") {
					t.Errorf("over the limit: %v", err)
				}
			}
			if _, err := Attach(t.Context(), ref.At(release.DigestBytes(nil)), []byte("x"), bundleType, nil, Access{Named: loopback}); !IsNotFound(err) {
				t.Errorf("beside nothing: %v", err)
			}
		})
	}
}

// TestHostileReferrers has the registry lie about what stands beside an image.
func TestHostileReferrers(t *testing.T) {
	for _, c := range []struct {
		name     string
		list     func(ref Ref, good string) (status int, body string)
		found    int
		problems int
	}{
		{"server error", func(Ref, string) (int, string) { return 501, "{}" }, 1, 0},
		{"forbidden", func(Ref, string) (int, string) { return 403, "{}" }, 1, 1},
		{"no JSON", func(Ref, string) (int, string) { return 200, "<html>" }, 1, 1},
		{"listed and not there", func(Ref, string) (int, string) {
			return 200, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"` + release.DigestBytes(nil).String() + `"}]}`
		}, 1, 1},
		{"listed, about itself", func(ref Ref, _ string) (int, string) {
			return 200, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","size":2,"digest":"` + ref.Digest.String() + `"}]}`
		}, 1, 0},
		{"a thousand", func(Ref, string) (int, string) {
			var list []string
			for i := range 1000 {
				list = append(list, `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"digest":"`+release.DigestBytes([]byte{byte(i), byte(i >> 8)}).String()+`"}`)
			}
			return 200, `{"schemaVersion":2,"manifests":[` + strings.Join(list, ",") + `]}`
		}, 0, maxReferrers + 2},
		{"wrong type, no annotations", func(_ Ref, good string) (int, string) {
			return 200, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"text/plain","size":2,"digest":"` + good + `"}]}`
		}, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, ref := newTwisted(t, false) // the good one goes under the fallback tag
			good, err := Attach(t.Context(), ref, []byte("good"), bundleType, nil, Access{Named: loopback})
			if err != nil {
				t.Fatal(err)
			}
			status, body := c.list(ref, good.String())
			s.twist = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/referrers/") {
					return false
				}
				w.Header().Set("Content-Type", mediaIndex)
				w.WriteHeader(status)
				fmt.Fprint(w, body)
				return true
			}
			found, problems := attachments(t, ref)
			if len(found) != c.found || len(problems) != c.problems {
				t.Errorf("found %d, want %d; %d problems, want %d: %v", len(found), c.found, len(problems), c.problems, problems)
			}
		})
	}
}

// TestReferrerOfOtherBytes has the registry give another manifest and another
// layer than the digests say.
func TestReferrerOfOtherBytes(t *testing.T) {
	s, ref := newTwisted(t, true)
	good, err := Attach(t.Context(), ref, []byte("good"), bundleType, nil, Access{Named: loopback})
	if err != nil {
		t.Fatal(err)
	}
	found, _ := attachments(t, ref)
	s.twist = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
			fmt.Fprint(w, "evil")
			return true
		}
		return false
	}
	if data, err := found[0].Read(t.Context(), found[0].Layers[0], 100); err == nil {
		t.Errorf("another layer was read: %q", data)
	}
	s.twist = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/manifests/"+good.String()) {
			w.Header().Set("Content-Type", mediaManifest)
			fmt.Fprint(w, `{"schemaVersion":2,"layers":[]}`)
			return true
		}
		return false
	}
	if found, problems := attachments(t, ref); len(found) != 0 || len(problems) != 1 {
		t.Errorf("another manifest: %v, %v", found, problems)
	}
}

// TestAttachmentsOfALayout finds what stands on top of a layout, by its subject
// and by the names of cosign's tags.
func TestAttachmentsOfALayout(t *testing.T) {
	dir := t.TempDir()
	w, err := NewLayoutWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	write := func(mediaType string, v any) Descriptor {
		t.Helper()
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		d, err := w.Bytes(mediaType, raw)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	image := write(mediaIndex, map[string]any{"schemaVersion": 2, "manifests": []any{}})
	manifest := func(subject *Descriptor, text string) Descriptor {
		layer := write("", text)
		m := map[string]any{"schemaVersion": 2, "mediaType": mediaManifest, "artifactType": bundleType, "layers": []any{map[string]any{"mediaType": bundleType, "digest": layer.Digest, "size": layer.Size}}}
		if subject != nil {
			m["subject"] = map[string]any{"mediaType": subject.MediaType, "digest": subject.Digest, "size": subject.Size}
		}
		return write(mediaManifest, m)
	}
	w.Top(image, "1")
	w.Top(manifest(&image, "by its subject"), "")
	other := manifest(nil, "of another")
	w.Top(manifest(&other, "about another"), "")
	w.Top(manifest(nil, "by its tag"), fallbackTag(image.Digest)+".sig")
	w.Top(manifest(nil, "another's tag"), fallbackTag(other.Digest)+".sig")
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	ref, err := ParseLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	found, problems := attachments(t, ref.At(image.Digest))
	var texts []string
	for _, a := range found {
		raw, err := a.Read(t.Context(), a.Layers[0], 100)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(raw))
	}
	if got := strings.Join(texts, " "); len(problems) > 0 || len(texts) != 2 || !strings.Contains(got, "by its subject") || !strings.Contains(got, "by its tag") {
		t.Errorf("found %s, %v", got, problems)
	}
	if _, _, err := Referrers(t.Context(), Ref{Kind: DockerArchive, Name: os.DevNull}, image.Digest, Access{Named: loopback}); err == nil {
		t.Error("a docker archive has signatures")
	}
}

// FuzzAttachment reads manifests that strangers put beside an image: none that
// names another subject, or none, is taken for one of this image.
func FuzzAttachment(f *testing.F) {
	subject := release.DigestBytes([]byte("image"))
	for _, digest := range []string{subject.String(), release.DigestBytes(nil).String(), "sha512:00", ""} {
		f.Add([]byte(`{"schemaVersion":2,"artifactType":"a","layers":[{"mediaType":"b","size":1,"digest":"` + digest + `"}],"subject":{"digest":"` + digest + `","size":1}}`))
	}
	f.Add([]byte(`{"layers":null,"subject":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := &lister{subject: subject, seen: map[release.Digest]bool{}}
		l.add("referrer", release.DigestBytes(raw), raw, true)
		if len(l.found)+len(l.problems) > 1 {
			t.Errorf("found %d with %d problems in one manifest", len(l.found), len(l.problems))
		}
		if len(l.found) == 1 && !bytes.Contains(raw, []byte(subject.Hex())) && !bytes.Contains(raw, []byte(`\u`)) {
			t.Errorf("taken for one of the image: %s", raw)
		}
	})
}
