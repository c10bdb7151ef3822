package verify

import (
	"fmt"
	"strings"
	"time"

	"facerec/internal/release"
	"facerec/internal/text"
)

// The places a trusted root can come from.
const (
	FromFile    = "file"    // that the caller named
	FromUpdate  = "kept"    // fetched before, through TUF, and kept
	FromProgram = "carried" // by the program itself
	FromKit     = "kit"     // whose maker chose it
)

// TrustOrigin states where a trusted root came from and how old that makes it.
//
// A root does not expire by itself: keys in it have dates of their own, and an
// old copy refuses newer signatures rather than accept wrong ones. What it cannot
// know is that a key was withdrawn. So a root is used for as long as those who
// signed it stood by it (Until); for [RootLimit] after that, with a warning; and
// then no more. A file that the caller named says nothing of its age.
type TrustOrigin struct {
	From    string         `json:"from"`   // one of the From constants
	Source  string         `json:"source"` // the file, the mirror's URL, or package and version
	SHA256  release.Digest `json:"sha256"` // of trusted_root.json
	Fetched time.Time      `json:"fetched,omitzero"`
	TUFRoot int64          `json:"tuf_root,omitempty"` // version
	Until   time.Time      `json:"good_until,omitzero"`
	AgeDays *int           `json:"age_days,omitempty"` // whole days since Fetched, if that is known
	Stale   bool           `json:"stale,omitempty"`    // Until is over
}

// RootLimit is how long a root is used after those who signed it said that it
// would be good. Sigstore turns its keys over about once a year.
const RootLimit = 365 * 24 * time.Hour

// From gives the root with its origin, as of now; SHA256, AgeDays and Stale are
// filled in. A root that is past the limit comes with an error of type *[Error].
func (t *TrustedRoot) From(o TrustOrigin, now time.Time) (*TrustedRoot, error) {
	o.SHA256 = t.digest
	if !o.Fetched.IsZero() {
		days := max(0, int(now.Sub(o.Fetched)/(24*time.Hour)))
		o.AgeDays = &days
	}
	o.Stale = !o.Until.IsZero() && now.After(o.Until)
	out := &TrustedRoot{material: t.material, digest: t.digest, raw: t.raw, origin: &o, others: t.others}
	if o.Stale && now.Sub(o.Until) > RootLimit {
		return out, untrusted(CheckTrustRoot, "the %s was good until %s, over %d days ago: fetch a newer one with 'releaser trust update', or give --trusted-root FILE",
			o.name(), o.Until.Format(time.DateOnly), int(RootLimit.Hours()/24))
	}
	return out, nil
}

// Origin is where the root came from; its zero value if nobody said.
func (t *TrustedRoot) Origin() TrustOrigin {
	if t.origin == nil {
		return TrustOrigin{SHA256: t.digest}
	}
	return *t.origin
}

// Data is the file that the root was read from.
func (t *TrustedRoot) Data() []byte { return t.raw }

// RootOrigin is what a report says of the root: nil without one.
func (p Policy) RootOrigin() *TrustOrigin {
	if p.Root == nil || p.Root.origin == nil {
		return nil
	}
	return p.Root.origin
}

func (o TrustOrigin) name() string {
	switch o.From {
	case FromUpdate:
		return "root kept from " + o.Source
	case FromProgram:
		return "public-good root of " + o.Source
	}
	return "root in " + o.Source
}

// Text is the origin on one line.
func (o TrustOrigin) Text() string {
	var b strings.Builder
	b.WriteString(o.name())
	if o.TUFRoot != 0 {
		fmt.Fprintf(&b, ", TUF root %d", o.TUFRoot)
	}
	if !o.Until.IsZero() {
		b.WriteString(", good until " + o.Until.Format(time.DateOnly))
	}
	if o.AgeDays != nil {
		fmt.Fprintf(&b, ", %s old", text.Count(*o.AgeDays, "day"))
	}
	fmt.Fprintf(&b, ", %s", o.SHA256)
	return b.String()
}

// Warning is what to tell people of a root that has run out; "" for any other.
func (o TrustOrigin) Warning() string {
	if !o.Stale {
		return ""
	}
	return fmt.Sprintf("the %s was good until %s: it does not know keys that were withdrawn since; fetch a newer one with 'releaser trust update', or give --trusted-root FILE",
		o.name(), o.Until.Format(time.DateOnly))
}
