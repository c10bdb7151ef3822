package verify

import (
	"bytes"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	sgverify "github.com/sigstore/sigstore-go/pkg/verify"

	"facerec/internal/release"
)

// Policy is what a signature must satisfy. It is fixed by the caller and never
// by the bundle.
type Policy struct {
	// Root is the trusted root. It is required unless UnsafeNoTransparencyLog is
	// set.
	Root *TrustedRoot

	// Key is the managed key that must have signed. Identities are who must have
	// signed keylessly; one of them is enough. Exactly one of the two must be set.
	Key        *PublicKey
	Identities []CertificateIdentity

	// Protocol follows the public protocol of Sigstore's conformance suite where
	// it differs from the rules for releases: a managed key's signature needs a
	// log entry and no time, and a certificate chain with a root in it is refused.
	Protocol bool

	// UnsafeNoTransparencyLog accepts a managed key's signature without a log
	// entry and without a timestamp; neither is looked at. Whoever holds the key
	// can then sign in secret and backdate. The result says so.
	UnsafeNoTransparencyLog bool

	// GitHubPrivate is the policy for attestations of private repositories, which
	// GitHub's own instance signs: a certificate and a timestamp by its authorities,
	// and no log of either. Roots of instances that have a transparency log are not
	// used with it. The result says so.
	GitHubPrivate bool
}

// Empty reports whether the policy names no signer. Nothing satisfies it.
func (p Policy) Empty() bool { return p.Key == nil && len(p.Identities) == 0 }

// expected names whom the policy expects, one entry for each.
func (p Policy) expected() []string {
	var out []string
	for _, id := range p.Identities {
		out = append(out, id.String())
	}
	if p.Key != nil {
		out = append(out, "key "+p.Key.Fingerprint().String())
	}
	return out
}

// Artifact is what was signed.
type Artifact struct {
	data   io.Reader
	digest release.Digest // SHA-256, if it is known

	algorithm string // of sum; "" with data
	sum       []byte
}

// Data is an artifact by its bytes. They are read once.
func Data(r io.Reader) Artifact { return Artifact{data: r} }

// Digest is an artifact by its SHA-256 alone. A signature that is over another
// hash, or over the bytes themselves (plain Ed25519), cannot be checked so.
func Digest(d release.Digest) Artifact {
	sum := d.Bytes()
	return Artifact{digest: d, algorithm: "sha256", sum: sum[:]}
}

// ParseDigest reads an artifact by its digest: "sha256:HEX", "sha384:HEX" or
// "sha512:HEX". The longer ones serve attestations about npm packages, which
// name their subjects so.
func ParseDigest(s string) (Artifact, error) {
	algorithm, digits, _ := strings.Cut(s, ":")
	sizes := map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}
	size, ok := sizes[algorithm]
	if !ok {
		return Artifact{}, fmt.Errorf("digest %q: expected sha256:HEX, sha384:HEX or sha512:HEX", s)
	}
	sum, err := hex.DecodeString(digits)
	if err != nil || len(sum) != size {
		return Artifact{}, fmt.Errorf("digest %q: expected %s: and %d hexadecimal digits, got %d characters", s, algorithm, 2*size, len(digits))
	}
	if algorithm == "sha256" {
		return Digest(release.DigestOf([32]byte(sum))), nil
	}
	return Artifact{algorithm: algorithm, sum: sum}, nil
}

// SHA256 is the artifact's. One that is given by its bytes is read to the end and
// must be an [io.Seeker]; it is then at its beginning again.
func (a Artifact) SHA256() (release.Digest, error) {
	if a.data == nil {
		return a.digest, nil
	}
	h := newHashWatch(a)
	if _, err := io.Copy(io.Discard, h); err != nil {
		return release.Digest{}, err
	}
	return h.hash.Digest(), a.rewind()
}

// Signature is what was proven about a signature, and by what.
type Signature struct {
	MediaType string `json:"media_type"` // of the bundle
	Form      string `json:"form"`       // "message" or "dsse"

	Key      string               `json:"key,omitempty"`      // fingerprint of the managed key
	SAN      string               `json:"san,omitempty"`      // of the certificate
	Issuer   string               `json:"issuer,omitempty"`   // of the certificate
	Identity *CertificateIdentity `json:"identity,omitempty"` // the allowed one that matched

	LogEntries []LogEntry  `json:"log_entries,omitempty"`
	Timestamps []Timestamp `json:"timestamps,omitempty"`
	SCT        bool        `json:"sct"` // the certificate's own log entry was checked

	PredicateType string `json:"predicate_type,omitempty"` // of an in-toto statement
	Statement     []byte `json:"-"`                        // its verified bytes

	// Unchecked names what the policy let pass, in words for people.
	Unchecked []string `json:"unchecked,omitempty"`

	// Refused lists the other bundles of the file, or trusted roots, that did not
	// hold.
	Refused []string `json:"refused,omitempty"`
}

