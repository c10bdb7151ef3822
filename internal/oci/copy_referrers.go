package oci

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/release"
	"facerec/internal/text"
)

// What is attached to an image travels with it: signatures,
// attestations, SBOMs, in all the places that [Referrers] looks at. In an image
// layout each is a manifest on top: under its own tag (sha256-HEX.sig, .att) or,
// if it names its subject, under none. The index under the tag sha256-HEX, which
// stands in for the referrers API, is made anew by a registry that needs it.

// referrerTag is the shape of a tag that stands for what is attached to an image.
var referrerTag = text.Pattern(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)

// isReferrer reports whether something on top of a layout is attached to an image and not
// image of its own.
func (s *layoutSource) isReferrer(d v1.Descriptor) bool {
	if tag := d.Annotations[refName]; tag != "" {
		return referrerTag().MatchString(tag)
	}
	if d.ArtifactType != "" {
		return true
	}
	digest, err := digestOf(d.Digest)
	if err != nil {
		return false
	}
	s.facts.mu.Lock()
	defer s.facts.mu.Unlock()
	is, known := s.facts.known[digest]
	if known || s.facts.bytes > maxReferrerSearch {
		return is
	}
	_, raw, err := s.Manifest(context.Background(), digest)
	s.facts.bytes += int64(len(raw))
	var m struct{ Subject *v1.Descriptor }
	is = err == nil && decode(raw, &m) == nil && m.Subject != nil
	s.facts.known[digest] = is
	return is
}

// below gives the digests of an index or manifest and of all manifests in it,
// those whose referrers travel with it.
func below(ctx context.Context, src Source, top Descriptor) ([]release.Digest, error) {
	var out []release.Digest
	err := visit(ctx, src, top, func(blobUse) error { return nil }, func(d Descriptor, _ []byte) error {
		out = append(out, d.Digest)
		return nil
	})
	return out, err
}

// referrers finds what is attached to some manifests, each once. A place that
// cannot be looked at is an error here: who takes signatures along wants all.
func referrers(ctx context.Context, at Ref, subjects []release.Digest, access Access) ([]Referrer, error) {
	var out []Referrer
	seen := map[release.Digest]bool{}
	for _, d := range subjects {
		found, problems, err := Referrers(ctx, at, d, access)
		if err == nil {
			err = errors.Join(problems...)
		}
		if err != nil {
			return nil, fmt.Errorf("the referrers of %s cannot be determined (--images-only leaves them out): %w", at.At(d), err)
		}
		for _, a := range found {
			if !seen[a.Digest] {
				seen[a.Digest] = true
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// pullReferrers copies what is attached to the manifests into a layout, and adds
// it to pulled.
func (p *puller) pullReferrers(ctx context.Context, at Ref, subjects []release.Digest, pulled *Pushed) error {
	list, err := referrers(ctx, at, subjects, p.o.Access)
	if err != nil {
		return err
	}
	for _, a := range list {
		mediaType, _, err := a.source.Manifest(ctx, a.Digest)
		if err != nil {
			return err
		}
		top := Descriptor{MediaType: mediaType, Digest: a.Digest, Size: -1}
		left, err := p.copy(ctx, a.source, top)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Place, err)
		}
		pulled.Left = append(pulled.Left, left...)
		if !p.first(a.Digest, a.tag()) {
			continue
		}
		p.w.referrer(top.Digest, mediaType, p.sizes[a.Digest], a.tag(), a.ArtifactType)
	}
	pulled.Referrers = len(list)
	return nil
}

// tag is the tag under which an attachment was found; none for a referrer.
func (a Referrer) tag() string {
	if a.ownTag {
		return a.Place[len("tag "):]
	}
	return ""
}

// referrer records an attachment in index.json.
func (w *LayoutWriter) referrer(d release.Digest, mediaType string, size int64, tag, artifactType string) {
	desc := v1.Descriptor{MediaType: mediaTypeOf(mediaType), Digest: hashOf(d), Size: size, ArtifactType: artifactType}
	if tag != "" {
		desc.Annotations = map[string]string{refName: tag}
	}
	w.tops = append(w.tops, desc)
}

// pushReferrers attaches the referrers in a layout to the same manifests in a
// registry, and looks for each there afterwards. It lists what [remoteSource.pushAll]
// left.
func (s *remoteSource) pushReferrers(ctx context.Context, from *layoutSource, at Ref, subjects []release.Digest, list []Referrer) (left []LeftLayer, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	for _, a := range list {
		more, err := s.pushReferrer(ctx, from, a)
		if err != nil {
			return nil, s.explain("pushing the referrers of "+at.String(), err)
		}
		left = append(left, more...)
	}
	there, err := referrers(ctx, at, subjects, s.access)
	if err != nil {
		return nil, err
	}
	have := map[release.Digest]bool{}
	for _, a := range there {
		have[a.Digest] = true
	}
	for _, a := range list {
		if !have[a.Digest] {
			return nil, fmt.Errorf("%s: the registry took manifest %s and does not list it as attached to the image: try again", at, a.Digest)
		}
	}
	return left, nil
}

func (s *remoteSource) pushReferrer(ctx context.Context, from *layoutSource, a Referrer) ([]LeftLayer, error) {
	id := a.tag()
	if id == "" {
		id = a.Digest.String()
	}
	return s.pushAll(ctx, from, Descriptor{Digest: a.Digest}, id, TransferOptions{})
}
