package verify_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/verify"
)

// TestStatement signs an in-toto statement about two files, with a managed key
// and keylessly, and verifies it over each of them and over no other.
func TestStatement(t *testing.T) {
	first, second, other := release.DigestBytes([]byte("1")), release.DigestBytes([]byte("2")), release.DigestBytes([]byte("3"))
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"one","digest":{"sha256":%q}},{"name":"two","digest":{"sha256":%q}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}`, first.Hex(), second.Hex())
	over := func(p verify.Policy) func(bundle, _ []byte) error {
		return func(bundle, _ []byte) error {
			_, err := verify.Blob(bundle, verify.Digest(first), p)
			return err
		}
	}
	k := newKey(t)
	plain := keyPolicy(t, k)
	signers := []struct {
		name   string
		signer sign.Signer
		policy verify.Policy
	}{{"managed key", sign.Signer{Key: k}, plain}}
	s, tr, services := realSigstore(t)
	token, err := s.Token(job)
	if err != nil {
		t.Fatal(err)
	}
	keyless := verify.Policy{Root: tr, Identities: []verify.CertificateIdentity{{SAN: job, Issuer: s.Actions}}}
	signers = append(signers, struct {
		name   string
		signer sign.Signer
		policy verify.Policy
	}{"keyless", sign.Signer{Token: token, Services: services}, keyless})

	for _, c := range signers {
		bundle, err := sign.Statement(t.Context(), []byte(statement), c.signer, over(c.policy))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, a := range []verify.Artifact{verify.Digest(first), verify.Digest(second), verify.Data(strings.NewReader("2"))} {
			got, err := verify.Blob(bundle, a, c.policy)
			if err != nil || got.Form != "dsse" || got.PredicateType != "https://slsa.dev/provenance/v1" || string(got.Statement) != statement {
				t.Errorf("%s: got %+v, %v", c.name, got, err)
			}
		}
		_, err = verify.Blob(bundle, verify.Digest(other), c.policy)
		var e *verify.Error
		if !errors.As(err, &e) || e.Check != verify.CheckSignature || e.Expected != first.String()+" or "+second.String() || e.Got != other.String() {
			t.Errorf("%s: another file: got %v", c.name, err)
		}
	}
	if _, err := sign.Statement(t.Context(), []byte("{"), signers[0].signer, over(plain)); err == nil {
		t.Error("something that is not JSON was signed")
	}
}
