package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/fetcher"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/text"
)

// PublicGood is the base URL of the repository of the public-good instance, as
// sigstore-go knows it.
const PublicGood = tuf.DefaultMirror

// The files in the repository that are wanted: the second one if it is there.
const (
	rootTarget     = "trusted_root.json"
	servicesTarget = "signing_config.v0.2.json"
)

// maxTarget is the largest target that is fetched, in bytes; the public one has
// 7 kB.
const maxTarget = 4 << 20

// fetchTimeout is how long one file may take; the largest has under 100 kB.
const fetchTimeout = 30 * time.Second

// Request says what to bring, and from where.
type Request struct {
	Mirror string // base URL of a TUF repository; "" for PublicGood
	Anchor []byte // root.json to begin with; nil for the one of the public-good instance

	// State is the directory for the TUF metadata of every mirror. It is made if it
	// is missing.
	State string

	Now       time.Time         // what expiry is judged by
	Transport http.RoundTripper // nil for http.DefaultTransport
	UserAgent string

	// Seen, if it is set, is shown each file as the mirror served it, whether or
	// not it is believed: [Evidence] is made of them.
	Seen func(url string, data []byte)
}

// InvalidError says that a request cannot be made as it is: its mirror is not a URL to
// ask, or its anchor no root.json.
type InvalidError struct{ Err error }

func (e *InvalidError) Error() string { return "trust root: " + text.Line(e.Err.Error(), maxErrorText) }
func (e *InvalidError) Unwrap() error { return e.Err }

// RefusedError says that a repository was reached and is not believed.
type RefusedError struct {
	Mirror string
	Err    error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("trust root: repository %s is refused: %s", e.Mirror, text.Line(e.Err.Error(), maxErrorText))
}

func (e *RefusedError) Unwrap() error { return e.Err }

// Update asks the mirror for its newest trusted root. Errors are of type *[InvalidError]
// before anything was asked, and *[RefusedError] where an answer was not believed.
func Update(ctx context.Context, r Request) (k Kept, err error) {
	if r.Mirror == "" {
		r.Mirror = PublicGood
	}
	mirror, err := url.Parse(strings.TrimSuffix(r.Mirror, "/"))
	if err == nil {
		err = secure(mirror)
	}
	if err != nil {
		return Kept{}, &InvalidError{fmt.Errorf("mirror %q: %w", r.Mirror, err)}
	}
	r.Mirror = mirror.String()
	defer func() {
		if p := recover(); p != nil { // metadata that a library cannot cope with
			k, err = Kept{}, &RefusedError{r.Mirror, fmt.Errorf("cannot be read: %v", p)}
		}
	}()
	k, err = r.update(ctx)
	var invalid *InvalidError
	switch {
	case errors.As(err, &invalid):
		return Kept{}, err
	case err == nil:
		return k, nil
	case ctx.Err() != nil:
		return Kept{}, context.Cause(ctx)
	case onDisk(err):
		return Kept{}, fmt.Errorf("trust root: the kept copy of %s: %w", r.Mirror, err)
	case unreachable(err):
		return Kept{}, fmt.Errorf("trust root: cannot ask %s: %s", r.Mirror, text.Line(err.Error(), maxErrorText))
	}
	return Kept{}, &RefusedError{r.Mirror, err}
}

// onDisk and unreachable tell failures of disk and network from answers that
// are wrong.
func onDisk(err error) bool {
	var file *fs.PathError
	var link *os.LinkError
	return errors.As(err, &file) || errors.As(err, &link)
}

func unreachable(err error) bool {
	var status *metadata.ErrDownloadHTTP
	var asking *url.Error
	return errors.As(err, &status) || errors.As(err, &asking) || errors.Is(err, errCut)
}

