package publish_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v93/github"

	"facerec/internal/checksum"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/retry"
)

const (
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func (g *fakeGitHub) epoch() time.Time { return time.Unix(0, 0) }

// dist makes a release directory with a tarball of some size.
func dist(t testing.TB, project string, v release.Version) publish.Dist {
	t.Helper()
	dir := t.TempDir()
	platform, err := release.ParsePlatform("linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	tarball := bytes.Repeat([]byte(project+string(v)+"\n"), 5000)
	name := project + "_" + string(v) + "_linux_amd64.tar.gz"
	d := release.DigestBytes(tarball)
	record := release.Record{Schema: release.RecordSchema, Project: project, Version: v, Cells: []release.RecordCell{{
		Lineage: "default", Platform: platform, Asset: name, Image: "example.org/" + project + ":" + string(v), IndexDigest: d, ManifestDigest: d,
		Path: "/app", Prefix: project + "-" + string(v), Recipe: "gnu-gzip-6",
		TarSHA256: release.HexDigest{Digest: d}, TarSize: 10240, FileSHA256: release.HexDigest{Digest: d}, FileSize: int64(len(tarball)),
		Entries: []release.RecordEntry{{Name: ".", Type: release.EntryDir, Mode: 0o755}},
	}}}
	raw, err := record.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sums, err := checksum.New([]checksum.Sum{{Name: name, Digest: d}, {Name: release.RecordFile, Digest: release.DigestBytes(raw)}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{name: tarball, release.RecordFile: raw, checksum.File: sums.Format(), checksum.File + ".sigstore.json": []byte("{}\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := publish.ReadDist(dir)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func quick() *retry.Policy {
	return &retry.Policy{Tries: 4, Stall: 5 * time.Minute, First: time.Millisecond, Longest: 50 * time.Millisecond, Obey: true}
}

func options(token string) publish.Options {
	return publish.Options{UserAgent: "test", Retry: quick(), Token: func(string) string { return token }}
}

func open(t testing.TB, address, token string) publish.Page {
	t.Helper()
	r, err := publish.Open(t.Context(), address, options(token))
	if err != nil {
		t.Fatal(err)
	}
	return r.(publish.Page)
}

// put publishes and checks that what is verified is what was downloaded.
func put(t testing.TB, page publish.Page, d publish.Dist) (publish.Result, error) {
	t.Helper()
	verified := 0
	result, err := publish.Publish(t.Context(), publish.Input{
		Page: page, Dist: d, Notes: "What changed.", Temp: t.TempDir(), Retry: quick(),
		Verify: func(_ context.Context, dir string) error {
			verified++
			for _, f := range d.Files {
				got, err := os.ReadFile(filepath.Join(dir, f.Name))
				if err != nil || release.DigestBytes(got) != f.Digest {
					t.Errorf("%s to be verified differs: %v", f.Name, err)
				}
			}
			return nil
		},
	})
	if err == nil && verified != 1 {
		t.Errorf("verified %d times", verified)
	}
	return result, err
}

func isRefusal(err error, subject, reason string) bool {
	var r *publish.Refusal
	return errors.As(err, &r) && strings.Contains(r.Subject, subject) && strings.Contains(r.Reason, reason)
}

func TestGitHubPublishes(t *testing.T) {
	g := newFakeGitHub(t)
	g.tag("v1.0.0", commitA)
	d := dist(t, "tool", "1.0.0")
	page := open(t, g.page(), fakeToken)
	result, err := put(t, page, d)
	if err != nil || result.Found != publish.Missing {
		t.Fatalf("%+v, %v", result, err)
	}
	rel := g.releases[0]
	if len(g.releases) != 1 || rel.Draft || rel.Prerelease || rel.TargetCommitish != commitA || len(rel.Assets) != len(d.Files) || rel.GetBody() != "What changed." {
		t.Errorf("the page has %+v", rel)
	}
	before := len(g.requests)
	if result, err = put(t, page, d); err != nil || result.Found != publish.Published {
		t.Errorf("again: %+v, %v", result, err)
	}
	for _, r := range g.requests[before:] {
		if !strings.HasPrefix(r, "GET ") {
			t.Errorf("again: %s", r)
		}
	}

	// A pre-release is marked as one.
	g.tag("v2.0.0-rc.1", commitA)
	if _, err := put(t, page, dist(t, "tool", "2.0.0-rc.1")); err != nil || !g.releases[1].Prerelease {
		t.Errorf("%v, %+v", err, g.releases[1])
	}
}

// TestGitHubIsRefused has what may be wrong with a page. Nothing is published and
// nothing that is published changes.
func TestGitHubIsRefused(t *testing.T) {
	published := func(t *testing.T, g *fakeGitHub, d publish.Dist) *github.RepositoryRelease {
		if _, err := put(t, open(t, g.page(), fakeToken), d); err != nil {
			t.Fatal(err)
		}
		return g.releases[0]
	}
	for _, c := range []struct {
		name  string
		setup func(t *testing.T, g *fakeGitHub, d publish.Dist)
		token string
		page  string
		want  func(error) bool
	}{
		{name: "no page", page: "/o/other", want: func(err error) bool { return strings.Contains(err.Error(), "404") }},
		{name: "no tag", setup: func(_ *testing.T, g *fakeGitHub, _ publish.Dist) { delete(g.tags, "v1.0.0") },
			want: func(err error) bool {
				return errors.Is(err, publish.ErrNoTag) && !strings.Contains(err.Error(), "deleted")
			}},
		{name: "wrong token", token: "wrong", want: func(err error) bool { return strings.Contains(err.Error(), "401") }},
		{name: "no right", token: "none", want: func(err error) bool { return strings.Contains(err.Error(), "no right to write") }},
		{name: "asset replaced", setup: func(t *testing.T, g *fakeGitHub, d publish.Dist) {
			a := published(t, g, d).Assets[2]
			g.contents[a.GetID()] = bytes.ToUpper(g.contents[a.GetID()])
		}, want: func(err error) bool {
			return isRefusal(err, "release.json", "the page serves other bytes")
		}},
		{name: "asset renamed", setup: func(t *testing.T, g *fakeGitHub, d publish.Dist) {
			name := "renamed"
			published(t, g, d).Assets[0].Name = &name
		}, want: func(err error) bool { return isRefusal(err, "renamed", "the release at hand has not") }},
		{name: "asset removed", setup: func(t *testing.T, g *fakeGitHub, d publish.Dist) {
			r := published(t, g, d)
			r.Assets = r.Assets[1:]
		}, want: func(err error) bool { return isRefusal(err, "checksums.txt", "not found in the published release") }},
		{name: "two of one name", setup: func(t *testing.T, g *fakeGitHub, d publish.Dist) {
			r := published(t, g, d)
			g.put(r, r.Assets[0].GetName(), "uploaded", nil)
		}, want: func(err error) bool { return isRefusal(err, "checksums.txt", "several assets of this name") }},
		{name: "two drafts", setup: func(_ *testing.T, g *fakeGitHub, _ publish.Dist) {
			g.releases = []*github.RepositoryRelease{{ID: 1, TagName: "v1.0.0", Draft: true}, {ID: 2, TagName: "v1.0.0", Draft: true}}
		}, want: func(err error) bool { return isRefusal(err, "v1.0.0", "2 releases") }},
		{name: "tag moved", setup: func(t *testing.T, g *fakeGitHub, d publish.Dist) {
			published(t, g, d)
			g.tag("v1.0.0", commitB)
		}, want: func(err error) bool { return isRefusal(err, "git tag v1.0.0", "moved from commit "+commitA) }},
		{name: "tag deleted", setup: func(t *testing.T, g *fakeGitHub, d publish.Dist) {
			published(t, g, d)
			g.deleteTag("v1.0.0")
		}, want: func(err error) bool {
			return errors.Is(err, publish.ErrNoTag) && strings.Contains(err.Error(), "was deleted")
		}},
		{name: "another project", setup: func(t *testing.T, g *fakeGitHub, _ publish.Dist) {
			g.tag("v0.1.0", commitA)
			if _, err := put(t, open(t, g.page(), fakeToken), dist(t, "other", "0.1.0")); err != nil {
				t.Fatal(err)
			}
		}, want: func(err error) bool { return isRefusal(err, "", "expected releases of tool, got v0.1.0 of other") }},
		{name: "draft of other bytes", setup: func(_ *testing.T, g *fakeGitHub, _ publish.Dist) {
			r := &github.RepositoryRelease{ID: 1, TagName: "v1.0.0", Draft: true}
			g.releases = append(g.releases, r)
			g.put(r, "release.json", "uploaded", []byte("other"))
		}, want: func(err error) bool { return isRefusal(err, "release.json", "not a part of the file") }},
		{name: "other bytes to every second request", setup: func(_ *testing.T, g *fakeGitHub, _ publish.Dist) {
			n := 0
			g.fault = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/api/") {
					return false
				}
				if n++; n%2 == 0 {
					_, _ = w.Write([]byte("other"))
					return true
				}
				return false
			}
		}, want: func(err error) bool { return isRefusal(err, "", "the page serves") }},
		{name: "rate limit that lasts", setup: func(_ *testing.T, g *fakeGitHub, _ publish.Dist) {
			g.fault = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("X-Ratelimit-Remaining", "0")
				w.Header().Set("X-Ratelimit-Reset", fmt.Sprint(time.Now().Add(time.Hour).Unix()))
				g.problem(w, http.StatusForbidden, "API rate limit exceeded", "")
				return true
			}
		}, want: func(err error) bool { return strings.Contains(err.Error(), "rate limit") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newFakeGitHub(t)
			g.tag("v1.0.0", commitA)
			d := dist(t, "tool", "1.0.0")
			if c.setup != nil {
				c.setup(t, g, d)
			}
			before := state(g)
			token := fakeToken
			if c.token == "none" {
				token = ""
			} else if c.token != "" {
				token = c.token
			}
			address := g.page()
			if c.page != "" {
				address = "github:" + g.URL + c.page
			}
			_, err := put(t, open(t, address, token), d)
			if err == nil || !c.want(err) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), token) && token != "" {
				t.Errorf("the token is in the error: %v", err)
			}
			if after := state(g); before != after {
				t.Errorf("the published part of the page changed:\n%s\n%s", before, after)
			}
		})
	}
}

// state is what of a page is published.
func state(g *fakeGitHub) string {
	var b strings.Builder
	for _, r := range g.releases {
		if r.Draft {
			continue
		}
		fmt.Fprintln(&b, r.TagName, r.GetBody())
		for _, a := range r.Assets {
			fmt.Fprintln(&b, a.GetName(), release.DigestBytes(g.contents[a.GetID()]))
		}
	}
	return b.String()
}

// TestGitHubIsStopped kills a run at every request that it makes, and lets the
// next one finish.
func TestGitHubIsStopped(t *testing.T) {
	d := dist(t, "tool", "1.0.0")
	total := 0
	for at := 1; total == 0 || at <= total; at++ {
		g := newFakeGitHub(t)
		g.tag("v1.0.0", commitA)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		g.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if n++; n == at {
				cancel() // the request is answered, and nobody hears it
			}
			return false
		}
		_, err := publish.Publish(ctx, publish.Input{Page: open(t, g.page(), fakeToken), Dist: d, Notes: "What changed.", Temp: t.TempDir(), Retry: quick(),
			Verify: func(context.Context, string) error { return nil }})
		cancel()
		if err == nil {
			total = at // it ended before
		}
		g.mu.Lock()
		g.fault = nil
		g.mu.Unlock()
		if _, err := put(t, open(t, g.page(), fakeToken), d); err != nil {
			t.Fatalf("stopped at request %d, then: %v", at, err)
		}
		if len(g.releases) != 1 || g.releases[0].Draft || len(g.releases[0].Assets) != len(d.Files) {
			t.Fatalf("stopped at request %d: the page has %+v", at, g.releases)
		}
	}
	if total < 15 {
		t.Errorf("only %d requests: the test stops too little", total)
	}
}

