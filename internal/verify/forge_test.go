package verify_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore/pkg/signature"
	sumdbnote "golang.org/x/mod/sumdb/note"

	"facerec/internal/verify"
)

// smallLog is a transparency log of version 1 whose tree has a single leaf. Its
// owner signs whatever a test wants signed.
type smallLog struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

const (
	logOrigin = "log.example - 1193050959916656506"
	logURL    = "https://log.example"
)

// logTime is when the log took its entries in.
var logTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newSmallLog(t *testing.T) *smallLog {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &smallLog{t, key}
}

func (l *smallLog) public() []byte {
	der, err := x509.MarshalPKIXPublicKey(l.key.Public())
	if err != nil {
		l.t.Fatal(err)
	}
	return der
}

func (l *smallLog) id() []byte {
	sum := sha256.Sum256(l.public())
	return sum[:]
}

// root is a trusted root that has this log alone, valid for the given range.
func (l *smallLog) root(validFor map[string]any) map[string]any {
	return map[string]any{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs": []any{map[string]any{
			"baseUrl": logURL, "hashAlgorithm": "SHA2_256", "logId": map[string]any{"keyId": l.id()},
			"publicKey": map[string]any{"rawBytes": l.public(), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": validFor},
		}},
	}
}

func (l *smallLog) trusted() *verify.TrustedRoot {
	tr, err := verify.ParseTrustedRoot(marshal(l.t, l.root(map[string]any{"start": "2026-01-01T00:00:00Z"})))
	if err != nil {
		l.t.Fatal(err)
	}
	return tr
}

// entry takes a body in: with proof, promise, or both.
func (l *smallLog) entry(body map[string]any, proof, promise bool) map[string]any {
	canonical, err := jsoncanonicalizer.Transform(marshal(l.t, body))
	if err != nil {
		l.t.Fatal(err)
	}
	e := map[string]any{
		"logIndex": "0", "logId": map[string]any{"keyId": l.id()}, "integratedTime": fmt.Sprint(logTime.Unix()),
		"kindVersion": map[string]any{"kind": body["kind"], "version": body["apiVersion"]}, "canonicalizedBody": canonical,
	}
	if proof {
		leaf := sha256.Sum256(append([]byte{0}, canonical...))
		e["inclusionProof"] = map[string]any{"logIndex": "0", "treeSize": "1", "rootHash": leaf[:], "checkpoint": map[string]any{"envelope": l.checkpoint(leaf[:])}}
	}
	if promise {
		text, err := jsoncanonicalizer.Transform(marshal(l.t, map[string]any{
			"body": canonical, "integratedTime": logTime.Unix(), "logIndex": 0, "logID": hex.EncodeToString(l.id()),
		}))
		if err != nil {
			l.t.Fatal(err)
		}
		e["inclusionPromise"] = map[string]any{"signedEntryTimestamp": signASN1(l.t, l.key, text)}
	}
	return e
}

func (l *smallLog) checkpoint(root []byte) string {
	signer, err := signature.LoadECDSASigner(l.key, crypto.SHA256)
	if err != nil {
		l.t.Fatal(err)
	}
	by, err := note.NewNoteSigner(l.t.Context(), "log.example", signer)
	if err != nil {
		l.t.Fatal(err)
	}
	signed, err := sumdbnote.Sign(&sumdbnote.Note{Text: logOrigin + "\n1\n" + base64.StdEncoding.EncodeToString(root) + "\n"}, by)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(signed)
}

// forger signs with a managed key, as signers of all times have done.
type forger struct {
	*smallLog
	signer *ecdsa.PrivateKey
	policy verify.Policy // of the conformance protocol
}

func newForger(t *testing.T) *forger {
	t.Helper()
	l := newSmallLog(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{smallLog: l, signer: key}
	public, err := verify.ParsePublicKey(f.pem())
	if err != nil {
		t.Fatal(err)
	}
	f.policy = verify.Policy{Root: l.trusted(), Key: public, Protocol: true}
	return f
}

func (f *forger) pem() []byte {
	der, err := x509.MarshalPKIXPublicKey(f.signer.Public())
	if err != nil {
		f.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// message signs data itself. Its log entry is a hashedrekord.
func (f *forger) message(mediaType, data string, proof, promise bool) map[string]any {
	sum := sha256.Sum256([]byte(data))
	sig := signASN1(f.t, f.signer, []byte(data))
	return map[string]any{
		"mediaType":            mediaType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "any"}, "tlogEntries": []any{f.entry(f.hashedrekord(sum[:], sig), proof, promise)}},
		"messageSignature":     map[string]any{"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum[:]}, "signature": sig},
	}
}

func (f *forger) hashedrekord(sum, sig []byte) map[string]any {
	return map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum)}},
		"signature": map[string]any{"content": sig, "publicKey": map[string]any{"content": f.pem()}},
	}}
}

// envelope signs a statement. kind is that of its log entry: intoto, dsse or
// hashedrekord.
func (f *forger) envelope(kind, statement string) map[string]any {
	const payloadType = "application/vnd.in-toto+json"
	pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(statement), statement)
	sig := signASN1(f.t, f.signer, []byte(pae))
	hash := func(s string) map[string]any {
		sum := sha256.Sum256([]byte(s))
		return map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}
	}
	var body map[string]any
	switch kind {
	case "intoto":
		body = map[string]any{"apiVersion": "0.0.2", "kind": kind, "spec": map[string]any{"content": map[string]any{
			"envelope": map[string]any{"payloadType": payloadType, "signatures": []any{map[string]any{
				"publicKey": f.pem(), "sig": []byte(base64.StdEncoding.EncodeToString(sig)),
			}}},
			"hash": hash("envelope"), "payloadHash": hash(statement),
		}}}
	case "dsse":
		body = map[string]any{"apiVersion": "0.0.1", "kind": kind, "spec": map[string]any{
			"envelopeHash": hash("envelope"), "payloadHash": hash(statement),
			"signatures": []any{map[string]any{"signature": sig, "verifier": f.pem()}},
		}}
	case "hashedrekord":
		sum := sha256.Sum256([]byte(pae))
		body = f.hashedrekord(sum[:], sig)
	}
	return map[string]any{
		"mediaType":            "application/vnd.dev.sigstore.bundle.v0.3+json",
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "any"}, "tlogEntries": []any{f.entry(body, true, true)}},
		"dsseEnvelope":         map[string]any{"payload": []byte(statement), "payloadType": payloadType, "signatures": []any{map[string]any{"sig": sig}}},
	}
}

func signASN1(t *testing.T, key *ecdsa.PrivateKey, data []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(data)
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
