package verify_test

import (
	"errors"
	"strings"
	"testing"

	"facerec/internal/verify"
)

// TestSANKinds signs with certificates of a real authority: a workflow on a branch
// whose name ends like a mail address is not that mail address, whatever matches.
func TestSANKinds(t *testing.T) {
	const branch = "https://github.com/evil/x/.github/workflows/w.yml@refs/heads/y@example.org"
	for _, c := range []struct {
		name, san string
		id        verify.CertificateIdentity
		ok        bool
	}{
		{"mail pattern, mail", ann, verify.CertificateIdentity{SANRegexp: `.*@example\.org`}, strings.HasSuffix(ann, "@example.org")},
		{"mail pattern, URI", branch, verify.CertificateIdentity{SANRegexp: `.*@example\.org`}, false},
		{"mail pattern in an alternative, URI", branch, verify.CertificateIdentity{SANRegexp: `https://github\.com/acme/.*|.*@example\.org`}, false},
		{"URI pattern, URI", job, verify.CertificateIdentity{SANRegexp: `https://github\.com/acme/.*`}, true},
		{"URI pattern in an alternative, URI", job, verify.CertificateIdentity{SANRegexp: `(.*@example\.org|https://github\.com/acme/.*)`}, true},
		{"URI pattern, mail", ann, verify.CertificateIdentity{SANRegexp: `https://github\.com/acme/.*`}, false},
		{"loose mail pattern, URI", branch, verify.CertificateIdentity{SANRegexp: `.*y@example\.org`, UnsafeLooseRegexp: true}, false},
		{"exact, URI", branch, verify.CertificateIdentity{SAN: branch}, true},
	} {
		bundle, p := signKeyless(t, c.san, sums)
		c.id.Issuer = p.Identities[0].Issuer
		p.Identities = []verify.CertificateIdentity{c.id}
		_, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
		var e *verify.Error
		if (err == nil) != c.ok || err != nil && (!errors.As(err, &e) || e.Check != verify.CheckIdentity || e.Class != verify.Untrusted) {
			t.Errorf("%s: got %v, expected success: %v", c.name, err, c.ok)
		}
	}
}
