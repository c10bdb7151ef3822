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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-github/v93/github"

	"facerec/internal/retry"
	"facerec/internal/text"
)

// Limits of what is read: pages, and bytes of an answer.
const (
	perPage   = 100
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
	g, err := open(base, owner, name, token)
	if err != nil {
		return usageError{fmt.Errorf("GITHUB_API_URL: %w", err)}
	}
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
	remove := func(call func() (*github.Response, error)) error {
		if *dry {
			return nil
		}
		if _, err := call(); err != nil && !isGone(err) { // gone: somebody was quicker
			return problem(err)
		}
		return nil
	}
	for _, r := range old {
		if err := remove(func() (*github.Response, error) { return g.api.Actions.DeleteWorkflowRun(ctx, owner, name, r.GetID()) }); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s run %d of %s, %s\n", verb, r.GetID(), text.Show(path.Base(workflowOf(r))), r.GetCreatedAt().UTC().Format(time.DateOnly))
	}
	for _, c := range caches {
		if err := remove(func() (*github.Response, error) { return g.api.Actions.DeleteCachesByID(ctx, owner, name, c.GetID()) }); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s cache %s of %s\n", verb, text.Show(c.GetKey()), text.Show(c.GetRef()))
	}
	fmt.Fprintf(out, "%s %s and %s\n", verb, text.Count(len(old), "run"), text.Count(len(caches), "cache"))
	return nil
}

// workflowOf is the file of a run's workflow: .github/workflows/NAME.yml.
func workflowOf(r *github.WorkflowRun) string {
	file, _, _ := strings.Cut(r.GetPath(), "@")
	return file
}

// outdated lists the runs that go, oldest first.
func outdated(runs []*github.WorkflowRun, p policy) []*github.WorkflowRun {
	runs = slices.Clone(runs)
	slices.SortFunc(runs, func(a, b *github.WorkflowRun) int { return b.GetCreatedAt().Compare(a.GetCreatedAt().Time) })
	seen := map[string]int{}
	var out []*github.WorkflowRun
	for _, r := range runs {
		file := workflowOf(r)
		seen[file]++
		if r.GetStatus() == "completed" && seen[file] > p.keep && r.GetCreatedAt().Before(p.before) && !slices.Contains(p.evidence, path.Base(file)) {
			out = append(out, r)
		}
	}
	slices.Reverse(out)
	return out
}

// repository is one on GitHub (docs.github.com/rest/actions/workflow-runs and
// /rest/actions/cache).
type repository struct {
	owner, name string
	api         *github.Client
}

func open(base *url.URL, owner, name, token string) (*repository, error) {
	at := base.JoinPath("/").String()
	api, err := github.NewClient(github.WithURLs(&at, &at), github.WithAuthToken(token), github.WithDisableRateLimitCheck(),
		github.WithHTTPClient(&http.Client{Transport: retry.Transport{Policy: &retry.Policy{}, Next: limited{http.DefaultTransport}}}))
	return &repository{owner, name, api}, err
}

// limited bounds what is read of an answer.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

func (g *repository) runs(ctx context.Context) ([]*github.WorkflowRun, error) {
	var all []*github.WorkflowRun
	for page := 1; page <= maxPages; page++ {
		answer, _, err := g.api.Actions.ListRepositoryWorkflowRuns(ctx, g.owner, g.name, &github.ListWorkflowRunsOptions{ListOptions: github.ListOptions{Page: page, PerPage: perPage}})
		if err != nil {
			return nil, problem(err)
		}
		all = append(all, answer.WorkflowRuns...)
		if len(answer.WorkflowRuns) < perPage {
			break
		}
	}
	return all, nil
}

// deadCaches lists the caches whose branch, tag or pull request is gone.
func (g *repository) deadCaches(ctx context.Context) ([]*github.ActionsCache, error) {
	var dead []*github.ActionsCache
	alive := map[string]bool{}
	for page := 1; page <= maxPages; page++ {
		answer, _, err := g.api.Actions.ListCaches(ctx, g.owner, g.name, &github.ActionsCacheListOptions{ListOptions: github.ListOptions{Page: page, PerPage: perPage}})
		if err != nil {
			return nil, problem(err)
		}
		for _, c := range answer.ActionsCaches {
			lives, known := alive[c.GetRef()]
			if !known {
				if lives, err = g.lives(ctx, c.GetRef()); err != nil {
					return nil, err
				}
				alive[c.GetRef()] = lives
			}
			if !lives {
				dead = append(dead, c)
			}
		}
		if len(answer.ActionsCaches) < perPage {
			break
		}
	}
	return dead, nil
}

// lives reports whether a ref can still be used. One of a kind that is not known does.
func (g *repository) lives(ctx context.Context, ref string) (bool, error) {
	parts := strings.Split(ref, "/")
	if slices.ContainsFunc(parts, func(p string) bool { return p == "" || p == "." || p == ".." }) || len(parts) < 3 {
		return true, nil
	}
	var err error
	state := ""
	switch parts[1] {
	case "heads", "tags":
		_, _, err = g.api.Git.GetRef(ctx, g.owner, g.name, ref)
	case "pull":
		var n int
		if n, err = strconv.Atoi(parts[2]); err != nil {
			return true, nil //nolint:nilerr // not a pull request's
		}
		var pull *github.PullRequest
		pull, _, err = g.api.PullRequests.Get(ctx, g.owner, g.name, n)
		state = pull.GetState()
	}
	if isGone(err) {
		return false, nil
	}
	return state != "closed", problem(err)
}

// isGone reports whether an error is that something does not exist.
func isGone(err error) bool {
	var e *github.ErrorResponse
	return errors.As(err, &e) && e.Response.StatusCode == http.StatusNotFound
}

// problem says what a refusal means.
func problem(err error) error {
	var e *github.ErrorResponse
	if errors.As(err, &e) && (e.Response.StatusCode == http.StatusForbidden || e.Response.StatusCode == http.StatusUnauthorized) {
		return fmt.Errorf("%w: the token needs the permission actions: write", err)
	}
	return err
}
