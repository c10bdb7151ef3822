package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	sgbundle "github.com/sigstore/sigstore-go/pkg/bundle"

	"facerec/internal/release"
	"facerec/internal/text"
)

// Said is what a listed rebuilder says of a tarball.
type Said struct {
	Name   string     `json:"name"`
	Says   Word       `json:"says"`
	Place  string     `json:"place,omitempty"`  // of the statement
	Signer string     `json:"signer,omitempty"` // who signed it
	Time   *time.Time `json:"time,omitempty"`   // of the rebuild, by the oldest of its times
	Why    string     `json:"why,omitempty"`    // it was refused
}

// Word is that in a word.
type Word string

// The words.
const (
	SaysSame    Word = "same"    // these bytes
	SaysDiffers Word = "differs" // others
	SaysRefused Word = "refused" // something that does not count
	SaysNothing Word = "nothing"
)

// evidence is a file or referrer that may hold signed rebuilds.
type evidence struct {
	place string
	label string // NAME in the file's name; "" for other places
	own   bool   // it can be nothing else: what is not a signed rebuild is refused
	read  func(context.Context) ([]byte, error)
}

// verdict is what one bundle came to.
type verdict struct {
	place   string
	name    string // of the rebuilder that signed it, or as whose it was offered; "" for nobody listed
	party   string
	signer  string
	time    time.Time
	failed  bool
	about   map[release.Digest]string // released bytes → what came out instead, if it says so
	refused *Error                    // it does not count
	stale   bool                      // for its age
	notes   []string
}

// wanted is a tarball that must have been rebuilt.
type wanted struct {
	cell, asset string
	digest      release.Digest   // zero: not known
	made        []release.Digest // what else of the cell a rebuild compares: tar stream, manifest
	index       release.Digest   // of its lineage
}

// Statements is the digest of the signed rebuilds that [Release] would consider: of
// their bytes, of which of them are too old, and of the places that could not be
// read. As long as it, the other files and the policies are the same, rebuilders
// say the same. It reads them and the release's signed documents alone. It is zero
// where release.json does not say which images to look at.
func Statements(ctx context.Context, in Input) (release.Digest, error) {
	in.Progress = nil
	w := newWalk(in)
	if !w.documents() || w.record == nil {
		return release.Digest{}, context.Cause(ctx)
	}
	var all []*cellCheck
	for _, c := range w.record.Cells {
		if w.selected(c) {
			all = append(all, &cellCheck{cell: c, name: c.String(), file: found{digest: c.FileSHA256.Digest}}) // it is not read
		}
	}
	w.rebuilders(ctx, all)
	return w.report.Statements, context.Cause(ctx)
}

