package verify_test

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/verify"
)

func TestParseTrustedRootRefuses(t *testing.T) {
	for name, doc := range map[string]string{
		"empty":            "",
		"not JSON":         "x",
		"no media type":    "{}",
		"later version":    `{"mediaType":"application/vnd.dev.sigstore.trustedroot.v9+json"}`,
		"unknown field":    `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","extra":1}`,
		"log without key":  `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{}]}`,
		"empty authority":  `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","certificateAuthorities":[{}]}`,
		"bad certificate":  `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","timestampAuthorities":[{"certChain":{"certificates":[{"rawBytes":"AAAA"}]}}]}`,
		"huge":             strings.Repeat(" ", 5<<20),
		"a bundle instead": `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`,
	} {
		_, err := verify.ParseTrustedRoot([]byte(doc))
		var e *verify.Error
		if !errors.As(err, &e) || e.Check != verify.CheckTrustRoot || e.Class != verify.Untrusted || strings.Contains(e.Error(), "\n") {
			t.Errorf("%s: got %v, want one line about the trust root", name, err)
		}
	}
	const doc = `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`
	tr, err := verify.ParseTrustedRoot([]byte(doc))
	if err != nil || tr.Origin().SHA256 != release.DigestBytes([]byte(doc)) {
		t.Errorf("got %v, %v", tr, err)
	}
}

func TestParsePublicKeyRefuses(t *testing.T) {
	k := newKey(t)
	private, err := k.PrivatePEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty":       nil,
		"not PEM":     []byte("key"),
		"private key": private,
		"two keys":    append(k.PublicPEM(), k.PublicPEM()...),
		"damaged":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1, 2, 3}}),
		"huge":        make([]byte, 1<<20),
	} {
		_, err := verify.ParsePublicKey(data)
		var e *verify.Error
		if !errors.As(err, &e) || e.Class != verify.Untrusted || !strings.Contains(e.Error(), "public key") {
			t.Errorf("%s: got %v, want a refusal of the public key", name, err)
		}
	}
}

// TestChainInTheBundle checks a bundle of version 0.3 that brings its
// intermediate along, under a root that knows only the anchor.
func TestChainInTheBundle(t *testing.T) {
	bundle, p := signKeyless(t, ann, sums)
	chainPEM, err := os.ReadFile(filepath.Join(shared.dir, "fulcio.pem"))
	if err != nil {
		t.Fatal(err)
	}
	intermediate, _ := pem.Decode(chainPEM)
	rootJSON, err := os.ReadFile(shared.s.TrustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	anchor, err := verify.ParseTrustedRoot(editJSON(t, rootJSON, func(m map[string]any) {
		chain := m["certificateAuthorities"].([]any)[0].(map[string]any)["certChain"].(map[string]any)
		chain["certificates"] = chain["certificates"].([]any)[1:]
	}))
	if err != nil {
		t.Fatal(err)
	}
	withChain := editJSON(t, bundle, func(m map[string]any) {
		material := m["verificationMaterial"].(map[string]any)
		material["x509CertificateChain"] = map[string]any{"certificates": []any{
			material["certificate"], map[string]any{"rawBytes": base64.StdEncoding.EncodeToString(intermediate.Bytes)},
		}}
		delete(material, "certificate")
	})
	p.Root = anchor
	if _, err := verify.Blob(withChain, verify.Data(strings.NewReader(sums)), p); err != nil {
		t.Errorf("with its chain: %v", err)
	}
	var e *verify.Error
	if _, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p); !errors.As(err, &e) || e.Check != verify.CheckCertificate {
		t.Errorf("without its chain: got %v, want a refusal at the certificate", err)
	}
}
