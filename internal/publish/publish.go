package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

// ErrConcurrent is another run that publishes the same release.
var ErrConcurrent = errors.New("another run is publishing this release")

// Input is what [Publish] works with.
type Input struct {
	Page   Page
	Dist   Dist
	Notes  string
	Commit string // that the tag must name; "" for whatever it names
	Temp   string // directory for downloads, empty

	// Verify checks a directory of downloaded files, signature first. It is
	// required.
	Verify func(ctx context.Context, dir string) error

	DryRun bool
	Retry  *retry.Policy // nil for the defaults

	// Progress, if not nil, is called before each step.
	Progress func(Step)
}

// Step is something that [Publish] does to the page or, with DryRun, would do.
type Step struct {
	Action string `json:"action"` // one of the Do constants
	Asset  string `json:"asset,omitempty"`
	Size   int64  `json:"size,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// The actions.
const (
	DoCreate  = "create draft"
	DoRemove  = "remove cut upload"
	DoUpload  = "upload"
	DoCompare = "download and compare"
	DoVerify  = "verify"
	DoPublish = "publish"
)

// Result is how the page is now.
type Result struct {
	Tag   string `json:"tag"`
	URL   string `json:"url"`
	Found string `json:"found"` // what was there before: "missing", "draft" or "published"
	Steps []Step `json:"steps"`
}

// States of a release on a page.
const (
	Missing   = "missing"
	Draft     = "draft"
	Published = "published"
)

type run struct {
	Input
	tag    string
	result *Result
}

// Publish brings the release to the page, as the package comment describes.
func Publish(ctx context.Context, in Input) (Result, error) {
	tag := in.Dist.Record.Version.Tag()
	result := Result{Tag: tag, Steps: []Step{}}
	r := &run{in, tag, &result}
	err := r.publish(ctx)
	return result, err
}

func (r *run) publish(ctx context.Context) error {
	rel, commit, err := r.look(ctx)
	if err != nil {
		return err
	}
	if rel == nil {
		if rel, err = r.create(ctx, commit); err != nil || rel == nil {
			return err
		}
	}
	if !rel.Draft {
		return r.published(ctx, *rel)
	}
	return r.draft(ctx, *rel)
}

// Look returns what the page has of the release that in.Dist.Record names by project
// and version, nil for nothing, and changes nothing. It refuses what [Publish]
// refuses before it begins: no tag, one that moved, a page of another project.
func Look(ctx context.Context, in Input) (*Release, error) {
	r := &run{in, in.Dist.Record.Version.Tag(), &Result{}}
	rel, _, err := r.look(ctx)
	return rel, err
}

// look finds the release, and the commit that its tag names.
func (r *run) look(ctx context.Context) (rel *Release, commit string, err error) {
	commit, err = r.Page.Commit(ctx, r.tag)
	gone := errors.Is(err, ErrNoTag)
	if err != nil && !gone {
		return nil, "", err
	}
	if rel, err = r.find(ctx); err != nil {
		return nil, "", err
	}
	switch {
	case rel == nil:
		r.result.Found = Missing
	case rel.Draft:
		r.result.Found, r.result.URL = Draft, rel.URL
	default:
		r.result.Found, r.result.URL = Published, rel.URL
	}
	if gone {
		return nil, "", r.noTag(rel)
	}
	if err := r.moved(rel, commit); err != nil {
		return nil, "", err
	}
	return rel, commit, r.sameProject(ctx, rel)
}

// ReadAsset returns the bytes of a release's asset as far as the page has them, or
// nil if it has none of the name.
func ReadAsset(ctx context.Context, page Reader, rel Release, name string, limit int64, policy *retry.Policy) ([]byte, error) {
	a := asset(rel, name)
	if a == nil || a.Size <= 0 { // an upload that has only begun cannot be read
		return nil, nil
	}
	return small(ctx, page, *a, limit, policy)
}

// find returns the one release of the tag, or nil.
func (r *run) find(ctx context.Context) (*Release, error) {
	all, err := r.Page.Find(ctx, r.tag)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if len(all) > 1 {
		return nil, &Refusal{r.tag, fmt.Sprintf("the page has %s of this tag", text.Count(len(all), "release")), "keep one and delete the others on the page: " + all[0].URL}
	}
	return &all[0], nil
}

func (r *run) noTag(rel *Release) error {
	err := fmt.Errorf("%s: tag %s: %w", r.Page, r.tag, ErrNoTag)
	if rel == nil {
		return text.WithHint(err, "push the tag first: git push REMOTE %s", r.tag)
	}
	if rel.Draft && len(rel.Assets) > 0 {
		err = fmt.Errorf("%s: the git tag %s was deleted, which made its release a draft: %w", r.Page, r.tag, ErrNoTag)
	}
	return text.WithHint(err, "push the tag again, at the commit that was released, and run again")
}

var commitID = text.Pattern(`^[0-9a-f]{40,64}$`)

// moved refuses a tag that is not where it was.
func (r *run) moved(rel *Release, commit string) error {
	const advice = "move the tag back, or release a new version"
	if r.Commit != "" && commit != "" && commit != r.Commit {
		return &Refusal{"git tag " + r.tag, fmt.Sprintf("expected commit %s, got %s on the page", r.Commit, commit), advice}
	}
	if rel != nil && commit != "" && commitID().MatchString(rel.Commit) && rel.Commit != commit {
		return &Refusal{"git tag " + r.tag, fmt.Sprintf("it moved from commit %s, where the release was made, to %s", rel.Commit, commit), advice}
	}
	return nil
}

// sameProject refuses a page whose release of the tag, or else whose newest release,
// is of another project.
func (r *run) sameProject(ctx context.Context, rel *Release) error {
	if rel == nil {
		var err error
		if rel, err = r.newest(ctx); err != nil || rel == nil {
			return err
		}
	}
	raw, err := ReadAsset(ctx, r.Page, *rel, release.RecordFile, maxIndex, r.Retry)
	if err != nil {
		return err
	}
	other, err := release.ParseRecord(raw)
	if err != nil {
		return nil //nolint:nilerr // not ours to judge: another tool's file of the same name, or an upload that was cut
	}
	if other.Project != r.Dist.Record.Project {
		return &Refusal{r.Page.String(), fmt.Sprintf("expected releases of %s, got %s of %s", text.Show(r.Dist.Record.Project), text.Show(rel.Tag), text.Show(other.Project)), "check the page's address"}
	}
	return nil
}

// newest returns the published release of the highest version that has a
// release.json, or nil.
func (r *run) newest(ctx context.Context) (*Release, error) {
	all, err := r.Page.Releases(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a web root that is made with the first release
	}
	if err != nil {
		return nil, err
	}
	var latest *Release
	for _, rel := range all {
		if !rel.Draft && asset(rel, release.RecordFile) != nil && (latest == nil || compareTags(rel.Tag, latest.Tag) > 0) {
			latest = &rel
		}
	}
	return latest, nil
}

// do notes a step. It reports whether the step is to be done.
func (r *run) do(s Step) bool {
	r.result.Steps = append(r.result.Steps, s)
	if r.Progress != nil {
		r.Progress(s)
	}
	return !r.DryRun
}

// create makes the draft. With DryRun it notes what would follow and returns nil.
func (r *run) create(ctx context.Context, commit string) (*Release, error) {
	if !r.do(Step{Action: DoCreate}) {
		for _, f := range r.Dist.Files {
			r.do(Step{Action: DoUpload, Asset: f.Name, Size: f.Size})
		}
		r.finish()
		return nil, nil
	}
	draft := Release{
		Tag: r.tag, Commit: commit, Title: r.Dist.Record.Project + " " + string(r.Dist.Record.Version),
		Notes: r.Notes, Draft: true, Prerelease: r.Dist.Record.Version.IsPrerelease(),
	}
	made, err := r.Page.Create(ctx, draft)
	for tries := new(retry.Tries); err != nil; {
		var temporary *TemporaryError
		if !errors.As(err, &temporary) && statusOf(err) != http.StatusConflict {
			return nil, err
		}
		// Another run was quicker, or the answer was lost: what is there now?
		if rel, ferr := r.find(ctx); ferr != nil || rel != nil {
			return rel, ferr
		}
		if temporary == nil {
			return nil, err
		}
		if more, stop := r.Retry.Again(ctx, tries, r.Page.String(), err.Error(), temporary.after); stop != nil {
			return nil, stop
		} else if !more {
			return nil, err
		}
		made, err = r.Page.Create(ctx, draft)
	}
	all, err := r.Page.Find(ctx, r.tag)
	if err != nil {
		return nil, err
	}
	for _, other := range all {
		if other.ID < made.ID { // two drafts: the first stays
			return nil, errors.Join(fmt.Errorf("%s: %s: %w", r.Page, r.tag, ErrConcurrent), r.Page.Discard(ctx, made))
		}
	}
	r.result.URL = made.URL
	return &made, nil
}

// finish notes the steps that come after the uploads.
func (r *run) finish() {
	r.do(Step{Action: DoCompare})
	r.do(Step{Action: DoVerify})
	r.do(Step{Action: DoPublish})
}

func asset(rel Release, name string) *Asset {
	i := slices.IndexFunc(rel.Assets, func(a Asset) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &rel.Assets[i]
}

// names checks that no asset comes twice and none is unknown.
func (r *run) names(rel Release) error {
	seen := map[string]bool{}
	for _, a := range rel.Assets {
		if seen[a.Name] {
			return &Refusal{text.Show(a.Name), "the page has several assets of this name", "delete them from the release on the page, or the whole draft: " + rel.URL}
		}
		seen[a.Name] = true
		if !has(r.Dist.Files, a.Name) && !isRebuild(a.Name) {
			return &Refusal{text.Show(a.Name), "the page has this asset, the release at hand has not", "renamed or added on the page? " + rel.URL}
		}
	}
	return nil
}

func (r *run) published(ctx context.Context, rel Release) error {
	const advice = "a published release is never changed: release a new version"
	if err := r.names(rel); err != nil {
		return err
	}
	added := false
	for _, f := range r.Dist.Files {
		a := asset(rel, f.Name)
		switch {
		case isRebuild(f.Name) && (a == nil || a.Size == incomplete || a.Size == 0):
			// It may come later, from somebody else, and carries its own proof.
			if err := r.ensure(ctx, rel, f); err != nil {
				return err
			}
			added = true
		case a == nil:
			return &Refusal{f.Name, "not found in the published release", advice}
		case a.Size != f.Size:
			return &Refusal{f.Name, fmt.Sprintf("the published asset differs: expected %d bytes, got %d", f.Size, a.Size), advice}
		}
	}
	if !r.do(Step{Action: DoCompare}) {
		r.do(Step{Action: DoVerify})
		return nil
	}
	if added {
		now, err := r.find(ctx)
		if err != nil {
			return err
		}
		if now == nil || now.Draft {
			return fmt.Errorf("%s: %s: %w", r.Page, r.tag, ErrConcurrent)
		}
		if err := r.names(*now); err != nil {
			return err
		}
		rel = *now
	}
	if err := r.compare(ctx, rel, advice); err != nil {
		return err
	}
	r.do(Step{Action: DoVerify})
	if err := r.Verify(ctx, r.Temp); err != nil {
		return err
	}
	return r.Page.Promote(ctx, rel) // an index may be behind
}

func (r *run) draft(ctx context.Context, rel Release) error {
	if err := r.names(rel); err != nil {
		return err
	}
	for _, f := range r.Dist.Files {
		if err := r.ensure(ctx, rel, f); err != nil {
			return err
		}
	}
	if r.DryRun {
		r.finish()
		return nil
	}
	now, err := r.find(ctx)
	if err != nil {
		return err
	}
	if now == nil {
		return fmt.Errorf("%s: the draft of %s is gone: %w", r.Page, r.tag, ErrConcurrent)
	}
	if err := r.names(*now); err != nil {
		return err
	}
	r.do(Step{Action: DoCompare})
	if err := r.compare(ctx, *now, "delete the draft on the page and run again: "+now.URL); err != nil {
		return err
	}
	r.do(Step{Action: DoVerify})
	if err := r.Verify(ctx, r.Temp); err != nil {
		return err
	}
	return r.promote(ctx, *now)
}

func (r *run) promote(ctx context.Context, rel Release) error {
	// The tag may have moved while we worked, and a forge would make a missing one.
	commit, err := r.Page.Commit(ctx, r.tag)
	if errors.Is(err, ErrNoTag) {
		return r.noTag(&rel)
	}
	if err != nil {
		return err
	}
	if err := r.moved(&rel, commit); err != nil {
		return err
	}
	if rel.Draft {
		r.do(Step{Action: DoPublish})
		rel.Title = r.Dist.Record.Project + " " + string(r.Dist.Record.Version)
		rel.Notes, rel.Prerelease = r.Notes, r.Dist.Record.Version.IsPrerelease()
		if err := r.Page.Promote(ctx, rel); err != nil {
			return err
		}
	}
	now, err := r.find(ctx)
	if err != nil {
		return err
	}
	if now == nil || now.Draft {
		return fmt.Errorf("%s: %s is still not published", r.Page, r.tag)
	}
	r.result.URL = now.URL
	for _, f := range r.Dist.Files {
		if asset(*now, f.Name) == nil {
			return &Refusal{f.Name, "not found on the published page", "look at " + now.URL}
		}
	}
	return r.names(*now)
}

// ensure makes a draft, or of signed rebuilds a published release, have one asset. What an upload that was cut left behind
// is replaced; other bytes are refused.
func (r *run) ensure(ctx context.Context, rel Release, f File) error {
	for tries := new(retry.Tries); ; {
		if a := asset(rel, f.Name); a != nil {
			cut, err := r.isCut(ctx, *a, f)
			if err != nil {
				return err
			}
			if !cut {
				return nil
			}
			if r.do(Step{Action: DoRemove, Asset: f.Name, Size: max(a.Size, 0)}) {
				if err := r.Page.Remove(ctx, rel, *a); err != nil {
					return err
				}
			}
		}
		if !r.do(Step{Action: DoUpload, Asset: f.Name, Size: f.Size}) {
			return nil
		}
		made, err := r.upload(ctx, rel, f)
		if err == nil {
			return r.alone(ctx, rel, made)
		}
		var temporary *TemporaryError
		taken := errors.Is(err, ErrExists)
		switch {
		case taken && tries.Failures.Load() == 0:
			return fmt.Errorf("%s: %s: %w", r.Page, f.Name, ErrConcurrent)
		case taken:
			// An earlier try may have arrived after all: look.
		case !errors.As(err, &temporary):
			return err
		}
		var asked time.Duration
		if temporary != nil {
			asked = temporary.after
		}
		if more, stop := r.Retry.Again(ctx, tries, r.Page.String(), err.Error(), asked); stop != nil {
			return stop
		} else if !more {
			return fmt.Errorf("%w (tried %s)", err, text.Count(int(tries.Failures.Load()), "time"))
		}
		now, err := r.find(ctx)
		if err != nil {
			return err
		}
		if now == nil {
			return fmt.Errorf("%s: the release %s is gone: %w", r.Page, r.tag, ErrConcurrent)
		}
		if err := r.names(*now); err != nil {
			return err
		}
		rel = *now
	}
}

func (r *run) upload(ctx context.Context, rel Release, f File) (Asset, error) {
	file, err := atomicfile.Open(f.Path)
	if err != nil {
		return Asset{}, err
	}
	defer file.Close()
	return r.Page.Upload(ctx, rel, f.Name, file, f.Size)
}

// alone makes sure that an asset that was uploaded is the only one of its name.
// Of two, the one with the lower number stays.
func (r *run) alone(ctx context.Context, rel Release, made Asset) error {
	now, err := r.find(ctx)
	if err != nil {
		return err
	}
	if now == nil || now.Draft != rel.Draft {
		return fmt.Errorf("%s: %s: %w", r.Page, r.tag, ErrConcurrent)
	}
	for _, a := range now.Assets {
		if a.Name == made.Name && a.ID < made.ID {
			return errors.Join(fmt.Errorf("%s: %s: %w", r.Page, made.Name, ErrConcurrent), r.Page.Remove(ctx, rel, made))
		}
	}
	return nil
}

// isCut reports whether an asset of a draft is what an upload that was cut left:
// a strict prefix of the file. Other bytes of another length are a Refusal; those
// of the same length are left for the comparison of everything.
func (r *run) isCut(ctx context.Context, a Asset, f File) (bool, error) {
	if a.Size == incomplete || a.Size == 0 && f.Size > 0 {
		return true, nil
	}
	if a.Size == f.Size {
		return false, nil
	}
	advice := "delete the draft on the page and run again"
	if a.Size > f.Size {
		return false, &Refusal{f.Name, fmt.Sprintf("the draft's asset differs: expected %d bytes, got %d", f.Size, a.Size), advice}
	}
	want, err := prefixDigest(f.Path, a.Size)
	if err != nil {
		return false, err
	}
	h := release.NewHasher()
	if err := copyAsset(ctx, r.Page, a, h, a.Size, r.Retry); err != nil {
		return false, err
	}
	if h.Digest() != want {
		return false, &Refusal{f.Name, fmt.Sprintf("the draft's asset of %d bytes is not a part of the file", a.Size), advice}
	}
	return true, nil
}

func prefixDigest(path string, size int64) (release.Digest, error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return release.Digest{}, err
	}
	defer f.Close()
	h := release.NewHasher()
	_, err = io.CopyN(h, f, size)
	return h.Digest(), err
}

// compare downloads every asset into Temp and compares it with the file at hand.
func (r *run) compare(ctx context.Context, rel Release, advice string) error {
	for _, f := range r.Dist.Files {
		a := asset(rel, f.Name)
		if a == nil {
			return &Refusal{f.Name, "not found on the page", advice}
		}
		h := release.NewHasher()
		err := atomicfile.Write(filepath.Join(r.Temp, f.Name), 0o644, func(w io.Writer) error {
			return copyAsset(ctx, r.Page, *a, io.MultiWriter(w, h), f.Size, r.Retry)
		})
		if err != nil {
			return err
		}
		if h.Digest() != f.Digest {
			_ = os.Remove(filepath.Join(r.Temp, f.Name))
			return &Refusal{f.Name, fmt.Sprintf("the page serves other bytes: expected %s, got %s", f.Digest, h.Digest()), advice}
		}
	}
	return nil
}