func (r Request) update(ctx context.Context) (Kept, error) {
	name, anchor := "public-good", r.Anchor
	if anchor == nil {
		anchor = tuf.DefaultRoot()
	} else {
		name = release.DigestBytes(anchor).String()
	}
	if _, err := metadata.Root().FromBytes(anchor); err != nil {
		return Kept{}, &InvalidError{fmt.Errorf("the first root.json: %w", err)}
	}
	// Another anchor is another repository, even at the same address.
	dir := filepath.Join(r.State, release.DigestBytes([]byte(r.Mirror + "\n" + name)).Hex()[:16])
	if err := forgetDamaged(dir); err != nil {
		return Kept{}, err
	}
	c, err := config.New(r.Mirror, newest(anchor, filepath.Join(dir, "root.json")))
	if err != nil {
		return Kept{}, err
	}
	c.LocalMetadataDir, c.LocalTargetsDir = dir, dir
	f := fetcher.NewDefaultFetcher()
	f.SetHTTPUserAgent(r.UserAgent)
	f.SetHTTPClient(asker{ctx, &http.Client{Transport: r.Transport, Timeout: fetchTimeout, CheckRedirect: sameManners}})
	c.Fetcher = f
	if r.Seen != nil {
		c.Fetcher = seeing{f, r.Seen}
	}
	up, err := updater.New(c)
	if err != nil {
		return Kept{}, err
	}
	up.UnsafeSetRefTime(r.Now.UTC()) // "unsafe", for it decides what has expired; here the caller's clock does
	if err := up.Refresh(); err != nil {
		return Kept{}, err
	}
	data, err := fetch(up, c, rootTarget)
	if err != nil {
		return Kept{}, err
	}
	var services []byte
	if _, listed := up.GetTopLevelTargets()[servicesTarget]; listed {
		if services, err = fetch(up, c, servicesTarget); err != nil {
			return Kept{}, err
		}
	}
	k := Kept{Mirror: r.Mirror, Anchor: name, Fetched: r.Now.UTC().Truncate(time.Second), Root: data, SigningConfig: services}
	set := up.GetTrustedMetadataSet()
	targets := set.Targets[metadata.TARGETS].Signed
	k.Metadata = []Metadata{
		{metadata.ROOT, set.Root.Signed.Version, set.Root.Signed.Expires.UTC()},
		{metadata.TARGETS, targets.Version, targets.Expires.UTC()},
		{metadata.SNAPSHOT, set.Snapshot.Signed.Version, set.Snapshot.Signed.Expires.UTC()},
		{metadata.TIMESTAMP, set.Timestamp.Signed.Version, set.Timestamp.Signed.Expires.UTC()},
	}
	return k, k.check()
}

// fetch gets one target, into memory.
func fetch(up *updater.Updater, c *config.UpdaterConfig, name string) ([]byte, error) {
	info, err := up.GetTargetInfo(name)
	if err != nil {
		return nil, err
	}
	if info.Length > maxTarget {
		return nil, fmt.Errorf("%s: expected at most %d bytes, got %d", name, maxTarget, info.Length)
	}
	keep := c.DisableLocalCache
	c.DisableLocalCache = true // the target is the caller's to store, in one piece
	defer func() { c.DisableLocalCache = keep }()
	_, data, err := up.DownloadTarget(info, "", "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// maxMetadata bounds what is read of metadata that was kept, in bytes.
const maxMetadata = 16 << 20

// newest is the root that was seen last, or the anchor if none was or that is
// newer. What lies in the directory was signed by what was trusted when it was put
// there.
func newest(anchor []byte, path string) []byte {
	seen, err := atomicfile.ReadFile(path, maxMetadata)
	if err != nil {
		return anchor
	}
	a, errA := metadata.Root().FromBytes(anchor)
	s, errS := metadata.Root().FromBytes(seen)
	if errA != nil || errS != nil || s.Signed.Version < a.Signed.Version {
		return anchor
	}
	return seen
}

// forgetDamaged takes away what a machine that lost its power made of metadata:
// go-tuf does not sync, and would stumble over it for ever.
func forgetDamaged(dir string) error {
	for _, role := range roles {
		path := filepath.Join(dir, role+".json")
		b, err := atomicfile.ReadFile(path, maxMetadata)
		var special *atomicfile.NotRegularError
		var large *atomicfile.TooLargeError
		if err == nil && !json.Valid(b) || errors.As(err, &special) || errors.As(err, &large) {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// asker is an HTTP client whose requests end with a context, which go-tuf's
// fetcher has no place for.
type asker struct {
	ctx    context.Context
	client *http.Client
}

var errCut = errors.New("the answer was cut short")

func (a asker) Do(req *http.Request) (*http.Response, error) {
	resp, err := a.client.Do(req.WithContext(a.ctx))
	if err == nil {
		resp.Body = cutBody{resp.Body}
	}
	return resp, err
}

// sameManners follows a redirect only to where a request may go.
func sameManners(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return errors.New("redirected more than 5 times")
	}
	return secure(req.URL)
}

// secure refuses plain HTTP to anywhere but this machine. The metadata is signed;
// but who reads along learns what is verified here, and may hold it up.
func secure(u *url.URL) error {
	if u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !release.Loopback(u.Hostname())) {
		return fmt.Errorf("expected an https URL (plain http only on loopback), got %q", u.Redacted())
	}
	return nil
}

// maxErrorText is how much of a repository's or library's text an error shows,
// in bytes.
const maxErrorText = 600