// LogEntry is one entry of a transparency log that the bundle carries.
type LogEntry struct {
	Log   string `json:"log"`   // base URL, from the trusted root
	Index int64  `json:"index"` // in that log
}

// Timestamp is one verified time of signing.
type Timestamp struct {
	Source string    `json:"source"` // "timestamp authority" or "transparency log"
	URI    string    `json:"uri,omitempty"`
	Time   time.Time `json:"time"` // UTC
}

// Who is the signer on one line.
func (s Signature) Who() string {
	if s.Key != "" {
		return "key " + s.Key
	}
	return s.SAN + " from " + s.Issuer
}

// hintRule is how a bundle must name the managed key. The name proves nothing,
// and signers choose different ones; but it is the one field of a bundle that
// nothing else protects. For a release it must be the key's fingerprint, as
// releaser and cosign write it.
type hintRule bool

const (
	anyHint   hintRule = false
	exactHint hintRule = true
)

func (p Policy) check(b *sgbundle.Bundle, a Artifact, hint hintRule) (s Signature, err error) {
	defer recovered(CheckBundle, &err)
	var m *material
	if p.Root != nil {
		m = newMaterial(p.Root.material)
	}
	verifier, err := p.verifier(m)
	if err != nil {
		return Signature{}, err
	}
	content, err := b.VerificationContent()
	if err != nil {
		return Signature{}, &Error{Class: Untrusted, Check: CheckBundle, Err: err}
	}
	cert := content.Certificate()
	switch {
	case p.Key != nil && cert != nil:
		who := "a certificate"
		if sum, err := certificate.SummarizeCertificate(cert); err == nil {
			who += " of " + sum.SubjectAlternativeName
		}
		return Signature{}, &Error{Class: Untrusted, Check: CheckIdentity, Field: "signer", Expected: "the managed key " + p.Key.Fingerprint().String(), Got: who}
	case p.Key == nil && cert == nil:
		return Signature{}, &Error{Class: Untrusted, Check: CheckIdentity, Field: "signer", Expected: "a certificate", Got: "a managed key"}
	}
	if p.Protocol {
		if err := noRoots(b.GetVerificationMaterial().GetX509CertificateChain()); err != nil {
			return Signature{}, err
		}
	}
	if pk := content.PublicKey(); hint == exactHint && p.Key != nil && pk != nil && pk.Hint() != p.Key.hint() {
		return Signature{}, &Error{Class: Untrusted, Check: CheckIdentity, Field: "publicKey.hint", Expected: p.Key.hint(), Got: strconv.Quote(pk.Hint())}
	}
	options, err := p.identityOptions()
	if err != nil {
		return Signature{}, err
	}

	watch := newHashWatch(a)
	var said statement
	if env := b.GetDsseEnvelope(); env != nil {
		if said, err = readStatement(env.GetPayload()); err != nil {
			return Signature{}, &Error{Class: Untrusted, Check: CheckBundle, Field: "statement", Err: err}
		}
	}
	if as, bytes := envelopeAsMessage(b); as != nil {
		// The library would not take this log entry for an envelope's.
		if _, err := verifier.Verify(as, sgverify.NewPolicy(sgverify.WithArtifact(bytes), options...)); err != nil {
			return Signature{}, p.explain(err, b, watch)
		}
		if err := watch.among(said); err != nil {
			return Signature{}, err
		}
	} else if _, err := verifier.Verify(b, sgverify.NewPolicy(watch.option(), options...)); err != nil {
		return Signature{}, p.explain(err, b, watch)
	}
	times, err := p.times(b, cert, m)
	if err != nil {
		return Signature{}, err
	}
	return p.describe(b, cert, said, times)
}

