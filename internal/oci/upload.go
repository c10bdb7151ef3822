package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"facerec/internal/release"
	"facerec/internal/retry"
)

// defaultPushes is how many blobs are sent at a time.
const defaultPushes = 4

// upload is a blob to be sent. open is called for each try.
type upload struct {
	Descriptor
	open func() (io.ReadCloser, error)
}

func bytesUpload(data []byte) upload {
	return upload{Descriptor{Digest: release.DigestBytes(data), Size: int64(len(data))},
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// repeatable reports whether a request can be made again by itself. What follows
// the start of an upload cannot: it depends on what has arrived. The whole upload
// is repeated then.
func repeatable(r *http.Request, _ *http.Response) bool {
	switch r.Method {
	case http.MethodPatch:
		return false
	case http.MethodPut:
		return r.ContentLength > 0 // a manifest; the end of an upload has no body
	}
	return true
}

// putBlobs sends blobs, some at a time.
func (s *session) putBlobs(ctx context.Context, blobs []upload, jobs int, progress func(done, total int64)) error {
	if jobs <= 0 {
		jobs = defaultPushes
	}
	var mu sync.Mutex
	var done, total int64
	for _, b := range blobs {
		total += b.Size
	}
	moved := func(n int64) {
		mu.Lock()
		defer mu.Unlock()
		if done += n; progress != nil {
			progress(done, total)
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, b := range blobs {
		g.Go(func() error { return s.putBlob(gctx, b, moved) })
	}
	return g.Wait()
}

// putBlob sends a blob unless the repository has it. moved is called with the
// number of bytes sent, negative where they are sent again.
func (s *session) putBlob(ctx context.Context, b upload, moved func(n int64)) error {
	t := &retry.Tries{Thing: b.Digest.String()}
	host := s.repo.RegistryStr()
	for {
		sent, again, err := s.tryBlob(ctx, t, b, moved)
		if err == nil {
			s.access.Retry.Delivered(host, t.Thing)
			return nil
		}
		moved(-sent)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var answer *answerError
		cut := damage(err) == nil && s.access.Retry.IsCut(host, err)
		if errors.As(err, &answer) {
			cut = answer.why != ""
		} else {
			answer = &answerError{why: err.Error()}
		}
		if !again || !cut {
			return err
		}
		more, stop := s.access.Retry.Again(ctx, t, host, "upload of "+b.Digest.String()+": "+answer.why, answer.asked)
		if stop != nil {
			return stop
		}
		if !more {
			var one *triedError
			if errors.As(err, &one) { // of its last request
				err = one.err
			}
			return &triedError{t.Failures.Load(), err}
		}
	}
}

// tryBlob uploads a blob: the start of an upload, the bytes, the end (OCI
// distribution specification 1.1, "Pushing a blob in chunks", with one chunk). again
// reports whether it failed at a request that is not repeated by itself.
func (s *session) tryBlob(ctx context.Context, t *retry.Tries, b upload, moved func(n int64)) (sent int64, again bool, err error) {
	have, err := s.send(ctx, t, http.MethodHead, s.url("blobs", b.Digest.String()), nil, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return 0, false, err
	}
	if have.status == http.StatusOK {
		moved(b.Size)
		return b.Size, false, nil
	}
	begun, err := s.send(ctx, t, http.MethodPost, s.url("blobs", "uploads/"), nil, http.StatusAccepted)
	if err != nil {
		return 0, false, err
	}
	to, err := s.location(begun)
	if err != nil {
		return 0, false, err
	}
	body := &body{upload: b, moved: func(n int64) { sent += n; moved(n) }}
	moving, err := s.send(ctx, t, http.MethodPatch, to, body, http.StatusAccepted, http.StatusNoContent, http.StatusCreated)
	body.stop() // the transport may still read
	if err != nil {
		return sent, true, err
	}
	if to, err = s.location(moving); err != nil {
		return sent, false, err
	}
	q := to.Query()
	q.Set("digest", b.Digest.String())
	to.RawQuery = q.Encode()
	_, err = s.send(ctx, t, http.MethodPut, to, nil, http.StatusCreated, http.StatusNoContent)
	return sent, true, err
}

// location is where an upload continues. Registries behind a proxy often do not
// know their own scheme.
func (s *session) location(a answered) (*url.URL, error) {
	header := a.header.Get("Location")
	if header == "" {
		return nil, errors.New("expected a Location to upload to, got none")
	}
	to, err := a.at.Parse(header)
	if err != nil {
		return nil, fmt.Errorf("location of the upload: %w", err)
	}
	if to.Host == a.at.Host {
		to.Scheme = a.at.Scheme
	}
	if to.User != nil || to.Scheme != "https" && to.Scheme != "http" {
		return nil, fmt.Errorf("location of the upload: expected one with http or https and without a user, got %q", to.Redacted())
	}
	return to, s.access.leads(a.at, to, "send the upload")
}

// body is a blob on its way. Each try starts from the first byte.
type body struct {
	upload
	contentType string

	mu    sync.Mutex
	moved func(n int64) // nil: nobody counts
	now   *counted      // the newest try: a transport may still read for the one before
	count int64
}

func (b *body) start() (io.ReadCloser, error) {
	rc, err := b.open()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.moved != nil {
		b.moved(-b.count)
	}
	b.count, b.now = 0, &counted{rc, b}
	return b.now, nil
}

func (b *body) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moved = nil
}

type counted struct {
	io.ReadCloser
	of *body
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.of.moved != nil && c.of.now == c {
		c.of.count += int64(n)
		c.of.moved(int64(n))
	}
	return n, err
}

// answered is an answer without its body.
type answered struct {
	status int
	header http.Header
	at     *url.URL // that answered, after redirects
}

// send makes a request that writes and closes the answer. Any status that is not
// among want is an error.
func (s *session) send(ctx context.Context, t *retry.Tries, method string, u *url.URL, b *body, want ...int) (answered, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return answered{}, err
	}
	t.All.Store(0)
	if b != nil {
		req.Header.Set("Content-Type", b.contentType)
		if b.contentType == "" {
			req.Header.Set("Content-Type", "application/octet-stream")
		}
		if req.ContentLength = b.Size; b.Size > 0 {
			req.GetBody = b.start
			if req.Body, err = b.start(); err != nil {
				return answered{}, err
			}
		}
	}
	resp, err := s.do(t, req, want...)
	if err != nil {
		return answered{}, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxProblem) // or the connection cannot be used again
	_ = resp.Body.Close()
	return answered{resp.StatusCode, resp.Header, resp.Request.URL}, nil
}

// putManifest sends a manifest or index as the bytes it is, under a tag or a
// digest. A manifest with a subject is added to the subject's fallback tag if the
// registry has no referrers API.
func (s *session) putManifest(ctx context.Context, id, mediaType string, raw []byte) error {
	t := &retry.Tries{}
	b := &body{upload: bytesUpload(raw), contentType: mediaType}
	got, err := s.send(ctx, t, http.MethodPut, s.url("manifests", id), b, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return err
	}
	s.access.Retry.Delivered(s.repo.RegistryStr())
	var m struct {
		Subject      *v1.Descriptor
		ArtifactType string
		Annotations  map[string]string
		Config       struct{ MediaType string }
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	if m.Subject == nil || got.header.Get("OCI-Subject") == m.Subject.Digest.String() {
		return nil
	}
	subject, err := digestOf(m.Subject.Digest)
	if err != nil {
		return err
	}
	add := v1.Descriptor{MediaType: types.MediaType(mediaType), Digest: hashOf(b.Digest), Size: b.Size, Annotations: m.Annotations, ArtifactType: m.ArtifactType}
	if add.ArtifactType == "" {
		add.ArtifactType = m.Config.MediaType
	}
	return s.addFallback(ctx, subject, add)
}

// noReferrers are the answers of registries without the referrers API.
var noReferrers = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented}

// addFallback adds a referrer to the index under the subject's fallback tag, which
// stands in for the referrers API ("Pushing Manifests with Subject" of the same
// specification). Of two who do so in the same moment, one can be lost.
func (s *session) addFallback(ctx context.Context, subject release.Digest, add v1.Descriptor) error {
	header, _, err := s.document(ctx, s.url("referrers", subject.String()), mediaIndex, http.StatusOK)
	switch status := statusOf(err); {
	case err == nil && contentType(header) == mediaIndex:
		return nil // the registry lists it
	case err != nil && !slices.Contains(noReferrers, status):
		return err
	}
	tag := fallbackTag(subject)
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	_, raw, err := s.document(ctx, s.url("manifests", tag), mediaIndex, http.StatusOK)
	switch {
	case statusOf(err) == http.StatusNotFound:
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(raw, &index); err != nil {
			return fmt.Errorf("tag %s: %w", tag, err)
		}
		if index.SchemaVersion != 2 || index.MediaType != types.OCIImageIndex {
			return fmt.Errorf("tag %s: expected an OCI image index, got version %d of %q", tag, index.SchemaVersion, index.MediaType)
		}
	}
	for _, d := range index.Manifests {
		if d.Digest == add.Digest {
			return nil
		}
	}
	index.Manifests = append(index.Manifests, add)
	slices.SortFunc(index.Manifests, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	if raw, err = json.Marshal(index); err != nil {
		return err
	}
	return s.putManifest(ctx, tag, mediaIndex, raw)
}
