package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"facerec/internal/release"
)

// Access is how registries are reached.
type Access struct {
	Insecure  []string          // HOST[:PORT] with which plain HTTP may be spoken
	Transport http.RoundTripper // nil: http.DefaultTransport
	UserAgent string
}

// permits says whether plain HTTP may be spoken with host.
func (a Access) permits(host string) bool {
	for _, h := range a.Insecure {
		if h == host {
			return true
		}
	}
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	bare = strings.Trim(bare, "[]")
	if bare == "localhost" {
		return true
	}
	ip := net.ParseIP(bare)
	return ip != nil && ip.IsLoopback()
}

// guarded refuses plain HTTP with hosts that Access does not permit, whatever a
// library's defaults or a redirect say.
type guarded struct {
	access Access
	next   http.RoundTripper
}

func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.access.permits(r.URL.Host) {
		return nil, fmt.Errorf("refusing plain HTTP with %s: use --insecure-registry %s if you trust the network between", r.URL.Host, r.URL.Host)
	}
	return g.next.RoundTrip(r)
}

func (a Access) options(ctx context.Context) []remote.Option {
	next := a.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	agent := a.UserAgent
	if agent == "" {
		agent = "releaser"
	}
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(guarded{a, next}),
		remote.WithUserAgent(agent),
	}
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

type remoteSource struct {
	ref    Ref
	repo   name.Repository
	access Access
	puller *remote.Puller // keeps the log-in from request to request
}

func openRemote(ctx context.Context, ref Ref, access Access) (*remoteSource, error) {
	repo, err := access.repository(ref.Name)
	if err != nil {
		return nil, fmt.Errorf("reference %s: %w", ref, err)
	}
	puller, err := remote.NewPuller(access.options(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("reference %s: %w", ref, err)
	}
	return &remoteSource{ref, repo, access, puller}, nil
}

func (s *remoteSource) Resolve(ctx context.Context) (Descriptor, error) {
	var at name.Reference
	switch {
	case !s.ref.Digest.IsZero():
		at = s.repo.Digest(s.ref.Digest.String())
	case s.ref.Tag != "":
		at = s.repo.Tag(s.ref.Tag)
	default:
		return Descriptor{}, fmt.Errorf("reference %s has neither tag nor digest", s.ref)
	}
	got, err := s.puller.Get(ctx, at)
	if err != nil {
		return Descriptor{}, s.explain("image "+s.ref.String(), err)
	}
	d, err := digestOf(got.Digest)
	if err != nil {
		return Descriptor{}, fmt.Errorf("reference %s: %w", s.ref, err)
	}
	return Descriptor{string(got.MediaType), d, got.Size}, nil
}

func (s *remoteSource) Manifest(ctx context.Context, d release.Digest) (string, []byte, error) {
	got, err := s.puller.Get(ctx, s.repo.Digest(d.String()))
	if err != nil {
		return "", nil, s.explain("manifest "+s.ref.At(d).String(), err)
	}
	if sum := release.DigestBytes(got.Manifest); sum != d {
		return "", nil, &MismatchError{"manifest", s.ref.At(d).String(), d.String(), sum.String()}
	}
	return string(got.MediaType), got.Manifest, nil
}

func (s *remoteSource) Blob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	where := s.ref.At(d.Digest).String()
	layer, err := s.puller.Layer(ctx, s.repo.Digest(d.Digest.String()))
	if err != nil {
		return nil, s.explain("blob "+where, err)
	}
	rc, err := layer.Compressed()
	if err != nil {
		return nil, s.explain("blob "+where, err)
	}
	return newChecked(explained{rc, s, where}, d, "blob", where), nil
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

// explain says in one line what could not be had from a registry, and why.
func (s *remoteSource) explain(what string, err error) error {
	var te *transport.Error
	if errors.As(err, &te) {
		switch te.StatusCode {
		case http.StatusNotFound:
			return &NotFoundError{What: what, Hint: "check the version, the repository and whether it was pushed"}
		case http.StatusUnauthorized, http.StatusForbidden:
			return fmt.Errorf("%s: %s refused access (HTTP %d): log in with your container tool, or check the repository's permissions", what, s.repo.RegistryStr(), te.StatusCode)
		}
		return fmt.Errorf("%s: %s answered HTTP %d: %w", what, s.repo.RegistryStr(), te.StatusCode, err)
	}
	// The library's own check of a stream: its digest did not come out.
	if m := err.Error(); strings.Contains(m, "error verifying") || strings.Contains(m, "does not match requested digest") {
		return &MismatchError{What: "content", Where: strings.TrimPrefix(strings.TrimPrefix(what, "blob "), "manifest "), Expected: "the bytes of that digest", Got: m}
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &op) || errors.As(err, &dns) {
		return fmt.Errorf("%s: cannot reach registry %s: %w", what, s.repo.RegistryStr(), err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (s *remoteSource) push(ctx context.Context, tag string, t remote.Taggable, progress func(done, total int64)) error {
	opts := s.access.options(ctx)
	if progress != nil {
		updates := make(chan v1.Update, 16)
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			for u := range updates {
				if u.Error == nil {
					progress(u.Complete, u.Total)
				}
			}
		}()
		defer func() { <-finished }()
		opts = append(opts, remote.WithProgress(updates))
	}
	at := s.repo.Tag(tag)
	var err error
	switch t := t.(type) {
	case v1.ImageIndex:
		err = remote.WriteIndex(at, t, opts...)
	case v1.Image:
		err = remote.Write(at, t, opts...)
	default:
		err = remote.Push(at, t, opts...)
	}
	if err != nil {
		return s.explain("pushing to "+s.ref.WithTag(tag).String(), err)
	}
	return nil
}
