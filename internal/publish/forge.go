package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/google/go-github/v93/github"

	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

// ErrNoTag is a git tag that the page's repository does not have.
var ErrNoTag = errors.New("git tag not found")

// ErrExists is an asset name that is taken.
var ErrExists = errors.New("an asset of this name exists already")

// forge is a repository on GitHub or Gitea. Forgejo is the same as Gitea here.
//
// Where Gitea 1.26 differs from GitHub, and what is done about it:
//
//   - A second asset of one name is accepted; GitHub answers 422. [Publish]
//     counts the assets of a name after each upload.
//   - A draft's assets are downloaded from browser_download_url; GitHub's drafts
//     only from the asset's API address, with Accept: application/octet-stream.
//   - A tag's commit is at repos/…/tags/NAME; GitHub has git/ref/tags/NAME, which
//     may name a tag object.
//   - Lists have at most 50 entries a page, whatever per_page asks for; both
//     send Link headers, which go-github follows.
//   - Deleting a tag turns its release into a draft on both. Pushing the tag
//     again publishes that draft on Gitea.
//   - No digest of an asset is reported.
//   - The owner in an issue's repository is a name, not an object as go-github
//     has it.
type forge struct {
	kind        string
	page        *url.URL
	owner, name string
	api         *github.Client
	http        *http.Client
	retry       *retry.Policy
	token       string
	hosts       []string // that may see the token
}

// detect asks a host what it is.
func detect(ctx context.Context, c *http.Client, u *url.URL) (string, error) {
	if u.Hostname() == "github.com" {
		return "github", nil
	}
	root, _, _, err := split(u)
	if err != nil {
		return "web", nil //nolint:nilerr // too short for a repository
	}
	// Each answers its own question with JSON; a web server may have a page for
	// anything.
	for _, ask := range []struct{ kind, url, field string }{
		{"web", u.JoinPath(indexFile).String(), "schema"},
		{"gitea", root.JoinPath("api/v1/version").String(), "version"},
		{"github", root.JoinPath("api/v3/meta").String(), "installed_version"},
	} {
		resp, err := get(ctx, c, ask.url, nil, http.StatusOK)
		if statusOf(err) != 0 {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("page %s: %w", u, err)
		}
		var answer map[string]json.RawMessage
		err = json.NewDecoder(io.LimitReader(resp.Body, maxIndex)).Decode(&answer)
		_ = resp.Body.Close()
		if err == nil && answer[ask.field] != nil {
			return ask.kind, nil
		}
	}
	return "", text.WithHint(fmt.Errorf("page %s: expected GitHub, Gitea, Forgejo or a web root with %s, got none of them", u, indexFile),
		"check the address, or name the kind: github:%s, gitea:%s or web:%s", u, u, u)
}

func newForge(kind string, u *url.URL, c *http.Client, o Options) (*forge, error) {
	root, owner, name, err := split(u)
	if err != nil {
		return nil, err
	}
	base, upload := root.JoinPath("api/v3/").String(), root.JoinPath("api/uploads/").String()
	switch {
	case u.Hostname() == "github.com":
		base, upload = "https://api.github.com/", "https://uploads.github.com/"
	case kind == "gitea":
		base = root.JoinPath("api/v1/").String()
		upload = base
	}
	options := []github.ClientOptionsFunc{
		github.WithHTTPClient(c), github.WithURLs(&base, &upload),
		github.WithDisableRateLimitCheck(), // the transport waits
	}
	if o.UserAgent != "" {
		options = append(options, github.WithUserAgent(o.UserAgent))
	}
	token := ""
	if o.Token != nil {
		token = o.Token(kind)
	}
	if token != "" {
		options = append(options, github.WithAuthToken(token))
	}
	api, err := github.NewClient(options...)
	if err != nil {
		return nil, err
	}
	f := &forge{kind: kind, page: u, owner: owner, name: name, api: api, http: c, retry: o.Retry, token: token}
	for _, s := range []string{base, upload, u.String()} {
		if h, err := url.Parse(s); err == nil {
			f.hosts = append(f.hosts, h.Scheme+"://"+h.Host)
		}
	}
	return f, nil
}

func (f *forge) String() string { return f.page.String() }

