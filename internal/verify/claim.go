package verify

import (
	"encoding/json"
	"errors"
	"fmt"

	"facerec/internal/text"
)

// Claim is what a bundle's statement says, or a file of rebuilderd's links. Nobody has vouched for it: it is for
// sorting bundles before they are verified.
type Claim struct {
	PredicateType string
	Subjects      []string // SHA-256 digests, in hexadecimal, of any spelling
	Statement     []byte   // nil of links
}

// ReadClaim reads the in-toto statement in a bundle, or links, and verifies nothing.
func ReadClaim(bundle []byte) (Claim, error) {
	if len(bundle) > MaxBundle {
		return Claim{}, fmt.Errorf("expected at most %d bytes, got %d", MaxBundle, len(bundle))
	}
	if err := checkValues(bundle); err != nil {
		return Claim{}, err
	}
	if isLinks(bundle) {
		links, err := ParseLinks(bundle)
		var c Claim
		for _, l := range links {
			c.Subjects = append(c.Subjects, l.Digest.Hex())
		}
		return c, err
	}
	var b struct {
		Envelope *struct {
			Type    string `json:"payloadType"`
			Payload []byte `json:"payload"`
		} `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return Claim{}, fmt.Errorf("is not a bundle: %w", err)
	}
	if b.Envelope == nil {
		return Claim{}, errors.New("expected a bundle with a DSSE envelope, got none")
	}
	if b.Envelope.Type != "application/vnd.in-toto+json" {
		return Claim{}, fmt.Errorf("expected an in-toto statement, got a payload of type %s", text.Quote(text.Line(b.Envelope.Type, maxErrorText)))
	}
	s, err := readStatement(b.Envelope.Payload)
	if err != nil {
		return Claim{}, fmt.Errorf("statement: %w", err)
	}
	return Claim{PredicateType: s.PredicateType, Subjects: s.digests(), Statement: b.Envelope.Payload}, nil
}
