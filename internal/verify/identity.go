package verify

import (
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"facerec/internal/text"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"
)

// CertificateIdentity is who may have signed: the subject alternative name that must stand
// in the certificate, and the OpenID Connect issuer that vouched for it. Both
// are required, each either exactly or as a pattern.
//
// Patterns are regular expressions (RE2) that must match the whole value: they
// are anchored here, whether or not they have anchors of their own. A pattern
// that begins with a literal URL matches URIs only, and one that ends in a literal
// mail host matches mail addresses only; the same holds for exact values.
type CertificateIdentity struct {
	SAN       string `json:"san,omitempty"`
	SANRegexp string `json:"san_regexp,omitempty"`

	Issuer       string `json:"issuer,omitempty"`
	IssuerRegexp string `json:"issuer_regexp,omitempty"`

	// UnsafeLooseRegexp allows patterns that leave open on which host or whose
	// repository the signer was. Without it they are refused.
	UnsafeLooseRegexp bool `json:"unsafe_loose_regexp,omitempty"`
}

// Check reports whether the identity can be used at all.
func (id CertificateIdentity) Check() error {
	_, err := id.matcher()
	return err
}

// String shows the identity on one line.
func (id CertificateIdentity) String() string {
	show := func(exact, pattern string) string {
		if exact != "" {
			return exact
		}
		return "/" + pattern + "/"
	}
	return show(id.SAN, id.SANRegexp) + " from " + show(id.Issuer, id.IssuerRegexp)
}

// matcher is what sigstore-go checks with.
func (id CertificateIdentity) matcher() (sgverify.CertificateIdentity, error) {
	var none sgverify.CertificateIdentity
	san, err := anchored("subject alternative name", id.SAN, id.SANRegexp, id.UnsafeLooseRegexp, literalOwner,
		`a pattern that begins with a literal https://HOST/OWNER/ or ends in a literal @HOST`)
	if err != nil {
		return none, err
	}
	issuer, err := anchored("issuer", id.Issuer, id.IssuerRegexp, id.UnsafeLooseRegexp, literalHost,
		`a pattern that begins with a literal https://HOST/`)
	if err != nil {
		return none, err
	}
	return sgverify.NewShortCertificateIdentity(id.Issuer, issuer, id.SAN, san)
}

func anchored(what, exact, pattern string, loose bool, tight func(*syntax.Regexp) bool, want string) (string, error) {
	switch {
	case exact == "" && pattern == "":
		return "", fmt.Errorf("identity: %s: expected one, got none", what)
	case exact != "" && pattern != "":
		return "", fmt.Errorf("identity: %s: expected a value or a pattern, got both", what)
	case pattern == "":
		return "", nil
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", fmt.Errorf("identity: %s: pattern: %w", what, err)
	}
	if !loose && !tight(tree.Simplify()) {
		return "", fmt.Errorf("identity: %s: pattern %q also matches strangers; expected %s, or the unsafe flag", what, pattern, want)
	}
	// \A and \z, not ^ and $: those could be turned into line anchors by (?m).
	whole := `\A(?:` + pattern + `)\z`
	if _, err := regexp.Compile(whole); err != nil {
		return "", fmt.Errorf("identity: %s: pattern: %w", what, err)
	}
	return whole, nil
}

var (
	hostPrefix  = text.Pattern(`^https://[0-9A-Za-z.-]+(:[0-9]+)?/`)
	ownerPrefix = text.Pattern(`^https://[0-9A-Za-z.-]+(:[0-9]+)?/[^/]+/`)
	mailSuffix  = text.Pattern(`@[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)+$`)
)

// literalOwner says that every value a pattern can match begins with one fixed
// host and owner, or ends in one fixed mail host.
func literalOwner(re *syntax.Regexp) bool {
	return everyBranch(re, func(first, last string, whole bool) bool {
		return ownerPrefix().MatchString(first) || mailSuffix().MatchString(last)
	})
}

// literalHost says that every value a pattern can match begins with one fixed
// host, or is one fixed value.
func literalHost(re *syntax.Regexp) bool {
	return everyBranch(re, func(first, last string, whole bool) bool {
		return whole && strings.HasPrefix(first, "https://") || hostPrefix().MatchString(first)
	})
}

// sanKind is the type of a subject alternative name (RFC 5280, 4.2.1.6).
type sanKind uint8

const (
	sanOther sanKind = iota // a DNS name, an IP address, Fulcio's otherName; or several
	sanMail
	sanURI
)

func (k sanKind) String() string {
	return [...]string{"another kind of name", "mail address", "URI"}[k]
}

// kindOfSAN is the type of a certificate's only subject alternative name.
func kindOfSAN(c *x509.Certificate) sanKind {
	switch {
	case len(c.DNSNames)+len(c.IPAddresses) > 0:
		return sanOther
	case len(c.EmailAddresses) == 1 && len(c.URIs) == 0:
		return sanMail
	case len(c.URIs) == 1 && len(c.EmailAddresses) == 0:
		return sanURI
	}
	return sanOther
}

