package verify

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// PredicateSign is the predicate type of a statement that signs an image, as
// cosign writes it since version 3.
const PredicateSign = "https://sigstore.dev/cosign/sign/v1"

// AttestationType is a kind of attestation that an image must have.
type AttestationType struct {
	Name       string   `json:"name"`       // as it was asked for
	Predicates []string `json:"predicates"` // predicate types, any of which will do
}

// attestationTypes are the names that cosign knows, and what they mean to it. A
// "slsaprovenance" may also be of version 1, which cosign calls slsaprovenance1.
var attestationTypes = []AttestationType{
	{"cyclonedx", []string{"https://cyclonedx.org/bom"}},
	{"link", []string{"https://in-toto.io/Link/v1"}},
	{"openvex", []string{"https://openvex.dev/ns"}},
	{"slsaprovenance", []string{"https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"}},
	{"slsaprovenance02", []string{"https://slsa.dev/provenance/v0.2"}},
	{"slsaprovenance1", []string{"https://slsa.dev/provenance/v1"}},
	{"spdx", []string{"https://spdx.dev/Document"}},
	{"spdxjson", []string{"https://spdx.dev/Document"}},
	{"vuln", []string{"https://cosign.sigstore.dev/attestation/vuln/v1"}},
}

// ParseAttestationType reads a name that cosign knows or the URI of a predicate
// type.
func ParseAttestationType(s string) (AttestationType, error) {
	var names []string
	for _, t := range attestationTypes {
		if t.Name == s {
			return t, nil
		}
		names = append(names, t.Name)
	}
	if u, err := url.Parse(s); err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "") {
		if s == PredicateSign {
			return AttestationType{}, fmt.Errorf("attestation type %q: that is a signature, which is always required", s)
		}
		return AttestationType{s, []string{s}}, nil
	}
	return AttestationType{}, fmt.Errorf("attestation type %q: expected a predicate type's URI or one of %s", s, strings.Join(names, ", "))
}

// matches reports whether a predicate type is of this kind.
func (t AttestationType) matches(predicate string) bool {
	return slices.Contains(t.Predicates, predicate)
}
