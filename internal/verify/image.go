package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/text"
)

// ImageSchema is the first field of an image report's JSON form.
const ImageSchema = "releaser.verify-image/v1"

// SignatureLayer is a layer of something that is attached to an image and may be a
// signature or an attestation.
type SignatureLayer struct {
	Place       string // where it was found, for people
	MediaType   string // of the layer; see IsSignatureLayer
	Annotations map[string]string

	// Read reads the layer, checked against its digest. It is called once, when
	// the layer's turn comes, and what it returns is not kept.
	Read func(context.Context) ([]byte, error)
}

var bundleLayer = text.Pattern(`^application/vnd\.dev\.sigstore\.bundle[.+]`)

// IsSignatureLayer reports whether a layer of a media type can be a signature or an
// attestation: a bundle, a payload of simple signing, or a DSSE envelope.
func IsSignatureLayer(mediaType string) bool {
	return mediaType == mediaSimpleSigning || mediaType == mediaEnvelope || bundleLayer().MatchString(mediaType)
}

// How many signatures and attestations of one image and of all its manifests are
// looked at, and how many bytes they may have together. Each is read, verified and
// dropped before the next.
const (
	MaxSignatureLayers = 1000
	MaxSignatureBytes  = 64 << 20
)

// signatureBudget is what is left of these.
type signatureBudget struct {
	layers int
	bytes  int64
}

// take counts a layer before it is read, read the bytes that it turned out to have.
func (b *signatureBudget) take() error {
	if b.layers--; b.layers < 0 {
		return fmt.Errorf("only the first %d signatures and attestations were checked", MaxSignatureLayers)
	}
	if b.bytes < 0 {
		return fmt.Errorf("only the first %d bytes of signatures and attestations were checked", MaxSignatureBytes)
	}
	return nil
}

func (b *signatureBudget) read(data []byte) { b.bytes -= int64(len(data)) }

// ImageSubject is an index or a manifest, and what is attached to it.
type ImageSubject struct {
	Digest   release.Digest
	Platform string // of a manifest in an index; "" for what the reference names
	Layers   []SignatureLayer
	Problems []error // places that could not be looked at
}

// ImageInput is an image to be verified.
type ImageInput struct {
	Ref      string         // for the report
	Subjects []ImageSubject // what the reference names, then the manifests in it; at least one
	Policy   Policy

	// EveryPlatform asks for a signature of every manifest. Without, the index's
	// is enough, for it names the manifests by their digests.
	EveryPlatform bool

	// Attestations are asked for besides the signature. Each must be about what
	// the reference names, or else about every manifest in it.
	Attestations []AttestationType
}

// Proven is a signature or attestation that holds, and where it stands.
type Proven struct {
	Place string `json:"place"`
	Signature
}

// Refusal is a signature or attestation that does not hold.
type Refusal struct {
	Place string `json:"place"`
	Why   string `json:"why"`
}

// SubjectReport is what was found next to an index or a manifest.
type SubjectReport struct {
	Digest   release.Digest `json:"digest"`
	Platform string         `json:"platform,omitempty"`
	Status   Status         `json:"status"`
	Class    *Class         `json:"class,omitempty"`
	Detail   string         `json:"detail"`
	Field    string         `json:"field,omitempty"`
	Expected string         `json:"expected,omitempty"`
	Got      string         `json:"got,omitempty"`

	Signatures   []Proven  `json:"signatures"`
	Attestations []Proven  `json:"attestations"`
	Refused      []Refusal `json:"refused"`
}

// ImageReport is what a verification of an image came to.
type ImageReport struct {
	Schema    string          `json:"schema"`
	Verified  bool            `json:"verified"`
	Verdict   string          `json:"verdict"` // "verified", or the class that decided
	ExitCode  int             `json:"exit_code"`
	Ref       string          `json:"ref"`
	Expected  []string        `json:"expected_signers"`
	TrustRoot *TrustOrigin    `json:"trust_root,omitempty"`
	Unchecked []string        `json:"unchecked,omitempty"` // what the caller waived, in words
	Subjects  []SubjectReport `json:"subjects"`
}