// matchesKind reports whether a name of that kind, which the value or pattern
// matches, is of the kind that the value or pattern is about.
func (id CertificateIdentity) matchesKind(san string, kind sanKind) bool {
	if id.SAN != "" {
		want := kindOfText(id.SAN, id.SAN)
		return want == sanOther || want == kind
	}
	tree, err := syntax.Parse(id.SANRegexp, syntax.Perl)
	if err != nil {
		return false
	}
	// Each alternative is matched by itself: they can be about different kinds.
	found := false
	alternatives(tree.Simplify(), func(re *syntax.Regexp, first, last string) {
		want := kindOfText(first, last)
		if found || want != sanOther && want != kind {
			return
		}
		whole, err := regexp.Compile(`\A(?:` + re.String() + `)\z`)
		found = err == nil && whole.MatchString(san)
	})
	return found
}

// kindOfText is the kind of the names that begin with one literal text and end
// with another.
func kindOfText(first, last string) sanKind {
	switch {
	case strings.Contains(first, "://"):
		return sanURI
	case mailSuffix().MatchString(last):
		return sanMail
	}
	return sanOther
}

// alternatives calls f for each alternative of a pattern with the literal text at
// its beginning and at its end.
func alternatives(re *syntax.Regexp, f func(re *syntax.Regexp, first, last string)) {
	switch re.Op {
	case syntax.OpCapture:
		alternatives(re.Sub[0], f)
		return
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			alternatives(sub, f)
		}
		return
	}
	first, last := "", ""
	everyBranch(re, func(a, b string, _ bool) bool { first, last = a, b; return true })
	f(re, first, last)
}

// everyBranch applies ok to the literal text at the beginning and at the end of
// each alternative; whole says that there is nothing else in it.
func everyBranch(re *syntax.Regexp, ok func(first, last string, whole bool) bool) bool {
	switch re.Op {
	case syntax.OpCapture:
		return everyBranch(re.Sub[0], ok)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !everyBranch(sub, ok) {
				return false
			}
		}
		return true
	case syntax.OpLiteral:
		if lit, isLit := literal(re); isLit {
			return ok(lit, lit, true)
		}
	case syntax.OpConcat:
		subs := re.Sub
		for len(subs) > 0 && (subs[0].Op == syntax.OpBeginText || subs[0].Op == syntax.OpBeginLine) {
			subs = subs[1:]
		}
		for len(subs) > 0 && (subs[len(subs)-1].Op == syntax.OpEndText || subs[len(subs)-1].Op == syntax.OpEndLine) {
			subs = subs[:len(subs)-1]
		}
		if len(subs) == 0 {
			return false
		}
		if len(subs) == 1 {
			return everyBranch(subs[0], ok)
		}
		first, _ := literal(subs[0])
		last, _ := literal(subs[len(subs)-1])
		return ok(first, last, false)
	}
	return false
}

// literal is the text of a literal that does not fold case.
func literal(re *syntax.Regexp) (string, bool) {
	if re.Op != syntax.OpLiteral || re.Flags&syntax.FoldCase != 0 {
		return "", false
	}
	return string(re.Rune), true
}

// matchIdentity finds the first identity that a verified certificate has. The
// error names every field that was wrong, of every identity that was allowed.
func matchIdentity(ids []CertificateIdentity, leaf *x509.Certificate) (CertificateIdentity, error) {
	cert, err := certificate.SummarizeCertificate(leaf)
	if err != nil {
		return CertificateIdentity{}, &Error{Class: Untrusted, Check: CheckCertificate, Err: err}
	}
	kind, wrongKind := kindOfSAN(leaf), false
	var expected []string
	field := ""
	for _, id := range ids {
		m, err := id.matcher()
		if err != nil {
			return CertificateIdentity{}, err
		}
		sanErr := m.SubjectAlternativeName.Verify(cert)
		if sanErr == nil && !id.matchesKind(cert.SubjectAlternativeName, kind) {
			sanErr, wrongKind = fmt.Errorf("is a %s", kind), true
		}
		issuerErr := m.Issuer.Verify(cert)
		if sanErr == nil && issuerErr == nil {
			return id, nil
		}
		expected = append(expected, id.String())
		switch {
		case sanErr != nil && issuerErr != nil || field != "" && (field == "issuer") != (issuerErr != nil):
			field = "subject alternative name and issuer"
		case field == "" && sanErr != nil:
			field = "subject alternative name"
		case field == "":
			field = "issuer"
		}
	}
	if len(expected) == 0 {
		return CertificateIdentity{}, errors.New("identity: none was given")
	}
	san := text.ShowASCII(cert.SubjectAlternativeName)
	if wrongKind {
		san += " (" + kind.String() + ")"
	}
	got := san + " from " + text.ShowASCII(cert.Issuer)
	switch {
	case len(ids) == 1 && field == "subject alternative name":
		expected[0], got = exactOr(ids[0].SAN, ids[0].SANRegexp), san
	case len(ids) == 1 && field == "issuer":
		expected[0], got = exactOr(ids[0].Issuer, ids[0].IssuerRegexp), text.ShowASCII(cert.Issuer)
	}
	return CertificateIdentity{}, &Error{Class: Untrusted, Check: CheckIdentity, Field: field, Expected: strings.Join(expected, " or "), Got: got}
}

// exactOr shows a value that is expected exactly, or else the pattern.
func exactOr(value, pattern string) string {
	if value == "" {
		return "a match of " + pattern
	}
	return text.ShowASCII(value)
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}