// problem turns go-github's errors into this package's.
func (f *forge) problem(err error) error {
	if err == nil {
		return nil
	}
	var answer *github.ErrorResponse
	if errors.As(err, &answer) && answer.Response != nil {
		detail := answer.Message
		for _, e := range answer.Errors {
			detail += " " + e.Field + " " + e.Code + " " + e.Message
		}
		u := f.page.String()
		if answer.Response.Request != nil {
			u = answer.Response.Request.URL.String()
		}
		status := &StatusError{URL: u, Status: answer.Response.StatusCode, Detail: text.Line(detail, 300)}
		if why, asked := passing(&http.Response{StatusCode: status.Status, Header: answer.Response.Header, Body: http.NoBody}); why != "" {
			return &TemporaryError{status, asked}
		}
		return status
	}
	var limited *github.RateLimitError
	var abused *github.AbuseRateLimitError
	switch {
	case errors.As(err, &limited):
		return &TemporaryError{&StatusError{URL: f.page.String(), Status: http.StatusTooManyRequests, Detail: text.Line(limited.Message, 300)}, rateReset(limited.Response.Header)}
	case errors.As(err, &abused):
		return &TemporaryError{&StatusError{URL: f.page.String(), Status: http.StatusTooManyRequests, Detail: text.Line(abused.Message, 300)}, abused.GetRetryAfter()}
	case f.retry.IsCut(f.page.Host, err):
		return &TemporaryError{fmt.Errorf("%s: %w", f.page, err), 0}
	}
	return err
}

func (f *forge) Releases(ctx context.Context) ([]Release, error) {
	var out []Release
	for r, err := range f.api.Repositories.ListReleasesIter(ctx, f.owner, f.name, &github.ListOptions{PerPage: 100}) {
		if err != nil {
			return nil, f.problem(err)
		}
		if len(out) == maxReleases {
			return nil, fmt.Errorf("%s: more than %d releases", f.page, maxReleases)
		}
		out = append(out, f.release(r))
	}
	return out, nil
}

// maxReleases bounds what a page may make us read.
const maxReleases = 10_000

func (f *forge) release(r *github.RepositoryRelease) Release {
	out := Release{
		ID: r.ID, Tag: r.TagName, Commit: r.TargetCommitish, Title: r.GetName(), Notes: r.GetBody(),
		Draft: r.Draft, Prerelease: r.Prerelease, URL: r.HTMLURL,
	}
	for _, a := range r.Assets {
		out.Assets = append(out.Assets, f.asset(a))
	}
	return out
}

// incomplete is the size of an asset of which GitHub says that its upload did
// not end.
const incomplete = -1

func (f *forge) asset(a *github.ReleaseAsset) Asset {
	out := Asset{ID: a.GetID(), Name: a.GetName(), Size: int64(a.GetSize()), url: a.GetBrowserDownloadURL()}
	if d, err := release.ParseDigest(a.GetDigest()); err == nil {
		out.Digest = d
	}
	if f.kind == "github" {
		out.url = a.GetURL()
	}
	if s := a.GetState(); s != "" && s != "uploaded" {
		out.Size = incomplete
	}
	return out
}

func (f *forge) Find(ctx context.Context, tag string) ([]Release, error) {
	all, err := f.Releases(ctx)
	if err != nil {
		return nil, err
	}
	var out []Release
	for _, r := range all {
		if r.Tag != tag {
			continue
		}
		r.Assets = nil // those in the list need not be all
		for a, err := range f.api.Repositories.ListReleaseAssetsIter(ctx, f.owner, f.name, r.ID, &github.ListOptions{PerPage: 100}) {
			if err != nil {
				return nil, f.problem(err)
			}
			r.Assets = append(r.Assets, f.asset(a))
		}
		out = append(out, r)
	}
	return out, nil
}

func (f *forge) Commit(ctx context.Context, tag string) (string, error) {
	repo, _, err := f.api.Repositories.Get(ctx, f.owner, f.name)
	if err != nil {
		return "", f.problem(err)
	}
	if rights := repo.GetPermissions(); rights != nil && !rights.GetPush() && !rights.GetAdmin() && !rights.GetMaintain() {
		return "", &StatusError{URL: f.page.String(), Status: http.StatusForbidden, Detail: "no right to write releases"}
	}
	commit, err := f.commit(ctx, tag)
	if statusOf(err) == http.StatusNotFound {
		return "", fmt.Errorf("%s: tag %s: %w", f.page, tag, ErrNoTag)
	}
	return commit, err
}

func (f *forge) commit(ctx context.Context, tag string) (string, error) {
	if f.kind == "gitea" {
		req, err := f.api.NewRequest(ctx, http.MethodGet, "repos/"+f.owner+"/"+f.name+"/tags/"+url.PathEscape(tag), nil)
		if err != nil {
			return "", err
		}
		var t github.RepositoryTag
		if _, err := f.api.Do(req, &t); err != nil {
			return "", f.problem(err)
		}
		return t.GetCommit().GetSHA(), nil
	}
	ref, _, err := f.api.Git.GetRef(ctx, f.owner, f.name, "tags/"+tag)
	if err != nil {
		return "", f.problem(err)
	}
	object := ref.GetObject()
	for range 5 { // a tag can name a tag
		if object.GetType() != "tag" {
			return object.GetSHA(), nil
		}
		t, _, err := f.api.Git.GetTag(ctx, f.owner, f.name, object.GetSHA())
		if err != nil {
			return "", f.problem(err)
		}
		object = t.GetObject()
	}
	return "", fmt.Errorf("%s: tag %s names a tag that names a tag, and so on", f.page, tag)
}

