package oci

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/release"
)

// Inventory is all that the index.json of a layout leads to.
type Inventory struct {
	Tops      []TopManifest
	Manifests map[release.Digest]bool // of images, the tops among them; those of referrers are not
	Blobs     map[release.Digest]bool // every manifest, configuration and layer; false for a foreign layer, which may be missing
}

// TopManifest is a manifest or index on top of a layout.
type TopManifest struct {
	Digest  release.Digest
	Name    string         // its tag or full name, "" for none
	Subject release.Digest // of a referrer, what it refers to; zero for an image
}

// TakeInventory reads every manifest of a layout, and no other blob.
func TakeInventory(ctx context.Context, ref Ref) (Inventory, error) {
	inv := Inventory{Manifests: map[release.Digest]bool{}, Blobs: map[release.Digest]bool{}}
	s, err := openLayout(ref)
	if err != nil {
		return inv, err
	}
	if len(s.index.Manifests) > maxTops {
		return inv, fmt.Errorf("%s: index.json lists more than %d manifests", s.ref, maxTops)
	}
	for _, d := range s.index.Manifests {
		top := TopManifest{Name: d.Annotations[refName]}
		if top.Digest, err = digestOf(d.Digest); err != nil {
			return inv, err
		}
		if s.isReferrer(d) {
			if top.Subject, err = s.subjectOf(ctx, d, top.Digest); err != nil {
				return inv, err
			}
		}
		inv.Tops = append(inv.Tops, top)
		err := visit(ctx, s, Descriptor{string(d.MediaType), top.Digest, d.Size}, func(b blobUse) error {
			inv.Blobs[b.Digest] = inv.Blobs[b.Digest] || b.url == ""
			return nil
		}, func(m Descriptor, _ []byte) error {
			inv.Blobs[m.Digest] = true
			if top.Subject.IsZero() {
				inv.Manifests[m.Digest] = true
			}
			return nil
		})
		if err != nil {
			return inv, err
		}
	}
	return inv, nil
}

// subjectOf returns what a referrer on top refers to, by its tag or by itself.
func (s *layoutSource) subjectOf(ctx context.Context, d v1.Descriptor, digest release.Digest) (release.Digest, error) {
	if tag := d.Annotations[refName]; tag != "" {
		hex, _, _ := strings.Cut(strings.TrimPrefix(tag, "sha256-"), ".")
		return release.ParseHex(hex)
	}
	_, raw, err := s.Manifest(ctx, digest)
	if err != nil {
		return release.Digest{}, err
	}
	var m struct{ Subject *v1.Descriptor }
	if err := decode(raw, &m); err != nil {
		return release.Digest{}, fmt.Errorf("manifest %s: %w", digest, err)
	}
	if m.Subject == nil {
		return release.Digest{}, fmt.Errorf("manifest %s: expected a subject, got none", digest)
	}
	return digestOf(m.Subject.Digest)
}
