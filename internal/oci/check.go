package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"facerec/internal/release"
	plain "facerec/internal/text"
)

// CheckStatus is what came of one check.
type CheckStatus string

// The states of a check. A skip is never a pass.
const (
	CheckOK   CheckStatus = "ok"
	CheckFail CheckStatus = "fail"
	CheckSkip CheckStatus = "skip" // it could not be made; the detail says why
)

// Finding is one thing that breaks a rule, and where.
type Finding struct {
	Path   string `json:"path"` // in the image, absolute; or "config", "env:NAME", a label
	Detail string `json:"detail"`
}

// CheckResult is one rule and what was found.
type CheckResult struct {
	Check    string      `json:"check"` // one of CheckNames
	Status   CheckStatus `json:"status"`
	Detail   string      `json:"detail"`
	Findings []Finding   `json:"findings,omitempty"` // what makes it fail
	Allowed  []Finding   `json:"allowed,omitempty"`  // what would, had it not been allowed
}

// PlatformCheck is what was found of one platform manifest.
type PlatformCheck struct {
	Platform string         `json:"platform"`
	Manifest release.Digest `json:"manifest_digest"`
	Checks   []CheckResult  `json:"checks"`
}

// CheckReport is what was found of one image, on all its platforms.
type CheckReport struct {
	Image     string          `json:"image"`
	Index     release.Digest  `json:"index_digest"`
	Checks    []CheckResult   `json:"checks"`    // of the image as a whole
	Platforms []PlatformCheck `json:"platforms"` // in the order of the index
}

// Worst is the state of the whole: a failure wins over a skip, a skip over a
// pass.
func (r CheckReport) Worst() CheckStatus {
	worst := CheckOK
	see := func(list []CheckResult) {
		for _, c := range list {
			if c.Status == CheckFail || c.Status == CheckSkip && worst == CheckOK {
				worst = c.Status
			}
		}
	}
	see(r.Checks)
	for _, p := range r.Platforms {
		see(p.Checks)
	}
	return worst
}

// The rules. Their names are part of the answer's schema.
const (
	checkPlatforms  = "platforms"      // each asked for is there, once, and no other
	checkManifest   = "manifest"       // manifest and configuration are as their digests say
	checkLayers     = "layers"         // every layer has its digest, size and diff ID, and can be unpacked
	checkCreated    = "created"        // the configuration's time is the epoch of config.json
	checkConfig     = "config"         // user, folder, entrypoint, environment as config.json says
	checkLabels     = "labels"         // as config.json says
	checkContents   = "contents"       // what config.json puts into the image is there, in its mode
	checkUser       = "user"           // numeric, and not root
	checkEntrypoint = "entrypoint"     // is there, and that user may run it
	checkSetID      = "set-id"         // nothing is set-user-id or set-group-id
	checkWritable   = "world-writable" // nothing is, but sticky folders
	checkOwners     = "owners"         // are numbers, not names that mean another user elsewhere
	checkDevices    = "devices"        // there are none, nor named pipes
	checkMachine    = "machine"        // every program is for the platform
	checkStatic     = "static"         // no program asks for an interpreter or a library
	checkBuildID    = "build-id"       // no program carries one
	checkPaths      = "build-paths"    // no program names a folder of the machine that built it
	checkSecrets    = "secrets"        // no file of any layer is or holds a key
	checkSize       = "size"           // the image is not larger than allowed
)

// CheckNames are the rules in the order in which they are reported.
var CheckNames = []string{
	checkPlatforms, checkManifest, checkLayers, checkCreated, checkConfig, checkLabels, checkContents, checkUser, checkEntrypoint,
	checkSetID, checkWritable, checkOwners, checkDevices, checkMachine, checkStatic, checkBuildID, checkPaths, checkSecrets, checkSize,
}

// Allowance lets one rule be broken at some paths, knowingly.
type Allowance struct {
	Check string
	Glob  string // as path.Match has it, on absolute paths; "/**" at the end means everything below
}

