package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"facerec/internal/attest"
	"facerec/internal/oci"
	"facerec/internal/oci/check"
	"facerec/internal/oci/layer"
	"facerec/internal/pack"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/sign"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// The names of the steps, in their order.
const (
	Preflight    = "preflight"
	Build        = "build"
	Check        = "check"
	Push         = "push"
	SignImages   = "sign-images"
	Pack         = "pack"
	Sign         = "sign"
	Verify       = "verify"
	Publish      = "publish"
	RollingTags  = "rolling-tags"
	runAgain     = "run again: what is done is kept"
	nothingLeft  = "nothing was pushed or signed yet; run again"
	newVersion   = "a version is never released twice: release a new version"
	nothingDone  = "nothing was changed; run again"
	publishAgain = "run again: a draft is resumed, and what is published is never changed"
)

// Release is what a release is made of, and how. The functions are what a command
// decides: who signs, whom to expect, what git says.
type Release struct {
	Config  *release.Config
	Version release.Version

	// Layout is where images are built, or, with Built, where they were built
	// already, by this machine or by several, and are used as they are.
	Layout string
	Built  bool

	Dist       string  // directory of the release
	Repository oci.Ref // of the images, without tag and digest
	Access     oci.Access
	Notice     func(line string)

	Tree      func(context.Context) (Tree, error)
	Changelog func() (section string, err error)
	Build     func(ctx context.Context, revision string) error // writes Layout

	Rules  check.Options // besides configuration, version and lineage
	Limits layer.Limits

	Transfer oci.TransferOptions
	Pack     pack.Input

	Materials func() ([]sign.Input, error)
	By        func(context.Context) (attest.By, error)

	OpenPage func(context.Context) (publish.Page, error) // nil: there is no page
	Notes    func(publish.Dist) (string, error)
	Verify   func(ctx context.Context, dir string, p verify.Policy) error
	Retry    *retry.Policy
	Progress func(publish.Step)

	Roll func(context.Context, release.Record) ([]oci.RollingTag, error)

	// What the steps find out, for those after them.
	head    string
	policy  verify.Policy
	page    publish.Page
	indexes []*oci.Index // in the layout, one per lineage of the configuration
	last    string       // the last step of this run
	result  publish.Result
	rolled  []oci.RollingTag
}

// Of lists the steps of a release. A nil release is good for their names and help.
func Of(r *Release) []Step {
	return []Step{
		{Name: Preflight, Doc: "tree, tag, version, CHANGELOG, registry, page and signer are as they must be", Next: nothingDone, Run: r.preflight, ReadsOnly: true},
		{Name: Build, Doc: "build the images, unless the layout has those of this commit", Next: nothingLeft, Done: r.built, Run: r.build},
		{Name: Check, Doc: "check the images in the layout against every rule", Next: "'releaser check' lists every rule; " + nothingLeft, Run: r.check, ReadsOnly: true},
		{Name: Push, Doc: "push the images, digests unchanged; a version's tag is never moved", Next: runAgain, Done: r.pushed, Run: r.push},
		{Name: SignImages, Doc: "sign each index and manifest in the registry, and attest its provenance", Next: runAgain, Run: r.signImages},
		{Name: Pack, Doc: "pack tarballs, SBOMs, release.json and checksums.txt from the images", Next: runAgain, Run: r.pack},
		{Name: Sign, Doc: "sign checksums.txt and the provenance, and attach the SBOMs to the images", Next: runAgain, Run: r.sign},
		{Name: Verify, Doc: "verify the release as its users will", Next: "'releaser verify' prints every step; nothing was published yet", Run: r.verify, ReadsOnly: true},
		{Name: Publish, Doc: "draft, upload, download and compare, verify, publish", Next: publishAgain, Run: r.publish},
		{Name: RollingTags, Doc: "move the rolling tags of config.json to the release, forward only", Next: "the release is published; run again to move the tags", Run: r.roll},
	}
}

// Until sets the last step of the run: what only later steps need is not asked for.
// It returns the steps to run.
func (r *Release) Until(name string) ([]Step, error) {
	list, err := Through(Of(r), name)
	if err == nil {
		r.last = list[len(list)-1].Name
	}
	return list, err
}

