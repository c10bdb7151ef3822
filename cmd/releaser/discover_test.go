package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"facerec/internal/loopback"
)

// serveCommand is for scripts: serve VARIABLE DIR serves a directory on loopback
// and sets the variable to its URL.
func serveCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serve VARIABLE DIR")
	}
	s := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[1]))))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// TestDiscoverForReal asks distribution's registry for tags and opens issues on a
// real Gitea, each once.
func TestDiscoverForReal(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && !loopback.Built("gitea") && time.Until(deadline) < time.Hour {
		t.Skip("Gitea is not built yet, which takes longer than this test may: run 'make gitea'")
	}
	registry, err := loopback.NewRegistry(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	gitea, err := loopback.NewGitea(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer gitea.Close()
	page, _, err := gitea.Repository(t.Context(), "discover")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("RELEASER_TOKEN", gitea.Token)
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"config.json": `{"project_name": "tool", "version": "1.0.0", "build_cmd": "echo x >tool", "artifacts": [{"src": "tool", "dest": "/app/tool"}], "page": "` + page + `"}`,
		"Dockerfile":  "FROM " + registry.Addr + "/a/base:1.9\nFROM " + registry.Addr + "/a/base:stable-1\nFROM " + registry.Addr + "/a/none:1\n",
	} {
		if err := os.WriteFile(filepath.Clean(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	releaser := func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if got := run(t.Context(), append(args, "--quiet"), strings.NewReader(""), &out, &errs); got != code {
			t.Fatalf("releaser %v: exit code %d, expected %d\n%s%s", args, got, code, &out, &errs)
		}
		return out.String()
	}
	releaser(0, "build", "--out", "oci")
	for _, tag := range []string{"1.9", "1.10", "1.11.1", "stable-1", "stable-2"} {
		releaser(0, "push", "oci", registry.Addr+"/a/base:"+tag)
	}
	issues := func() (titles []string) {
		t.Helper()
		raw, err := gitea.Do(t.Context(), http.MethodGet, "repos/"+gitea.User+"/discover/issues?state=all&type=issues", nil)
		if err != nil {
			t.Fatal(err)
		}
		var list []struct{ Title, Body string }
		if err := json.Unmarshal(raw, &list); err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			if !strings.Contains(i.Body, "| digest | `sha256:") {
				t.Errorf("%s: expected a digest in\n%s", i.Title, i.Body)
			}
			titles = append(titles, i.Title)
		}
		return titles
	}
	// A repository that is not found could not be looked at; the rest is reported.
	out := releaser(exitIncomplete, "discover", "--open-issues", "--dry-run")
	if strings.Count(out, "would open  images: ") != 2 || strings.Count(out, "not looked at  images: ") != 1 {
		t.Errorf("got\n%s", out)
	}
	if got := issues(); len(got) != 0 {
		t.Errorf("a dry run opened %q", got)
	}
	for _, want := range []string{"issue opened  ", "issue exists  "} {
		out = releaser(exitIncomplete, "discover", "--open-issues")
		if strings.Count(out, want) != 2 {
			t.Errorf("expected two lines %q in\n%s", want, out)
		}
		base := "images: " + registry.Addr + "/a/base "
		if got := strings.Join(issues(), "\n"); got != base+"stable-2\n"+base+"1.10" {
			t.Errorf("got the issues\n%s", got)
		}
	}
	t.Setenv("RELEASER_TOKEN", "0000000000000000000000000000000000000000")
	releaser(exitFailed, "discover", "--open-issues", "--page", page)
}