// ParseAllowance reads CHECK=GLOB, or CHECK alone for every path.
func ParseAllowance(s string) (Allowance, error) {
	check, glob, ok := strings.Cut(s, "=")
	if !ok {
		glob = "/**"
	}
	a := Allowance{check, glob}
	known := false
	for _, n := range CheckNames {
		known = known || n == check
	}
	if !known {
		return a, fmt.Errorf("allowance %q: no check is called %q: want one of %s", s, check, strings.Join(CheckNames, ", "))
	}
	if _, err := path.Match(strings.TrimSuffix(glob, "/**"), ""); err != nil {
		return a, fmt.Errorf("allowance %q: %q is no pattern: %w", s, glob, err)
	}
	return a, nil
}

func (a Allowance) permits(check, name string) bool {
	if a.Check != check {
		return false
	}
	if top, below := strings.CutSuffix(a.Glob, "/**"); below {
		if top == "" {
			return true
		}
		for dir := name; ; dir = path.Dir(dir) {
			if ok, err := path.Match(top, dir); err == nil && ok {
				return true
			}
			if dir == path.Dir(dir) {
				return false
			}
		}
	}
	ok, err := path.Match(a.Glob, name)
	return err == nil && ok
}

// CheckOptions say what an image is held to.
type CheckOptions struct {
	// Config is what was promised; nil leaves out the checks that compare with
	// it. Cell gives the lineage and version that the labels are made with; if
	// it is nil, Unknown says why, and labels are skipped.
	Config  *release.Config
	Version release.Version
	Lineage *release.Lineage
	Unknown string

	Platforms []string // only these, OS/ARCH[/VARIANT]; empty: all
	Allow     []Allowance
	Paths     []string // more folders of the build machine, absolute
	MaxImage  int64    // bytes of all layers as they are stored; 0: no limit
	MaxFiles  int64    // bytes of all files as they are unpacked; 0: no limit
}

// Check holds every platform manifest of an image to the rules. What is wrong
// with the image is in the report; the error is for a cancelled context only.
func (u *Unpacker) Check(ctx context.Context, ix *Index, o CheckOptions) (CheckReport, error) {
	r := CheckReport{Image: ix.Ref.String(), Index: ix.Digest}
	if ix.Tag != "" {
		named := ix.Ref
		named.Tag = ix.Tag
		r.Image = named.String()
	}
	r.Checks = append(r.Checks, o.result(checkPlatforms, o.platforms(ix), strings.Join(ix.platformNames(), ", ")))
	facts := newFacts(o)
	for _, m := range ix.Manifests {
		if m.Platform == "unknown/unknown" || !o.wants(m.Platform) {
			continue
		}
		p, err := u.checkPlatform(ctx, ix, m, o, facts)
		if err != nil {
			return r, err
		}
		r.Platforms = append(r.Platforms, p)
	}
	return r, nil
}

func (o CheckOptions) wants(platform string) bool {
	if len(o.Platforms) == 0 {
		return true
	}
	for _, p := range o.Platforms {
		if p == platform {
			return true
		}
	}
	return false
}

// platformNames lists what an index has, attestations left out.
func (ix *Index) platformNames() []string {
	var out []string
	for _, m := range ix.Manifests {
		if m.Platform != "unknown/unknown" {
			out = append(out, m.Platform)
		}
	}
	return out
}

// platforms compares those of the index with those that were promised.
func (o CheckOptions) platforms(ix *Index) []Finding {
	have := ix.platformNames()
	count := map[string]int{}
	for _, p := range have {
		count[p]++
	}
	var out []Finding
	if len(have) == 0 {
		out = append(out, Finding{"index", "it names no platform manifest"})
	}
	for i, p := range have {
		if count[p] > 1 && indexOf(have, p) == i {
			out = append(out, Finding{p, fmt.Sprintf("the index names it %d times: expected once", count[p])})
		}
	}
	promised := o.Platforms
	if o.Config != nil && len(promised) == 0 {
		for _, p := range o.Config.Platforms {
			promised = append(promised, p.String())
		}
		for i, p := range have {
			if indexOf(promised, p) < 0 && indexOf(have, p) == i {
				out = append(out, Finding{p, "is in the image, but not among the platforms of config.json"})
			}
		}
		if ix.Single { // a reference to one manifest of several
			promised = nil
		}
	}
	for _, p := range promised {
		if count[p] == 0 {
			out = append(out, Finding{p, "is not in the image: it has " + strings.Join(have, ", ")})
		}
	}
	return out
}

func indexOf(list []string, s string) int {
	for i, l := range list {
		if l == s {
			return i
		}
	}
	return -1
}

