package oci

import (
	"bytes"
	"context"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"facerec/internal/release"
)

// archiveSource reads what `docker save` writes. Such a file has no manifest
// that a registry would know: the one shown here is made from its layers, and
// its digest is good only for telling two archives apart.
type archiveSource struct {
	ref    Ref
	image  v1.Image
	digest v1.Hash
}

func openArchive(ref Ref) (*archiveSource, error) {
	img, err := tarball.ImageFromPath(ref.Name, nil)
	if err != nil {
		return nil, fmt.Errorf("docker archive %s: %w", ref.Name, err)
	}
	d, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("docker archive %s: %w", ref.Name, err)
	}
	return &archiveSource{ref, img, d}, nil
}

func (s *archiveSource) place() Ref { return s.ref }

func (s *archiveSource) Resolve(context.Context) (Descriptor, error) {
	mt, err := s.image.MediaType()
	if err != nil {
		return Descriptor{}, err
	}
	size, err := s.image.Size()
	if err != nil {
		return Descriptor{}, err
	}
	d, err := digestOf(s.digest)
	return Descriptor{string(mt), d, size}, err
}

func (s *archiveSource) Manifest(_ context.Context, d release.Digest) (string, []byte, error) {
	if hashOf(d) != s.digest {
		return "", nil, &NotFoundError{What: "manifest " + d.String() + " in " + s.ref.String()}
	}
	mt, err := s.image.MediaType()
	if err != nil {
		return "", nil, err
	}
	raw, err := s.image.RawManifest()
	return string(mt), raw, err
}

func (s *archiveSource) Blob(_ context.Context, d Descriptor) (io.ReadCloser, error) {
	where := d.Digest.String() + " in " + s.ref.String()
	if conf, err := s.image.ConfigName(); err == nil && conf == hashOf(d.Digest) { // the library knows layers only
		raw, err := s.image.RawConfigFile()
		if err != nil {
			return nil, fmt.Errorf("configuration %s: %w", where, err)
		}
		return newChecked(io.NopCloser(bytes.NewReader(raw)), d, "configuration", where), nil
	}
	l, err := s.image.LayerByDigest(hashOf(d.Digest))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", where, err)
	}
	rc, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	return newChecked(rc, d, "blob", where), nil
}
