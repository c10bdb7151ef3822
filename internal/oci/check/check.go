// Package check judges what an image is made of: its programs, modes, users,
// labels, secrets and sizes.
//
// The rules are one table, [rules]. A rule is a row: its name, which is part of
// the answer's schema, one sentence for the help text, what must have been read
// before it can run, and the function that runs it.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/release"
	"facerec/internal/text"
)

// Status is the outcome of one rule.
type Status string

// The outcomes of a rule. A skip is never a pass.
const (
	OK   Status = "ok"
	Fail Status = "fail"
	Skip Status = "skip" // it could not be checked; the detail says why
)

// Finding is one thing that breaks a rule, and where.
type Finding struct {
	Path   string `json:"path"` // in the image, absolute; or "config", "env:NAME", a label
	Detail string `json:"detail"`
}

// Result is the outcome of one rule with what was found.
type Result struct {
	Rule     string    `json:"check"` // one of Names
	Status   Status    `json:"status"`
	Detail   string    `json:"detail"`
	Findings []Finding `json:"findings,omitempty"` // what makes it fail
	Allowed  []Finding `json:"allowed,omitempty"`  // what would make it fail without an allowance
	Notes    []Finding `json:"notes,omitempty"`    // what would make it fail if the rule were strict
	Fix      string    `json:"fix,omitempty"`      // of a failure: what to change
}

// Platform is the outcome for one platform manifest.
type Platform struct {
	Platform string         `json:"platform"`
	Manifest release.Digest `json:"manifest_digest"`
	Results  []Result       `json:"checks"`
}

// Report is the outcome for one image on all its platforms.
type Report struct {
	Image     string         `json:"image"`
	Index     release.Digest `json:"index_digest"`
	Results   []Result       `json:"checks"`    // of the image as a whole
	Platforms []Platform     `json:"platforms"` // in the order of the index
}

// Worst returns the status of the whole: a failure wins over a skip, a skip over
// a pass.
func (r Report) Worst() Status {
	worst := OK
	see := func(list []Result) {
		for _, c := range list {
			if c.Status == Fail || c.Status == Skip && worst == OK {
				worst = c.Status
			}
		}
	}
	see(r.Results)
	for _, p := range r.Platforms {
		see(p.Results)
	}
	return worst
}

// Options say what an image is checked against.
type Options struct {
	// Config is what was promised; nil leaves out the rules that compare with
	// it. Lineage and Version give the expected labels; if Lineage is nil,
	// Unknown says why, and labels are skipped.
	Config  *release.Config
	Version release.Version
	Lineage *release.Lineage
	Unknown string

	Platforms []release.Platform // only these, all that the index offers for each; empty: all
	Allow     []Allowance
	Strict    []string // names of rules whose notes are failures
	Paths     []string // more directories of the build machine, absolute
	MaxImage  int64    // bytes of all layers as stored; 0: no limit
	MaxFiles  int64    // bytes of all files as unpacked; 0: no limit
}

// Image checks every platform manifest of an image. What is wrong with the
// image is in the report; the error is for a cancelled context and for files
// that cannot be read.
func Image(ctx context.Context, u *layer.Unpacker, ix *oci.Index, o Options) (Report, error) {
	r := Report{Image: ix.Ref.String(), Index: ix.Digest}
	if ix.Tag != "" {
		named := ix.Ref
		named.Tag = ix.Tag
		r.Image = named.String()
	}
	whole := &inspection{Options: o, index: ix}
	r.Results = whole.results(needsIndex)
	facts := newFacts(o)
	for _, m := range o.selected(ix) {
		c := &inspection{Options: o, index: ix, facts: facts}
		if err := c.read(ctx, u, m); err != nil {
			return r, err
		}
		r.Platforms = append(r.Platforms, Platform{m.Platform, m.Digest, c.results(needsEntry, needsManifest, needsLayers)})
	}
	return r, nil
}

