package publish_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-github/v93/github"
)

// fakeGitHub is as much of GitHub's interface as publish uses, where it differs
// from Gitea, which the tests run for real:
//
//   - a second asset of one name is refused with 422 already_exists;
//   - an asset whose upload did not end is listed with the state "starter";
//   - several drafts may have one tag, and drafts are invisible without a token;
//   - an asset is downloaded from its API address, by a redirect to another host,
//     which must not see the token;
//   - a tag's reference may name a tag object instead of a commit;
//   - deleting a tag turns its release into a draft, and pushing it again does
//     not publish that;
//   - issues and pull requests are in one list, 30 on a page unless per_page says
//     more, at most 100;
//   - rate limits answer 403 or 429 with X-Ratelimit-… or Retry-After.
//
// What it sends and takes are go-github's own types: a request with a field that
// they do not have is refused.
type fakeGitHub struct {
	*httptest.Server
	storage *httptest.Server

	mu       sync.Mutex
	next     int64
	tags     map[string]string // to commits
	releases []*github.RepositoryRelease
	contents map[int64][]byte
	issues   []*github.Issue
	requests []string
	problems []string

	// fault, if not nil, may answer a request instead.
	fault func(w http.ResponseWriter, r *http.Request) bool
}

const fakeToken = "the-secret-token"

func newFakeGitHub(t testing.TB) *fakeGitHub {
	g := &fakeGitHub{tags: map[string]string{}, contents: map[int64][]byte{}}
	g.Server = httptest.NewServer(http.HandlerFunc(g.serve))
	g.storage = httptest.NewServer(http.HandlerFunc(g.serveStorage))
	t.Cleanup(func() {
		g.Close()
		g.storage.Close()
		for _, p := range g.problems {
			t.Error(p)
		}
	})
	return g
}

func (g *fakeGitHub) page() string { return "github:" + g.URL + "/o/r" }

func (g *fakeGitHub) tag(name, commit string) { g.tags[name] = commit }

func (g *fakeGitHub) deleteTag(name string) {
	delete(g.tags, name)
	for _, r := range g.releases {
		if r.TagName == name {
			r.Draft = true
		}
	}
}