// Needs reports whether a step belongs to this run.
func (r *Release) Needs(name string) bool {
	names := Names(Of(r))
	return slices.Index(names, name) <= slices.Index(names, r.last)
}

// Published is how the page is now, once the step publish has run.
func (r *Release) Published() publish.Result { return r.result }

// Rolled are the rolling tags, once their step has run.
func (r *Release) Rolled() []oci.RollingTag { return r.rolled }

// Head is the commit that is released.
func (r *Release) Head() string { return r.head }

func (r *Release) preflight(ctx context.Context) (Answer, error) {
	if v := r.Config.Version; v != "" && v != r.Version {
		return Answer{}, &NotReadyError{fmt.Sprintf("version %s: config.json has version %s", r.Version, v), "set version in config.json, commit that and tag the commit"}
	}
	tree, err := r.Tree(ctx)
	if err != nil {
		return Answer{}, err
	}
	if err := tree.check(r.Version); err != nil {
		return Answer{}, err
	}
	r.head = tree.Head
	detail := "commit " + short(r.head) + " is " + r.Version.Tag()
	if r.Needs(Publish) {
		if _, err := r.Changelog(); err != nil {
			return Answer{}, err
		}
	}
	if r.Needs(Push) {
		if _, err := r.inRegistry(ctx); err != nil {
			return Answer{}, err
		}
	}
	if r.OpenPage != nil && r.Needs(Sign) {
		if r.page, err = r.OpenPage(ctx); err != nil {
			return Answer{}, err
		}
		if _, err := r.look(ctx); err != nil {
			return Answer{}, err
		}
	} else if r.Needs(Publish) {
		return Answer{}, &NotReadyError{"no page to publish on", "give --page, or set page in config.json; or end before with --to " + Verify}
	}
	if r.Needs(SignImages) {
		by, err := r.By(ctx)
		if err != nil {
			return Answer{}, err
		}
		r.policy = by.Policy
		detail += ", signed by " + who(by.Policy)
	}
	return Answer{Detail: detail}, nil
}

// who names the signer whom a policy expects.
func who(p verify.Policy) string {
	if p.Key != nil {
		return "key " + p.Key.Fingerprint().String()
	}
	return p.Identities[0].String()
}

// look finds the release on the page.
func (r *Release) look(ctx context.Context) (*publish.Release, error) {
	record := release.Record{Project: r.Config.ProjectName, Version: r.Version}
	return publish.Look(ctx, publish.Input{Page: r.page, Dist: publish.Dist{Record: record}, Commit: r.head, Retry: r.Retry})
}

// layout is a reference to a lineage's index in the layout.
func (r *Release) layout(l release.Lineage) (oci.Ref, error) {
	ref, err := oci.ParseLayout(r.Layout)
	return ref.WithTag(r.Config.ImageTag(r.Version, l)), err
}

// complete reads the indexes of the layout. It names what is missing, "" for nothing.
func (r *Release) complete(ctx context.Context) (missing string, err error) {
	r.indexes = nil
	for _, l := range r.Config.Lineages {
		ref, err := r.layout(l)
		if err != nil {
			return "", err
		}
		ix, err := oci.ReadIndex(ctx, ref, r.Access)
		if oci.IsNotFound(err) {
			return ref.String(), nil
		}
		if err != nil {
			return "", err
		}
		for _, p := range r.Config.Platforms {
			if _, err := ix.Offers(p); err != nil {
				return ref.String() + " for " + p.String(), nil //nolint:nilerr // it says which
			}
		}
		r.indexes = append(r.indexes, ix)
	}
	return "", nil
}

func (r *Release) built(ctx context.Context) (Answer, error) {
	missing, err := r.complete(ctx)
	switch {
	case err != nil:
		return Answer{}, err
	case missing != "" && r.Built:
		return Answer{}, &NotReadyError{"not found: " + missing, "the layout must have every cell of the release: 'releaser join' makes one of several; or leave --layout out to build"}
	case missing != "":
		return Answer{}, nil
	}
	detail := text.Count(len(r.Config.Cells()), "image") + " in " + r.Layout
	if r.Built {
		return Answer{true, detail + ", built elsewhere"}, nil
	}
	ref, err := oci.ParseLayout(r.Layout)
	if err != nil {
		return Answer{}, err
	}
	revision, err := oci.LayoutRevision(ref)
	return Answer{revision == r.head, detail + " of commit " + short(r.head)}, err
}