func (p Policy) verifier(m *material) (*sgverify.Verifier, error) {
	var all root.TrustedMaterialCollection
	var opts []sgverify.VerifierOption
	switch {
	case (p.Key == nil) == (len(p.Identities) == 0):
		return nil, untrusted(CheckIdentity, "expected a public key or at least one identity, not both")
	case p.UnsafeNoTransparencyLog && p.Key == nil:
		return nil, untrusted(CheckLog, "a certificate cannot be checked without a transparency log; only a managed key can")
	case p.UnsafeNoTransparencyLog:
		opts = append(opts, sgverify.WithNoObserverTimestamps())
	case p.Root == nil:
		return nil, untrusted(CheckTrustRoot, "expected a trusted root file; none was given")
	case p.GitHubPrivate && p.Key != nil:
		return nil, untrusted(CheckIdentity, "GitHub's private instance signs with certificates, got a managed key")
	case p.GitHubPrivate && len(p.Root.material.RekorLogs()) > 0:
		return nil, untrusted(CheckTrustRoot, "expected the root of GitHub's private instance, got one of an instance with a transparency log")
	case p.GitHubPrivate:
		opts = append(opts, sgverify.WithSignedTimestamps(1))
	case p.Protocol && p.Key != nil:
		opts = append(opts, sgverify.WithTransparencyLog(1), sgverify.WithNoObserverTimestamps())
	default:
		opts = append(opts, sgverify.WithTransparencyLog(1), sgverify.WithObserverTimestamps(1))
	}
	if p.Key != nil {
		key, err := p.Key.material()
		if err != nil {
			return nil, err
		}
		all = append(all, key)
	} else if !p.GitHubPrivate {
		opts = append(opts, sgverify.WithSignedCertificateTimestamps(1))
	}
	if m != nil {
		all = append(all, m)
	}
	v, err := sgverify.NewVerifier(all, opts...)
	if err != nil {
		return nil, &Error{Class: Failed, Check: CheckTrustRoot, Err: err}
	}
	return v, nil
}

func (p Policy) identityOptions() ([]sgverify.PolicyOption, error) {
	if p.Key != nil {
		return []sgverify.PolicyOption{sgverify.WithKey()}, nil
	}
	var opts []sgverify.PolicyOption
	for _, id := range p.Identities {
		m, err := id.matcher()
		if err != nil {
			return nil, &Error{Class: Untrusted, Check: CheckIdentity, Err: err}
		}
		opts = append(opts, sgverify.WithCertificateIdentity(m))
	}
	return opts, nil
}

func (p Policy) describe(b *sgbundle.Bundle, cert *x509.Certificate, said statement, times []Timestamp) (Signature, error) {
	s := Signature{MediaType: b.GetMediaType(), Form: "message"}
	if env := b.GetDsseEnvelope(); env != nil {
		s.Form, s.Statement, s.PredicateType = "dsse", env.GetPayload(), said.PredicateType
	}
	if p.Key != nil {
		s.Key = p.Key.Fingerprint().String()
	} else {
		summary, err := certificate.SummarizeCertificate(cert)
		if err != nil {
			return Signature{}, &Error{Class: Untrusted, Check: CheckCertificate, Err: err}
		}
		id, err := matchIdentity(p.Identities, cert)
		if err != nil {
			return Signature{}, err
		}
		s.SAN, s.Issuer, s.Identity, s.SCT = summary.SubjectAlternativeName, summary.Issuer, &id, !p.GitHubPrivate
	}
	if p.GitHubPrivate {
		s.Unchecked = append(s.Unchecked, "the policy of GitHub's private instance: no transparency log and no certificate log was checked")
	}
	if p.UnsafeNoTransparencyLog {
		s.Unchecked = append(s.Unchecked, "no transparency log was checked", "no time of signing was checked")
		return s, nil
	}
	logs := p.Root.material.RekorLogs()
	for _, e := range b.GetVerificationMaterial().GetTlogEntries() {
		// Entries of logs that the root does not know were skipped.
		if log, ok := logs[fmt.Sprintf("%x", e.GetLogId().GetKeyId())]; ok {
			s.LogEntries = append(s.LogEntries, LogEntry{Log: log.BaseURL, Index: e.GetLogIndex()})
		}
	}
	s.Timestamps = times
	if len(times) == 0 {
		s.Unchecked = append(s.Unchecked, "no time of signing was checked")
	}
	return s, nil
}

// stepOf tells from the words the library puts before an error which of its
// checks failed. TestSteps sees each of them.
var stepOf = []struct{ prefix, step string }{
	{"failed to verify log inclusion: ", CheckLog},
	{"failed to verify timestamps: ", CheckTimestamp},
	{"failed to verify leaf certificate: ", CheckCertificate},
	{"failed to summarize certificate: ", CheckCertificate},
	{"must provide timestamp to verify certificate", CheckTimestamp},
	{"failed to verify signed certificate timestamp: ", CheckSCT},
	{"failed to get signature verifier: ", CheckSignature},
	{"failed to verify signature: ", CheckSignature},
	{"failed to verify certificate identity: ", CheckIdentity},
}

