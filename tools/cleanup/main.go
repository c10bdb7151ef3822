// Cleanup deletes what GitHub Actions keeps and nobody needs any more:
//
//	go run ./tools/cleanup [--dry-run] [--older 168h] [--keep 5] [--evidence release.yml,reproduce.yml]
//
// Completed runs of workflows go when they are older than --older, but the newest
// --keep of each workflow stay, and so do all runs of the workflows in --evidence: a
// release's provenance names the run that made it. Caches go when the branch is
// deleted or the pull request closed that they belong to.
//
// GITHUB_REPOSITORY, GITHUB_API_URL and GITHUB_TOKEN are those of a job of GitHub
// Actions; the token needs the permission actions: write. Nothing is deleted before
// everything was listed. Exit codes: 0 done, 1 could not do it, 2 usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"facerec/internal/retry"
	"facerec/internal/text"
)

// Limits of what is read: pages of 100, and bytes of an answer.
const (
	maxPages  = 50
	maxAnswer = 16 << 20
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, time.Now(), os.Stdout)
	var u usageError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.As(err, &u):
		fmt.Fprintln(os.Stderr, "cleanup:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "cleanup:", err)
		os.Exit(1)
	}
}

type usageError struct{ error }

// policy says what stays.
type policy struct {
	before   time.Time // older runs go
	keep     int       // newest runs of each workflow that stay all the same
	evidence []string  // file names of workflows whose runs all stay
}

func run(ctx context.Context, args []string, getenv func(string) string, now time.Time, out io.Writer) error {
	flags := flag.NewFlagSet("cleanup", flag.ContinueOnError)
	flags.SetOutput(out)
	dry := flags.Bool("dry-run", false, "list what would be deleted")
	older := flags.Duration("older", 7*24*time.Hour, "delete runs older than this")
	keep := flags.Int("keep", 5, "newest runs of each workflow that stay")
	evidence := flags.String("evidence", "release.yml,reproduce.yml", "workflows whose runs all stay")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if flags.NArg() > 0 || *keep < 0 || *older <= 0 {
		return usageError{errors.New("expected no arguments, --keep of at least 0 and --older above 0")}
	}
	repository, token := getenv("GITHUB_REPOSITORY"), getenv("GITHUB_TOKEN")
	owner, name, found := strings.Cut(repository, "/")
	if !found || owner == "" || name == "" || strings.ContainsAny(name, "/?#") {
		return usageError{fmt.Errorf("GITHUB_REPOSITORY: expected OWNER/NAME, got %s", text.Quote(repository))}
	}
	if token == "" {
		return usageError{errors.New("GITHUB_TOKEN is not set: it needs the permission actions: write")}
	}
	api := getenv("GITHUB_API_URL")
	if api == "" {
		api = "https://api.github.com"
	}
	base, err := url.Parse(api)
	if err != nil {
		return usageError{fmt.Errorf("GITHUB_API_URL: %w", err)}
	}
	g := &github{base: base.JoinPath("repos", owner, name), token: token, client: &http.Client{Transport: retry.Transport{Policy: &retry.Policy{}, Next: http.DefaultTransport}}}
	runs, err := g.runs(ctx)
	if err != nil {
		return err
	}
	caches, err := g.deadCaches(ctx)
	if err != nil {
		return err
	}
	verb := "deleted"
	if *dry {
		verb = "would delete"
	}
	old := outdated(runs, policy{now.Add(-*older), *keep, strings.Split(*evidence, ",")})
	for _, r := range old {
		if err := g.remove(ctx, *dry, "actions", "runs", fmt.Sprint(r.ID)); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s run %d of %s, %s\n", verb, r.ID, text.Show(path.Base(r.Path)), r.Created.UTC().Format(time.DateOnly))
	}
	for _, c := range caches {
		if err := g.remove(ctx, *dry, "actions", "caches", fmt.Sprint(c.ID)); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s cache %s of %s\n", verb, text.Show(c.Key), text.Show(c.Ref))
	}
	fmt.Fprintf(out, "%s %s and %s\n", verb, text.Count(len(old), "run"), text.Count(len(caches), "cache"))
	return nil
}

// outdated lists the runs that go, oldest first.
func outdated(runs []workflowRun, p policy) []workflowRun {
	runs = slices.Clone(runs)
	slices.SortFunc(runs, func(a, b workflowRun) int { return b.Created.Compare(a.Created) })
	seen := map[string]int{}
	var out []workflowRun
	for _, r := range runs {
		seen[r.Path]++
		if r.Status == "completed" && seen[r.Path] > p.keep && r.Created.Before(p.before) && !slices.Contains(p.evidence, path.Base(r.Path)) {
			out = append(out, r)
		}
	}
	slices.Reverse(out)
	return out
}

