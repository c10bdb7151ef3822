package verify

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"facerec/internal/release"
	"facerec/internal/text"
)

// Rebuilders is who must have built a release again and got the same bytes. It is
// the caller's, like [Policy].
type Rebuilders struct {
	// Root is the trusted root; see [Rebuilders.NeedsRoot].
	Root *TrustedRoot

	// Within is how old a rebuild may be at the time Now; 0: as old as it likes.
	Within time.Duration
	Now    time.Time

	// IgnoreFailed lets pass that a listed rebuilder got other bytes. The report
	// says so, and the rebuilder does not count.
	IgnoreFailed bool

	// Given are statements that the caller has besides those that lie next to the
	// release or refer to its images.
	Given []SignatureLayer

	file    string
	require int
	list    []rebuilder
	said    release.Digest // of the file and of the keys that it names
}

// Digest is that of what the caller asks of rebuilders: who is listed, with which keys,
// how many are required, how old a rebuild may be, and whether a no is ignored. The
// time and the statements are not in it; see [Statements].
func (r Rebuilders) Digest() release.Digest {
	return release.DigestBytes(fmt.Appendf(nil, "%s %s %d %s %t", r.file, r.said, r.require, r.Within, r.IgnoreFailed))
}

// rebuilder is one of them.
type rebuilder struct {
	name   string
	policy Policy // without a root

	// workers are the keys of a server of rebuilderd, which signs links. There is no
	// policy then.
	workers []*PublicKey
}

// keys are those that an entry names.
func (r rebuilder) keys() []*PublicKey {
	if r.policy.Key != nil {
		return []*PublicKey{r.policy.Key}
	}
	return r.workers
}

// overlaps reports whether two entries are known to accept one signer.
func (r rebuilder) overlaps(other rebuilder) bool {
	if mine, theirs := r.keys(), other.keys(); mine != nil || theirs != nil {
		return slices.ContainsFunc(mine, func(a *PublicKey) bool {
			return slices.ContainsFunc(theirs, func(b *PublicKey) bool { return a.Fingerprint() == b.Fingerprint() })
		})
	}
	return overlaps(r.policy, other.policy)
}

// NeedsRoot reports whether any rebuilder is checked against a trusted root.
func (r Rebuilders) NeedsRoot() bool {
	for _, x := range r.list {
		if x.workers == nil && !x.policy.UnsafeNoTransparencyLog {
			return true
		}
	}
	return false
}

// ParseRebuilders reads a file of rebuilders: JSON as
// docs/rebuilders.schema.json has it. file only names it; require, if not 0, replaces
// the number in it; readKey reads the keys that it names. Errors are of type
// *[release.Problems].
func ParseRebuilders(file string, data []byte, require int, readKey func(name string) ([]byte, error)) (Rebuilders, error) {
	r := Rebuilders{file: file}
	h := release.NewHasher()
	add := func(raw []byte) {
		fmt.Fprintf(h, "%d:", len(raw))
		h.Write(raw)
	}
	add(data)
	read := func(name string) ([]byte, error) {
		raw, err := readKey(name)
		add(raw)
		return raw, err
	}
	parsed, err := release.ParseRebuilders(file, data, require, func(e release.Rebuilder) error {
		one := rebuilder{name: e.Name}
		var err error
		if e.Rebuilderd != nil {
			one.workers, err = workerKeys(e.Rebuilderd.Keys)
		} else {
			one.policy, err = policyOf(e, read)
		}
		if err != nil {
			return err
		}
		for _, other := range r.list {
			if one.overlaps(other) {
				return fmt.Errorf("is the identity of %s too", other.name)
			}
		}
		r.list = append(r.list, one)
		return nil
	})
	if err != nil {
		return Rebuilders{}, err
	}
	r.require, r.said = parsed.Require, h.Digest()
	return r, nil
}

// workerKeys reads the keys of workers.
func workerKeys(keys []string) (out []*PublicKey, err error) {
	for _, k := range keys {
		raw, err := base64.StdEncoding.Strict().DecodeString(k)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("key %q: expected %d bytes in base64, as rebuildctl status names them", text.Line(k, 100), ed25519.PublicKeySize)
		}
		der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(raw))
		if err != nil {
			return nil, err
		}
		out = append(out, &PublicKey{key: ed25519.PublicKey(raw), der: der})
	}
	return out, nil
}

// policyOf is what an entry's signatures must satisfy.
func policyOf(e release.Rebuilder, readKey func(string) ([]byte, error)) (Policy, error) {
	if k := e.Keyless; k != nil {
		id := CertificateIdentity{SAN: k.SAN, SANRegexp: k.SANRegexp, Issuer: k.Issuer, IssuerRegexp: k.IssuerRegexp, UnsafeLooseRegexp: k.UnsafeLooseRegexp}
		return Policy{Identities: []CertificateIdentity{id}}, id.Check()
	}
	data := []byte(e.Key.PEM)
	if e.Key.File != "" {
		var err error
		if data, err = readKey(e.Key.File); err != nil {
			return Policy{}, err
		}
	}
	key, err := ParsePublicKey(data)
	return Policy{Key: key, UnsafeNoTransparencyLog: e.Key.UnsafeNoTransparencyLog}, err
}

// overlaps reports whether two identities are known to accept one signer. Two
// patterns that differ may do so as well: that is seen when a signer is.
func overlaps(a, b Policy) bool {
	x, y := a.Identities[0], b.Identities[0]
	same := func(x, xRE, y, yRE string, plain func(string) string) bool {
		switch {
		case xRE == "" && yRE == "":
			return plain(x) == plain(y)
		case xRE == "":
			return matchesWhole(yRE, x)
		case yRE == "":
			return matchesWhole(xRE, y)
		}
		return xRE == yRE
	}
	return same(x.SAN, x.SANRegexp, y.SAN, y.SANRegexp, withoutRef) &&
		same(x.Issuer, x.IssuerRegexp, y.Issuer, y.IssuerRegexp, func(s string) string { return s })
}

func matchesWhole(pattern, s string) bool {
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	return err == nil && re.MatchString(s)
}

// withoutRef is a workflow's name without the branch or tag that it ran for: at
// another one it is the same party. Every other name is left as it is.
func withoutRef(san string) string {
	if strings.HasPrefix(san, "https://") {
		san, _, _ = strings.Cut(san, "@")
	}
	return san
}

// party names who signed, equal for all that one party signs.
func party(s Signature) string {
	if s.Key != "" {
		return s.Key
	}
	return withoutRef(s.SAN) + " from " + s.Issuer
}

// errSelf is a release's signer among its rebuilders.
var errSelf = errors.New("signed the release itself: a rebuilder must be somebody else")

// isSigner reports whether a rebuild was signed by who signed the release, or may.
func (w *walk) isSigner(s Signature) bool {
	if w.report.Signature != nil && party(*w.report.Signature) == party(s) {
		return true
	}
	if w.in.Policy.Key != nil {
		return w.in.Policy.Key.Fingerprint().String() == s.Key
	}
	for _, id := range w.in.Policy.Identities {
		if s.Key == "" && overlaps(Policy{Identities: []CertificateIdentity{id}}, Policy{Identities: []CertificateIdentity{{SAN: s.SAN, Issuer: s.Issuer}}}) {
			return true
		}
	}
	return false
}