// selected lists the manifests to check, in the order of the index. Of a platform
// that it has several times, each is checked.
func (o Options) selected(ix *oci.Index) []oci.PlatformManifest {
	wanted := map[oci.PlatformManifest]bool{}
	for _, p := range o.Platforms {
		offers, _ := ix.Offers(p) // the rule "platforms" names what is missing
		for _, m := range offers {
			wanted[m] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(ix.Manifests), func(m oci.PlatformManifest) bool {
		return m.IsAttestation() || len(o.Platforms) > 0 && !wanted[m]
	})
}

// platformNames lists the platforms of an index without attestations.
func platformNames(ix *oci.Index) []string {
	var out []string
	for _, m := range ix.Manifests {
		if !m.IsAttestation() {
			out = append(out, m.Platform)
		}
	}
	return out
}

// platforms compares those of the index with those that were promised.
func (o Options) platforms(ix *oci.Index) []Finding {
	have := platformNames(ix)
	count := map[string]int{}
	for _, p := range have {
		count[p]++
	}
	var out []Finding
	if len(have) == 0 {
		out = append(out, Finding{"index", "it names no platform manifest"})
	}
	for i, p := range have {
		if count[p] > 1 && slices.Index(have, p) == i {
			out = append(out, Finding{p, fmt.Sprintf("the index names it %d times: expected once", count[p])})
		}
	}
	for _, p := range o.Platforms {
		if _, err := ix.Offers(p); err != nil {
			out = append(out, missing(p.String(), have))
		}
	}
	if o.Config != nil && len(o.Platforms) == 0 {
		var promised []string
		for _, p := range o.Config.Platforms {
			promised = append(promised, p.String())
		}
		for i, p := range have {
			if !slices.Contains(promised, p) && slices.Index(have, p) == i {
				out = append(out, Finding{p, "is in the image, but not among the platforms of config.json"})
			}
		}
		if ix.Single { // a reference to one manifest of several
			promised = nil
		}
		for _, p := range promised {
			if count[p] == 0 {
				out = append(out, missing(p, have))
			}
		}
	}
	return out
}

func missing(platform string, have []string) Finding {
	return Finding{platform, "is not in the image: it has " + strings.Join(have, ", ")}
}

// result turns a verdict into a result, allowances applied.
func (o Options) result(rule rule, v verdict) Result {
	if v.skip != "" {
		return Result{Rule: rule.name, Status: Skip, Detail: v.skip}
	}
	r := Result{Rule: rule.name, Status: OK, Detail: v.detail}
	for _, f := range v.findings {
		switch {
		case slices.ContainsFunc(o.Allow, func(a Allowance) bool { return a.permits(rule.name, f.Path) }):
			r.Allowed = append(r.Allowed, f)
		case rule.hygiene && !slices.Contains(o.Strict, rule.name):
			r.Notes = append(r.Notes, f)
		default:
			r.Findings = append(r.Findings, f)
		}
	}
	switch {
	case len(r.Findings) > 0:
		r.Status, r.Fix = Fail, cmp.Or(v.fix, rule.fix)
		r.Detail = summary(r.Findings)
	case len(r.Notes) > 0:
		r.Detail = "note: " + summary(r.Notes)
	case len(r.Allowed) > 0:
		r.Detail = "allowed: " + summary(r.Allowed)
	}
	return r
}

// summary names the first few; the report has all.
func summary(list []Finding) string {
	const most = 3
	var out []string
	for i, f := range list {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		out = append(out, text.Show(f.Path)+": "+f.Detail)
	}
	return strings.Join(out, "; ")
}

// unreadable tells an image that is not what it promises from one that could
// not be fetched. What a layout or an archive holds is at hand and is judged.
// From a registry only what arrived and is wrong, or is known to be missing, is.
func unreadable(ix *oci.Index, where string, err error) verdict {
	var mismatch *oci.MismatchError
	var foreign *oci.ForeignLayerError
	var disk *fs.PathError
	known := errors.As(err, &mismatch) || oci.IsNotFound(err)
	if errors.As(err, &foreign) { // no fault of the image: it never promised to have it
		return verdict{skip: err.Error()}
	}
	if !known && (ix.Ref.Kind == oci.Registry || errors.As(err, &disk)) {
		return verdict{skip: err.Error()}
	}
	return verdict{findings: []Finding{{where, err.Error()}}, fix: text.Hint(err)}
}