func (f *forge) Create(ctx context.Context, r Release) (Release, error) {
	draft := true
	made, _, err := f.api.Repositories.CreateRelease(ctx, f.owner, f.name, github.CreateReleaseRequest{
		TagName: r.Tag, TargetCommitish: &r.Commit, Name: &r.Title, Body: &r.Notes, Draft: &draft, Prerelease: &r.Prerelease,
	})
	if err != nil {
		return Release{}, f.problem(err)
	}
	return f.release(made), nil
}

func (f *forge) Upload(ctx context.Context, r Release, name string, file *os.File, size int64) (Asset, error) {
	u := fmt.Sprintf("repos/%s/%s/releases/%d/assets?name=%s", f.owner, f.name, r.ID, url.QueryEscape(name))
	req, err := f.api.NewUploadRequest(ctx, u, io.NewSectionReader(file, 0, size), size, "application/octet-stream")
	if err != nil {
		return Asset{}, err
	}
	var a github.ReleaseAsset
	if _, err := f.api.Do(req, &a); err != nil {
		err = f.problem(err)
		if statusOf(err) == http.StatusUnprocessableEntity && strings.Contains(err.Error(), "already_exists") {
			return Asset{}, fmt.Errorf("%s: %w", name, ErrExists)
		}
		return Asset{}, err
	}
	return f.asset(&a), nil
}

func (f *forge) Remove(ctx context.Context, r Release, a Asset) error {
	var err error
	if f.kind == "gitea" { // the asset's address has its release's number in it
		var req *http.Request
		req, err = f.api.NewRequest(ctx, http.MethodDelete, fmt.Sprintf("repos/%s/%s/releases/%d/assets/%d", f.owner, f.name, r.ID, a.ID), nil)
		if err == nil {
			_, err = f.api.Do(req, nil)
		}
	} else {
		_, err = f.api.Repositories.DeleteReleaseAsset(ctx, f.owner, f.name, a.ID)
	}
	if err = f.problem(err); statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

func (f *forge) Promote(ctx context.Context, r Release) error {
	if !r.Draft {
		return nil
	}
	draft, latest := false, "legacy" // GitHub picks the latest by version
	if r.Prerelease {
		latest = "false"
	}
	_, _, err := f.api.Repositories.UpdateRelease(ctx, f.owner, f.name, r.ID, github.UpdateReleaseRequest{
		TagName: &r.Tag, Name: &r.Title, Body: &r.Notes, Draft: &draft, Prerelease: &r.Prerelease, MakeLatest: &latest,
	})
	return f.problem(err)
}

func (f *forge) Discard(ctx context.Context, r Release) error {
	_, err := f.api.Repositories.DeleteRelease(ctx, f.owner, f.name, r.ID)
	if err = f.problem(err); statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

func (f *forge) Read(ctx context.Context, a Asset, offset int64) (io.ReadCloser, int64, error) {
	header := http.Header{"Accept": {"application/octet-stream"}}
	u, err := url.Parse(a.url)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: asset %s: expected a URL, got %s", f.page, text.Show(a.Name), text.Show(a.url))
	}
	if f.token != "" && f.mayKnow(u) {
		header.Set("Authorization", "Bearer "+f.token)
	}
	return read(ctx, f.http, u, header, offset)
}

// mayKnow reports whether the token may go to where u is.
func (f *forge) mayKnow(u *url.URL) bool {
	for _, h := range f.hosts {
		if h == u.Scheme+"://"+u.Host {
			return true
		}
	}
	return false
}

// read starts a download in the middle if the host can do that.
func read(ctx context.Context, c *http.Client, u *url.URL, header http.Header, offset int64) (io.ReadCloser, int64, error) {
	want := []int{http.StatusOK}
	if offset > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
		want = append(want, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	}
	resp, err := get(ctx, c, u.String(), header, want...)
	if err != nil {
		return nil, 0, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return resp.Body, 0, nil
	case http.StatusPartialContent:
		if strings.HasPrefix(resp.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(offset, 10)+"-") {
			return resp.Body, offset, nil
		}
	}
	_ = resp.Body.Close() // no such range, or another one: from the start
	header.Del("Range")
	resp, err = get(ctx, c, u.String(), header, http.StatusOK)
	if err != nil {
		return nil, 0, err
	}
	return resp.Body, 0, nil
}
