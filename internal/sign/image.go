package sign

import (
	"context"
	"encoding/json"
	"fmt"

	"facerec/internal/release"
)

// PredicateImage is the predicate type of a statement that signs an image, as
// cosign writes it since version 3.
const PredicateImage = "https://sigstore.dev/cosign/sign/v1"

// PredicateSPDX is the predicate type of an SBOM in the form of SPDX.
const PredicateSPDX = "https://spdx.dev/Document"

// BundleMediaType is the media type of what this package writes.
const BundleMediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// statement is an in-toto statement, version 1 of its form.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     any       `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest"`
}

const statementType = "https://in-toto.io/Statement/v1"

// Image signs an index or a manifest by its digest: a statement about it whose
// predicate is empty. The bundle belongs next to the image, see ImageAnnotations.
func Image(ctx context.Context, image release.Digest, s Signer, verify Verifier) (bundle []byte, err error) {
	if image.IsZero() {
		return nil, fmt.Errorf("sign: no image digest was given")
	}
	return Attestation(ctx, image, PredicateImage, json.RawMessage("{}"), s, verify)
}

// Attestation signs that a predicate, in JSON, holds for an index or a manifest.
func Attestation(ctx context.Context, image release.Digest, predicateType string, predicate json.RawMessage, s Signer, verify Verifier) (bundle []byte, err error) {
	text, err := json.Marshal(statement{
		Type: statementType, Subject: []subject{{Digest: map[string]string{"sha256": image.Hex()}}},
		PredicateType: predicateType, Predicate: predicate,
	})
	if err != nil {
		return nil, fmt.Errorf("sign: predicate: %w", err)
	}
	return Statement(ctx, text, s, verify)
}

// ImageAnnotations are what cosign looks for on a bundle's manifest.
func ImageAnnotations(predicateType string) map[string]string {
	return map[string]string{
		"dev.sigstore.bundle.content":       "dsse-envelope",
		"dev.sigstore.bundle.predicateType": predicateType,
	}
}