// TestGitHubFailsForAWhile has failures that pass.
func TestGitHubFailsForAWhile(t *testing.T) {
	status := func(code int, header ...string) func(*fakeGitHub, http.ResponseWriter) {
		return func(g *fakeGitHub, w http.ResponseWriter) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			g.problem(w, code, "later", "")
		}
	}
	for name, fail := range map[string]func(*fakeGitHub, http.ResponseWriter){
		"500": status(500),
		"502": status(502),
		"503": status(503),
		"429": status(429, "Retry-After", "0"),
		"secondary limit": func(g *fakeGitHub, w http.ResponseWriter) {
			g.problem(w, 403, "You have exceeded a secondary rate limit", "")
		},
		"cut": func(_ *fakeGitHub, w http.ResponseWriter) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newFakeGitHub(t)
			g.tag("v1.0.0", commitA)
			n := 0
			g.fault = func(w http.ResponseWriter, r *http.Request) bool {
				if n++; n%4 != 2 {
					return false
				}
				fail(g, w)
				return true
			}
			if _, err := put(t, open(t, g.page(), fakeToken), dist(t, "tool", "1.0.0")); err != nil {
				t.Fatal(err)
			}
			if len(g.releases) != 1 {
				t.Errorf("%d releases", len(g.releases))
			}
		})
	}
}

