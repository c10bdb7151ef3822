package publish_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"facerec/internal/publish"
	"facerec/internal/text"
)

func tracker(t *testing.T, address, token string) publish.Tracker {
	t.Helper()
	return open(t, address, token).(publish.Tracker)
}

func wanted(titles ...string) (out []publish.Issue) {
	for _, title := range titles {
		out = append(out, publish.Issue{Title: title, Body: "b"})
	}
	return out
}

// openIssues shows what was done: "open A, keep B".
func openIssues(t *testing.T, page publish.Tracker, dryRun bool, titles ...string) (string, error) {
	t.Helper()
	opened, err := publish.OpenIssues(t.Context(), page, wanted(titles...), quick(), dryRun)
	var out []string
	for _, o := range opened {
		if (o.URL == "") != (dryRun && o.Action == publish.DoOpenIssue) {
			t.Errorf("%+v: expected a URL, but for what a dry run would open", o)
		}
		out = append(out, o.Action+" "+o.Title)
	}
	return strings.Join(out, ", "), err
}

func TestOpenIssues(t *testing.T) {
	g := newFakeGitHub(t)
	page := tracker(t, g.page(), fakeToken)
	g.addIssue("go: go 1.27.0", "closed", false)
	g.addIssue("go: go 1.26.9", "open", true)
	for i := range 250 { // the first one is on the last page
		g.addIssue(fmt.Sprint("another ", i), "open", false)
	}
	titles := []string{"go: go 1.27.0", "go: go 1.26.9", "go: GO 1.27.0", "go: go 1.26.9"}
	if got, err := openIssues(t, page, true, titles...); err != nil || got != "keep go: go 1.27.0, open go: go 1.26.9, open go: GO 1.27.0" {
		t.Errorf("got %s, %v", got, err)
	}
	if n := len(g.issues); n != 252 {
		t.Errorf("a dry run opened %d", n-252)
	}
	for _, want := range []string{"keep go: go 1.27.0, open go: go 1.26.9, open go: GO 1.27.0", "keep go: go 1.27.0, keep go: go 1.26.9, keep go: GO 1.27.0"} {
		if got, err := openIssues(t, page, false, titles[:3]...); err != nil || got != want {
			t.Errorf("got %s, %v, expected %s", got, err, want)
		}
	}
	if n := len(g.issues); n != 254 {
		t.Errorf("expected 254 issues, got %d", n)
	}
}

func TestOpenIssuesFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		token  string
		fault  func(g *fakeGitHub, n int, w http.ResponseWriter, r *http.Request) bool
		status int // of the error
		issues int
		hint   string
	}{
		{"a limit, then not", fakeToken, func(_ *fakeGitHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 || r.Method != http.MethodPost {
				return false
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}, 0, 1, ""},
		// Whether an issue was opened is not known after a 5xx.
		{"opened, and the answer lost", fakeToken, func(g *fakeGitHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || n > 1 {
				return false
			}
			g.addIssue("x: y 1", "open", false)
			w.WriteHeader(http.StatusBadGateway)
			return true
		}, 0, 1, ""},
		{"not opened, and the answer lost", fakeToken, func(_ *fakeGitHub, n int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || n > 1 {
				return false
			}
			w.WriteHeader(http.StatusBadGateway)
			return true
		}, 0, 1, ""},
		{"down for good", fakeToken, func(_ *fakeGitHub, _ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusBadGateway)
			}
			return r.Method == http.MethodPost
		}, http.StatusBadGateway, 0, ""},
		{"a wrong token", "wrong", nil, http.StatusUnauthorized, 0, "token is wrong or has expired"},
		{"no right", fakeToken, func(_ *fakeGitHub, _ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusForbidden)
			}
			return r.Method == http.MethodPost
		}, http.StatusForbidden, 0, "right to write issues"},
		{"no issues on this page", fakeToken, func(_ *fakeGitHub, _ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusGone)
			return true
		}, http.StatusGone, 0, "that the repository has issues"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newFakeGitHub(t)
			n := 0
			if c.fault != nil {
				g.fault = func(w http.ResponseWriter, r *http.Request) bool {
					if r.Method == http.MethodPost {
						n++
					}
					return c.fault(g, n, w, r)
				}
			}
			got, err := openIssues(t, tracker(t, g.page(), c.token), false, "x: y 1")
			var status *publish.StatusError
			switch {
			case c.status == 0 && (err != nil || got != "open x: y 1"):
				t.Errorf("got %q, %v", got, err)
			case c.status != 0 && (!errors.As(err, &status) || status.Status != c.status || !strings.Contains(text.Hint(err), c.hint)):
				t.Errorf("got %v (%s), expected HTTP %d (%s)", err, text.Hint(err), c.status, c.hint)
			}
			if len(g.issues) != c.issues {
				t.Errorf("expected %d issues, got %d", c.issues, len(g.issues))
			}
		})
	}
}

func TestDocument(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		switch r.URL.Path {
		case "/ok":
			_, _ = w.Write([]byte("hello"))
		case "/cut":
			w.Header().Set("Content-Length", "10")
			if n < 3 {
				_, _ = w.Write([]byte("hel"))
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write([]byte("helloworld"))
		case "/later":
			if n < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		case "/inside":
			http.Redirect(w, r, "http://192.0.2.1/x", http.StatusFound)
		case "/gone":
			w.WriteHeader(http.StatusGone)
		default:
			code, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
			w.WriteHeader(code)
		}
	}))
	defer s.Close()
	at := strings.Replace(s.URL, "://", "://user:secret@", 1)
	for _, c := range []struct {
		url, want, err string
		limit          int64
	}{
		{at + "/ok", "hello", "", 5},
		{at + "/ok", "", "expected at most 4 bytes", 4},
		{at + "/cut", "helloworld", "", 10},
		{at + "/later", "", "", 0},
		{at + "/inside", "", "refused to be redirected from", 10},
		{at + "/gone", "", "file does not exist", 10},
		{at + "/404", "", "file does not exist", 10},
		{at + "/403", "", "HTTP 403", 10},
		{"ftp://x/y", "", "expected a URL", 10},
		{"http://192.0.2.1/y", "", "plain HTTP is for loopback only", 10},
	} {
		n = 0
		got, err := options("").Document(t.Context(), c.url, c.limit)
		if string(got) != c.want || (err != nil) != (c.err != "") || err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: got %q, %v, expected %q, %q", c.url, got, err, c.want, c.err)
		}
		if missing := strings.Contains(c.err, "not exist"); errors.Is(err, fs.ErrNotExist) != missing {
			t.Errorf("%s: %v: expected fs.ErrNotExist to be %v", c.url, err, missing)
		}
	}
}
