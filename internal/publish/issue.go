package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/go-github/v93/github"

	"facerec/internal/retry"
	"facerec/internal/text"
)

// Issue is an issue of a repository.
type Issue struct {
	Title string
	Body  string // Markdown; lists leave it out
	URL   string // for people
}

// Tracker is a page that has issues: a forge.
type Tracker interface {
	Reader

	// Issues lists all issues, open and closed; pull requests are left out.
	Issues(ctx context.Context) ([]Issue, error)

	// OpenIssue opens an issue. It is tried once: the error is a *TemporaryError
	// where another try makes sense.
	OpenIssue(ctx context.Context, i Issue) (Issue, error)
}

// OpenedIssue is what became of an issue that should exist.
type OpenedIssue struct {
	Title  string `json:"title"`
	Action string `json:"action"` // "open" or "keep"
	URL    string `json:"url,omitempty"`
}

// What happens to an issue.
const (
	DoOpenIssue = "open"
	DoKeepIssue = "keep" // there is one of this title, open or closed
)

// OpenIssues sees to it that there is one issue of each title. A title that an
// issue has already, whatever its state, is left alone. With dryRun it only decides.
func OpenIssues(ctx context.Context, t Tracker, wanted []Issue, policy *retry.Policy, dryRun bool) ([]OpenedIssue, error) {
	out := []OpenedIssue{}
	have, err := titles(ctx, t)
	if err != nil {
		return out, err
	}
	for i, w := range wanted {
		if slices.ContainsFunc(wanted[:i], func(o Issue) bool { return o.Title == w.Title }) {
			continue
		}
		if url, ok := have[w.Title]; ok {
			out = append(out, OpenedIssue{w.Title, DoKeepIssue, url})
			continue
		}
		if dryRun {
			out = append(out, OpenedIssue{w.Title, DoOpenIssue, ""})
			continue
		}
		made, err := openOne(ctx, t, w, policy)
		if err != nil {
			return out, fmt.Errorf("issue %s: %w", text.Quote(w.Title), err)
		}
		out = append(out, OpenedIssue{w.Title, DoOpenIssue, made.URL})
	}
	return out, nil
}

// openOne opens an issue. A request whose answer was lost may have opened it, so
// the list is asked before another.
func openOne(ctx context.Context, t Tracker, w Issue, policy *retry.Policy) (Issue, error) {
	for tries := new(retry.Tries); ; {
		made, err := t.OpenIssue(ctx, w)
		var temporary *TemporaryError
		if err == nil || !errors.As(err, &temporary) {
			return made, err
		}
		if more, stop := policy.Again(ctx, tries, t.String(), err.Error(), temporary.after); stop != nil {
			return Issue{}, stop
		} else if !more {
			return Issue{}, err
		}
		have, err := titles(ctx, t)
		if err != nil {
			return Issue{}, err
		}
		if url, ok := have[w.Title]; ok {
			return Issue{Title: w.Title, URL: url}, nil
		}
	}
}

// titles maps the title of each issue to its address.
func titles(ctx context.Context, t Tracker) (map[string]string, error) {
	all, err := t.Issues(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, i := range all {
		if _, ok := out[i.Title]; !ok {
			out[i.Title] = i.URL
		}
	}
	return out, nil
}

// maxIssues bounds what a page may make us read.
const maxIssues = 50_000

// listedIssue is what both forges say of an issue in the same way.
type listedIssue struct {
	Title string          `json:"title"`
	URL   string          `json:"html_url"`
	Pull  json.RawMessage `json:"pull_request"` // of issues missing, or null
}

func (f *forge) Issues(ctx context.Context) ([]Issue, error) {
	var out []Issue
	n := 0
	for page := 1; page != 0; {
		if page > maxIssues {
			return nil, fmt.Errorf("%s: more than %d pages of issues", f.page, maxIssues)
		}
		req, err := f.api.NewRequest(ctx, http.MethodGet, fmt.Sprintf("repos/%s/%s/issues?state=all&per_page=100&page=%d", f.owner, f.name, page), nil)
		if err != nil {
			return nil, err
		}
		var list []listedIssue
		resp, err := f.api.Do(req, &list)
		if err != nil {
			return nil, issueProblem(f.problem(err))
		}
		if n += len(list); n > maxIssues {
			return nil, fmt.Errorf("%s: more than %d issues", f.page, maxIssues)
		}
		for _, i := range list {
			if pull := string(i.Pull); pull == "" || pull == "null" {
				out = append(out, Issue{Title: i.Title, URL: i.URL})
			}
		}
		page = resp.NextPage
	}
	return out, nil
}

func (f *forge) OpenIssue(ctx context.Context, i Issue) (Issue, error) {
	req, err := f.api.NewRequest(ctx, http.MethodPost, fmt.Sprintf("repos/%s/%s/issues", f.owner, f.name), github.CreateIssueRequest{Title: i.Title, Body: &i.Body})
	if err != nil {
		return Issue{}, err
	}
	var made listedIssue
	if _, err := f.api.Do(req, &made); err != nil {
		return Issue{}, issueProblem(f.problem(err))
	}
	return Issue{Title: made.Title, Body: i.Body, URL: made.URL}, nil
}

// issueProblem says what a status means for issues.
func issueProblem(err error) error {
	switch statusOf(err) {
	case http.StatusForbidden:
		return text.WithHint(err, "the token needs the right to write issues of this repository")
	case http.StatusNotFound, http.StatusGone:
		return text.WithHint(err, "check the page's address, and that the repository has issues; a private page needs a token that may read it")
	}
	return err
}
