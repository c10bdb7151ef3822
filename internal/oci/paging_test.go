package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"facerec/internal/release"
)

// tagPages serves tags two a page, as the specification has it, and whatever link
// a test wants.
func tagPages(t *testing.T, link func(page int) string) Ref {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/tool/tags/list" {
			return // the log-in
		}
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if l := link(page); l != "" {
			w.Header().Set("Link", l)
		}
		fmt.Fprintf(w, `{"name":"tool","tags":["b%d","a%d"]}`, page, page)
	}))
	t.Cleanup(s.Close)
	return mustRef(t, strings.TrimPrefix(s.URL, "http://")+"/tool")
}

func TestTags(t *testing.T) {
	for _, c := range []struct {
		name string
		link func(page int) string
		want string // tags, or the error
	}{
		{"one page", func(int) string { return "" }, "a0 b0"},
		{"three pages", func(page int) string {
			if page == 2 {
				return ""
			}
			return fmt.Sprintf(`</v2/tool/tags/list?page=%d>; rel="next"`, page+1)
		}, "a0 a1 a2 b0 b1 b2"},
		{"the same page for ever", func(page int) string { return `</v2/tool/tags/list?page=0>; rel="next"` }, "circle"},
		{"a page back", func(page int) string { return fmt.Sprintf(`<?page=%d>; rel="next"`, 1-page) }, "circle"},
		{"pages without end", func(page int) string { return fmt.Sprintf(`<?page=%d>; rel="next"`, page+1) }, "more than 100 pages"},
		{"another host", func(int) string { return `<http://192.0.2.1/v2/tool/tags/list>; rel="next"` }, "refused"},
		{"no link at all", func(int) string { return `next please` }, "expected <TARGET>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tags, err := Tags(t.Context(), tagPages(t, c.link), Access{Named: loopback, Retry: hasty()})
			got := strings.Join(tags, " ")
			if err != nil {
				got = err.Error()
			}
			if got != c.want && (err == nil || !strings.Contains(got, c.want)) || strings.Contains(got, "\n") {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestUnknownTagNamesTheOthers is what a wrong version meets.
func TestUnknownTagNamesTheOthers(t *testing.T) {
	n := newBadNetwork(t)
	_, err := ReadIndex(t.Context(), n.ref.WithTag("9"), Access{Named: loopback})
	if !IsNotFound(err) || !strings.HasSuffix(err.Error(), "not found: the repository has the tags 1") {
		t.Errorf("got %v", err)
	}
}

// TestReferrersInPages has the API hand out one attachment a page.
func TestReferrersInPages(t *testing.T) {
	s, ref := newTwisted(t, true)
	for _, text := range []string{"one", "two", "three"} {
		if _, err := Attach(t.Context(), ref, []byte(text), bundleType, nil, Access{Named: loopback}); err != nil {
			t.Fatal(err)
		}
	}
	last := func(w http.ResponseWriter, page int) {}
	s.twist = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return false
		}
		rec := httptest.NewRecorder()
		s.inner.ServeHTTP(rec, r)
		var all struct {
			Manifests []json.RawMessage `json:"manifests"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &all); err != nil {
			t.Error(err)
		}
		slices.SortFunc(all.Manifests, func(a, b json.RawMessage) int { return bytes.Compare(a, b) }) // that registry has no order
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		w.Header().Set("Content-Type", mediaIndex)
		if page < len(all.Manifests)-1 {
			w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, r.URL.Path, page+1))
		} else {
			last(w, page)
		}
		fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[%s]}`, all.Manifests[page])
		return true
	}
	if found, problems := attachments(t, ref); len(found) != 3 || len(problems) > 0 {
		t.Errorf("found %d, %v", len(found), problems)
	}
	// What came before a bad link is as good as ever; the link is a problem.
	for link, want := range map[string]string{
		`<http://192.0.2.1/>; rel="next"`: "refused",
		`<?page=1>; rel="next"`:           "circle",
	} {
		last = func(w http.ResponseWriter, _ int) { w.Header().Set("Link", link) }
		if found, problems := attachments(t, ref); len(found) != 3 || len(problems) != 1 || !strings.Contains(problems[0].Error(), want) {
			t.Errorf("%s: found %d, %v", link, len(found), problems)
		}
	}
	// And the rest is read when the list fails altogether.
	s.twist = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/referrers/") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		if strings.HasSuffix(r.URL.Path, "/manifests/"+fallbackTag(ref.Digest)+".sig") {
			w.Header().Set("Content-Type", mediaManifest)
			_, _ = io.WriteString(w, `{"schemaVersion":2,"mediaType":"`+mediaManifest+`","config":{},"layers":[]}`)
			return true
		}
		return false
	}
	if found, problems := attachments(t, ref); len(found) != 1 || len(problems) != 1 || found[0].Digest == (release.Digest{}) {
		t.Errorf("found %v, %v", found, problems)
	}
}