// rebuilders holds each tarball to what rebuilders say of it.
func (w *walk) rebuilders(ctx context.Context, all []*cellCheck) {
	if w.in.Rebuilders == nil || len(all) == 0 {
		return
	}
	r := w.in.Rebuilders
	if w.report.TrustRoot == nil {
		w.report.TrustRoot = Policy{Root: r.Root}.RootOrigin()
	}
	var tarballs []wanted
	for _, k := range all {
		x := wanted{cell: k.name, asset: path.Base(k.cell.Asset), digest: k.cell.FileSHA256.Digest,
			made: []release.Digest{k.cell.TarSHA256.Digest, k.cell.ManifestDigest}, index: k.cell.IndexDigest}
		if k.file.here() {
			x.digest = k.file.digest
		}
		tarballs = append(tarballs, x)
	}
	verdicts, considered, problems, more := w.gather(ctx, all, tarballs)
	w.report.Statements = considered
	for _, v := range verdicts {
		if v.refused == nil && v.failed && !r.IgnoreFailed {
			w.sayNo(v, tarballs)
		}
	}
	enough := true
	var steps []Result
	for _, x := range tarballs {
		s := r.judge(x, verdicts)
		if s.Status == Skip && len(problems) > 0 {
			s.Detail += "; not every place could be looked at: " + text.Line(problems[0], maxErrorText)
		}
		enough = enough && s.Status != Skip
		steps = append(steps, s)
	}
	summary := Result{Link: LinkRebuilders, Subject: r.file, Status: Pass,
		Detail: fmt.Sprintf("%d of %s required; %s considered", r.require, text.Count(len(r.list), "listed rebuilder"), text.Count(len(verdicts), "statement"))}
	if more != nil {
		class := Incomplete
		summary.Status, summary.Class, summary.Detail = Skip, &class, summary.Detail+"; "+more.Error()
	}
	for _, p := range problems {
		summary.Notes = append(summary.Notes, text.Line(p, maxErrorText))
	}
	for _, v := range verdicts {
		if v.notes != nil {
			summary.Notes = append(summary.Notes, v.place+": "+strings.Join(v.notes, ", "))
		}
		switch {
		case v.refused != nil && v.name != "" && !enough:
			s := failure("", LinkRebuilders, v.place, v.refused)
			s.Detail = "refused as the rebuild of " + v.name + ": " + s.Detail
			w.add(s)
		case v.refused != nil:
			summary.Notes = append(summary.Notes, fmt.Sprintf("%s does not count: %s", v.place, v.refused))
		case v.failed && r.IgnoreFailed:
			note := fmt.Sprintf("%s says that the rebuild differs (%s): ignored, as the caller asked", v.name, v.place)
			w.report.Unchecked = union(w.report.Unchecked, []string{note})
		}
	}
	w.add(summary)
	for _, s := range steps {
		w.add(s)
	}
}

// sayNo adds the step for a rebuilder who got other bytes.
func (w *walk) sayNo(v verdict, tarballs []wanted) {
	class := Differs
	s := Result{Link: LinkRebuilders, Subject: v.place, Status: Fail, Class: &class}
	var names []string
	for _, x := range tarballs {
		got, ok := v.about[x.digest]
		if !ok {
			continue
		}
		names = append(names, x.asset)
		if s.Expected == "" && got != "" {
			s.Field, s.Expected, s.Got = "sha256 of "+x.asset, x.digest.Hex(), got
		}
	}
	s.Detail = fmt.Sprintf("%s rebuilt %s and got other bytes; signed by %s", v.name, text.List(names, maxLost), v.signer)
	w.add(s)
}

// judge reports whether enough rebuilders stand for a tarball.
func (r *Rebuilders) judge(x wanted, verdicts []verdict) Result {
	s := Result{Cell: x.cell, Link: LinkRebuilders, Subject: x.asset}
	parties := map[string]string{}
	var yes, no, silent []string
	for _, listed := range r.list {
		said := Said{Name: listed.name, Says: SaysNothing}
		for _, v := range verdicts {
			if v.name != listed.name {
				continue
			}
			word := SaysRefused
			if v.refused == nil {
				if _, ok := v.about[x.digest]; !ok {
					continue
				}
				word = SaysSame
				if v.failed {
					word = SaysDiffers
				}
			}
			other, taken := parties[v.party]
			if word == SaysSame && taken && other != listed.name {
				word, v.refused = SaysRefused, untrusted(CheckIdentity, "the same party signed as %s", other)
			}
			// A no comes before a yes, and that before what does not count.
			if slices.Index(byWeight, word) <= slices.Index(byWeight, said.Says) {
				continue
			}
			said = Said{Name: listed.name, Says: word, Place: v.place, Signer: v.signer}
			if !v.time.IsZero() {
				said.Time = &v.time
			}
			if v.refused != nil {
				said.Why = v.refused.Error()
			}
			if word == SaysSame {
				parties[v.party] = listed.name
			}
		}
		s.Rebuilders = append(s.Rebuilders, said)
		switch said.Says {
		case SaysSame:
			yes = append(yes, said.Name)
		case SaysDiffers:
			no = append(no, said.Name)
		case SaysRefused, SaysNothing:
			silent = append(silent, said.Name)
		}
	}
	s.Detail = fmt.Sprintf("%d of %d required", len(yes), r.require)
	if len(yes) > 0 {
		s.Detail += ": " + text.List(yes, len(yes))
	}
	if len(no) > 0 {
		s.Detail += "; other bytes: " + text.List(no, len(no))
	}
	class := Incomplete
	switch {
	case x.digest.IsZero():
		s.Status, s.Class, s.Detail = Skip, &class, "the tarball is not here, and nothing names its digest"
	case len(no) > 0 && !r.IgnoreFailed:
		class = Differs
		s.Status, s.Class = Fail, &class
	case len(yes) >= r.require:
		s.Status = Pass
	default:
		s.Status, s.Class = Skip, &class
		if len(silent) > 0 {
			s.Detail += "; missing: " + text.List(silent, len(silent))
		}
	}
	return s
}

