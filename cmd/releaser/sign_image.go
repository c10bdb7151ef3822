package main

import (
	"context"
	"fmt"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// signedImage is an index or a manifest that was signed, or is to be.
type signedImage struct {
	Ref      string           `json:"ref"` // by digest
	Platform string           `json:"platform"`
	Beside   release.Digest   `json:"beside"` // the manifest that holds the bundle
	Signed   verify.Signature `json:"signature"`

	Attested []string `json:"attested,omitempty"` // predicate types

	at           oci.Ref
	bundle       []byte
	attestations []attestation
}

// imagesToSign resolves references, each to its index and every manifest in it.
func (a *app) imagesToSign(ctx context.Context, names []string) ([]signedImage, error) {
	var out []signedImage
	for _, name := range names {
		ref, err := oci.ParseRef(name)
		if err != nil {
			return nil, usageError(err)
		}
		if ref.Kind != oci.Registry {
			return nil, usage("--image %s: signatures are attached in a registry: push the image first", name)
		}
		ix, err := oci.ReadIndex(ctx, ref, a.access())
		if err != nil {
			return nil, err
		}
		top := signedImage{at: ix.Ref, Platform: "index"}
		if ix.Single {
			top.Platform = ix.Manifests[0].Platform
		}
		out = append(out, top)
		for _, m := range ix.Manifests {
			if !ix.Single && m.Platform != "unknown/unknown" {
				out = append(out, signedImage{at: ix.Ref.At(m.Digest), Platform: m.Platform})
			}
		}
	}
	for i := range out {
		out[i].Ref = out[i].at.String()
	}
	return out, nil
}

// signImage makes the bundle and verifies it as verify-image does.
func (a *app) signImage(ctx context.Context, i *signedImage, s sign.Signer, policy verify.Policy) (err error) {
	a.note("sign: %s", i.Ref)
	check := func(bundle, _ []byte) error {
		report := verify.Image(ctx, verify.ImageInput{Ref: i.Ref, Policy: policy, Subjects: []verify.ImageSubject{{
			Digest: i.at.Digest, Layers: []verify.SignatureLayer{{Place: "new", MediaType: sign.BundleMediaType, Read: func(context.Context) ([]byte, error) { return bundle, nil }}},
		}}})
		r := report.Subjects[0]
		if !report.Verified {
			return fmt.Errorf("%s, expected %s, got %s", r.Detail, r.Expected, r.Got)
		}
		i.Signed = r.Signatures[0].Signature
		return nil
	}
	if i.bundle, err = sign.Image(ctx, i.at.Digest, s, check); err != nil {
		return err
	}
	return a.attestImage(ctx, i, s, policy)
}

// attachSignature attaches the bundles to the image, the signature first.
func (a *app) attachSignature(ctx context.Context, i *signedImage) (err error) {
	i.Beside, err = oci.Attach(ctx, i.at, i.bundle, sign.BundleMediaType, sign.ImageAnnotations(sign.PredicateImage), a.access())
	if err != nil {
		return err
	}
	for _, t := range i.attestations {
		if _, err := oci.Attach(ctx, i.at, t.bundle, sign.BundleMediaType, sign.ImageAnnotations(t.predicateType), a.access()); err != nil {
			return err
		}
		i.Attested = append(i.Attested, t.predicateType)
	}
	return nil
}