// github is one repository's part of GitHub's REST API
// (docs.github.com/rest/actions/workflow-runs, /rest/actions/cache).
type github struct {
	base   *url.URL
	token  string
	client *http.Client
}

type workflowRun struct {
	ID      int64     `json:"id"`
	Path    string    `json:"path"` // .github/workflows/NAME.yml, with @REF or without
	Status  string    `json:"status"`
	Created time.Time `json:"created_at"`
}

type cacheEntry struct {
	ID  int64  `json:"id"`
	Ref string `json:"ref"` // refs/heads/NAME, refs/tags/NAME or refs/pull/N/merge
	Key string `json:"key"`
}

func (g *github) runs(ctx context.Context) ([]workflowRun, error) {
	var all []workflowRun
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			Runs []workflowRun `json:"workflow_runs"`
		}
		if err := g.get(ctx, &answer, page, "actions", "runs"); err != nil {
			return nil, err
		}
		for _, r := range answer.Runs {
			r.Path, _, _ = strings.Cut(r.Path, "@")
			all = append(all, r)
		}
		if len(answer.Runs) < 100 {
			break
		}
	}
	return all, nil
}

// deadCaches lists the caches whose branch, tag or pull request is gone.
func (g *github) deadCaches(ctx context.Context) ([]cacheEntry, error) {
	var dead []cacheEntry
	alive := map[string]bool{}
	for page := 1; page <= maxPages; page++ {
		var answer struct {
			Caches []cacheEntry `json:"actions_caches"`
		}
		if err := g.get(ctx, &answer, page, "actions", "caches"); err != nil {
			return nil, err
		}
		for _, c := range answer.Caches {
			lives, known := alive[c.Ref]
			if !known {
				var err error
				if lives, err = g.lives(ctx, c.Ref); err != nil {
					return nil, err
				}
				alive[c.Ref] = lives
			}
			if !lives {
				dead = append(dead, c)
			}
		}
		if len(answer.Caches) < 100 {
			break
		}
	}
	return dead, nil
}

// lives reports whether a ref can still be used. One of a kind that is not known does.
func (g *github) lives(ctx context.Context, ref string) (bool, error) {
	var answer struct {
		State string `json:"state"`
	}
	parts := strings.Split(ref, "/")
	if slices.ContainsFunc(parts, func(p string) bool { return p == "" || p == "." || p == ".." }) || len(parts) < 3 {
		return true, nil
	}
	var at []string
	switch parts[1] {
	case "heads", "tags":
		at = append([]string{"git", "ref"}, parts[1:]...)
	case "pull":
		at = []string{"pulls", parts[2]}
	default:
		return true, nil
	}
	err := g.get(ctx, &answer, 0, at...)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return false, nil
	}
	return answer.State != "closed", err
}

// get reads a JSON document; page 0 is a document that has no pages.
func (g *github) get(ctx context.Context, to any, page int, at ...string) error {
	resp, err := g.do(ctx, http.MethodGet, page, at...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("%s: %w", resp.Request.URL.Path, err)
	}
	return nil
}

func (g *github) remove(ctx context.Context, dry bool, at ...string) error {
	if dry {
		return nil
	}
	resp, err := g.do(ctx, http.MethodDelete, 0, at...)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return nil // somebody was quicker
	}
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (g *github) do(ctx context.Context, method string, page int, at ...string) (*http.Response, error) {
	for i, p := range at {
		at[i] = url.PathEscape(p)
	}
	u := g.base.JoinPath(at...)
	if page > 0 {
		u.RawQuery = fmt.Sprintf("per_page=100&page=%d", page)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("Authorization", "Bearer "+g.token)
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		_ = resp.Body.Close()
		return nil, &statusError{method, u.Path, resp.StatusCode}
	}
	return resp, nil
}

// statusError is an answer that was not expected.
type statusError struct {
	method, path string
	code         int
}

func (e *statusError) Error() string {
	s := fmt.Sprintf("%s %s: HTTP %d %s", e.method, e.path, e.code, http.StatusText(e.code))
	if e.code == http.StatusForbidden || e.code == http.StatusUnauthorized {
		s += ": the token needs the permission actions: write"
	}
	return s
}
