package verify_test

import (
	"errors"
	"strings"
	"testing"

	"facerec/internal/verify"
)

func TestIdentityPatterns(t *testing.T) {
	const issuer = "https://token.actions.githubusercontent.com"
	for _, c := range []struct {
		san  string
		want bool
	}{
		{`https://github\.com/acme/.*`, true},
		{`^https://github\.com/acme/app/.*$`, true},
		{`(https://github\.com/acme/.*)`, true},
		{`https://github\.com/acme/(app|lib)/.*`, true},
		{`https://github\.com/acme/app/a|https://github\.com/acme/app/b`, true},
		{`https://git\.example:8443/acme/.*`, true},
		{`.*@example\.com`, true},
		{`(ann|bob)@example\.com`, true},
		{`.*`, false},
		{`.+/acme/app.*`, false},
		{`https://github.com/acme/.*`, false}, // the dot is a wild card
		{`https://github\.com/.*`, false},
		{`https://github\.com/acme.*`, false}, // acme-evil
		{`https://github\.com/[a-z]+/app/.*`, false},
		{`https://.*\.example/acme/.*`, false},
		{`(?i)https://github\.com/acme/.*`, false},
		{`https://github\.com/acme/.*|.*`, false},
		{`(https://github\.com/acme/.*)?`, false},
		{`http://github\.com/acme/.*`, false},
		{`.*@example\.com.*`, false},
		{`.*@.*\.com`, false},
		{`.*example\.com`, false},
		{``, false},
		// alternatives: each must be tight by itself
		{`https://github\.com/acme/a|b`, false},
		{`^https://github\.com/acme/a$|^b$`, false},
		{`a|https://github\.com/acme/.*`, false},
		{`https://github\.com/acme/.*|`, false},
		{`(https://github\.com/acme/.*|.*@example\.com)`, true},
		{`((https://github\.com/acme/a)|(https://github\.com/acme/b))`, true},
		{`https://(github\.com|evil\.example)/acme/.*`, false},
		{`(https://github\.com/acme/.*)+`, false},
		{`(https://github\.com/acme/){0,1}.*`, false},
		// hosts that are not what they seem
		{`https://github\.com@evil\.example/acme/.*`, false},
		{`https://github\.com:443@evil\.example/acme/.*`, false},
		{`https://github\.com\.evil\.example/acme/.*`, true}, // as it is written: another host, but one
		{`https://github\.com.*/acme/.*`, false},
		{`https://github\.com[./]acme/.*`, false},
		{`https://[g]ithub\.com/acme/.*`, true}, // a class of one letter is that letter
		{`https://[gG]ithub\.com/acme/.*`, false},
		{`https:/{2}github\.com/acme/.*`, false}, // tight, but not seen to be
		{`https:/{1,2}github\.com/acme/.*`, false},
		{`https://github\.com//acme/.*`, false},
		{`https:///acme/.*`, false},
		{`https://gіthub\.com/acme/.*`, false}, // U+0456
		{`https://github\.com/(?i:acme)/.*`, false},
		{`(?i:https)://github\.com/acme/.*`, false},
		{`\Qhttps://github.com/acme/\E.*`, true},
		{`(?s)https://github\.com/acme/.*`, true},
		{`(?m)^https://github\.com/acme/.*$`, true},
		{`\bhttps://github\.com/acme/.*`, false},
		{`https://github\.com/acme\x2f.*`, true},
		{`https://github\.com/\x{61}cme/.*`, true},
		// mail
		{`.*@example`, false},
		{`.*@exam.*ple\.com`, false},
		{`.*@(example\.com|example\.org)`, false},
		{`.*@example\.com|.*@example\.org`, true},
		{`.*@example\.com$|^x`, false},
		{`.*@EXAMPLE\.com`, true}, // matches nothing but itself
		{`(?i).*@example\.com`, false},
		{`https://github\.com/acme/(`, false},
	} {
		err := verify.CertificateIdentity{SANRegexp: c.san, Issuer: issuer}.Check()
		if (err == nil) != c.want {
			t.Errorf("%q: got %v, want usable: %v", c.san, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "strangers") {
			if err := (verify.CertificateIdentity{SANRegexp: c.san, Issuer: issuer, UnsafeLooseRegexp: true}).Check(); err != nil {
				t.Errorf("%q: the unsafe flag does not let it through: %v", c.san, err)
			}
		}
	}
	for _, c := range []struct {
		issuer string
		want   bool
	}{
		{`https://token\.actions\.githubusercontent\.com`, true},
		{`https://token\.actions\.githubusercontent\.com/.*`, true},
		{`https://token\.actions\.githubusercontent\.com.*`, false},
		{`https://.*`, false},
		{`.*`, false},
	} {
		if err := (verify.CertificateIdentity{SAN: "x", IssuerRegexp: c.issuer}).Check(); (err == nil) != c.want {
			t.Errorf("issuer %q: got %v, want usable: %v", c.issuer, err, c.want)
		}
	}
	for _, id := range []verify.CertificateIdentity{{}, {SAN: "x"}, {Issuer: "x"}, {SAN: "x", SANRegexp: "x", Issuer: "y"}} {
		if id.Check() == nil {
			t.Errorf("%+v is usable", id)
		}
	}
}

// TestPatternsMatchWhole holds the anchors against what regular expressions can
// do to get around them.
func TestPatternsMatchWhole(t *testing.T) {
	bundle, p := signKeyless(t, job, sums)
	issuer := p.Identities[0].Issuer
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{`https://github\.com/acme/facerec/.*`, true},
		{`https://github\.com/acme/facerec/\.github/workflows/release\.yml@refs/tags/v[0-9.]+`, true},
		{`https://github\.com/acme/face`, false},
		{`https://github\.com/acme/facerec/\.github/workflows/release\.yml@refs/tags/v1\.0`, false},
		{`x|https://github\.com/acme/facerec`, false},
		{`(?m)^https://github\.com/acme/facerec$`, false},
		{`acme/facerec`, false},
		{`\Qhttps://github.com/acme/facerec\E`, false},
	} {
		p.Identities = []verify.CertificateIdentity{{SANRegexp: c.pattern, Issuer: issuer, UnsafeLooseRegexp: true}}
		_, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
		if (err == nil) != c.want {
			t.Errorf("%q: got %v, want a match: %v", c.pattern, err, c.want)
		}
	}
}

