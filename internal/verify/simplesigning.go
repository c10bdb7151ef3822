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
	"facerec/internal/text"
)

// Media types of what cosign up to version 2 attaches to an image.
const (
	mediaSimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	mediaEnvelope      = "application/vnd.dsse.envelope.v1+json"
)

// simpleSigningType is the only type of a signed payload that is a signature of
// an image.
const simpleSigningType = "cosign container image signature"

// Annotations of a layer in which cosign up to version 2 keeps what a bundle has.
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationEntry       = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

// The parts of a bundle of version 0.1 (sigstore/protobuf-specs), as JSON.
type (
	oldBundle struct {
		MediaType            string          `json:"mediaType"`
		VerificationMaterial oldMaterial     `json:"verificationMaterial"`
		MessageSignature     *oldMessage     `json:"messageSignature,omitempty"`
		Envelope             json.RawMessage `json:"dsseEnvelope,omitempty"`
	}
	oldMaterial struct {
		PublicKey  *oldHint       `json:"publicKey,omitempty"`
		Chain      *oldChain      `json:"x509CertificateChain,omitempty"`
		Entries    []oldEntry     `json:"tlogEntries,omitempty"`
		Timestamps *oldTimestamps `json:"timestampVerificationData,omitempty"`
	}
	oldHint struct {
		Hint string `json:"hint,omitempty"`
	}
	oldChain struct {
		Certificates []oldBytes `json:"certificates"`
	}
	oldBytes struct {
		RawBytes []byte `json:"rawBytes"`
	}
	oldEntry struct {
		LogIndex          int64      `json:"logIndex,string"`
		LogID             oldLogID   `json:"logId"`
		KindVersion       oldKind    `json:"kindVersion"`
		IntegratedTime    int64      `json:"integratedTime,string"`
		InclusionPromise  oldPromise `json:"inclusionPromise"`
		CanonicalizedBody []byte     `json:"canonicalizedBody"`
	}
	oldLogID struct {
		KeyID []byte `json:"keyId"`
	}
	oldKind struct {
		Kind    string `json:"kind"`
		Version string `json:"version"`
	}
	oldPromise struct {
		SignedEntryTimestamp []byte `json:"signedEntryTimestamp"`
	}
	oldTimestamps struct {
		RFC3161 []oldTimestamp `json:"rfc3161Timestamps"`
	}
	oldTimestamp struct {
		SignedTimestamp []byte `json:"signedTimestamp"`
	}
	oldMessage struct {
		MessageDigest oldDigest `json:"messageDigest"`
		Signature     []byte    `json:"signature"`
	}
	oldDigest struct {
		Algorithm string `json:"algorithm"`
		Digest    []byte `json:"digest"`
	}
)

// bundleOfSignature makes a bundle of a signature in annotations, over a payload
// that is the layer itself.
func bundleOfSignature(payload []byte, annotations map[string]string) ([]byte, error) {
	text := annotations[annotationSignature]
	if text == "" {
		return nil, fmt.Errorf("annotation %s: expected a signature, got none", annotationSignature)
	}
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("annotation %s: %w", annotationSignature, err)
	}
	material, err := materialOf(annotations)
	if err != nil {
		return nil, err
	}
	sum := release.DigestBytes(payload).Bytes()
	return json.Marshal(oldBundle{
		MediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1", VerificationMaterial: material,
		MessageSignature: &oldMessage{MessageDigest: oldDigest{"SHA2_256", sum[:]}, Signature: signature},
	})
}

// bundleOfEnvelope makes a bundle of a DSSE envelope that is the layer itself.
func bundleOfEnvelope(envelope []byte, annotations map[string]string) ([]byte, error) {
	if !json.Valid(envelope) {
		return nil, errors.New("the envelope is not JSON")
	}
	material, err := materialOf(annotations)
	if err != nil {
		return nil, err
	}
	return json.Marshal(oldBundle{
		MediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1", VerificationMaterial: material, Envelope: envelope,
	})
}

// materialOf reads certificate, log entry and timestamp out of annotations. Only
// the signer's own certificate is taken: the authorities above it are the trusted
// root's to name.
func materialOf(annotations map[string]string) (oldMaterial, error) {
	var m oldMaterial
	if text := annotations[annotationCertificate]; text != "" {
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			return m, fmt.Errorf("annotation %s: expected a PEM certificate", annotationCertificate)
		}
		m.Chain = &oldChain{[]oldBytes{{block.Bytes}}}
	} else {
		m.PublicKey = &oldHint{}
	}
	if text := annotations[annotationEntry]; text != "" {
		entry, err := entryOf([]byte(text))
		if err != nil {
			return m, fmt.Errorf("annotation %s: %w", annotationEntry, err)
		}
		m.Entries = []oldEntry{entry}
	}
	if text := annotations[annotationTimestamp]; text != "" {
		var t struct{ SignedRFC3161Timestamp []byte }
		if err := json.Unmarshal([]byte(text), &t); err != nil {
			return m, fmt.Errorf("annotation %s: %w", annotationTimestamp, err)
		}
		m.Timestamps = &oldTimestamps{[]oldTimestamp{{t.SignedRFC3161Timestamp}}}
	}
	return m, nil
}

// entryOf reads an entry of Rekor version 1 as cosign keeps it.
func entryOf(text []byte) (oldEntry, error) {
	var b struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return oldEntry{}, err
	}
	id, err := hex.DecodeString(b.Payload.LogID)
	if err != nil {
		return oldEntry{}, fmt.Errorf("logID: %w", err)
	}
	return newEntry(b.Payload.Body, b.Payload.IntegratedTime, b.Payload.LogIndex, id, b.SignedEntryTimestamp)
}

// newEntry is an entry of Rekor version 1 whose kind is what its body says.
func newEntry(body []byte, integrated, index int64, logID, promise []byte) (oldEntry, error) {
	var said struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return oldEntry{}, fmt.Errorf("body: %w", err)
	}
	return oldEntry{
		LogIndex: index, LogID: oldLogID{logID}, KindVersion: oldKind{said.Kind, said.Version}, IntegratedTime: integrated,
		InclusionPromise: oldPromise{promise}, CanonicalizedBody: body,
	}, nil
}

// signsImage holds a verified payload of simple signing to the image. It is
// looked at only after its signature was found good.
func signsImage(payload []byte, image release.Digest) error {
	var p struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
			Type string `json:"type"`
		} `json:"critical"`
	}
	if err := json.NewDecoder(bytes.NewReader(payload)).Decode(&p); err != nil {
		return &Error{Class: Untrusted, Check: CheckSignature, Field: "payload", Err: err}
	}
	if p.Critical.Type != simpleSigningType {
		return &Error{Class: Untrusted, Check: CheckSignature, Field: "critical.type", Expected: simpleSigningType, Got: or(text.Line(p.Critical.Type, maxErrorText), "none")}
	}
	if p.Critical.Image.Digest != image.String() {
		return &Error{Class: Untrusted, Check: CheckSignature, Field: "critical.image.docker-manifest-digest", Expected: image.String(), Got: or(text.Line(p.Critical.Image.Digest, maxErrorText), "none")}
	}
	return nil
}