func (r *Release) build(ctx context.Context) (Answer, error) {
	if err := r.Build(ctx, r.head); err != nil {
		return Answer{}, err
	}
	answer, err := r.built(ctx)
	if err == nil && !answer.Kept {
		err = fmt.Errorf("%s does not have the images that were just built", r.Layout)
	}
	return Answer{Detail: answer.Detail}, err
}

// RuleError is an image that breaks a rule, or that could not be checked.
type RuleError struct {
	Image   string
	Rule    check.Result
	Skipped bool // it could not be checked
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("%s: rule %s: %s", e.Image, e.Rule.Rule, text.Line(e.Rule.Detail, 400))
}

// Hint returns what to change.
func (e *RuleError) Hint() string { return e.Rule.Fix }

func (r *Release) check(ctx context.Context) (Answer, error) {
	spool, err := tarball.NewSpool("")
	if err != nil {
		return Answer{}, err
	}
	defer spool.Close()
	unpacker := layer.NewUnpacker(spool, r.Limits)
	rules := 0
	var skipped error
	for i, ix := range r.indexes {
		o := r.Rules
		o.Config, o.Version, o.Lineage = r.Config, r.Version, &r.Config.Lineages[i]
		report, err := check.Image(ctx, unpacker, ix, o)
		if err != nil {
			return Answer{}, err
		}
		all := map[string][]check.Result{"": report.Results}
		order := []string{""}
		for _, p := range report.Platforms {
			all[p.Platform] = p.Results
			order = append(order, p.Platform)
		}
		for _, platform := range order {
			for _, result := range all[platform] {
				name := report.Image
				if platform != "" {
					name += " for " + platform
				}
				switch result.Status {
				case check.Fail:
					return Answer{}, &RuleError{name, result, false}
				case check.Skip:
					if skipped == nil {
						skipped = &RuleError{name, result, true}
					}
				default:
					rules++
				}
			}
		}
	}
	return Answer{Detail: text.Count(rules, "rule") + " hold"}, skipped
}

// inRegistry returns the digests that the registry has under the tags of the
// version, one per lineage; zero for none.
func (r *Release) inRegistry(ctx context.Context) ([]release.Digest, error) {
	var out []release.Digest
	for _, l := range r.Config.Lineages {
		ix, err := oci.ReadIndex(ctx, r.Repository.WithTag(r.Config.ImageTag(r.Version, l)), r.Access)
		switch {
		case oci.IsNotFound(err):
			out = append(out, release.Digest{})
		case err != nil:
			return nil, err
		default:
			out = append(out, ix.Digest)
		}
	}
	return out, nil
}

// pushed compares the registry with the layout. A tag that names another image is
// refused: somebody may have it.
func (r *Release) pushed(ctx context.Context) (Answer, error) {
	there, err := r.inRegistry(ctx)
	if err != nil {
		return Answer{}, err
	}
	for i, d := range there {
		if ix := r.indexes[i]; !d.IsZero() && d != ix.Digest {
			at := r.Repository.WithTag(ix.Tag)
			return Answer{}, &publish.Refusal{Subject: "image tag " + at.String(), Reason: fmt.Sprintf("expected %s, got %s", ix.Digest, d), Advice: newVersion}
		}
	}
	return Answer{!slices.ContainsFunc(there, release.Digest.IsZero), r.inRepository()}, nil
}

func (r *Release) inRepository() string {
	return text.CountForms(len(r.indexes), "index", "indexes") + " in " + r.Repository.String()
}

func (r *Release) push(ctx context.Context) (Answer, error) {
	for i, l := range r.Config.Lineages {
		from, err := r.layout(l)
		if err != nil {
			return Answer{}, err
		}
		if _, err := oci.Push(ctx, from, r.Repository.WithTag(r.indexes[i].Tag), r.Transfer); err != nil {
			return Answer{}, err
		}
	}
	return Answer{Detail: r.inRepository()}, nil
}

