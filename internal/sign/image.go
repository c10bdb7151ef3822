package sign

import (
	"encoding/json"
	"errors"
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

// ImageStatement is the statement that a predicate, in JSON, holds for an index or a
// manifest. One that signs an image has the type PredicateImage and an empty
// predicate. Its bundle belongs next to the image, see ImageAnnotations.
func ImageStatement(image release.Digest, predicateType string, predicate json.RawMessage) ([]byte, error) {
	if image.IsZero() {
		return nil, errors.New("sign: no image digest was given")
	}
	text, err := json.Marshal(statement{
		Type: statementType, Subject: []subject{{Digest: map[string]string{"sha256": image.Hex()}}},
		PredicateType: predicateType, Predicate: predicate,
	})
	if err != nil {
		return nil, fmt.Errorf("sign: predicate: %w", err)
	}
	return text, nil
}

// ImageAnnotations are what cosign looks for on a bundle's manifest.
func ImageAnnotations(predicateType string) map[string]string {
	return map[string]string{
		"dev.sigstore.bundle.content":       "dsse-envelope",
		"dev.sigstore.bundle.predicateType": predicateType,
	}
}
