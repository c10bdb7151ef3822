package publish

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/retry"
)

// Release is one release as a page shows it.
type Release struct {
	ID         int64 // on forges; a web root has none
	Tag        string
	Commit     string // that the tag named when the release was made; "" if not known
	Title      string
	Notes      string // Markdown
	Draft      bool
	Prerelease bool
	URL        string // for people
	Assets     []Asset
}

// Asset is a file of a release on a page.
type Asset struct {
	ID     int64
	Name   string
	Size   int64          // bytes
	Digest release.Digest // that the page reports; zero if it reports none

	url string // where its bytes are
}

// Reader is a page as anyone sees it.
type Reader interface {
	// String is the page's address.
	String() string

	// Releases lists all releases, drafts too if the page shows them. A page
	// that does not exist is an error.
	Releases(ctx context.Context) ([]Release, error)

	// Read returns an asset's bytes from offset on. A page that cannot start in
	// the middle starts at 0; at is where it started.
	Read(ctx context.Context, a Asset, offset int64) (body io.ReadCloser, at int64, err error)
}

// Page is a page as its maintainer sees it.
type Page interface {
	Reader

	// Commit returns the commit that a git tag names. The error is ErrNoTag if
	// there is no such tag, and something else if the page does not exist or may
	// not be written. A page without git returns "".
	Commit(ctx context.Context, tag string) (string, error)

	// Find returns the releases of a tag with all their assets. Forges can have
	// several drafts of one tag.
	Find(ctx context.Context, tag string) ([]Release, error)

	// Create makes a draft without assets.
	Create(ctx context.Context, r Release) (Release, error)

	// Upload adds an asset to a draft, or to a published release. It is tried once: the error is a
	// *TemporaryError where another try makes sense, and ErrExists if there is an
	// asset of that name and the page takes no second one.
	Upload(ctx context.Context, r Release, name string, f *os.File, size int64) (Asset, error)

	// Remove removes an asset of a draft. One that is gone already is not an error.
	Remove(ctx context.Context, r Release, a Asset) error

	// Promote publishes a draft with the title and the notes of r. Of a release
	// that is published it only repairs the page's index.
	Promote(ctx context.Context, r Release) error

	// Discard removes a draft.
	Discard(ctx context.Context, r Release) error
}

// Refusal is a page that is not as it must be, and that publish therefore does
// not touch; or bytes that are not those they must be.
type Refusal struct {
	Subject string // the asset, tag or release
	Reason  string
	Advice  string // what to do, may be empty
}

func (e *Refusal) Error() string { return e.Subject + ": " + e.Reason }

// Hint returns the advice.
func (e *Refusal) Hint() string { return e.Advice }

// AddressError is a page's address that cannot be one.
type AddressError struct{ msg string }

func (e *AddressError) Error() string { return e.msg }

func addressError(format string, args ...any) error {
	return &AddressError{fmt.Sprintf(format, args...)}
}

// DirPrefix begins the address of a page that is a directory on this machine.
const DirPrefix = "dir:"

// Options say how pages are reached.
type Options struct {
	// Token returns the token for a forge of a kind, "github" or "gitea", or "".
	// It is sent to the forge's own hosts only. May be nil.
	Token func(kind string) string

	UserAgent string        // of every request
	Insecure  []string      // hosts, HOST[:PORT], that may be spoken to over plain HTTP; loopback always may
	Retry     *retry.Policy // nil for the defaults
}

// kinds of page that an address can name before the URL, as in
// gitea:https://example.org/owner/repo.
var kinds = []string{"github", "gitea", "web"}

// IsAddress reports whether a name is meant as the address of a page, and not as
// that of a file.
func IsAddress(name string) bool {
	return strings.HasPrefix(name, DirPrefix) || strings.Contains(name, "://") ||
		slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(name, k+":") })
}

// Open finds out what kind of page an address names: dir:PATH, a URL, or a
// kind (github, gitea, web), a colon and a URL. It asks the host only if the
// address leaves the kind open. The result is a [Page] unless the page is a web
// root on another host.
func Open(ctx context.Context, address string, o Options) (Reader, error) {
	if path, ok := strings.CutPrefix(address, DirPrefix); ok {
		if path == "" {
			return nil, addressError("page %q: expected dir:PATH", address)
		}
		return &webRoot{dir: path}, nil
	}
	kind, u := parseAddress(address)
	if u == nil {
		return nil, addressError("page %q: expected https://HOST/OWNER/REPOSITORY or dir:PATH", address)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, addressError("page on %s: expected an address without user, query and fragment", u.Host)
	}
	if u.Scheme == "http" && !o.plainHTTP(u.Host) {
		return nil, addressError("page %s: plain HTTP is for loopback only; expected https, or --insecure-registry %s", address, u.Host)
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), ".git")
	c := o.client(u)
	if kind == "" {
		var err error
		if kind, err = detect(ctx, c, u); err != nil {
			return nil, err
		}
	}
	if kind == "web" {
		return &webSite{base: u, client: c}, nil
	}
	return newForge(kind, u, c, o)
}

// parseAddress gives the kind that the address of a page on a host names, "" if it
// leaves that open, and its URL, nil if it is not one of HTTP.
func parseAddress(address string) (kind string, u *url.URL) {
	rest := address
	for _, k := range kinds {
		if after, ok := strings.CutPrefix(address, k+":"); ok {
			kind, rest = k, after
		}
	}
	u, err := url.Parse(rest)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return kind, nil
	}
	return kind, u
}

// Inside is the host, HOST[:PORT], of the address of a page, or of any other URL of HTTP,
// if that is an address inside this network, and else "".
func Inside(address string) string {
	if _, u := parseAddress(address); u != nil && release.Inside(u.Hostname()) {
		return u.Host
	}
	return ""
}

// split cuts a repository's address into what is before owner and name, and
// these two.
func split(u *url.URL) (root *url.URL, owner, name string, err error) {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if n := len(parts); n >= 2 && parts[n-1] != "" && parts[n-2] != "" {
		r := *u
		r.Path = "/" + strings.Join(parts[:n-2], "/")
		if r.Path != "/" {
			r.Path += "/"
		}
		return &r, parts[n-2], parts[n-1], nil
	}
	return nil, "", "", addressError("page %s: expected …/OWNER/REPOSITORY at the end", u)
}
