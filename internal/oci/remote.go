package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/dial"
	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

// Access is how registries are reached.
//
// Addresses inside this network are connected to only for hosts in Named and
// Insecure, for every hop: the registry, its token server, redirects, uploads. Who
// signed what names them does not matter.
// Credentials are used only for a registry in Named or Insecure, or if Trusted is
// set. So a name that comes from an unsigned release reaches nothing by itself.
type Access struct {
	Named   []string // HOST[:PORT] that the caller named, see Naming
	Trusted bool     // references come from a release whose signature holds

	// TokenServers are hosts outside a registry's domain, HOST[:PORT], that its
	// credentials may be sent to, because they give out its tokens.
	TokenServers []string

	Insecure    []string          // HOST[:PORT] with which plain HTTP may be spoken
	Transport   http.RoundTripper // nil: http.DefaultTransport
	UserAgent   string
	Retry       *retry.Policy // nil: a new one for each source
	Connections *Connections  // nil: new ones for each source
	Cache       *Cache        // nil: every blob is fetched
	CAFile      string        // PEM certificates to trust besides the system's

	home string // HOST[:PORT] of the registry, as the library has it
}

// Naming returns the access for references that the caller wrote: on the command
// line, in the environment, or in a config.json that is not part of a release.
func (a Access) Naming(refs ...Ref) Access {
	a.Named = slices.Clone(a.Named)
	for _, r := range refs {
		if r.Kind != Registry {
			continue
		}
		if repo, err := a.repository(r.Name); err == nil {
			a.Named = append(a.Named, repo.RegistryStr()) // docker.io has another name there
		}
	}
	return a
}

// named reports whether the user has named a host as one to trust the way to.
func (a Access) named(host string) bool { return slices.Contains(a.Insecure, host) }

// permits reports whether plain HTTP may be spoken with host.
func (a Access) permits(host string) bool {
	if a.named(host) {
		return true
	}
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	return release.Loopback(strings.Trim(bare, "[]"))
}

func (a Access) agent() string {
	if a.UserAgent == "" {
		return "releaser"
	}
	return a.UserAgent
}

// repository parses a name for go-containerregistry, which by itself would
// speak plain HTTP with more than loopback, or less than was permitted.
func (a Access) repository(n string) (name.Repository, error) {
	opts := []name.Option{name.StrictValidation}
	host, _, _ := strings.Cut(n, "/")
	if a.permits(host) {
		opts = append(opts, name.Insecure)
	}
	return name.NewRepository(n, opts...)
}

// remoteSource is a repository of a registry.
type remoteSource struct {
	*session // keeps the log-in from request to request
	ref      Ref

	mu       sync.Mutex
	resolved resolved // what a tag led to, so that it is not fetched twice
}

type resolved struct {
	Descriptor
	raw []byte
}

// openWriter opens a repository to push to.
func openWriter(ref Ref, access Access) (*remoteSource, error) {
	s, err := newSession(ref, access)
	if err != nil {
		return nil, err
	}
	s.writes = true
	return &remoteSource{session: s, ref: ref}, nil
}

// openRemote opens a repository to read from. Log-ins are shared by all that use the
// same connections in the same way.
func openRemote(ref Ref, access Access) (*remoteSource, error) {
	s, err := newSession(ref, access)
	if err != nil {
		return nil, err
	}
	if access.Connections != nil && access.Transport == nil {
		s = access.Connections.session(s)
	}
	return &remoteSource{session: s, ref: ref}, nil
}

func newSession(ref Ref, access Access) (*session, error) {
	repo, err := access.repository(ref.Name)
	if err != nil {
		return nil, fmt.Errorf("reference %s: %w", ref, err)
	}
	if access.Retry == nil {
		access.Retry = &retry.Policy{}
	}
	if access.Connections == nil {
		access.Connections = &Connections{}
	}
	access.home = repo.RegistryStr()
	return &session{repo: repo, access: access}, nil
}

// acceptManifests are the media types that a registry is asked for.
var acceptManifests = strings.Join([]string{
	mediaIndex, mediaManifest, string(types.DockerManifestList), string(types.DockerManifestSchema2),
}, ", ")

