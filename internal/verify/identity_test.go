package verify_test

import (
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
		{`https://github\.com/acme/(`, false},
	} {
		err := verify.Identity{SANRegexp: c.san, Issuer: issuer}.Check()
		if (err == nil) != c.want {
			t.Errorf("%q: got %v, want usable: %v", c.san, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "strangers") {
			if err := (verify.Identity{SANRegexp: c.san, Issuer: issuer, UnsafeLooseRegexp: true}).Check(); err != nil {
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
		if err := (verify.Identity{SAN: "x", IssuerRegexp: c.issuer}).Check(); (err == nil) != c.want {
			t.Errorf("issuer %q: got %v, want usable: %v", c.issuer, err, c.want)
		}
	}
	for _, id := range []verify.Identity{{}, {SAN: "x"}, {Issuer: "x"}, {SAN: "x", SANRegexp: "x", Issuer: "y"}} {
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
		p.Identities = []verify.Identity{{SANRegexp: c.pattern, Issuer: issuer, UnsafeLooseRegexp: true}}
		_, err := verify.Blob(bundle, verify.Data(strings.NewReader(sums)), p)
		if (err == nil) != c.want {
			t.Errorf("%q: got %v, want a match: %v", c.pattern, err, c.want)
		}
	}
}