// explain turns an error of the library into one that names step, expected and
// got.
func (p Policy) explain(err error, b *sgbundle.Bundle, watch *hashWatch) error {
	var mine *Error
	if errors.As(err, &mine) {
		return mine
	}
	if watch.err != nil {
		return &Error{Class: Failed, Check: CheckSignature, Field: "artifact", Err: watch.err}
	}
	step := CheckBundle
	for _, s := range stepOf {
		if rest, ok := strings.CutPrefix(err.Error(), s.prefix); ok {
			step, err = s.step, errors.New(or(rest, s.prefix))
			break
		}
	}
	e := &Error{Class: Untrusted, Check: step, Err: err}
	switch step {
	case CheckIdentity:
		if content, cerr := b.VerificationContent(); cerr == nil && content.Certificate() != nil {
			if _, merr := matchIdentity(p.Identities, content.Certificate()); errors.As(merr, &mine) {
				return mine
			}
		}
	case CheckSignature:
		if expected, got, ok := watch.mismatch(b); ok {
			return &Error{Class: Untrusted, Check: CheckSignature, Field: "sha256 of the artifact", Expected: expected, Got: got}
		}
	case CheckLog:
		if len(b.GetVerificationMaterial().GetTlogEntries()) == 0 {
			e.Field, e.Expected, e.Got, e.Err = "entries", "at least 1", "none", unlogged(b)
		}
	}
	return e
}

// unlogged says what a certificate without a log entry leaves open; nil for a key.
func unlogged(b *sgbundle.Bundle) error {
	content, err := b.VerificationContent()
	if err != nil || content.Certificate() == nil {
		return nil //nolint:nilerr // a key, or nothing to say more of
	}
	c := content.Certificate()
	return fmt.Errorf("the certificate was good from %s to %s, and nothing shows that it signed this then", c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
}

// hashWatch hashes an artifact while the library reads it, so that a mismatch
// can be shown in the hash that people compare.
type hashWatch struct {
	a    Artifact
	hash *digester
	err  error // of the reader
}

func newHashWatch(a Artifact) *hashWatch { return &hashWatch{a: a, hash: newDigester()} }

func (w *hashWatch) Read(p []byte) (int, error) {
	n, err := w.a.data.Read(p)
	w.hash.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

func (w *hashWatch) option() sgverify.ArtifactPolicyOption {
	if w.a.data == nil {
		return sgverify.WithArtifactDigest(w.a.algorithm, w.a.sum)
	}
	return sgverify.WithArtifact(w)
}

// among wants the artifact among the subjects of a statement, as the library does.
func (w *hashWatch) among(s statement) error {
	sums := map[string][]byte{w.a.algorithm: w.a.sum}
	if w.a.data != nil {
		h384, h512 := sha512.New384(), sha512.New()
		if _, err := io.Copy(io.MultiWriter(h384, h512), w); err != nil {
			return &Error{Class: Failed, Check: CheckSignature, Field: "artifact", Err: err}
		}
		h256 := w.hash.Digest().Bytes()
		sums = map[string][]byte{"sha256": h256[:], "sha384": h384.Sum(nil), "sha512": h512.Sum(nil)}
	}
	for _, subject := range s.Subject {
		for _, algorithm := range []string{"sha256", "sha384", "sha512"} {
			want, err := hex.DecodeString(subject.Digest[algorithm])
			if err == nil && len(want) > 0 && bytes.Equal(want, sums[algorithm]) {
				return nil
			}
		}
	}
	return &Error{Class: Untrusted, Check: CheckSignature, Field: "artifact", Expected: "one of the subjects of the statement", Got: "another file"}
}

// mismatch says what the bundle signs and what the artifact is, if they differ.
func (w *hashWatch) mismatch(b *sgbundle.Bundle) (expected, got string, differs bool) {
	actual := w.a.digest
	if w.a.data != nil {
		if _, err := io.Copy(io.Discard, w); err != nil { // what the library left unread
			return "", "", false
		}
		actual = w.hash.Digest()
	} else if actual.IsZero() {
		return "", "", false
	}
	if m := b.GetMessageSignature(); m != nil {
		d := m.GetMessageDigest()
		if d.GetAlgorithm() != protocommon.HashAlgorithm_SHA2_256 {
			return "", "", false
		}
		sum := actual.Bytes()
		return fmt.Sprintf("sha256:%x", d.GetDigest()), actual.String(), !bytes.Equal(d.GetDigest(), sum[:])
	}
	said, err := readStatement(b.GetDsseEnvelope().GetPayload())
	subjects := said.digests()
	if err != nil || len(subjects) == 0 {
		return "", "", false
	}
	for _, s := range subjects {
		if strings.EqualFold(s, actual.Hex()) {
			return "", "", false
		}
	}
	expected = "sha256:" + strings.Join(subjects[:min(len(subjects), 3)], " or sha256:")
	if len(subjects) > 3 {
		expected += fmt.Sprintf(" or one of %d more", len(subjects)-3)
	}
	return expected, actual.String(), true
}
