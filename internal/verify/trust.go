package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"facerec/internal/release"
	"facerec/internal/text"
)

// TrustedRoot is the set of authorities and logs that signatures are checked
// against: Sigstore's trusted_root.json.
type TrustedRoot struct {
	material *root.TrustedRoot
	digest   release.Digest // of the file
	raw      []byte         // the file
	origin   *TrustOrigin   // nil: nobody said

	others []*TrustedRoot // the further ones of the same file
}

// maxRoots is how many trusted roots one file may have. GitHub's has two.
const maxRoots = 10

// each gives the roots of the file one by one: a signature must satisfy one of
// them alone, or the authority of one instance could go with the log of another.
func (t *TrustedRoot) each() []*TrustedRoot {
	if t == nil {
		return []*TrustedRoot{nil}
	}
	first := *t
	first.others = nil
	return append([]*TrustedRoot{&first}, t.others...)
}

// maxTrustedRoot is the largest trusted_root.json, in bytes; the public one has
// under 10 kB.
const maxTrustedRoot = 4 << 20

// ParseTrustedRoot reads trusted_root.json, media type
// application/vnd.dev.sigstore.trustedroot+json;version=0.1, or several of them, a
// line each, as "gh attestation trusted-root" writes them. Errors are of type
// *[Error].
func ParseTrustedRoot(data []byte) (tr *TrustedRoot, err error) {
	defer recovered(CheckTrustRoot, &err)
	if len(data) > maxTrustedRoot {
		return nil, untrusted(CheckTrustRoot, "expected at most %d bytes, got %d", maxTrustedRoot, len(data))
	}
	if err := checkValues(data); err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckTrustRoot, Err: err}
	}
	members := []json.RawMessage{data}
	if !json.Valid(data) {
		if lines, _, _ := membersOf(data); lines != nil {
			members = lines
		}
	}
	if len(members) > maxRoots {
		return nil, untrusted(CheckTrustRoot, "expected at most %d roots, got %d", maxRoots, len(members))
	}
	for i, m := range members {
		material, err := root.NewTrustedRootFromJSON(m)
		if err != nil {
			e := &Error{Class: Untrusted, Check: CheckTrustRoot, Err: err}
			if len(members) > 1 {
				e.Field = fmt.Sprintf("line %d", i+1)
			}
			return nil, e
		}
		one := &TrustedRoot{material: material, digest: release.DigestBytes(data), raw: data}
		if tr == nil {
			tr = one
		} else {
			tr.others = append(tr.others, one)
		}
	}
	return tr, nil
}

// PublicKey is the public half of a managed key.
type PublicKey struct {
	key crypto.PublicKey
	der []byte
}

// maxPublicKey is the largest public key, in bytes of PEM.
const maxPublicKey = 64 << 10

// ParsePublicKey reads a public key from PEM (PKIX, "PUBLIC KEY"). Errors are of
// type *[Error].
func ParsePublicKey(data []byte) (*PublicKey, error) {
	if len(data) > maxPublicKey {
		return nil, untrusted(CheckTrustRoot, "public key: expected at most %d bytes, got %d", maxPublicKey, len(data))
	}
	block, rest := pem.Decode(data)
	switch {
	case block == nil && isCertificate(data), block != nil && block.Type == "CERTIFICATE":
		return nil, &Error{Class: Failed, Check: CheckTrustRoot, Err: text.WithHint(
			errors.New("public key: is a certificate; whoever signs a file can put one next to it, so it cannot say whom to trust"),
			"pass it with --certificate, and the signer with --certificate-identity and --certificate-oidc-issuer")}
	case block == nil:
		return nil, untrusted(CheckTrustRoot, "public key: is not PEM; expected -----BEGIN PUBLIC KEY-----")
	case block.Type != "PUBLIC KEY":
		return nil, untrusted(CheckTrustRoot, "public key: expected a PEM block PUBLIC KEY, got %q", block.Type)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, untrusted(CheckTrustRoot, "public key: more data follows the first PEM block; expected one key and nothing else")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckTrustRoot, Field: "public key", Err: err}
	}
	k := &PublicKey{key: key, der: block.Bytes}
	if _, err := k.material(); err != nil { // a kind or size that nothing can be verified with
		return nil, err
	}
	return k, nil
}

// isCertificate recognizes base64 of a PEM certificate, which cosign 2 writes.
func isCertificate(data []byte) bool {
	leaf, err := leafOf(data)
	return err == nil && leaf != nil
}

// Fingerprint is the SHA-256 of the key's DER.
func (k *PublicKey) Fingerprint() release.Digest { return release.DigestBytes(k.der) }

// hint is how bundles usually name a key.
func (k *PublicKey) hint() string {
	sum := sha256.Sum256(k.der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// material makes the key what sigstore-go verifies with. The hint in a bundle
// is not looked at: it comes from whoever wrote the bundle.
func (k *PublicKey) material() (root.TrustedMaterial, error) {
	first, err := signature.LoadDefaultVerifier(k.key, options.WithED25519ph())
	if err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckTrustRoot, Field: "public key", Err: err}
	}
	v := &keyVerifier{key: k.key, ways: []signature.Verifier{first}}
	// The same key can have been used in two ways, and signers differ in which:
	// Ed25519 with and without hashing first; the large ECDSA curves with their
	// own hash, or with SHA-256 by older clients.
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		plain, err := signature.LoadED25519Verifier(key)
		if err != nil {
			return nil, &Error{Class: Untrusted, Check: CheckTrustRoot, Field: "public key", Err: err}
		}
		v.ways = append(v.ways, plain)
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P384() || key.Curve == elliptic.P521() {
			old, err := signature.LoadECDSAVerifier(key, crypto.SHA256)
			if err != nil {
				return nil, &Error{Class: Untrusted, Check: CheckTrustRoot, Field: "public key", Err: err}
			}
			v.ways = append(v.ways, old)
		}
	}
	always := root.NewExpiringKey(v, time.Time{}, time.Time{})
	return root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) { return always, nil }), nil
}

// keyVerifier accepts a signature that one of several ways accepts.
type keyVerifier struct {
	key  crypto.PublicKey
	ways []signature.Verifier
}

func (v *keyVerifier) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return v.key, nil
}

func (v *keyVerifier) VerifySignature(sig, message io.Reader, opts ...signature.VerifyOption) error {
	if len(v.ways) == 1 {
		return v.ways[0].VerifySignature(sig, message, opts...)
	}
	s, err := io.ReadAll(sig)
	if err != nil {
		return err
	}
	m, err := io.ReadAll(message)
	if err != nil {
		return err
	}
	var faults []error
	for _, way := range v.ways {
		err := way.VerifySignature(bytes.NewReader(s), bytes.NewReader(m), opts...)
		if err == nil {
			return nil
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// recovered turns a panic of a parser of strangers' files into a refusal: a
// file that a library cannot cope with is not trusted.
func recovered(step string, err *error) {
	if r := recover(); r != nil {
		*err = untrusted(step, "cannot be read: %s", text.Line(fmt.Sprint(r), maxErrorText))
	}
}
