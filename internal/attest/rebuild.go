package attest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/rebuild"
	"facerec/internal/release"
	"facerec/internal/sign"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// RebuildInput is a rebuild to be signed.
type RebuildInput struct {
	Outcome rebuild.Outcome
	Time    time.Time // of the rebuild

	Dir  string // where the signed statements are written: that of the release
	Name string // of the rebuilder, for the name of the file; "" makes one of who signs

	Bundles []sign.Input // by which the release was verified
	Images  []oci.Ref    // indexes in registries, by digest, that the statements are attached to
	Access  oci.Access

	By     func(context.Context) (By, error)
	Notice func(line string) // nil: nobody listens
}

// SignedRebuild is a statement about what all passed, or all failed.
type SignedRebuild struct {
	Path     string           `json:"path"`
	Result   string           `json:"result"` // PASSED or FAILED
	Subjects []string         `json:"subjects"`
	Signed   verify.Signature `json:"signature"`
	Attached []string         `json:"attached,omitempty"` // referrers, by digest
}

// errNothing is an outcome in which nothing was compared.
var errNothing = errors.New("nothing was rebuilt: there is nothing to attest")

// Rebuild signs what a rebuild came to: that it gave the bytes of the release, or
// that it did not. What passed and what failed are statements, and files, of their
// own, so that each holds for all its subjects. No file is replaced.
func Rebuild(ctx context.Context, in RebuildInput) ([]SignedRebuild, error) {
	details, err := json.Marshal(in.Outcome)
	if err != nil {
		return nil, err
	}
	var passed, failed []sign.Input
	for _, s := range in.Outcome.Subjects() {
		if s.Verdict == rebuild.Same {
			passed = append(passed, sign.Input{Name: s.Name, Digest: s.Digest})
		} else {
			failed = append(failed, sign.Input{Name: s.Name, Digest: s.Digest})
		}
	}
	if len(passed)+len(failed) == 0 {
		return nil, errNothing
	}
	by, err := in.By(ctx)
	if err != nil {
		return nil, err
	}
	w := &work{Input: Input{Access: in.Access, Notice: in.Notice}}
	var out []SignedRebuild
	for _, part := range []struct {
		result   string
		subjects []sign.Input
	}{{release.RebuildFailed, failed}, {release.RebuildPassed, passed}} {
		if len(part.subjects) == 0 {
			continue
		}
		path, err := in.path(by.Policy, part.result, len(out) > 0)
		if err != nil {
			return nil, err
		}
		text, err := sign.RebuildStatement(sign.Rebuild{
			Project: in.Outcome.Project, Version: in.Outcome.Version, Passed: part.result == release.RebuildPassed, Subjects: part.subjects,
			Verifier: builder(by.Policy), Time: in.Time, Attestations: in.Bundles, Outcome: details,
		})
		if err != nil {
			return nil, err
		}
		signed := SignedRebuild{Path: path, Result: part.result}
		var about []release.Digest
		for _, s := range part.subjects {
			signed.Subjects, about = append(signed.Subjects, s.Name), append(about, s.Digest)
		}
		at := len(out)
		out = append(out, signed)
		i := statement(text, release.PredicateSummary, about...)
		i.what = path
		all := i.check
		i.check = func(ctx context.Context, bundle []byte, p verify.Policy) error {
			err := all(ctx, bundle, p)
			if err == nil {
				out[at].Signed, err = verify.Blob(bundle, verify.Digest(about[0]), p)
			}
			return err
		}
		i.place = func(ctx context.Context, bundle []byte) error {
			for _, image := range in.Images {
				d, err := oci.Attach(ctx, image, bundle, sign.BundleMediaType, sign.ImageAnnotations(release.PredicateSummary), in.Access)
				if err != nil {
					return err
				}
				out[at].Attached = append(out[at].Attached, d.String())
			}
			return atomicfile.WriteNewBytes(path, 0o644, bundle)
		}
		w.items = append(w.items, i)
	}
	if err := w.makeAll(ctx, &by); err != nil {
		return nil, err
	}
	for _, i := range w.items {
		if err := i.place(ctx, i.bundle); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AttachedRebuild is a rebuild that was signed before, next to an index.
type AttachedRebuild struct {
	Name   string `json:"name"`   // of the file
	Image  string `json:"image"`  // REGISTRY/REPOSITORY@DIGEST
	Action string `json:"action"` // "attach" or "keep"
	Digest string `json:"digest,omitempty"`
}

// What happens to a rebuild that was signed before.
const (
	DoAttach = "attach"
	DoKeep   = "keep" // the index has this very bundle already
)

// AttachRebuild attaches a bundle that somebody signed to an index in a registry, by
// digest, unless it refers to it already. With dryRun it only decides.
func AttachRebuild(ctx context.Context, name string, bundle []byte, index oci.Ref, access oci.Access, dryRun bool) (AttachedRebuild, error) {
	out := AttachedRebuild{Name: name, Image: index.String(), Action: DoAttach}
	found, problems, err := oci.Referrers(ctx, index, index.Digest, access)
	if err == nil && len(found) == 0 && len(problems) > 0 {
		err = fmt.Errorf("cannot determine what refers to %s: %w", index, errors.Join(problems...))
	}
	if err != nil {
		return out, err
	}
	want := release.DigestBytes(bundle)
	for _, r := range found {
		for _, l := range r.Layers {
			if l.Digest == want {
				out.Action, out.Digest = DoKeep, r.Digest.String()
				return out, nil
			}
		}
	}
	if dryRun {
		return out, nil
	}
	d, err := oci.Attach(ctx, index, bundle, sign.BundleMediaType, sign.ImageAnnotations(release.PredicateSummary), access)
	out.Digest = d.String()
	return out, err
}

// path is where a statement is written. If there is one about what failed already,
// the other one has a name of its own.
func (in RebuildInput) path(p verify.Policy, result string, second bool) (string, error) {
	name := in.Name
	if name == "" {
		name = rebuilderName(p)
	}
	if second {
		name += "-" + strings.ToLower(result)
	}
	return RebuildPath(in.Dir, name)
}

// RebuildPath is where a rebuilder's statement is written. It returns [fs.ErrExist]
// if there is one.
func RebuildPath(dir, rebuilder string) (string, error) {
	file, err := release.RebuildFile(rebuilder)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, file)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return "", fmt.Errorf("%s: a signed rebuild is never replaced: %w", path, err)
	}
	return path, nil
}

var notInNames = text.Pattern(`[^0-9A-Za-z._-]+`)

// rebuilderName makes a name of who signs: ann-example.com of a mail address,
// OWNER-REPOSITORY of a workflow, the beginning of a key's fingerprint.
func rebuilderName(p verify.Policy) string {
	if p.Key != nil {
		return "key-" + p.Key.Fingerprint().Hex()[:16]
	}
	san := p.Identities[0].SAN
	if _, rest, ok := strings.Cut(san, "://"); ok {
		if parts := strings.Split(rest, "/"); len(parts) > 2 {
			san = parts[1] + "-" + parts[2]
		}
	}
	name := strings.Trim(notInNames().ReplaceAllString(san, "-"), "._-")
	return name[:min(len(name), maxRebuilderName)]
}

// maxRebuilderName leaves room for what path adds.
const maxRebuilderName = 50
