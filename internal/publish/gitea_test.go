package publish_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"facerec/internal/loopback"
	"facerec/internal/publish"
	"facerec/internal/release"
)

// TestGitea is the same against the real thing.
func TestGitea(t *testing.T) {
	if deadline, ok := t.Deadline(); ok && !loopback.Built("gitea") && time.Until(deadline) < time.Hour {
		t.Skip("Gitea is not built yet, which takes longer than this test may: run 'make gitea'")
	}
	ctx := t.Context()
	server, err := loopback.NewGitea(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	repository := func(t *testing.T, tags ...string) (string, publish.Page) {
		name := "r" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
		address, _, err := server.Repository(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			if err := server.Tag(ctx, name, tag, "main"); err != nil {
				t.Fatal(err)
			}
		}
		return name, open(t, address, server.Token)
	}
	d := dist(t, "tool", "1.0.0")

	t.Run("publish", func(t *testing.T) {
		name, page := repository(t, "v1.0.0", "v1.1.0-rc.1")
		result, err := put(t, page, d)
		if err != nil || result.Found != publish.Missing {
			t.Fatalf("%+v, %v", result, err)
		}
		if result, err = put(t, page, d); err != nil || result.Found != publish.Published {
			t.Fatalf("again: %+v, %v", result, err)
		}
		if _, err := put(t, page, dist(t, "tool", "1.1.0-rc.1")); err != nil {
			t.Fatal(err)
		}
		// As a stranger: the latest is the one that is no pre-release.
		stranger := open(t, page.String(), "")
		all, err := stranger.Releases(ctx)
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v, %v", all, err)
		}
		dir := t.TempDir()
		got, err := publish.Fetch(ctx, publish.Fetching{Page: stranger, Dir: dir, Temp: filepath.Join(dir), Retry: quick(),
			Wanted: publish.Wanted{All: true, Choose: func(r release.Record) ([]release.RecordCell, error) { return r.Cells, nil }},
			Signed: func(context.Context, release.Record, []byte, []byte) error { return nil }})
		if err != nil || got.Version != "1.0.0" || len(got.Files) != len(d.Files) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := put(t, stranger, d); err == nil {
			t.Error("a stranger may publish")
		}
		if _, err := put(t, open(t, page.String(), "0000000000000000000000000000000000000000"), d); err == nil {
			t.Error("a wrong token may publish")
		}

		// The tag is deleted: the release is a draft again, and that is said.
		if err := server.DeleteTag(ctx, name, "v1.0.0"); err != nil {
			t.Fatal(err)
		}
		// The forge sees to its releases a moment after the push.
		for range 2400 { // two minutes
			found, err := page.Find(ctx, "v1.0.0")
			if err != nil || len(found) != 1 {
				t.Fatalf("%+v, %v", found, err)
			}
			if found[0].Draft {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if _, err := put(t, page, d); !errors.Is(err, publish.ErrNoTag) || !strings.Contains(err.Error(), "was deleted") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("private", func(t *testing.T) {
		name, page := repository(t, "v1.0.0")
		if _, err := put(t, page, d); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Do(ctx, "PATCH", "repos/"+server.User+"/"+name, map[string]any{"private": true}); err != nil {
			t.Fatal(err)
		}
		for token, want := range map[string]string{server.Token: "", "": "HTTP 404", "0000000000000000000000000000000000000000": "HTTP 401"} {
			dir := t.TempDir()
			err := fetchAll(t, open(t, page.String(), token), d, dir)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, expected %q", err, want)
			}
			onlyTrue(t, dir, d)
		}
	})
	t.Run("issues", func(t *testing.T) {
		name, page := repository(t)
		there := func(method, path string, body map[string]any) {
			t.Helper()
			if _, err := server.Do(ctx, method, "repos/"+server.User+"/"+name+path, body); err != nil {
				t.Fatal(err)
			}
		}
		there("POST", "/issues", map[string]any{"title": "closed one"})
		there("PATCH", "/issues/1", map[string]any{"state": "closed"})
		// A pull request of the title does not count.
		there("POST", "/contents/f", map[string]any{"content": "", "new_branch": "b", "message": "m"})
		there("POST", "/pulls", map[string]any{"title": "pull request", "head": "b", "base": "main"})
		for i := range 60 { // more than a page
			there("POST", "/issues", map[string]any{"title": fmt.Sprint("another ", i)})
		}
		forge := page.(publish.Tracker)
		for _, want := range []string{"keep closed one, open pull request, open new one, keep another 0", "keep closed one, keep pull request, keep new one, keep another 0"} {
			if got, err := openIssues(t, forge, false, "closed one", "pull request", "new one", "another 0"); err != nil || got != want {
				t.Errorf("got %s, %v, expected %s", got, err, want)
			}
		}
		if _, err := openIssues(t, tracker(t, page.String(), ""), false, "by a stranger"); err == nil {
			t.Error("a stranger may open issues")
		}
		all, err := forge.Issues(ctx)
		if err != nil || len(all) != 63 {
			t.Errorf("expected 63 issues, got %d, %v", len(all), err)
		}
	})
	t.Run("rebuilds", func(t *testing.T) {
		_, page := repository(t, "v1.0.0")
		rebuildsAreAdded(t, page, "ann.rebuild.sigstore.json")
	})
	t.Run("no tag", func(t *testing.T) {
		_, page := repository(t)
		if _, err := put(t, page, d); !errors.Is(err, publish.ErrNoTag) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no page", func(t *testing.T) {
		if _, err := put(t, open(t, server.URL+"/maintainer/none", server.Token), d); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("draft", func(t *testing.T) {
		_, page := repository(t, "v1.0.0")
		made, err := page.Create(ctx, publish.Release{Tag: "v1.0.0", Commit: "main", Draft: true})
		if err != nil {
			t.Fatal(err)
		}
		upload := func(file string, data []byte) publish.Asset {
			path := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			a, err := page.Upload(ctx, made, file, f, int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		raw, err := os.ReadFile(d.Files[len(d.Files)-1].Path)
		if err != nil {
			t.Fatal(err)
		}
		cut := d.Files[len(d.Files)-1].Name
		upload(cut, raw[:100])
		twice := upload("checksums.txt", []byte("x"))
		upload("checksums.txt", []byte("x"))
		if _, err := put(t, page, d); !isRefusal(err, "checksums.txt", "several assets of this name") {
			t.Fatalf("got %v", err)
		}
		found, err := page.Find(ctx, "v1.0.0")
		if err != nil || len(found) != 1 {
			t.Fatalf("%+v, %v", found, err)
		}
		for _, a := range found[0].Assets {
			if a.Name == twice.Name {
				if err := page.Remove(ctx, made, a); err != nil {
					t.Fatal(err)
				}
			}
		}
		result, err := put(t, page, d)
		if err != nil || result.Found != publish.Draft {
			t.Fatalf("%+v, %v", result, err)
		}
		if !slices.ContainsFunc(result.Steps, func(s publish.Step) bool { return s.Action == publish.DoRemove && s.Asset == cut }) {
			t.Errorf("the cut upload is not redone: %+v", result.Steps)
		}

		// An asset replaced behind our back is refused, and stays.
		found, err = page.Find(ctx, "v1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		made = found[0]
		for _, a := range made.Assets {
			if a.Name == "release.json" {
				if err := page.Remove(ctx, made, a); err != nil {
					t.Fatal(err)
				}
			}
		}
		upload("release.json", []byte("other"))
		if _, err := put(t, page, d); !isRefusal(err, "release.json", "differs") {
			t.Errorf("got %v", err)
		}
	})
}
