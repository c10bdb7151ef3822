package verify

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"

	"facerec/internal/text"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
)

// times holds every time of signing that a bundle offers to more than the
// library's thresholds, and gives those that are good, authorities before logs.
//
// The library is content with one timestamp of each authority and with one entry
// of each log, and reads over the others. Here a log's promise that is there must
// be good; of the timestamps at least one must be by an authority of the root,
// and each that is must lie within the certificate's time. And as an entry of
// Rekor version 2 has no time of its own, its log's key must have been in use at
// the time of signing.
func (p Policy) times(b *sgbundle.Bundle, cert *x509.Certificate, m *material) ([]Timestamp, error) {
	if p.UnsafeNoTransparencyLog {
		return nil, nil
	}
	stamped, err := m.stamped(b)
	if err != nil {
		return nil, err
	}
	logged, err := p.logged(b)
	if err != nil {
		return nil, err
	}
	all := append(stamped, logged...)
	for _, t := range all {
		if cert != nil && (t.Time.Before(cert.NotBefore) || t.Time.After(cert.NotAfter)) {
			return nil, &Error{Class: Untrusted, Check: CheckCertificate, Field: "time of signing by the " + t.Source,
				Expected: span(cert.NotBefore, cert.NotAfter), Got: t.Time.Format(time.RFC3339)}
		}
		if err := p.logInUse(b, t.Time); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// material is a trusted root whose authorities are asked about each timestamp once:
// the library asks them, and then [Policy.times] does.
type material struct {
	*root.TrustedRoot
	authorities []root.TimestampingAuthority
}

func newMaterial(r *root.TrustedRoot) *material {
	m := &material{TrustedRoot: r}
	for _, a := range r.TimestampingAuthorities() {
		m.authorities = append(m.authorities, &askedOnce{a, map[question]answer{}})
	}
	return m
}

// TimestampingAuthorities implements [root.TrustedMaterial].
func (m *material) TimestampingAuthorities() []root.TimestampingAuthority { return m.authorities }

// askedOnce is an authority that remembers what it said.
type askedOnce struct {
	root.TimestampingAuthority
	said map[question]answer
}

type question struct{ timestamp, signature string }

type answer struct {
	at  *root.Timestamp
	err error
}

// Verify implements [root.TimestampingAuthority].
func (a *askedOnce) Verify(timestamp, signature []byte) (*root.Timestamp, error) {
	q := question{string(timestamp), string(signature)}
	said, ok := a.said[q]
	if !ok {
		said.at, said.err = a.TimestampingAuthority.Verify(timestamp, signature)
		a.said[q] = said
	}
	return said.at, said.err
}

// stamped gives the timestamps by authorities of the root.
func (m *material) stamped(b *sgbundle.Bundle) ([]Timestamp, error) {
	offered, err := b.Timestamps()
	if err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckTimestamp, Err: err}
	}
	content, err := b.SignatureContent()
	if err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckTimestamp, Err: err}
	}
	var good []Timestamp
	for _, raw := range offered {
		for _, authority := range m.authorities {
			if t, err := authority.Verify(raw, content.Signature()); err == nil {
				good = append(good, Timestamp{Source: "timestamp authority", URI: t.URI, Time: t.Time.UTC()})
				break
			}
		}
	}
	if len(offered) > 0 && len(good) == 0 && len(m.authorities) > 0 {
		return nil, untrusted(CheckTimestamp, "none of the %d timestamps in the bundle holds", len(offered))
	}
	return good, nil
}

// logged gives the times that logs of the root promised.
func (p Policy) logged(b *sgbundle.Bundle) ([]Timestamp, error) {
	entries, err := b.TlogEntries()
	if err != nil {
		return nil, &Error{Class: Untrusted, Check: CheckLog, Err: err}
	}
	logs := p.Root.material.RekorLogs()
	var good []Timestamp
	for i, e := range entries {
		log, known := logs[fmt.Sprintf("%x", e.LogKeyID())]
		if !known || !e.HasInclusionPromise() {
			continue
		}
		if err := tlog.VerifySET(e, logs); err != nil {
			return nil, &Error{Class: Untrusted, Check: CheckLog, Field: fmt.Sprintf("promise of entry %d", i+1), Err: err}
		}
		good = append(good, Timestamp{Source: "transparency log", URI: log.BaseURL, Time: e.IntegratedTime().UTC()})
	}
	return good, nil
}

// logInUse wants a log of the root among those of the bundle whose key was in use.
func (p Policy) logInUse(b *sgbundle.Bundle, at time.Time) error {
	logs := p.Root.material.RekorLogs()
	var refused error
	for _, e := range b.GetVerificationMaterial().GetTlogEntries() {
		log, known := logs[fmt.Sprintf("%x", e.GetLogId().GetKeyId())]
		if !known {
			continue
		}
		if !at.Before(log.ValidityPeriodStart) && (log.ValidityPeriodEnd.IsZero() || !at.After(log.ValidityPeriodEnd)) {
			return nil
		}
		refused = &Error{Class: Untrusted, Check: CheckLog, Field: "time of the key of " + or(text.Line(log.BaseURL, maxErrorText), "the log"),
			Expected: span(log.ValidityPeriodStart, log.ValidityPeriodEnd), Got: "a signature of " + at.Format(time.RFC3339)}
	}
	return refused
}

func span(from, until time.Time) string {
	if until.IsZero() {
		return "from " + from.UTC().Format(time.RFC3339)
	}
	return from.UTC().Format(time.RFC3339) + " to " + until.UTC().Format(time.RFC3339)
}

// noRoots refuses a chain that brings its own anchor: signers must not include
// one (sigstore/protobuf-specs, bundle.proto), and a verifier that were to believe
// it would believe anybody.
func noRoots(chain *protocommon.X509CertificateChain) error {
	for i, c := range chain.GetCertificates() {
		cert, err := x509.ParseCertificate(c.GetRawBytes())
		if err != nil {
			return &Error{Class: Untrusted, Check: CheckBundle, Field: fmt.Sprintf("certificate %d of the chain", i+1), Err: err}
		}
		if bytes.Equal(cert.RawSubject, cert.RawIssuer) && len(cert.RawSubject) > 2 { // a leaf of Fulcio's has an empty subject
			return &Error{Class: Untrusted, Check: CheckBundle, Field: fmt.Sprintf("certificate %d of the chain", i+1),
				Expected: "a leaf or an intermediate", Got: "a root, " + text.Line(cert.Subject.String(), maxErrorText)}
		}
	}
	return nil
}
