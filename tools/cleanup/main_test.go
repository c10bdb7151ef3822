package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-github/v93/github"
)

// api answers as GitHub's REST API does for the requests of this program. GitHub
// itself cannot be had in a test.
type api struct {
	runs   []*github.WorkflowRun
	caches []*github.ActionsCache
	refs   map[string]string // path below the repository → JSON; missing: 404
	status int               // of deletions

	mu      sync.Mutex
	deleted []string
	auth    string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.auth = r.Header.Get("Authorization")
	at, ours := strings.CutPrefix(r.URL.Path, "/repos/o/n/")
	page := func(n int) (from, to int) {
		var p int
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &p)
		return min((p-1)*100, n), min(p*100, n)
	}
	switch {
	case !ours:
		http.NotFound(w, r)
	case r.Method == http.MethodDelete:
		if a.status != 0 {
			w.WriteHeader(a.status)
			return
		}
		a.deleted = append(a.deleted, at)
		w.WriteHeader(http.StatusNoContent)
	case at == "actions/runs":
		from, to := page(len(a.runs))
		_ = json.NewEncoder(w).Encode(map[string]any{"workflow_runs": a.runs[from:to]})
	case at == "actions/caches":
		from, to := page(len(a.caches))
		_ = json.NewEncoder(w).Encode(map[string]any{"actions_caches": a.caches[from:to]})
	case a.refs[at] != "":
		_, _ = w.Write([]byte(a.refs[at]))
	default:
		http.NotFound(w, r)
	}
}

var now = time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)

// call runs the program against an api.
func call(t *testing.T, a *api, args ...string) (string, error) {
	t.Helper()
	s := httptest.NewServer(a)
	defer s.Close()
	env := map[string]string{"GITHUB_REPOSITORY": "o/n", "GITHUB_API_URL": s.URL, "GITHUB_TOKEN": "secret"}
	var out bytes.Buffer
	err := run(t.Context(), args, func(k string) string { return env[k] }, now, &out)
	return out.String(), err
}

func workflow(id int64, name, status string, days int) *github.WorkflowRun {
	return &github.WorkflowRun{ID: &id, Path: new(".github/workflows/" + name), Status: &status, CreatedAt: &github.Timestamp{Time: now.AddDate(0, 0, -days)}}
}

func cache(id int64, ref, key string) *github.ActionsCache {
	return &github.ActionsCache{ID: &id, Ref: &ref, Key: &key}
}

func TestRuns(t *testing.T) {
	a := &api{runs: []*github.WorkflowRun{
		workflow(1, "ci.yml", "completed", 30), workflow(2, "ci.yml", "completed", 20), workflow(3, "ci.yml@refs/heads/main", "completed", 10),
		workflow(4, "ci.yml", "in_progress", 9), workflow(5, "ci.yml", "completed", 1), workflow(6, "ci.yml", "completed", 0),
		workflow(7, "release.yml", "completed", 90), workflow(8, "reproduce.yml", "completed", 90),
		workflow(9, "discover.yml", "completed", 90),
	}}
	out, err := call(t, a, "--keep", "1", "--dry-run")
	if err != nil || len(a.deleted) != 0 || !strings.Contains(out, "would delete 3 runs and 0 caches") {
		t.Errorf("dry run: got %v, deleted %q\n%s", err, a.deleted, out)
	}
	if out, err = call(t, a, "--keep", "1"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"actions/runs/1", "actions/runs/2", "actions/runs/3"}; !slices.Equal(a.deleted, want) {
		t.Errorf("deleted %q, expected %q\n%s", a.deleted, want, out)
	}
	if a.auth != "Bearer secret" {
		t.Errorf("got the authorization %q", a.auth)
	}
}

// More than one page of runs is listed before one is deleted.
func TestPages(t *testing.T) {
	a := &api{}
	for i := range 250 {
		a.runs = append(a.runs, workflow(int64(i+1), "ci.yml", "completed", 8+i))
	}
	if _, err := call(t, a); err != nil {
		t.Fatal(err)
	}
	if len(a.deleted) != 245 || a.deleted[0] != "actions/runs/250" {
		t.Errorf("deleted %d runs, the first %q; expected 245, the oldest first", len(a.deleted), a.deleted[:1])
	}
}

func TestCaches(t *testing.T) {
	a := &api{
		caches: []*github.ActionsCache{
			cache(1, "refs/heads/main", "go"), cache(2, "refs/heads/old/branch", "go\x1b[2J"), cache(3, "refs/pull/7/merge", "go"), cache(4, "refs/pull/8/merge", "go"),
			cache(5, "refs/heads/old/branch", "b"), cache(6, "refs/heads/../../x", "go"), cache(7, "odd", "go"), cache(8, "refs/tags/v1", "go"),
		},
		refs: map[string]string{"git/ref/heads/main": "{}", "pulls/7": `{"state":"open"}`, "pulls/8": `{"state":"closed"}`},
	}
	out, err := call(t, a)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"actions/caches/2", "actions/caches/4", "actions/caches/5", "actions/caches/8"}; !slices.Equal(a.deleted, want) {
		t.Errorf("deleted %q, expected %q\n%s", a.deleted, want, out)
	}
	if strings.Contains(out, "\x1b") {
		t.Errorf("an escape reaches the log: %q", out)
	}
}

func TestFailures(t *testing.T) {
	a := &api{runs: []*github.WorkflowRun{workflow(1, "ci.yml", "completed", 30)}, status: http.StatusForbidden}
	if _, err := call(t, a, "--keep", "0"); err == nil || !strings.Contains(err.Error(), "actions: write") {
		t.Errorf("got %v, expected what the token needs", err)
	}
	a.status = http.StatusNotFound
	if _, err := call(t, a, "--keep", "0"); err != nil {
		t.Errorf("somebody else deleted it: got %v", err)
	}
	for name, args := range map[string][]string{"an argument": {"x"}, "a flag": {"--nope"}, "keep": {"--keep", "-1"}, "older": {"--older", "0s"}} {
		var u usageError
		if _, err := call(t, &api{}, args...); !errors.As(err, &u) {
			t.Errorf("%s: got %v, expected a usage error", name, err)
		}
	}
	for _, env := range []map[string]string{{}, {"GITHUB_REPOSITORY": "x"}, {"GITHUB_REPOSITORY": "o/n"}, {"GITHUB_REPOSITORY": "o/n/x", "GITHUB_TOKEN": "t"}} {
		var u usageError
		if err := run(t.Context(), nil, func(k string) string { return env[k] }, now, &bytes.Buffer{}); !errors.As(err, &u) {
			t.Errorf("%v: got %v, expected a usage error", env, err)
		}
	}
}