// fetch reads a manifest by tag or digest. What the registry says in
// Docker-Content-Digest is compared with the bytes, never believed.
func (s *remoteSource) fetch(ctx context.Context, id string) (resolved, error) {
	where := s.repo.Name() + ":" + id
	if strings.HasPrefix(id, "sha256:") {
		where = s.repo.Name() + "@" + id
	}
	header, raw, err := s.document(ctx, s.url("manifests", id), acceptManifests, http.StatusOK)
	if err != nil {
		return resolved{}, err
	}
	sum := release.DigestBytes(raw)
	for _, promised := range []string{id, header.Get("Docker-Content-Digest")} {
		if want, err := release.ParseDigest(promised); err == nil && want != sum {
			return resolved{}, &MismatchError{"manifest", where, want.String(), sum.String()}
		}
	}
	mediaType, err := manifestType(raw, header.Get("Content-Type"), where)
	if err != nil {
		return resolved{}, err
	}
	return resolved{Descriptor{mediaType, sum, int64(len(raw))}, raw}, nil
}

func (s *remoteSource) place() Ref { return s.ref }

func (s *remoteSource) Resolve(ctx context.Context) (Descriptor, error) {
	id := s.ref.Tag
	if !s.ref.Digest.IsZero() {
		id = s.ref.Digest.String()
	}
	if id == "" {
		return Descriptor{}, fmt.Errorf("reference %s: expected a tag or a digest", s.ref)
	}
	got, err := s.fetch(ctx, id)
	if err != nil {
		return Descriptor{}, s.explain("image "+s.ref.String(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resolved = got
	return got.Descriptor, nil
}

func (s *remoteSource) Manifest(ctx context.Context, d release.Digest) (string, []byte, error) {
	s.mu.Lock()
	got := s.resolved
	s.mu.Unlock()
	if got.raw == nil || got.Digest != d {
		var err error
		if got, err = s.fetch(ctx, d.String()); err != nil {
			return "", nil, s.explain("manifest "+s.ref.At(d).String(), err)
		}
	}
	return got.MediaType, got.raw, nil
}

func (s *remoteSource) Blob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	where := s.ref.At(d.Digest).String()
	if rc := s.access.Cache.open(d, where); rc != nil {
		return rc, nil
	}
	stream, err := openBlob(ctx, s.session, d)
	if err != nil {
		return nil, s.explain("blob "+where, err)
	}
	return s.access.Cache.keep(newChecked(explained{stream, s, where}, d, "blob", where), d), nil
}

// explained turns errors that come in the middle of a stream into ours.
type explained struct {
	io.ReadCloser
	s     *remoteSource
	where string
}

func (e explained) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = e.s.explain("blob "+e.where, err)
	}
	return n, err
}

// explain says in one line what could not be fetched from a registry, and why.
func (s *remoteSource) explain(what string, err error) error {
	registry := s.repo.RegistryStr()
	var mismatch *MismatchError
	if errors.As(err, &mismatch) {
		return mismatch
	}
	// What is final is not tried again, whatever the library counts.
	tried := func(format string, args ...any) error { return fmt.Errorf(format, args...) }
	var te *triedError
	if errors.As(err, &te) {
		err = te.err
		if te.tries > 1 && (statusOf(err) != 0 || s.access.Retry.IsCut(registry, err)) {
			tried = func(format string, args ...any) error {
				return text.WithHint(fmt.Errorf(format+", in %d tries", append(args, te.tries)...), "try again later, or with more --retries")
			}
		}
	}
	switch status := statusOf(err); status {
	case 0:
	case http.StatusNotFound:
		return &NotFoundError{What: what, Hint: "check the version, the repository and whether it was pushed"}
	case http.StatusUnauthorized, http.StatusForbidden:
		return text.WithHint(fmt.Errorf("%s: %s refused access (HTTP %d)", what, registry, status),
			"log in with your container tool, or check the repository's permissions")
	default:
		return tried("%s: %s answered HTTP %d%s", what, registry, status, saidOf(err))
	}
	var refused *dial.InsideError
	if errors.As(err, &refused) { // the library tries two schemes, and what the other one said matters less
		return fmt.Errorf("%s: registry %s: %w", what, registry, refused)
	}
	var ue *url.Error
	if errors.As(err, &ue) { // its URL may carry what opens a storage
		err = ue.Err
	}
	if badCertificate(err) {
		return text.WithHint(fmt.Errorf("%s: registry %s: %w", what, registry, err),
			"trust its certificate authority with --ca-file FILE, SSL_CERT_FILE or %s", filepath.Join(certsDir, registry, "ca.crt"))
	}
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) {
		return tried("%s: cannot reach registry %s: %w", what, registry, err)
	}
	return tried("%s: registry %s: %w", what, registry, err)
}

// saidOf is what a registry itself says about a failure, on one line.
func saidOf(err error) string {
	var te *transport.Error
	if !errors.As(err, &te) || len(te.Errors) == 0 {
		return ""
	}
	said := te.Errors[0]
	line := strings.TrimSpace(string(said.Code) + " " + said.Message)
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return " (" + strings.Trim(strconv.Quote(line), `"`) + ")"
}