func (g *fakeGitHub) problem(w http.ResponseWriter, status int, message, code string) {
	w.WriteHeader(status)
	answer := map[string]any{"message": message}
	if code != "" {
		answer["errors"] = []github.Error{{Resource: "ReleaseAsset", Field: "name", Code: code}}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (g *fakeGitHub) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (g *fakeGitHub) serveStorage(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Header.Get("Authorization") != "" {
		g.problems = append(g.problems, "the token went to another host")
	}
	id, _ := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/"), 10, 64)
	if g.fault != nil && g.fault(w, r) {
		return
	}
	http.ServeContent(w, r, "", g.epoch(), strings.NewReader(string(g.contents[id])))
}

func (g *fakeGitHub) serve(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = append(g.requests, r.Method+" "+r.URL.Path)
	if g.fault != nil && g.fault(w, r) {
		return
	}
	owner := r.Header.Get("Authorization") == "Bearer "+fakeToken
	if r.Header.Get("Authorization") != "" && !owner {
		g.problem(w, http.StatusUnauthorized, "Bad credentials", "")
		return
	}
	if upload, ok := strings.CutPrefix(r.URL.Path, "/api/uploads/repos/o/r/releases/"); ok && r.Method == http.MethodPost && owner {
		g.upload(w, r, strings.TrimSuffix(upload, "/assets"))
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v3/repos/o/r")
	if !ok || !owner && r.Method != http.MethodGet {
		g.problem(w, http.StatusNotFound, "Not Found", "")
		return
	}
	switch parts := strings.Split(strings.Trim(path, "/"), "/"); {
	case path == "":
		name := "r"
		g.answer(w, 200, github.Repository{Name: &name, Permissions: &github.RepositoryPermissions{Push: &owner}})
	case strings.HasPrefix(path, "/git/ref/tags/"):
		commit, ok := g.tags[strings.TrimPrefix(path, "/git/ref/tags/")]
		if !ok {
			g.problem(w, http.StatusNotFound, "Not Found", "")
			return
		}
		kind, sha := "tag", "7a6"+commit
		g.answer(w, 200, github.Reference{Object: &github.GitObject{Type: &kind, SHA: &sha}})
	case strings.HasPrefix(path, "/git/tags/7a6"):
		kind, sha := "commit", strings.TrimPrefix(path, "/git/tags/7a6")
		g.answer(w, 200, github.Tag{Object: &github.GitObject{Type: &kind, SHA: &sha}})
	case path == "/releases" && r.Method == http.MethodGet:
		list := []*github.RepositoryRelease{}
		for _, rel := range g.releases {
			if !rel.Draft || owner {
				list = append(list, rel)
			}
		}
		g.answer(w, 200, list)
	case path == "/releases" && r.Method == http.MethodPost:
		var body github.CreateReleaseRequest
		if !g.body(w, r, &body) {
			return
		}
		g.next++
		rel := &github.RepositoryRelease{
			ID: g.next, TagName: body.TagName, TargetCommitish: *body.TargetCommitish, Name: body.Name, Body: body.Body, Draft: *body.Draft, Prerelease: *body.Prerelease,
			HTMLURL: fmt.Sprintf("%s/o/r/releases/%d", g.URL, g.next), Assets: []*github.ReleaseAsset{},
		}
		g.releases = append(g.releases, rel)
		g.answer(w, http.StatusCreated, rel)
	case path == "/issues":
		g.issue(w, r)
	case len(parts) == 3 && parts[1] == "assets":
		g.asset(w, r, parts[2])
	case len(parts) >= 2 && parts[0] == "releases":
		i, rel := g.find(parts[1])
		switch {
		case rel == nil:
			g.problem(w, http.StatusNotFound, "Not Found", "")
		case len(parts) == 3 && parts[2] == "assets":
			g.answer(w, 200, rel.Assets)
		case r.Method == http.MethodPatch:
			var body github.UpdateReleaseRequest
			if !g.body(w, r, &body) {
				return
			}
			rel.Draft, rel.Prerelease, rel.Name, rel.Body = *body.Draft, *body.Prerelease, body.Name, body.Body
			if _, ok := g.tags[rel.TagName]; !ok && !rel.Draft {
				g.problems = append(g.problems, "published without its tag: GitHub would make one")
			}
			g.answer(w, 200, rel)
		case r.Method == http.MethodDelete:
			g.releases = append(g.releases[:i], g.releases[i+1:]...)
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		g.problem(w, http.StatusNotFound, "Not Found", "")
	}
}

func (g *fakeGitHub) body(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		g.problem(w, http.StatusUnprocessableEntity, err.Error(), "")
		return false
	}
	return true
}

func (g *fakeGitHub) find(id string) (int, *github.RepositoryRelease) {
	for i, r := range g.releases {
		if strconv.FormatInt(r.ID, 10) == id {
			return i, r
		}
	}
	return 0, nil
}

// put adds an asset behind publish's back.
func (g *fakeGitHub) put(rel *github.RepositoryRelease, name, state string, data []byte) *github.ReleaseAsset {
	g.next++
	size, id := len(data), g.next
	url := fmt.Sprintf("%s/api/v3/repos/o/r/releases/assets/%d", g.URL, id)
	a := &github.ReleaseAsset{ID: &id, Name: &name, Size: &size, State: &state, URL: &url}
	g.contents[id] = data
	rel.Assets = append(rel.Assets, a)
	return a
}

func (g *fakeGitHub) upload(w http.ResponseWriter, r *http.Request, id string) {
	_, rel := g.find(id)
	data, err := io.ReadAll(r.Body)
	name := r.URL.Query().Get("name")
	if rel == nil || err != nil {
		g.problem(w, http.StatusNotFound, "Not Found", "")
		return
	}
	for _, a := range rel.Assets {
		if a.GetName() == name {
			g.problem(w, http.StatusUnprocessableEntity, "Validation Failed", "already_exists")
			return
		}
	}
	g.answer(w, http.StatusCreated, g.put(rel, name, "uploaded", data))
}

func (g *fakeGitHub) asset(w http.ResponseWriter, r *http.Request, id string) {
	for _, rel := range g.releases {
		for i, a := range rel.Assets {
			if strconv.FormatInt(a.GetID(), 10) != id {
				continue
			}
			switch {
			case r.Method == http.MethodDelete:
				rel.Assets = append(rel.Assets[:i], rel.Assets[i+1:]...)
				w.WriteHeader(http.StatusNoContent)
			case r.Header.Get("Accept") == "application/octet-stream":
				http.Redirect(w, r, strings.Replace(g.storage.URL, "127.0.0.1", "localhost", 1)+"/"+id, http.StatusFound)
			default:
				g.answer(w, 200, a)
			}
			return
		}
	}
	g.problem(w, http.StatusNotFound, "Not Found", "")
}

// issue lists issues, newest first, or opens one.
func (g *fakeGitHub) issue(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var body github.CreateIssueRequest
		if g.body(w, r, &body) {
			g.answer(w, http.StatusCreated, g.addIssue(body.Title, "open", false))
		}
		return
	}
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
			return n
		}
		return otherwise
	}
	list := []*github.Issue{}
	for _, i := range slices.Backward(g.issues) {
		if state := r.URL.Query().Get("state"); state == "all" || i.GetState() == "open" {
			list = append(list, i)
		}
	}
	size, page := min(number("per_page", 30), 100), number("page", 1)
	from, to := min((page-1)*size, len(list)), min(page*size, len(list))
	if to < len(list) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?state=all&page=%d>; rel="next"`, g.URL, r.URL.Path, page+1))
	}
	g.answer(w, 200, list[from:to])
}

func (g *fakeGitHub) addIssue(title, state string, pull bool) *github.Issue {
	g.next++
	number, url := int(g.next), fmt.Sprintf("%s/o/r/issues/%d", g.URL, g.next)
	i := &github.Issue{Number: &number, Title: &title, State: &state, HTMLURL: &url}
	if pull {
		i.PullRequestLinks = &github.PullRequestLinks{URL: &url}
	}
	g.issues = append(g.issues, i)
	return i
}
