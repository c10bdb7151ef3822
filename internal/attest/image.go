package attest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"facerec/internal/oci"
	"facerec/internal/pack"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// subject is an index or a manifest, and the bundles that refer to it.
type subject struct {
	Image
	referrers []candidate
	read      bool
}

// readImages resolves references, each to its index and every manifest in it.
func (w *work) readImages(ctx context.Context) error {
	for _, ref := range w.Images {
		ix, err := oci.ReadIndex(ctx, ref, w.Access)
		if err != nil {
			return err
		}
		top := Image{at: ix.Ref, Platform: "index"}
		if ix.Single {
			top.Platform = ix.Manifests[0].Platform
		}
		w.images = append(w.images, &subject{Image: top})
		for _, m := range ix.Manifests {
			if !ix.Single && !m.IsAttestation() {
				w.images = append(w.images, &subject{Image: Image{at: ix.Ref.At(m.Digest), Platform: m.Platform}})
			}
		}
	}
	for _, s := range w.images {
		s.Ref = s.at.String()
	}
	return nil
}

// planImage adds the signature of an image, then its attestations.
func (w *work) planImage(s *subject, sbom []byte) error {
	text, err := sign.ImageStatement(s.at.Digest, sign.PredicateImage, noPredicate)
	if err != nil {
		return err
	}
	signature := statement(text, sign.PredicateImage, s.at.Digest)
	signature.what = s.Ref
	signature.check = func(ctx context.Context, bundle []byte, p verify.Policy) (err error) {
		s.Signed, err = imageSignature(ctx, s, bundle, p)
		return err
	}
	w.items = append(w.items, w.asReferrer(signature, s, sign.PredicateImage))
	if !w.Attest {
		return nil
	}
	inputs, err := w.materials()
	if err != nil {
		return err
	}
	made, err := sign.ImageProvenance(inputs, builder(w.policy))
	if err != nil {
		return err
	}
	for _, p := range []struct {
		kind      string
		predicate json.RawMessage
	}{{sign.PredicateProvenance, made}, {sign.PredicateSPDX, sbom}} {
		if p.predicate == nil {
			continue
		}
		text, err := sign.ImageStatement(s.at.Digest, p.kind, p.predicate)
		if err != nil {
			return err
		}
		s.Attested = append(s.Attested, p.kind)
		w.items = append(w.items, w.asReferrer(statement(text, p.kind, s.at.Digest), s, p.kind))
	}
	return nil
}

// imageSignature verifies a bundle as verify-image does.
func imageSignature(ctx context.Context, s *subject, bundle []byte, p verify.Policy) (verify.Signature, error) {
	report := verify.Image(ctx, verify.ImageInput{Ref: s.Ref, Policy: p, Subjects: []verify.ImageSubject{{
		Digest: s.at.Digest, Layers: []verify.SignatureLayer{{Place: "new", MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) { return bundle, nil }}},
	}}})
	r := report.Subjects[0]
	if !report.Verified {
		return verify.Signature{}, fmt.Errorf("%s, expected %s, got %s", r.Detail, r.Expected, r.Got)
	}
	return r.Signatures[0].Signature, nil
}

// asReferrer makes a manifest that refers to an image the place of an item.
func (w *work) asReferrer(i *item, s *subject, kind string) *item {
	i.found = func(ctx context.Context) ([]candidate, error) { return w.referrers(ctx, s) }
	i.place = func(ctx context.Context, bundle []byte) error {
		d, err := oci.Attach(ctx, s.at, bundle, sign.BundleMediaType, sign.ImageAnnotations(kind), w.Access)
		if err == nil && kind == sign.PredicateImage {
			s.Beside = d
		}
		return err
	}
	return i
}

// referrers reads the bundles that refer to an image, once. One that cannot be
// read is left out: another is made. A list that cannot be read is an error.
func (w *work) referrers(ctx context.Context, s *subject) ([]candidate, error) {
	if s.read {
		return s.referrers, nil
	}
	found := verify.ImageSubject{Digest: s.at.Digest}
	if err := pack.ReadReferrers(ctx, s.at, &found, w.Access); err != nil {
		return nil, err
	}
	if len(found.Layers) == 0 && len(found.Problems) > 0 {
		return nil, fmt.Errorf("cannot determine what is signed of %s: %w", s.Ref, errors.Join(found.Problems...))
	}
	for _, l := range found.Layers {
		if l.MediaType != sign.BundleMediaType {
			continue
		}
		bundle, err := l.Read(ctx)
		if err != nil {
			continue
		}
		s.referrers = append(s.referrers, candidate{bundle: bundle, inPlace: true})
	}
	s.read = true
	return s.referrers, ctx.Err()
}

// sboms reads the SBOMs of a release by the manifests they are about.
func (w *work) sboms() (map[release.Digest][]byte, error) {
	record, err := w.readRecord()
	if err != nil {
		return nil, err
	}
	return sbomsOf(w.Dist, w.sums, record)
}
