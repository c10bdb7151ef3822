package oci

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/release"
)

// What is attached to an image in its repository is found in three kinds of
// place, and all are looked at, for one may hold what another does not:
//
//   - the referrers API (OCI distribution specification 1.1, "Listing
//     referrers"): manifests that name the image as their subject;
//   - the tag sha256-HEX, an index that stands in for the API where a registry
//     does not have it ("Referrers tag schema" of the same specification);
//   - the tags sha256-HEX.sig and sha256-HEX.att, where cosign up to version 2
//     puts signatures and attestations.
//
// What the lists say of a manifest's type is not believed, registries and tools
// get it wrong: each manifest is opened. An image layout has no API; there every
// manifest on top with that subject counts.

// maxReferrers is how many manifests attached to one image are opened.
const maxReferrers = 200

// Referrer is one manifest attached to an image.
type Referrer struct {
	Place        string // where it was found, for people
	Digest       release.Digest
	ArtifactType string // as the manifest itself says
	Layers       []AttachedLayer

	source Source
	ownTag bool // it was found under a tag of its own, the place
}

// AttachedLayer is a layer of an attachment, with the annotations that cosign up
// to version 2 keeps signatures in.
type AttachedLayer struct {
	Descriptor
	Annotations map[string]string
}

// Read gives the bytes of a layer, checked against its digest. More than limit
// bytes are refused before they are fetched.
func (a Referrer) Read(ctx context.Context, l AttachedLayer, limit int64) ([]byte, error) {
	if l.Size < 0 || l.Size > limit {
		return nil, fmt.Errorf("layer %s of %s: %d bytes are refused: at most %d", l.Digest, a.Place, l.Size, limit)
	}
	return wholeBlob(ctx, a.source, l.Descriptor)
}

// Referrers finds what is attached to the manifest or index of a digest in the
// repository or layout of a reference, each once, in the order of the places
// above. Places and manifests that could not be looked at are in problems: what
// was found elsewhere is as good without them. err is for a reference that cannot
// be used and for a cancelled context.
func Referrers(ctx context.Context, at Ref, subject release.Digest, access Access) (found []Referrer, problems []error, err error) {
	at = at.At(subject)
	src, err := Open(ctx, at, access)
	if err != nil {
		return nil, nil, err
	}
	l := &lister{src: src, subject: subject, seen: map[release.Digest]bool{}}
	switch s := src.(type) {
	case *remoteSource:
		l.referrers(ctx, s)
		l.fallback(ctx)
		l.tagged(ctx, ".sig")
		l.tagged(ctx, ".att")
	case *layoutSource:
		l.layout(ctx, s)
	default:
		return nil, nil, fmt.Errorf("%s: only a registry or an OCI layout can hold signatures", at)
	}
	return l.found, l.problems, ctx.Err()
}

// fallbackTag is the tag that stands for what is attached to a manifest.
func fallbackTag(subject release.Digest) string { return "sha256-" + subject.Hex() }

type lister struct {
	src      Source
	subject  release.Digest
	seen     map[release.Digest]bool
	found    []Referrer
	problems []error
}

func (l *lister) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

// referrers asks the API. A registry that answers with something else than an
// index, or in one of several ways that there is nothing, has no such API.
func (l *lister) referrers(ctx context.Context, s *remoteSource) {
	err := s.pages(ctx, s.url("referrers", l.subject.String()), mediaIndex, func(raw []byte, contentType string) error {
		if contentType != mediaIndex {
			return errLastPage
		}
		var m v1.IndexManifest
		if err := decode(raw, &m); err != nil {
			return err
		}
		if !l.open(ctx, "referrer", m.Manifests) {
			return errLastPage
		}
		return nil
	})
	if err != nil && !slices.Contains(noReferrers, statusOf(err)) {
		l.problem("referrers of %s: %w", l.subject, s.explain("list", err))
	}
}