// Image checks the signatures and attestations of an image. Everything attached to it
// is looked at, whatever else was found: one that holds is enough, and those that
// do not are listed with the reason, for anybody who may write to a repository
// can attach things to an image.
//
// A signature is a statement of predicate type [PredicateSign] or a payload of
// simple signing, about the digest itself. An attestation is none: that somebody
// described an image does not say that they vouch for it.
func Image(ctx context.Context, in ImageInput) ImageReport {
	r := ImageReport{Schema: ImageSchema, Ref: in.Ref, Expected: in.Policy.expected(), TrustRoot: in.Policy.RootOrigin(), Subjects: []SubjectReport{}}
	if len(in.Subjects) == 0 {
		r.Verdict, r.ExitCode = Incomplete.String(), Incomplete.ExitCode()
		return r
	}
	budget := &signatureBudget{MaxSignatureLayers, MaxSignatureBytes}
	for i, s := range in.Subjects {
		sr := in.look(ctx, s, budget)
		if i > 0 && !in.EveryPlatform && len(sr.Signatures) == 0 {
			sr.inheritFrom(r.Subjects[0])
		}
		r.Subjects = append(r.Subjects, sr)
	}
	for _, t := range in.Attestations {
		attested(r.Subjects, t)
	}
	r.finish()
	return r
}

// inheritFrom is for a manifest that needs no signature of its own: it is as good as
// the index that names it, which has its own line.
func (r *SubjectReport) inheritFrom(index SubjectReport) {
	r.Class, r.Field, r.Expected, r.Got = nil, "", "", ""
	r.Status, r.Detail = Pass, "covered by the signature of the index"
	if index.Status != Pass {
		r.Status, r.Detail = Skip, "not signed itself; no signature was requested"
	}
}

// look verifies all that is attached to one manifest.
func (in ImageInput) look(ctx context.Context, s ImageSubject, budget *signatureBudget) SubjectReport {
	r := SubjectReport{Digest: s.Digest, Platform: s.Platform, Signatures: []Proven{}, Attestations: []Proven{}, Refused: []Refusal{}}
	var closest *Error // the refusal that got furthest
	for _, a := range s.Layers {
		if !IsSignatureLayer(a.MediaType) {
			continue
		}
		if err := budget.take(); err != nil {
			s.Problems = append(s.Problems, err)
			break
		}
		data, err := a.Read(ctx)
		budget.read(data)
		var sig Signature
		var signs bool
		if err == nil {
			sig, signs, err = in.Policy.layer(a, data, s.Digest)
		}
		place := text.Line(a.Place, maxErrorText)
		switch {
		case err != nil:
			r.Refused = append(r.Refused, Refusal{place, text.Line(err.Error(), maxErrorText)})
			var e *Error
			if errors.As(err, &e) && (closest == nil || slices.Index(steps, e.Check) > slices.Index(steps, closest.Check)) {
				closest = e
			}
		case signs:
			r.Signatures = append(r.Signatures, Proven{place, sig})
		default:
			r.Attestations = append(r.Attestations, Proven{place, sig})
		}
	}
	for _, p := range s.Problems {
		r.Refused = append(r.Refused, Refusal{"registry", text.Line(p.Error(), maxErrorText)})
	}
	switch {
	case len(r.Signatures) > 0:
		r.Status, r.Detail = Pass, r.Signatures[0].Text()
	case len(s.Problems) > 0:
		r.fail(fmt.Errorf("no signature was found, and not every place could be read: %w", s.Problems[0]))
	case closest != nil:
		r.fail(closest)
	case len(r.Attestations) > 0:
		r.fail(&Error{Class: Untrusted, Check: CheckSignature, Field: "predicate type", Expected: PredicateSign, Got: r.Attestations[0].PredicateType + ", which describes the image and does not sign it"})
	default:
		r.fail(&Error{Class: Untrusted, Check: CheckSignature, Expected: "one attached to the image", Got: "none"})
	}
	return r
}

// steps in the order in which they are taken.
var steps = []string{CheckTrustRoot, CheckBundle, CheckLog, CheckTimestamp, CheckCertificate, CheckSCT, CheckSignature, CheckIdentity}

func (r *SubjectReport) fail(err error) {
	s := failure("", "", "", err)
	r.Status, r.Class, r.Detail, r.Field, r.Expected, r.Got = Fail, s.Class, s.Detail, s.Field, s.Expected, s.Got
}