// result turns findings into a verdict. fine is said when there is none.
func (o CheckOptions) result(check string, findings []Finding, fine string) CheckResult {
	r := CheckResult{Check: check, Status: CheckOK, Detail: fine}
	for _, f := range findings {
		allowed := false
		for _, a := range o.Allow {
			allowed = allowed || a.permits(check, f.Path)
		}
		if allowed {
			r.Allowed = append(r.Allowed, f)
		} else {
			r.Findings = append(r.Findings, f)
		}
	}
	switch {
	case len(r.Findings) > 0:
		r.Status = CheckFail
		r.Detail = summary(r.Findings)
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
		out = append(out, plain.Show(f.Path)+": "+f.Detail)
	}
	return strings.Join(out, "; ")
}

func skipped(check, why string) CheckResult {
	return CheckResult{Check: check, Status: CheckSkip, Detail: why}
}

// afterManifest and afterLayers are the checks that need what precedes them.
var (
	afterManifest = []string{checkLayers, checkCreated, checkConfig, checkLabels, checkUser, checkSize}
	afterLayers   = []string{checkContents, checkEntrypoint, checkSetID, checkWritable, checkOwners, checkDevices, checkMachine, checkStatic, checkBuildID, checkPaths, checkSecrets}
)

func (u *Unpacker) checkPlatform(ctx context.Context, ix *Index, m PlatformManifest, o CheckOptions, f *facts) (PlatformCheck, error) {
	p := PlatformCheck{Platform: m.Platform, Manifest: m.Digest}
	defer func() { p.sort() }()
	skip := func(why string, names ...string) {
		for _, n := range names {
			if o.Config == nil && (n == checkCreated || n == checkConfig || n == checkLabels || n == checkContents) {
				continue
			}
			p.Checks = append(p.Checks, skipped(n, why))
		}
	}
	img, err := ix.read(ctx, m)
	if ctx.Err() != nil {
		return p, ctx.Err()
	}
	if err != nil {
		p.Checks = append(p.Checks, o.unreadable(ix, checkManifest, "manifest", err))
		skip("the manifest could not be read", afterManifest...)
		skip("the manifest could not be read", afterLayers...)
		return p, nil
	}
	p.Checks = append(p.Checks, CheckResult{Check: checkManifest, Status: CheckOK, Detail: m.Digest.String()})
	p.Checks = append(p.Checks, o.configuration(img)...)

	view := newFilesystem()
	var read [][]layerEntry
	var stored int64
	for i, l := range img.Layers {
		stored += max(0, l.Size)
		entries, err := u.read(ctx, img, l, "")
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if err == nil {
			if err = view.apply(i, entries); err != nil {
				err = fmt.Errorf("layer %s: %w", l.Digest, err)
			}
		}
		if err != nil {
			p.Checks = append(p.Checks, o.unreadable(ix, checkLayers, l.Digest.String(), err))
			skip("the layers could not be read", afterLayers...)
			skip("the layers could not be read", checkSize)
			return p, nil
		}
		read = append(read, entries)
	}
	p.Checks = append(p.Checks, CheckResult{Check: checkLayers, Status: CheckOK,
		Detail: fmt.Sprintf("%d, each with its digest, size and diff ID", len(img.Layers))})
	c := &inspection{CheckOptions: o, facts: f, image: img, view: view, layers: read, stored: stored}
	more, err := c.run(ctx)
	p.Checks = append(p.Checks, more...)
	return p, err
}

// sort puts the checks into the order of CheckNames.
func (p *PlatformCheck) sort() {
	sort.SliceStable(p.Checks, func(i, j int) bool {
		return indexOf(CheckNames, p.Checks[i].Check) < indexOf(CheckNames, p.Checks[j].Check)
	})
}

// unreadable tells an image that is not what it promises from one that could
// not be had. What a layout or an archive holds is there: it is judged. From a
// registry only what has arrived and is wrong, or is known to be missing, is.
func (o CheckOptions) unreadable(ix *Index, check, where string, err error) CheckResult {
	var mismatch *MismatchError
	var disk *fs.PathError
	told := errors.As(err, &mismatch) || IsNotFound(err)
	if !told && (ix.Ref.Kind == Registry || errors.As(err, &disk)) {
		return skipped(check, err.Error())
	}
	return o.result(check, []Finding{{where, err.Error()}}, "")
}
