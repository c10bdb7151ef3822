package verify_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

const sums = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a.tar.gz\n"

// keyPolicy is the policy of a managed key without any Sigstore.
func keyPolicy(t *testing.T, k *sign.Key) verify.Policy {
	t.Helper()
	pub, err := verify.ParsePublicKey(k.PublicPEM())
	if err != nil {
		t.Fatal(err)
	}
	return verify.Policy{Key: pub, UnsafeNoTransparencyLog: true}
}

// selfCheck makes a policy what a signer checks its own bundle with.
func selfCheck(p verify.Policy) func(bundle, data []byte) error {
	return func(bundle, data []byte) error {
		_, err := verify.Blob(bundle, verify.Data(bytes.NewReader(data)), p)
		return err
	}
}

func newKey(t *testing.T) *sign.Key {
	t.Helper()
	k, err := sign.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signKeyed(t *testing.T, k *sign.Key, data string) []byte {
	t.Helper()
	b, err := sign.Checksums(context.Background(), []byte(data), sign.Signer{Key: k}, selfCheck(keyPolicy(t, k)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pkcs8(t *testing.T, key any, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestManagedKeys(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p256PEM := pkcs8(t, p256, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p384PEM := pkcs8(t, p384, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	edPEM := pkcs8(t, ed, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	rsaPEM := pkcs8(t, rsaKey, err)

	for _, c := range []struct {
		name     string
		pem      []byte
		byDigest bool // a SHA-256 is enough to check it
	}{
		{"ECDSA P-256", p256PEM, true},
		{"ECDSA P-384", p384PEM, false},
		{"Ed25519", edPEM, false},
		{"RSA 2048", rsaPEM, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := sign.ParseKey(c.pem, nil)
			if err != nil {
				t.Fatal(err)
			}
			bundle := signKeyed(t, k, sums)
			p := keyPolicy(t, k)
			s, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
			if err != nil {
				t.Fatal(err)
			}
			if s.Key != p.Key.Fingerprint().String() || s.Form != "message" || len(s.Unchecked) != 2 {
				t.Errorf("got %+v", s)
			}
			_, err = verify.Blob(bundle, verify.Digest(release.DigestBytes([]byte(sums))), p)
			if (err == nil) != c.byDigest {
				t.Errorf("by digest alone: %v", err)
			}
		})
	}
}

// TestBlobRefuses sees the right step fail, with the right class, and nothing
// accepted that should not be.
func TestBlobRefuses(t *testing.T) {
	k, other := newKey(t), newKey(t)
	bundle := signKeyed(t, k, sums)
	p := keyPolicy(t, k)
	edit := func(old, new string) []byte {
		b := bytes.Replace(bundle, []byte(old), []byte(new), 1)
		if bytes.Equal(b, bundle) {
			t.Fatalf("%q is not in the bundle %s", old, bundle)
		}
		return b
	}
	sum := sha256.Sum256([]byte(sums))
	digest := base64.StdEncoding.EncodeToString(sum[:])
	withLog := p
	withLog.UnsafeNoTransparencyLog = false
	for _, c := range []struct {
		name   string
		bundle []byte
		data   string
		policy verify.Policy
		step   string
		want   string
	}{
		{"other bytes", bundle, sums + "x", p, verify.CheckSignature, "expected sha256:" + release.DigestBytes([]byte(sums)).Hex()},
		{"other key", bundle, sums, keyPolicy(t, other), verify.CheckSignature, ""},
		{"identity wanted", bundle, sums, verify.Policy{Root: emptyRoot(t), Identities: []verify.CertificateIdentity{{SAN: "a@b.example", Issuer: "https://i.example"}}}, verify.CheckIdentity, "got a managed key"},
		{"log wanted, no root", bundle, sums, withLog, verify.CheckTrustRoot, "none was given"},
		{"log wanted", bundle, sums, verify.Policy{Key: p.Key, Root: emptyRoot(t)}, verify.CheckLog, "entries: expected at least 1, got none"},
		{"no policy", bundle, sums, verify.Policy{}, verify.CheckIdentity, "public key or at least one identity"},
		{"unsafe without a key", bundle, sums, verify.Policy{UnsafeNoTransparencyLog: true, Identities: []verify.CertificateIdentity{{SAN: "a", Issuer: "b"}}}, verify.CheckLog, "only a managed key"},
		{"cut short", bundle[:len(bundle)-1], sums, p, verify.CheckBundle, ""},
		{"two documents", append(bytes.Clone(bundle), bundle...), sums, p, verify.CheckBundle, ""},
		{"unknown field", edit(`"mediaType"`, `"mediaTypo"`), sums, p, verify.CheckBundle, ""},
		{"field twice", edit(`{"mediaType"`, `{"mediaType":"x","mediaType"`), sums, p, verify.CheckBundle, ""},
		{"later version", edit("v0.3+json", "v0.4+json"), sums, p, verify.CheckBundle, "mediaType"},
		{"unwritten version", edit("v0.3+json", "v0.2+json"), sums, p, verify.CheckBundle, "mediaType"},
		{"no media type", edit("application/vnd.dev.sigstore.bundle.v0.3+json", ""), sums, p, verify.CheckBundle, "mediaType"},
		{"base64 with left-over bits", edit(digest, digest[:42]+string(rune(digest[42]+1))+"="), sums, p, verify.CheckBundle, "base64"},
		{"other hash", edit("SHA2_256", "SHA2_512"), sums, p, verify.CheckSignature, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verify.Blob(c.bundle, verify.Data(strings.NewReader(c.data)), c.policy)
			var e *verify.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Check != c.step || e.Class != verify.Untrusted || !strings.Contains(e.Error(), c.want) || strings.Contains(e.Error(), "\n") {
				t.Errorf("got %s (%s), want one line of step %q with %q", e, e.Class, c.step, c.want)
			}
		})
	}
}

// emptyRoot is a trusted root that trusts nobody.
func emptyRoot(t *testing.T) *verify.TrustedRoot {
	t.Helper()
	tr, err := verify.ParseTrustedRoot([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestUnreadableArtifactIsNotAVerdict(t *testing.T) {
	k := newKey(t)
	bundle := signKeyed(t, k, sums)
	broken := errors.New("disk on fire")
	_, err := verify.Blob(bundle, verify.Data(&failing{broken}), keyPolicy(t, k))
	var e *verify.Error
	if !errors.As(err, &e) || e.Class != verify.Failed || !errors.Is(err, broken) {
		t.Errorf("got %v, want class error", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// TestEveryFlipOfAKeyedBundle changes each byte of a bundle in several ways and
// sees every one of them refused.
func TestEveryFlipOfAKeyedBundle(t *testing.T) {
	k := newKey(t)
	bundle := signKeyed(t, k, sums)
	p := keyPolicy(t, k)
	for i := range bundle {
		for _, mask := range []byte{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff} {
			bad := bytes.Clone(bundle)
			bad[i] ^= mask
			if _, err := verify.BlobOfRelease(bad, verify.Data(strings.NewReader(sums)), p); err == nil {
				t.Errorf("byte %d: %q for %q in …%s… was accepted", i, bad[i], bundle[i], bundle[max(0, i-20):min(len(bundle), i+20)])
			}
		}
	}
}
