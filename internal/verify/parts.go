package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"facerec/internal/release"
)

// maxSignature is the largest signature, in bytes; RSA with 16,384 bits has 2 kB.
const maxSignature = 4 << 10

// Parts is a signature in separate files, as cosign up to version 2 writes them.
type Parts struct {
	Signature   []byte // base64 or binary, --output-signature
	Certificate []byte // PEM or base64 of it, --output-certificate; empty for a managed key

	// LogEntry is the entry of Rekor version 1, as cosign keeps it in its bundle (or the
	// whole bundle) or as GET /api/v1/log/entries gives it. Without it no certificate can be verified:
	// nothing says when it was used.
	LogEntry []byte

	// Artifact is the SHA-256 of what was signed. A bundle must name one; it is only
	// used where the log entry has none.
	Artifact release.Digest
}

// Bundle puts the parts into a bundle of version 0.1. Nothing is verified yet.
func (p Parts) Bundle() ([]byte, error) {
	signature, err := plainOrBase64(p.Signature)
	if err != nil {
		return nil, err
	}
	var m oldMaterial
	leaf, err := leafOf(p.Certificate)
	switch {
	case err != nil:
		return nil, err
	case leaf != nil:
		m.Chain = &oldChain{[]oldBytes{{leaf}}}
	default:
		m.PublicKey = &oldHint{}
	}
	message := &oldMessage{Signature: signature}
	if len(p.LogEntry) > 0 {
		entry, err := anyEntry(p.LogEntry)
		if err != nil {
			return nil, fmt.Errorf("log entry: %w", err)
		}
		m.Entries = []oldEntry{entry}
		message.MessageDigest = loggedDigest(entry.CanonicalizedBody)
	}
	if message.MessageDigest.Algorithm == "" {
		if p.Artifact.IsZero() {
			return nil, errors.New("there is no log entry that names the artifact: pass the signature with --signature")
		}
		sum := p.Artifact.Bytes()
		message.MessageDigest = oldDigest{"SHA2_256", sum[:]}
	}
	return json.Marshal(oldBundle{MediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1", VerificationMaterial: m, MessageSignature: message})
}

func plainOrBase64(b []byte) ([]byte, error) {
	trimmed := bytes.TrimSpace(b)
	switch {
	case len(trimmed) == 0:
		return nil, errors.New("signature: is empty")
	case len(b) > 2*maxSignature:
		return nil, fmt.Errorf("signature: expected at most %d bytes, got %d", 2*maxSignature, len(b))
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN PGP")):
		return nil, errors.New("signature: is a PGP signature, which is not supported; expected one by cosign")
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN ")):
		return nil, errors.New("signature: expected base64, got PEM")
	case bytes.HasPrefix(trimmed, []byte("untrusted comment:")):
		return nil, errors.New("signature: is a minisign or signify signature, which is not supported; expected one by cosign")
	case trimmed[0] == '{':
		return nil, errors.New("signature: is JSON; pass a bundle with --bundle")
	}
	if raw, err := base64.StdEncoding.DecodeString(string(trimmed)); err == nil {
		return raw, nil
	}
	return b, nil
}

// leafOf is the DER of the signer's certificate, nil for a managed key: cosign
// then has nothing, or the public key, in its place.
func leafOf(b []byte) ([]byte, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return nil, nil
	}
	if raw, err := base64.StdEncoding.DecodeString(string(b)); err == nil {
		b = raw
	}
	block, _ := pem.Decode(b)
	switch {
	case block == nil:
		return nil, errors.New("certificate: expected PEM or base64 of it")
	case block.Type == "PUBLIC KEY":
		return nil, nil
	case block.Type != "CERTIFICATE":
		return nil, fmt.Errorf("certificate: expected a PEM block CERTIFICATE, got %q", block.Type)
	}
	return block.Bytes, nil
}

// anyEntry reads a log entry as cosign keeps it, alone or in its bundle, or as
// Rekor's API gives it: an object with one field, named by the entry's UUID.
func anyEntry(text []byte) (oldEntry, error) {
	if err := checkDepth(text); err != nil {
		return oldEntry{}, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return oldEntry{}, err
	}
	if _, ok := fields["Payload"]; ok {
		return entryOf(text)
	}
	if inside, ok := fields["rekorBundle"]; ok && string(inside) != "null" {
		return entryOf(inside)
	}
	if _, ok := fields["base64Signature"]; ok {
		return oldEntry{}, errors.New("this bundle of cosign has no entry (rekorBundle): its signer used no transparency log")
	}
	if len(fields) != 1 {
		return oldEntry{}, errors.New("expected one entry of Rekor version 1")
	}
	for _, raw := range fields {
		var e struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
			Verification   struct {
				SignedEntryTimestamp []byte `json:"signedEntryTimestamp"`
			} `json:"verification"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return oldEntry{}, err
		}
		id, err := hex.DecodeString(e.LogID)
		if err != nil {
			return oldEntry{}, fmt.Errorf("logID: %w", err)
		}
		return newEntry(e.Body, e.IntegratedTime, e.LogIndex, id, e.Verification.SignedEntryTimestamp)
	}
	return oldEntry{}, errors.New("is empty")
}

// loggedDigest is the digest of the artifact by the entry's word, for messages; the
// signature is verified over the artifact itself.
func loggedDigest(body []byte) oldDigest {
	var b struct {
		Spec struct {
			Data struct {
				Hash struct {
					Algorithm string `json:"algorithm"`
					Value     string `json:"value"`
				} `json:"hash"`
			} `json:"data"`
		} `json:"spec"`
	}
	if json.Unmarshal(body, &b) != nil || b.Spec.Data.Hash.Algorithm != "sha256" {
		return oldDigest{}
	}
	sum, err := hex.DecodeString(b.Spec.Data.Hash.Value)
	if err != nil {
		return oldDigest{}
	}
	return oldDigest{"SHA2_256", sum}
}