func (l *lister) fallback(ctx context.Context) {
	tag := fallbackTag(l.subject)
	raw, ok := l.manifest(ctx, tag)
	if !ok {
		return
	}
	var m v1.IndexManifest
	if err := decode(raw, &m); err != nil {
		l.problem("tag %s: %w", tag, err)
		return
	}
	l.open(ctx, "tag "+tag, m.Manifests)
}

// tagged reads the manifest of a tag as an attachment of its own.
func (l *lister) tagged(ctx context.Context, suffix string) {
	tag := fallbackTag(l.subject) + suffix
	if raw, ok := l.manifest(ctx, tag); ok {
		l.add("tag "+tag, release.DigestBytes(raw), raw, false)
	}
}

// manifest reads what a tag names. A tag that is missing is fine.
func (l *lister) manifest(ctx context.Context, tag string) ([]byte, bool) {
	src := underTag(l.src, tag)
	d, err := src.Resolve(ctx)
	var raw []byte
	if err == nil {
		_, raw, err = src.Manifest(ctx, d.Digest)
	}
	if err != nil {
		if !IsNotFound(err) {
			l.problem("tag %s: %w", tag, err)
		}
		return nil, false
	}
	return raw, true
}

// underTag is the same source at one of its tags, logged in as it is.
func underTag(src Source, tag string) Source {
	switch s := src.(type) {
	case *remoteSource:
		return &remoteSource{session: s.session, ref: s.ref.WithTag(tag)}
	case *layoutSource:
		return &layoutSource{s.ref.WithTag(tag), s.files, s.index, s.facts}
	}
	return src
}

// open reads listed manifests, and reports whether there may be more of them.
func (l *lister) open(ctx context.Context, place string, list []v1.Descriptor) bool {
	for _, d := range list {
		digest, err := digestOf(d.Digest)
		if err != nil {
			l.problem("%s: %w", place, err)
			continue
		}
		if l.seen[digest] {
			continue
		}
		if len(l.seen) >= maxReferrers {
			l.problem("%s: more than %d manifests are attached to the image; the rest was not opened", place, maxReferrers)
			return false
		}
		_, raw, err := l.src.Manifest(ctx, digest)
		if err != nil {
			l.seen[digest] = true
			l.problem("%s: %w", place, err)
			continue
		}
		l.add(place, digest, raw, true)
	}
	return true
}

// add reads a manifest. One of a list must name the image as its subject; the
// tags of cosign go by their name.
func (l *lister) add(place string, digest release.Digest, raw []byte, needSubject bool) {
	if l.seen[digest] {
		return
	}
	l.seen[digest] = true
	var m struct {
		v1.Manifest
		ArtifactType string `json:"artifactType"`
	}
	if err := decode(raw, &m); err != nil {
		l.problem("%s: manifest %s: %w", place, digest, err)
		return
	}
	if needSubject && (m.Subject == nil || m.Subject.Digest != hashOf(l.subject)) {
		return // listed, but about something else
	}
	a := Referrer{Place: place, Digest: digest, ArtifactType: m.ArtifactType, source: l.src, ownTag: !needSubject}
	if needSubject { // one of several there
		a.Place = place + " " + digest.String()
	}
	for _, layer := range m.Layers {
		d, err := digestOf(layer.Digest)
		if err != nil {
			l.problem("%s: manifest %s: %w", place, digest, err)
			return
		}
		a.Layers = append(a.Layers, AttachedLayer{Descriptor{string(layer.MediaType), d, layer.Size}, layer.Annotations})
	}
	l.found = append(l.found, a)
}

// layout looks at all that stands on top of an image layout.
func (l *lister) layout(ctx context.Context, s *layoutSource) {
	tag := fallbackTag(l.subject)
	for _, d := range s.index.Manifests {
		switch d.Annotations[refName] {
		case tag:
			l.fallback(ctx)
		case tag + ".sig", tag + ".att":
			l.tagged(ctx, strings.TrimPrefix(d.Annotations[refName], tag))
		default:
			if mediaTypeOf(string(d.MediaType)).IsImage() {
				l.open(ctx, "referrer", []v1.Descriptor{d})
			}
		}
	}
}