// byWeight are the words by how much they weigh.
var byWeight = []Word{SaysNothing, SaysRefused, SaysSame, SaysDiffers}

// gather reads and judges all that may be a signed rebuild: what the caller gave,
// what lies next to the release, what refers to its images. problems are places
// that could not be read; the error is for more than is considered: there could be a
// no among the rest. considered is the digest of all of it, see [Statements].
func (w *walk) gather(ctx context.Context, all []*cellCheck, tarballs []wanted) (verdicts []verdict, considered release.Digest, problems []string, err error) {
	h := release.NewHasher()
	defer func() {
		for _, v := range verdicts {
			fmt.Fprintf(h, "%q %t\n", v.place, v.stale)
		}
		fmt.Fprintf(h, "%q %v\n", problems, err)
		considered = h.Digest()
	}()
	budget := &signatureBudget{MaxSignatureLayers, MaxSignatureBytes}
	seen := map[release.Digest]bool{} // the same bytes may lie in several places
	places := w.places()
	referrers, problems := w.rebuildReferrers(ctx, all)
	for _, e := range append(places, referrers...) {
		if err := budget.take(); err != nil {
			return verdicts, considered, problems, err
		}
		data, err := e.read(ctx)
		if err != nil {
			problems = append(problems, e.place+": "+err.Error())
			continue
		}
		budget.read(data)
		d := release.DigestBytes(data)
		fmt.Fprintf(h, "%q %s\n", e.place, d)
		if seen[d] {
			continue
		}
		seen[d] = true
		if e.own && isLinks(data) {
			said, err := w.linksOf(e, data, tarballs, budget)
			if verdicts = append(verdicts, said...); err != nil {
				return verdicts, considered, problems, err
			}
			continue
		}
		bundles, err := candidates(data, Digest(release.Digest{}))
		if err != nil {
			verdicts = append(verdicts, verdict{place: e.place, name: w.listedName(e.label), refused: refusedBundle(err)})
			continue
		}
		for i, c := range bundles {
			if i > 0 {
				if err := budget.take(); err != nil {
					return verdicts, considered, problems, err
				}
			}
			if v, ok := w.rebuildOf(e, c, tarballs); ok {
				verdicts = append(verdicts, v)
			}
		}
	}
	return verdicts, considered, problems, nil
}

// refusedBundle is why a file is not a signed rebuild. What lies in the place of one
// and is something else is not trusted.
func refusedBundle(err error) *Error {
	e := refusal("", err)
	if e.Check == CheckBundle && e.Class == Failed {
		e.Class = Untrusted
	}
	return e
}

// listedName is a name if it is that of a listed rebuilder. A file that is called
// like one is offered as theirs.
func (w *walk) listedName(name string) string {
	if slices.ContainsFunc(w.in.Rebuilders.list, func(r rebuilder) bool { return r.name == name }) {
		return name
	}
	return ""
}