// layer verifies one layer over a manifest's digest, and reports whether it is a
// signature of it.
func (p Policy) layer(a SignatureLayer, data []byte, image release.Digest) (s Signature, signs bool, err error) {
	switch a.MediaType {
	case mediaSimpleSigning:
		bundle, err := bundleOfSignature(data, a.Annotations)
		if err != nil {
			return Signature{}, false, &Error{Class: Untrusted, Check: CheckBundle, Err: err}
		}
		s, err := blob(bundle, Data(bytes.NewReader(data)), p, anyHint)
		if err != nil {
			return Signature{}, false, err
		}
		s.MediaType = a.MediaType // the bundle was made here
		return s, true, signsImage(data, image)
	case mediaEnvelope:
		bundle, err := bundleOfEnvelope(data, a.Annotations)
		if err != nil {
			return Signature{}, false, &Error{Class: Untrusted, Check: CheckBundle, Err: err}
		}
		s, err := blob(bundle, Digest(image), p, anyHint)
		s.MediaType = a.MediaType
		return s, s.PredicateType == PredicateSign, err
	}
	s, err = blob(data, Digest(image), p, anyHint)
	if err == nil && s.Form != "dsse" {
		// A signature over the bytes of a manifest as of any file: its signer need
		// not have known that it is an image.
		err = &Error{Class: Untrusted, Check: CheckSignature, Field: "content", Expected: "a statement about the image", Got: "a signature over a file"}
	}
	return s, s.PredicateType == PredicateSign, err
}

// attested checks that the image has one kind of attestation.
func attested(all []SubjectReport, t AttestationType) {
	has := func(r SubjectReport) bool {
		return slices.ContainsFunc(r.Attestations, func(p Proven) bool { return t.matches(p.PredicateType) })
	}
	if has(all[0]) || len(all) > 1 && !slices.ContainsFunc(all[1:], func(r SubjectReport) bool { return !has(r) }) {
		return
	}
	r := &all[0]
	if r.Status == Fail {
		return // it says already why the image is not trusted
	}
	var got []string
	for _, p := range r.Attestations {
		got = append(got, p.PredicateType)
	}
	r.fail(&Error{Class: Untrusted, Check: "attestation", Field: t.Name, Expected: strings.Join(t.Predicates, " or "), Got: or(strings.Join(got, ", "), "none")})
}

func (r *ImageReport) finish() {
	if len(r.Subjects[0].Signatures) > 0 {
		r.Unchecked = r.Subjects[0].Signatures[0].Unchecked
	}
	for _, class := range severity {
		if slices.ContainsFunc(r.Subjects, func(s SubjectReport) bool { return s.Class != nil && *s.Class == class }) {
			r.Verified, r.Verdict, r.ExitCode = false, class.String(), class.ExitCode()
			return
		}
	}
	r.Verified, r.Verdict = true, "verified"
}

// JSON is the report as one document with a line feed at its end.
func (r ImageReport) JSON() ([]byte, error) {
	return text.JSON(r)
}

// Text is the report for people: a line for each manifest, below it what else
// was found and what was expected, and a verdict at the end.
func (r ImageReport) Text() string {
	var b strings.Builder
	for _, s := range r.Subjects {
		word := map[Status]string{Pass: "ok", Fail: "FAIL", Skip: "skip"}[s.Status]
		fmt.Fprintf(&b, "%-4s  %-15s  %s: %s\n", word, or(s.Platform, "image"), s.Digest, s.Detail)
		if s.Expected != "" || s.Got != "" {
			fmt.Fprintf(&b, "      expected %s\n      got      %s\n", s.Expected, s.Got)
		}
		for i, p := range s.Signatures {
			fmt.Fprintf(&b, "      signature at %s", p.Place)
			if i > 0 {
				fmt.Fprintf(&b, ", %s", p.Text())
			}
			b.WriteByte('\n')
		}
		for _, p := range s.Attestations {
			fmt.Fprintf(&b, "      attestation %s at %s, %s\n", text.Line(p.PredicateType, maxErrorText), p.Place, p.Text())
		}
		for _, x := range s.Refused {
			fmt.Fprintf(&b, "      refused: %s: %s\n", x.Place, x.Why)
		}
	}
	for _, gap := range r.Unchecked {
		fmt.Fprintf(&b, "note: %s\n", gap)
	}
	if r.TrustRoot != nil {
		fmt.Fprintf(&b, "trust root: %s\n", r.TrustRoot.Text())
	}
	if r.Verified {
		fmt.Fprintf(&b, "verified: %s, signed by %s\n", r.Ref, r.Subjects[0].Signatures[0].Who())
	} else {
		fmt.Fprintf(&b, "not verified: %s (exit code %d)\n", verdictText(r.Verdict), r.ExitCode)
	}
	return b.String()
}