// TestGitHubHasCutUploads has what is left of uploads that did not end.
func TestGitHubHasCutUploads(t *testing.T) {
	d := dist(t, "tool", "1.0.0")
	for _, f := range d.Files {
		raw, err := os.ReadFile(f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range []string{"uploaded", "starter"} {
			for _, size := range []int{0, len(raw) / 2, len(raw) - 1} {
				g := newFakeGitHub(t)
				g.tag("v1.0.0", commitA)
				r := &github.RepositoryRelease{ID: 1, TagName: "v1.0.0", Draft: true, TargetCommitish: commitA}
				g.releases = append(g.releases, r)
				g.put(r, f.Name, state, raw[:size])
				result, err := put(t, open(t, g.page(), fakeToken), d)
				if err != nil || result.Found != publish.Draft {
					t.Fatalf("%s, %s, %d bytes: %+v, %v", f.Name, state, size, result, err)
				}
				if !slices.ContainsFunc(result.Steps, func(s publish.Step) bool { return s.Action == publish.DoRemove && s.Asset == f.Name }) {
					t.Errorf("%s, %s, %d bytes: not redone", f.Name, state, size)
				}
			}
		}
	}
}

// TestGitHubTwoAtOnce has a second run that uploads the same asset meanwhile.
func TestGitHubTwoAtOnce(t *testing.T) {
	g := newFakeGitHub(t)
	g.tag("v1.0.0", commitA)
	g.fault = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/uploads/") && len(g.releases[0].Assets) == 1 {
			g.put(g.releases[0], r.URL.Query().Get("name"), "uploaded", []byte("theirs"))
		}
		return false
	}
	_, err := put(t, open(t, g.page(), fakeToken), dist(t, "tool", "1.0.0"))
	if !errors.Is(err, publish.ErrConcurrent) {
		t.Errorf("got %v", err)
	}
	if !g.releases[0].Draft {
		t.Error("published")
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	g := newFakeGitHub(t)
	g.tag("v1.0.0", commitA)
	result, err := publish.Publish(t.Context(), publish.Input{Page: open(t, g.page(), fakeToken), Dist: dist(t, "tool", "1.0.0"), DryRun: true, Retry: quick()})
	if err != nil || len(result.Steps) != 1+4+3 {
		t.Errorf("%+v, %v", result, err)
	}
	for _, r := range g.requests {
		if !strings.HasPrefix(r, "GET ") {
			t.Error(r)
		}
	}
}

// TestDetect has hosts that say what they are, and one that says nothing.
func TestDetect(t *testing.T) {
	for path, c := range map[string]struct{ answer, want string }{
		"/o/r/releases.json": {`{"schema":"releaser.releases/v1","releases":[]}`, "web"},
		"/api/v1/version":    {`{"version":"1.26.0"}`, "gitea"},
		"/api/v3/meta":       {`{"installed_version":"3.19.0"}`, "github"},
		"/else":              {`{}`, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write([]byte(c.answer))
		}))
		r, err := publish.Open(t.Context(), s.URL+"/o/r", options(""))
		s.Close()
		if (err == nil) != (c.want != "") {
			t.Errorf("%s: %v, %v", path, r, err)
		}
	}
	for _, bad := range []string{"", "dir:", "x", "ftp://h/o/r", "http://example.org/o/r", "https://u:p@h/o/r", "https://h/o/r?x", "github:https://h/o", "gitea:https://h/"} {
		if _, err := publish.Open(t.Context(), bad, options("")); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
