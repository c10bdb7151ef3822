package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// attestation is what is to be said of an image besides that it is signed.
type attestation struct {
	predicateType string
	predicate     json.RawMessage // nil: made when the signer is known
	bundle        []byte
}

// predicates plans the attestations of images: provenance for each, and for each
// manifest that a release names its SBOM. sums is the release's checksums.txt,
// which its files were checked against.
func (a *app) predicates(dist string, sums []byte, images []signedImage) error {
	documents := map[release.Digest][]byte{}
	if dist != "" {
		var err error
		if documents, err = sbomsOf(dist, sums); err != nil {
			return err
		}
	}
	for i := range images {
		images[i].attestations = append(images[i].attestations, attestation{predicateType: sign.PredicateProvenance})
		if doc, ok := documents[images[i].at.Digest]; ok {
			images[i].attestations = append(images[i].attestations, attestation{predicateType: sign.PredicateSPDX, predicate: doc})
		}
	}
	return nil
}

// sbomsOf reads the SBOMs of a release by the manifests they are about.
func sbomsOf(dist string, sums []byte) (map[release.Digest][]byte, error) {
	listed, err := checksum.Parse(sums)
	if err != nil {
		return nil, err
	}
	raw, err := atomicfile.ReadFile(filepath.Join(dist, release.RecordFile), release.MaxRecordSize)
	if err != nil {
		return nil, err
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dist, release.RecordFile), err)
	}
	documents := map[release.Digest][]byte{}
	for _, c := range record.Cells {
		name := release.SBOMFile(c.Asset)
		if _, ok := listed.Lookup(name); !ok {
			continue // the release was packed without
		}
		doc, err := atomicfile.ReadFile(filepath.Join(dist, name), release.MaxRecordSize)
		if err != nil {
			return nil, err
		}
		if !json.Valid(doc) {
			return nil, fmt.Errorf("%s is not JSON", filepath.Join(dist, name))
		}
		documents[c.ManifestDigest] = doc
	}
	return documents, nil
}

// attestImage makes the bundles of what was planned, each verified over the image.
func (a *app) attestImage(ctx context.Context, i *signedImage, s sign.Signer, policy verify.Policy) error {
	for n := range i.attestations {
		t := &i.attestations[n]
		if t.predicate == nil {
			inputs, err := a.inputs()
			if err != nil {
				return fmt.Errorf("provenance: %w", err)
			}
			if t.predicate, err = sign.ImageProvenance(inputs, builder(policy)); err != nil {
				return err
			}
		}
		check := func(bundle, statement []byte) error {
			got, err := verify.Blob(bundle, verify.Digest(i.at.Digest), policy)
			if err == nil && (got.PredicateType != t.predicateType || !bytes.Equal(got.Statement, statement)) {
				err = errors.New("the bundle contains a different statement")
			}
			return err
		}
		var err error
		if t.bundle, err = sign.Attestation(ctx, i.at.Digest, t.predicateType, t.predicate, s, check); err != nil {
			return err
		}
	}
	return nil
}