// TestSeveralIdentities: one is enough, the report names it, a refusal names all.
func TestSeveralIdentities(t *testing.T) {
	bundle, p := signKeyless(t, job, sums)
	issuer := p.Identities[0].Issuer
	exact := verify.CertificateIdentity{SAN: job, Issuer: issuer}
	stranger := verify.CertificateIdentity{SAN: strings.Replace(job, "acme", "evil", 1), Issuer: issuer}
	homograph := verify.CertificateIdentity{SAN: strings.Replace(job, "acme", "аcme", 1), Issuer: issuer} // U+0430
	crossed := []verify.CertificateIdentity{{SAN: job, Issuer: "https://issuer.example"}, {SAN: ann, Issuer: issuer}}
	for name, c := range map[string]struct {
		ids  []verify.CertificateIdentity
		want *verify.CertificateIdentity
	}{
		"first":        {[]verify.CertificateIdentity{exact, stranger}, &exact},
		"last":         {[]verify.CertificateIdentity{stranger, homograph, exact}, &exact},
		"twice":        {[]verify.CertificateIdentity{exact, exact}, &exact},
		"none":         {[]verify.CertificateIdentity{stranger, homograph}, nil},
		"one each":     {crossed, nil}, // the issuer of one and the name of the other are nobody
		"in capital":   {[]verify.CertificateIdentity{{SAN: strings.ToUpper(job), Issuer: issuer}}, nil},
		"with a space": {[]verify.CertificateIdentity{{SAN: job + " ", Issuer: issuer}}, nil},
		"with a slash": {[]verify.CertificateIdentity{{SAN: job, Issuer: issuer + "/"}}, nil},
	} {
		p.Identities = c.ids
		s, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
		var e *verify.Error
		switch {
		case c.want != nil && (err != nil || s.Identity == nil || *s.Identity != *c.want):
			t.Errorf("%s: got %+v, %v", name, s.Identity, err)
		case c.want == nil && (!errors.As(err, &e) || e.Check != verify.CheckIdentity || e.Expected == e.Got || len(c.ids) > 1 && !strings.Contains(e.Expected, c.ids[1].String())):
			t.Errorf("%s: got %v, want a refusal that names all", name, err)
		}
	}
}