// places are the files with signed rebuilds.
func (w *walk) places() []evidence {
	var out []evidence
	for _, l := range w.in.Rebuilders.Given {
		label, _ := release.ParseRebuildFile(path.Base(l.Place))
		out = append(out, evidence{place: l.Place, label: label, own: true, read: l.Read})
	}
	entries, err := fs.ReadDir(w.in.Dist, ".")
	if err != nil {
		return out // files alone, or said elsewhere
	}
	for _, d := range entries {
		label, ok := release.ParseRebuildFile(d.Name())
		if !ok {
			continue
		}
		out = append(out, evidence{place: d.Name(), label: label, own: true, read: func(context.Context) ([]byte, error) { return w.read(d.Name(), MaxBundle) }})
	}
	return out
}

// rebuildReferrers are the bundles that refer to the images of the tarballs.
func (w *walk) rebuildReferrers(ctx context.Context, all []*cellCheck) (out []evidence, problems []string) {
	if w.in.Images.images == nil || w.withheld() != "" {
		return nil, nil
	}
	asked := map[release.Digest]bool{}
	for _, k := range all {
		if k.cell.IndexDigest.IsZero() || asked[k.cell.IndexDigest] {
			continue
		}
		asked[k.cell.IndexDigest] = true
		found, err := w.in.Images.images.Referrers(ctx, k.cell.Image, k.cell.IndexDigest)
		if err != nil {
			problems = append(problems, "referrers of "+k.cell.IndexDigest.String()+": "+err.Error())
		}
		for _, p := range found.Problems {
			problems = append(problems, p.Error())
		}
		for _, l := range found.Layers {
			if bundleLayer().MatchString(l.MediaType) {
				out = append(out, evidence{place: text.Line(l.Place, maxErrorText), read: l.Read})
			}
		}
	}
	return out, problems
}

// summary is what is read of a verification summary.
type summary struct {
	statement
	Subject []struct {
		Name   string `json:"name"`
		Digest struct {
			SHA256 string `json:"sha256"`
		} `json:"digest"`
	} `json:"subject"`
	Predicate struct {
		Time     string `json:"timeVerified"`
		Resource string `json:"resourceUri"`
		Policy   struct {
			URI string `json:"uri"`
		} `json:"policy"`
		Result  string `json:"verificationResult"`
		Outcome struct {
			Cells []struct {
				Compared []struct {
					Level    string `json:"level"`
					Expected string `json:"expected"`
					Got      string `json:"got"`
				} `json:"compared"`
			} `json:"cells"`
		} `json:"urn:facerec:releaser:rebuild:1"` // as release.RebuildPolicy
	} `json:"predicate"`
}

func readSummary(payload []byte) (s summary, err error) {
	head, err := readStatement(payload)
	if err != nil {
		return s, err
	}
	s.statement = head
	if head.PredicateType != release.PredicateSummary {
		return s, nil
	}
	err = json.Unmarshal(payload, &s)
	return s, err
}

