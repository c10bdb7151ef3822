package verify

import (
	"cmp"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"facerec/internal/text"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// The kinds of what a trusted root trusts.
const (
	KindAuthority = "certificate authority"
	KindCertLog   = "certificate log"
	KindLog       = "transparency log"
	KindTimestamp = "timestamp authority"
)

// Trusted is one authority or log in a trusted root.
type Trusted struct {
	Kind  string    `json:"kind"` // one of the Kind constants
	URL   string    `json:"url"`
	Name  string    `json:"name"`           // an authority's subject, a log's ID in hexadecimal
	From  time.Time `json:"from,omitzero"`  // what it signed before that is not believed
	Until time.Time `json:"until,omitzero"` // nor what it signed after; zero means that it is in use
}

// Contents lists the authorities and logs of the root by kind, then by the time
// from which they are believed.
func (t *TrustedRoot) Contents() []Trusted {
	var out []Trusted
	for _, one := range t.each() {
		out = append(out, one.contents()...)
	}
	slices.SortFunc(out, func(a, b Trusted) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.From.Compare(b.From), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (t *TrustedRoot) contents() []Trusted {
	var out []Trusted
	for _, ca := range t.material.FulcioCertificateAuthorities() {
		if f, ok := ca.(*root.FulcioCertificateAuthority); ok {
			out = append(out, Trusted{KindAuthority, f.URI, subject(f.Root, f.Intermediates), f.ValidityPeriodStart.UTC(), f.ValidityPeriodEnd.UTC()})
		}
	}
	logs := func(kind string, of map[string]*root.TransparencyLog) {
		for _, l := range of {
			out = append(out, Trusted{kind, l.BaseURL, hex.EncodeToString(l.ID), l.ValidityPeriodStart.UTC(), l.ValidityPeriodEnd.UTC()})
		}
	}
	logs(KindCertLog, t.material.CTLogs())
	logs(KindLog, t.material.RekorLogs())
	for _, ta := range t.material.TimestampingAuthorities() {
		if s, ok := ta.(*root.SigstoreTimestampingAuthority); ok {
			out = append(out, Trusted{KindTimestamp, s.URI, subject(s.Root, append([]*x509.Certificate{s.Leaf}, s.Intermediates...)), s.ValidityPeriodStart.UTC(), s.ValidityPeriodEnd.UTC()})
		}
	}
	return out
}

// subject is the name of the certificate that signs: the first below the anchor.
func subject(anchor *x509.Certificate, below []*x509.Certificate) string {
	for _, c := range append(below, anchor) {
		if c != nil {
			return text.Line(c.Subject.String(), maxErrorText)
		}
	}
	return ""
}
