package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"

	"facerec/internal/release"
	"facerec/internal/text"
)

// statement is what is read of an in-toto statement.
type statement struct {
	Type          string `json:"_type"`
	PredicateType string `json:"predicateType"`
	Subject       []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
}

// digests are the SHA-256 digests of the subjects, in order.
func (s statement) digests() []string {
	var out []string
	for _, sub := range s.Subject {
		if d, ok := sub.Digest["sha256"]; ok {
			out = append(out, text.Line(d, maxErrorText))
		}
	}
	return out
}

// statementTypes are the versions of in-toto statements whose fields mean what is
// read here: github.com/in-toto/attestation, spec/v1/statement.md and its
// predecessor's.
var statementTypes = []string{"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"}

// readStatement reads a statement of a known version, and refuses one that others
// might read otherwise: with a name twice, in whatever case.
func readStatement(payload []byte) (statement, error) {
	var s statement
	if len(payload) > MaxStatement {
		return s, fmt.Errorf("expected at most %d bytes, got %d", MaxStatement, len(payload))
	}
	if err := checkDepth(payload); err != nil {
		return s, err
	}
	if err := plainNames(payload); err != nil {
		return s, err
	}
	if err := json.Unmarshal(payload, &s); err != nil {
		return s, err
	}
	if !slices.Contains(statementTypes, s.Type) {
		return s, fmt.Errorf("_type: expected %s, got %q", strings.Join(statementTypes, " or "), text.Line(s.Type, maxErrorText))
	}
	return s, nil
}

// plainNames wants an object whose own names differ in more than case, those of
// in-toto spelled as it spells them.
func plainNames(payload []byte) error {
	dec := json.NewDecoder(bytes.NewReader(payload))
	if t, err := dec.Token(); err != nil {
		return fmt.Errorf("expected a JSON object: %w", err)
	} else if t != json.Delim('{') {
		return fmt.Errorf("expected a JSON object, got %v", t)
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		folded := strings.ToLower(name)
		if seen[folded] {
			return fmt.Errorf("%q: duplicate", text.Line(name, maxErrorText))
		}
		seen[folded] = true
		if slices.Contains([]string{"_type", "subject", "predicatetype"}, folded) && name != folded && name != "predicateType" {
			return fmt.Errorf("%q: expected in-toto's spelling", text.Line(name, maxErrorText))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
	}
	return nil
}

// envelopeAsMessage is for envelopes whose log entry, of version 1, is that of a
// message: a hashedrekord over the very bytes that an envelope's signature covers
// (the pre-authentication encoding of DSSE). It gives the bundle of that message,
// and the bytes; nil for every other bundle.
func envelopeAsMessage(b *sgbundle.Bundle) (*sgbundle.Bundle, io.Reader) {
	env := b.GetDsseEnvelope()
	if env == nil || env.GetPayloadType() != "application/vnd.in-toto+json" || len(env.GetSignatures()) != 1 {
		return nil, nil
	}
	entries := b.GetVerificationMaterial().GetTlogEntries()
	if len(entries) == 0 || slices.ContainsFunc(entries, func(e *protorekor.TransparencyLogEntry) bool {
		return e.GetKindVersion().GetKind() != "hashedrekord" || e.GetKindVersion().GetVersion() != "0.0.1"
	}) {
		return nil, nil
	}
	pae := dsse.PAE(env.GetPayloadType(), env.GetPayload())
	sum := sha256.Sum256(pae)
	pb := &protobundle.Bundle{
		MediaType: b.GetMediaType(), VerificationMaterial: b.GetVerificationMaterial(),
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]},
			Signature:     env.GetSignatures()[0].GetSig(),
		}},
	}
	as, err := sgbundle.NewBundle(pb, chainAllowed(pb)...)
	if err != nil {
		return nil, nil
	}
	return as, bytes.NewReader(pae)
}

// digester is a running SHA-256.
type digester struct{ h hash.Hash }

func newDigester() *digester { return &digester{sha256.New()} }

func (d *digester) Write(p []byte) { d.h.Write(p) }

// Digest is the sum of what was written so far.
func (d *digester) Digest() release.Digest {
	return release.DigestOf([sha256.Size]byte(d.h.Sum(nil)))
}
