package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/release"
	"facerec/internal/text"
)

// maxManifest bounds a manifest or an index, as registries themselves do.
const maxManifest = 4 << 20

// Limits of every JSON document of an image or a registry. A manifest has some ten
// values for each layer, a list of tags one for each.
const (
	maxJSONDepth  = 100
	maxJSONValues = 100_000
)

// decode reads a document within the limits.
func decode(raw []byte, into any) error {
	if err := text.BoundJSON(raw, maxJSONDepth, maxJSONValues); err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// Descriptor says what bytes to ask for.
type Descriptor struct {
	MediaType string
	Digest    release.Digest
	Size      int64
}

// Source is one repository or layout: manifests and blobs by digest. What it
// returns has been checked against the digest that was asked for: Manifest
// before it returns, Blob at the end of the stream.
type Source interface {
	// Resolve gives the descriptor that the reference's tag or digest names.
	Resolve(ctx context.Context) (Descriptor, error)
	// Manifest reads an index or manifest whole.
	Manifest(ctx context.Context, d release.Digest) (mediaType string, raw []byte, err error)
	// Blob opens a layer or a configuration. A stream with other bytes than
	// the digest and size promise ends in a *MismatchError, not in io.EOF. Ask
	// through readBlob, which knows what to do about a damaged cache.
	Blob(ctx context.Context, d Descriptor) (io.ReadCloser, error)

	place() Ref
}

// MismatchError is what came instead of what a digest, size or diff ID named.
type MismatchError struct {
	What          string // "layer", "manifest", "diff ID of layer"…
	Where         string // the reference
	Expected, Got string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s of %s: expected %s, got %s", e.What, e.Where, e.Expected, e.Got)
}

// Hint says what to do about it.
func (e *MismatchError) Hint() string {
	return "the copy there is damaged or was replaced: fetch it from another place or push it again"
}

// NotFoundError says that a reference, manifest or platform is missing.
type NotFoundError struct {
	What string
	Hint string
}

func (e *NotFoundError) Error() string {
	if e.Hint == "" {
		return e.What + " not found"
	}
	return e.What + " not found: " + e.Hint
}

// IsNotFound reports whether err is that something asked for does not exist.
func IsNotFound(err error) bool {
	var nf *NotFoundError
	return errors.As(err, &nf)
}

// checked hashes what passes and compares at the end.
type checked struct {
	rc    io.ReadCloser
	hash  *release.Hasher
	want  Descriptor
	what  string
	where string
}

func newChecked(rc io.ReadCloser, want Descriptor, what, where string) io.ReadCloser {
	return &checked{rc: rc, hash: release.NewHasher(), want: want, what: what, where: where}
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.rc.Read(p)
	c.hash.Write(p[:n])
	if c.want.Size >= 0 && c.hash.Size() > c.want.Size {
		return n, &MismatchError{c.what, c.where, fmt.Sprintf("%d bytes", c.want.Size), "more"}
	}
	if err == io.EOF {
		if c.want.Size >= 0 && c.hash.Size() != c.want.Size {
			return n, &MismatchError{c.what, c.where, fmt.Sprintf("%d bytes", c.want.Size), fmt.Sprintf("%d", c.hash.Size())}
		}
		if got := c.hash.Digest(); got != c.want.Digest {
			return n, &MismatchError{c.what, c.where, c.want.Digest.String(), got.String()}
		}
	}
	return n, err
}

func (c *checked) Close() error { return c.rc.Close() }

// readBlob hands the bytes of a blob to use, which reads them to the end and
// passes on the error that it may meet there. Where a copy in the cache turns out
// to be damaged, use is called once more, with what the registry has: it must be
// able to start over.
func readBlob(ctx context.Context, src Source, d Descriptor, use func(r io.Reader) error) error {
	for {
		rc, err := src.Blob(ctx, d)
		if err != nil {
			return err
		}
		err = use(rc)
		_ = rc.Close()
		var damaged *damagedError
		if !errors.As(err, &damaged) {
			return err
		}
	}
}

// wholeBlob reads a blob into memory; its size is the caller's to limit.
func wholeBlob(ctx context.Context, src Source, d Descriptor) ([]byte, error) {
	var b bytes.Buffer
	err := readBlob(ctx, src, d, func(r io.Reader) error {
		b.Reset()
		_, err := b.ReadFrom(r)
		return err
	})
	return b.Bytes(), err
}

// digestOf turns go-containerregistry's hash into ours.
func digestOf(h v1.Hash) (release.Digest, error) {
	if h.Algorithm != "sha256" {
		return release.Digest{}, fmt.Errorf("digest %s: only sha256 is supported", h)
	}
	return release.ParseHex(h.Hex)
}

func hashOf(d release.Digest) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: d.Hex()} }

// Open finds the source that a reference names.
func Open(_ context.Context, ref Ref, access Access) (Source, error) {
	switch ref.Kind {
	case Layout, OCIArchive:
		return openLayout(ref)
	case DockerArchive:
		return openArchive(ref)
	default:
		return openRemote(ref, access)
	}
}

// Cause prefers what the digest check says to what a decoder makes of damaged
// bytes: a truncated layer is a wrong layer first and a bad gzip stream second.
func Cause(err error, packed io.Reader) error {
	if d := damage(err); d != nil {
		return d
	}
	_, rest := io.Copy(io.Discard, packed)
	if d := damage(rest); d != nil {
		return d
	}
	return err
}

// damage finds in an error that the stored bytes were not the right ones.
func damage(err error) error {
	var damaged *damagedError
	var mismatch *MismatchError
	switch {
	case errors.As(err, &damaged):
		return damaged
	case errors.As(err, &mismatch):
		return mismatch
	}
	return nil
}
