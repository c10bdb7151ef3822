package verify_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/testing/data"

	"facerec/internal/release"
	"facerec/internal/verify"
)

// The bundles below are ones that public or test instances of Sigstore signed
// over the years, as sigstore-go carries them for its own tests.
func carried(t *testing.T, bundle, root string) ([]byte, *verify.TrustedRoot) {
	t.Helper()
	raw, err := data.Bundle(t, bundle).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	rootJSON, err := data.TrustedRoot(t, root).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	tr, err := verify.ParseTrustedRoot(rootJSON)
	if err != nil {
		t.Fatal(err)
	}
	return raw, tr
}

func byDigest(t *testing.T, s string) verify.Artifact {
	t.Helper()
	a, err := verify.ParseDigest(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sigstoreJS is the npm package sigstore 2.0.0, by the digest in its provenance.
const sigstoreJS = "sha512:46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c"

// TestPublicProvenance checks a bundle of version 0.1 by the public-good
// instance: an attestation, a certificate chain, Rekor version 1, and the log's
// promise for the time.
func TestPublicProvenance(t *testing.T) {
	bundle, tr := carried(t, "sigstore.js@2.0.0-provenance.sigstore.json", "public-good.json")
	p := verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{
		SAN:    "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
		Issuer: "https://token.actions.githubusercontent.com",
	}}}
	s, err := verify.Blob(bundle, byDigest(t, sigstoreJS), p)
	if err != nil {
		t.Fatal(err)
	}
	if s.Form != "dsse" || s.PredicateType != "https://slsa.dev/provenance/v1" || !s.SCT || len(s.LogEntries) != 1 ||
		len(s.Timestamps) != 1 || s.Timestamps[0].Source != "transparency log" || !bytes.Contains(s.Statement, []byte("pkg:npm/sigstore@2.0.0")) {
		t.Errorf("got %+v", s)
	}
	for name, c := range map[string]struct {
		artifact verify.Artifact
		policy   verify.Policy
		step     string
	}{
		"other package":  {byDigest(t, "sha512:"+strings.Repeat("0", 128)), p, verify.CheckSignature},
		"other hash":     {verify.Digest(release.DigestBytes(nil)), p, verify.CheckSignature},
		"other workflow": {byDigest(t, sigstoreJS), verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{SAN: "https://github.com/sigstore/sigstore-js-evil/.github/workflows/release.yml@refs/heads/main", Issuer: p.Identities[0].Issuer}}}, verify.CheckIdentity},
		"other instance": {byDigest(t, sigstoreJS), verify.Policy{Root: emptyRoot(t), Identities: p.Identities}, verify.CheckLog},
	} {
		var e *verify.Error
		if _, err := verify.Blob(bundle, c.artifact, c.policy); !errors.As(err, &e) || e.Check != c.step || e.Class != verify.Untrusted {
			t.Errorf("%s: got %v, want a refusal at the %s", name, err, c.step)
		}
	}
}

func TestCarriedBundlesThatMustFail(t *testing.T) {
	anybody := []verify.CertificateIdentity{{SANRegexp: ".*", IssuerRegexp: ".*", UnsafeLooseRegexp: true}}
	for _, c := range []struct {
		bundle, root string
		step, why    string
	}{
		{"dsse-2sigs.sigstore.json", "public-good.json", verify.CheckSignature, "an envelope with two signatures"},
		{"othername.sigstore.json", "scaffolding.json", verify.CheckSignature, "a signature of something else"},
		{"othername.sigstore.json", "public-good.json", verify.CheckLog, "another instance's log"},
		{"public-key-validity.sigstore.json", "public-key-validity.json", verify.CheckIdentity, "a managed key where a certificate is wanted"},
	} {
		bundle, tr := carried(t, c.bundle, c.root)
		_, err := verify.Blob(bundle, byDigest(t, sigstoreJS), verify.Policy{Root: tr, Identities: anybody})
		var e *verify.Error
		if !errors.As(err, &e) || e.Check != c.step || e.Class != verify.Untrusted {
			t.Errorf("%s (%s): got %v, want a refusal at the %s", c.bundle, c.why, err, c.step)
		}
	}
}

func TestParseDigest(t *testing.T) {
	for s, want := range map[string]bool{
		"sha256:" + strings.Repeat("a", 64):        true,
		"sha384:" + strings.Repeat("a", 96):        true,
		sigstoreJS:                                 true,
		"sha256:" + strings.Repeat("A", 64):        true,
		"sha256:" + strings.Repeat("a", 63):        false,
		"sha256:" + strings.Repeat("g", 64):        false,
		"sha512:" + strings.Repeat("a", 64):        false,
		"md5:" + strings.Repeat("a", 32):           false,
		"sha256":                                   false,
		"":                                         false,
		"sha256:" + strings.Repeat("a", 64) + "\n": false,
	} {
		if _, err := verify.ParseDigest(s); (err == nil) != want {
			t.Errorf("%q: got %v, want it read: %v", s, err, want)
		}
	}
}

// FuzzBlob wants no crash, whatever stands in the bundle and the root, and no
// strange bundle accepted.
func FuzzBlob(f *testing.F) {
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"AAAA"},"signature":"AAAA"}}`))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"x509CertificateChain":{"certificates":[{"rawBytes":"AAAA"}]},"tlogEntries":[{"logIndex":"1","logId":{"keyId":"AAAA"},"kindVersion":{"kind":"hashedrekord","version":"0.0.2"},"inclusionProof":{"checkpoint":{"envelope":"a\n1\nAAAA\n\n— a AAAA\n"}},"canonicalizedBody":"e30="}]},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}`))
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":"AAAA"},"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"MAAwAA=="}]}},"messageSignature":{}}`))
	f.Add([]byte(`{}`))
	tr, err := verify.ParseTrustedRoot([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`))
	if err != nil {
		f.Fatal(err)
	}
	p := verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{SAN: "a", Issuer: "b"}}}
	f.Fuzz(func(t *testing.T, bundle []byte) {
		_, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
		var e *verify.Error
		if !errors.As(err, &e) {
			t.Fatalf("got %v, want an *Error", err)
		}
		if strings.ContainsAny(e.Error(), "\n\r\x1b") {
			t.Fatalf("more than a line: %q", e.Error())
		}
	})
}