// rebuildOf judges one bundle. It reports whether the bundle has anything to do
// with rebuilders at all.
func (w *walk) rebuildOf(e evidence, c candidate, tarballs []wanted) (v verdict, ok bool) {
	v = verdict{place: strings.TrimSpace(e.place + " " + c.name), name: w.listedName(e.label)}
	refuse := func(err *Error) (verdict, bool) {
		v.refused = err
		return v, true
	}
	b, err := parseBundle(c.data)
	if err != nil {
		return refuse(refusedBundle(err))
	}
	env := b.GetDsseEnvelope()
	if env == nil {
		return verdictIf(e.own, v, untrusted(CheckBundle, "expected a statement about what was rebuilt, got a signature over a file"))
	}
	sum, err := readSummary(env.GetPayload())
	if err != nil {
		return refuse(&Error{Class: Untrusted, Check: CheckBundle, Field: "statement", Err: err})
	}
	if !e.own && sum.PredicateType != release.PredicateSummary {
		return v, false // SBOMs, signatures and the like
	}
	by, signer, err := w.in.Rebuilders.claimedBy(b)
	v.signer = signer
	switch {
	case err != nil:
		return refuse(refusal("", err))
	case len(by) == 0:
		return refuse(&Error{Class: Untrusted, Check: CheckIdentity, Field: "signer", Expected: "a rebuilder that " + w.in.Rebuilders.file + " lists", Got: signer})
	case len(by) > 1:
		v.name = by[0].name
		return refuse(untrusted(CheckIdentity, "%s lists this signer as both %s and %s", w.in.Rebuilders.file, by[0].name, by[1].name))
	}
	v.name = by[0].name
	// The signature first: nothing that follows is anybody's word without it.
	subjects := sum.digests()
	if len(subjects) == 0 {
		return refuse(untrusted(CheckBundle, "the statement has no subject"))
	}
	first, err := release.ParseDigest("sha256:" + subjects[0])
	if err != nil {
		return refuse(&Error{Class: Untrusted, Check: CheckBundle, Field: "subject", Err: err})
	}
	policy := by[0].policy
	policy.Root = w.in.Rebuilders.Root
	sig, err := policy.first([]candidate{{data: c.data}}, Digest(first), exactHint)
	if err != nil {
		return refuse(refusal("", err))
	}
	v.signer, v.party, v.notes = sig.Who(), party(sig), sig.Unchecked
	return v.weigh(w, sum, sig, tarballs)
}

// verdictIf refuses what was offered as a rebuild, and leaves out all else.
func verdictIf(own bool, v verdict, err *Error) (verdict, bool) {
	v.refused = err
	return v, own
}

// claimedBy finds the entries as whose the bundle is signed, if its signature holds,
// and names the signer.
func (r *Rebuilders) claimedBy(b *sgbundle.Bundle) (by []rebuilder, signer string, err error) {
	content, err := b.VerificationContent()
	if err != nil {
		return nil, "", err
	}
	cert := content.Certificate()
	if cert != nil {
		_, err := matchIdentity([]CertificateIdentity{{SAN: "-", Issuer: "-"}}, cert)
		var mine *Error
		if errors.As(err, &mine) {
			signer = mine.Got
		}
	} else if pk := content.PublicKey(); pk != nil {
		signer = "key " + text.Show(pk.Hint())
	}
	for _, x := range r.list {
		switch {
		case x.workers != nil: // they sign links
		case cert != nil && x.policy.Key == nil:
			if _, err := matchIdentity(x.policy.Identities, cert); err == nil {
				by = append(by, x)
			}
		case cert == nil && x.policy.Key != nil && content.PublicKey() != nil && content.PublicKey().Hint() == x.policy.Key.hint():
			by = append(by, x)
		}
	}
	return by, signer, nil
}

// weigh judges what a listed rebuilder signed.
func (v verdict) weigh(w *walk, sum summary, sig Signature, tarballs []wanted) (verdict, bool) {
	r := w.in.Rebuilders
	p := sum.Predicate
	refuse := func(field, expected, got string) (verdict, bool) {
		v.refused = &Error{Class: Untrusted, Check: "rebuild", Field: field, Expected: expected, Got: text.Line(got, maxErrorText)}
		return v, true
	}
	switch {
	case sum.PredicateType != release.PredicateSummary:
		return refuse("predicate type", release.PredicateSummary, sum.PredicateType)
	case p.Policy.URI != release.RebuildPolicy:
		return refuse("policy", release.RebuildPolicy, or(p.Policy.URI, "none"))
	case p.Result != release.RebuildPassed && p.Result != release.RebuildFailed:
		return refuse("verificationResult", release.RebuildPassed+" or "+release.RebuildFailed, or(p.Result, "none"))
	}
	if w.record != nil {
		if want := release.PackageURL(w.record.Project, w.record.Version); p.Resource != want {
			return refuse("resourceUri", want, or(p.Resource, "none"))
		}
	}
	v.failed = p.Result == release.RebuildFailed
	if err := v.subjects(w, sum, tarballs); err != nil {
		v.refused = err
		return v, true
	}
	if len(v.about) == 0 {
		if w.othersOfRelease(sum) {
			return v, false // of cells that nobody asked for
		}
		return refuse("subject", "one of the tarballs", "none of "+text.Count(len(sum.Subject), "subject"))
	}
	at, err := time.Parse(time.RFC3339, p.Time)
	if err != nil {
		v.refused = &Error{Class: Untrusted, Check: "rebuild", Field: "timeVerified", Err: err}
		return v, true
	}
	for _, t := range sig.Timestamps {
		if t.Time.Before(at) {
			at = t.Time
		}
	}
	v.time = at.UTC()
	if v.failed {
		return v, true // a no needs no independence, and does not expire
	}
	if r.Within > 0 {
		oldest := r.Now.Add(-r.Within)
		if v.time.Before(oldest) || v.time.After(r.Now.Add(maxClockSkew)) {
			v.stale = true
			return refuse("time of the rebuild", span(oldest, r.Now), v.time.Format(time.RFC3339))
		}
	}
	if w.isSigner(sig) {
		v.refused = &Error{Class: Untrusted, Check: "rebuild", Field: "signer", Err: errSelf}
	}
	return v, true
}