// signing is what both steps that sign have in common.
func (r *Release) signing() attest.Input {
	in := attest.Input{Attest: true, Materials: r.Materials, Access: r.Access, By: r.By, Keep: &r.policy, Notice: func(line string) { r.Notice("sign: " + line) }}
	for _, ix := range r.indexes {
		in.Images = append(in.Images, r.Repository.At(ix.Digest))
	}
	return in
}

func signed(ctx context.Context, in attest.Input) (Answer, error) {
	got, err := attest.Sign(ctx, in)
	if err != nil {
		return Answer{}, err
	}
	if got.Made == 0 {
		return Answer{true, text.Count(got.Kept, "signature")}, nil
	}
	detail := text.Count(got.Made, "signature") + " made"
	if got.Kept > 0 {
		detail += fmt.Sprintf(", %d kept", got.Kept)
	}
	return Answer{Detail: detail}, nil
}

func (r *Release) signImages(ctx context.Context) (Answer, error) { return signed(ctx, r.signing()) }

func (r *Release) pack(ctx context.Context) (Answer, error) {
	in := r.Pack
	in.Config, in.Version, in.Cells, in.Images, in.Access, in.Limits = r.Config, r.Version, r.Config.Cells(), r.Repository, r.Access, r.Limits
	record, kept, err := pack.Refresh(ctx, in, r.Dist)
	if err != nil {
		return Answer{}, err
	}
	for i, l := range r.Config.Lineages {
		for _, c := range record.Cells {
			if want := r.indexes[i].Digest; c.Lineage == l.Name && c.IndexDigest != want {
				return Answer{}, &publish.Refusal{Subject: "image tag " + c.Image, Reason: fmt.Sprintf("expected %s, got %s", want, c.IndexDigest), Advice: "it moved while it was packed: find out who else pushes it"}
			}
		}
	}
	return Answer{kept, text.Count(len(record.Cells), "tarball") + " in " + r.Dist}, nil
}

func (r *Release) sign(ctx context.Context) (Answer, error) {
	in := r.signing()
	in.Dist, in.Provenance = r.Dist, true
	if r.page != nil {
		there, err := r.look(ctx)
		if err != nil {
			return Answer{}, err
		}
		in.Published = func(ctx context.Context, name string) ([]byte, error) {
			if there == nil {
				return nil, nil
			}
			raw, err := publish.ReadAsset(ctx, r.page, *there, name, verify.MaxBundle, r.Retry)
			var refusal *publish.Refusal
			if errors.As(err, &refusal) {
				return nil, nil // no bundle is that large; publish says so
			}
			return raw, err
		}
	}
	return signed(ctx, in)
}

func (r *Release) verify(ctx context.Context) (Answer, error) {
	return Answer{Detail: r.Dist + " is verified"}, r.Verify(ctx, r.Dist, r.policy)
}

func (r *Release) publish(ctx context.Context) (answer Answer, err error) {
	in := publish.Input{Page: r.page, Commit: r.head, Retry: r.Retry, Progress: r.Progress}
	if in.Dist, err = publish.ReadDist(r.Dist); err != nil {
		return answer, err
	}
	if in.Notes, err = r.Notes(in.Dist); err != nil {
		return answer, err
	}
	in.Verify = func(ctx context.Context, dir string) error { return r.Verify(ctx, dir, r.policy) }
	if in.Temp, err = os.MkdirTemp("", "releaser-publish-"); err != nil {
		return answer, err
	}
	defer os.RemoveAll(in.Temp)
	if r.result, err = publish.Publish(ctx, in); err != nil {
		return answer, err
	}
	return Answer{r.result.Found == publish.Published, r.result.Tag + " at " + text.Show(r.result.URL)}, nil
}

func (r *Release) roll(ctx context.Context) (Answer, error) {
	dist, err := publish.ReadDist(r.Dist)
	if err != nil {
		return Answer{}, err
	}
	if r.rolled, err = r.Roll(ctx, dist.Record); err != nil {
		return Answer{}, err
	}
	moved := 0
	for _, t := range r.rolled {
		if t.Action != oci.TagKeep {
			moved++
		}
	}
	if moved == 0 {
		return Answer{true, text.Count(len(r.rolled), "tag")}, nil
	}
	return Answer{Detail: text.Count(moved, "tag") + " moved"}, nil
}