// maxClockSkew is how far the clocks of two parties may be apart.
const maxClockSkew = 5 * time.Minute

// subjects finds the tarballs among the subjects. A subject that is called like a
// tarball and is of other bytes makes the whole statement one about another release.
//
// A no about a tar stream or a manifest is one about its tarball too. One about an
// index alone is about every tarball of the lineage: elsewhere an index differs
// because a manifest in it does, and says nothing of the others.
func (v *verdict) subjects(w *walk, sum summary, tarballs []wanted) *Error {
	v.about = map[release.Digest]string{}
	has := map[string]bool{}
	for _, s := range sum.Subject {
		has[s.Digest.SHA256] = true
		for _, x := range tarballs {
			if s.Name == x.asset && !x.digest.IsZero() && s.Digest.SHA256 != x.digest.Hex() {
				return &Error{Class: Untrusted, Check: "rebuild", Field: "subject " + x.asset, Expected: x.digest.Hex(), Got: text.Line(s.Digest.SHA256, maxErrorText)}
			}
		}
	}
	among := func(d release.Digest) bool { return !d.IsZero() && has[d.Hex()] }
	cellsToo := w.record != nil && slices.ContainsFunc(w.record.Cells, func(c release.RecordCell) bool {
		return among(c.FileSHA256.Digest) || among(c.TarSHA256.Digest) || among(c.ManifestDigest)
	})
	for _, x := range tarballs {
		if among(x.digest) || v.failed && (slices.ContainsFunc(x.made, among) || !cellsToo && among(x.index)) {
			v.about[x.digest] = sum.got(x.digest)
		}
	}
	return nil
}

// got is what came out instead of a tarball, "" if the statement does not say.
func (s summary) got(expected release.Digest) string {
	for _, c := range s.Predicate.Outcome.Cells {
		for _, x := range c.Compared {
			if x.Level == "file" && x.Expected == expected.String() && x.Got != x.Expected {
				if d, err := release.ParseDigest(x.Got); err == nil {
					return d.Hex()
				}
			}
		}
	}
	return ""
}

// othersOfRelease reports whether a statement is about other files or images of this
// release.
func (w *walk) othersOfRelease(sum summary) bool {
	known := map[string]bool{}
	if w.sums != nil {
		for _, s := range w.sums.All() {
			known[s.Digest.Hex()] = true
		}
	}
	if w.record != nil {
		for _, c := range w.record.Cells {
			for _, d := range []release.Digest{c.FileSHA256.Digest, c.TarSHA256.Digest, c.IndexDigest, c.ManifestDigest} {
				known[d.Hex()] = true
			}
		}
	}
	for _, s := range sum.Subject {
		if known[s.Digest.SHA256] {
			return true
		}
	}
	return false
}
