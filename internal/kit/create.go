package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/oci"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// Input is what [Create] makes a kit of.
type Input struct {
	Dirs []string // directories of releases whose signatures were found good

	// Place is where images are looked for; nil: where release.json says.
	Place    *oci.Ref
	Transfer oci.TransferOptions

	// Root is the trusted root that goes in, nil for none.
	Root []byte

	// Sources, if not "", is a directory with the sources that provenances name.
	Sources string

	// Verify walks the chain of one release down to its images in a layout. It is
	// required, and its reports go in: they must say nothing of this machine.
	Verify func(ctx context.Context, r release.Record, files fs.FS, images oci.Ref) (verify.Report, error)

	Temp   string // directory for images, empty
	Notice func(line string)
}

// UnverifiedError is a release that is not put into a kit.
type UnverifiedError struct {
	Dir    string
	Report verify.Report
}

func (e *UnverifiedError) Error() string {
	for _, status := range []verify.Status{verify.Fail, verify.Skip} {
		for _, s := range e.Report.Results {
			if s.Status == status {
				return fmt.Sprintf("%s is not verified: %s", e.Dir, text.Line(s.Text(), 800))
			}
		}
	}
	return fmt.Sprintf("%s is not verified: %s", e.Dir, e.Report.Verdict)
}

// Create writes a kit of some releases, each verified from the very images that go
// in. The same releases in any order, with the same trusted root and the same
// referrers and rebuilders' attestations, give the same bytes.
func Create(ctx context.Context, in Input, w io.Writer) (Manifest, error) {
	var dists []publish.Dist
	known := map[string]publish.Dist{}
	for _, dir := range in.Dirs {
		d, err := publish.ReadDist(dir)
		if err != nil {
			return Manifest{}, err
		}
		name := Release{Project: d.Record.Project, Version: d.Record.Version}.Name()
		if other, twice := known[name]; twice {
			if slices.EqualFunc(d.Files, other.Files, func(a, b publish.File) bool { return a.Name == b.Name && a.Digest == b.Digest }) {
				continue
			}
			return Manifest{}, fmt.Errorf("%s and %s: both are %s, and their files differ", other.Dir, dir, name)
		}
		known[name] = d
		dists = append(dists, d)
	}
	slices.SortFunc(dists, func(a, b publish.Dist) int {
		return strings.Compare(Release{Project: a.Record.Project, Version: a.Record.Version}.Name(), Release{Project: b.Record.Project, Version: b.Record.Version}.Name())
	})
	layout := filepath.Join(in.Temp, "layout")
	if err := pull(ctx, in, dists, layout); err != nil {
		return Manifest{}, err
	}
	files := staged{}
	if err := files.layout(layout); err != nil {
		return Manifest{}, err
	}
	if in.Root != nil {
		if err := files.bytes(RootFile, in.Root); err != nil {
			return Manifest{}, err
		}
	}
	for _, d := range dists {
		if err := files.release(ctx, in, d, oci.Ref{Kind: oci.Layout, Name: layout}); err != nil {
			return Manifest{}, err
		}
	}
	m, err := files.write(ctx, w)
	if err != nil {
		return m, err
	}
	return m, checkLayout(ctx, m, oci.Ref{Kind: oci.Layout, Name: layout})
}

// pull gets the images of all releases, each once, with what refers to them.
func pull(ctx context.Context, in Input, dists []publish.Dist, layout string) error {
	var jobs []oci.PullJob
	known := map[Image]bool{}
	for _, d := range dists {
		for _, c := range d.Record.Cells {
			i := Image{c.Image, c.IndexDigest}
			if known[i] {
				continue
			}
			known[i] = true
			from, err := oci.ParseRef(c.Image)
			if in.Place != nil {
				from, err = *in.Place, nil
			}
			if err != nil {
				return text.WithHint(err, "name the place of the images with --image")
			}
			jobs = append(jobs, oci.PullJob{From: from.At(c.IndexDigest), Tag: c.Image})
		}
	}
	_, err := oci.Pull(ctx, jobs, layout, in.Transfer)
	return err
}

// release puts a release in, with its report.
func (s staged) release(ctx context.Context, in Input, d publish.Dist, images oci.Ref) error {
	report, err := in.Verify(ctx, d.Record, withoutRebuilds{atomicfile.FS(d.Dir)}, images)
	if err != nil {
		return err
	}
	if !report.Verified {
		return &UnverifiedError{d.Dir, report}
	}
	raw, err := report.JSON()
	if err != nil {
		return err
	}
	r := Release{Project: d.Record.Project, Version: d.Record.Version}
	if err := s.bytes(r.reportFile(), raw); err != nil {
		return err
	}
	sums, err := readSums(d.Dir)
	if err != nil {
		return err
	}
	for _, f := range d.Files {
		_, listed := sums.Lookup(f.Name)
		switch role := roleInRelease(f.Name); {
		case listed, role == RoleChecksums, role == RoleSignature, role == RoleProvenance, role == RoleRebuild:
		default:
			in.Notice(fmt.Sprintf("%s is left out: %s does not name it", text.Show(f.Path), checksum.File))
			continue
		}
		if err := s.disk(r.dir()+"/"+f.Name, f.Path); err != nil {
			return err
		}
	}
	return s.sources(in.Sources, r)
}

func readSums(dir string) (checksum.Sums, error) {
	raw, err := atomicfile.ReadFile(filepath.Join(dir, checksum.File), checksum.MaxSize)
	if err != nil {
		return checksum.Sums{}, err
	}
	return checksum.Parse(raw)
}

// sources puts the sources of a release in that are in a directory.
func (s staged) sources(dir string, r Release) error {
	if dir == "" {
		return nil
	}
	raw, err := small(s, r.dir()+"/"+release.ProvenanceFile, verify.MaxBundle)
	if errors.Is(err, fs.ErrNotExist) {
		return text.WithHint(fmt.Errorf("%s has no %s: nothing says which sources it was made from", r.Name(), release.ProvenanceFile),
			"leave --source out, or sign the release with --provenance")
	}
	if err != nil {
		return err
	}
	named, err := sourcesIn(raw)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", release.ProvenanceFile, r.Name(), err)
	}
	for _, i := range named {
		if err := s.disk(sourcesDir+"/"+r.Name()+"/"+i.Name, filepath.Join(dir, i.Name)); err != nil {
			return err
		}
	}
	return nil
}

// checkRebuild reports whether a bundle can be a rebuilder's attestation of a
// release: its statement is about one of the release's files or images. Who signed it
// is for the verification to find out.
func checkRebuild(bundle []byte, r release.Record, sums checksum.Sums) error {
	subjects, err := subjectsOf(bundle)
	if err != nil {
		return err
	}
	of := map[string]bool{release.DigestBytes(sums.Format()).Hex(): true}
	for _, s := range sums.All() {
		of[s.Digest.Hex()] = true
	}
	for _, c := range r.Cells {
		of[c.TarSHA256.Hex()], of[c.IndexDigest.Hex()], of[c.ManifestDigest.Hex()] = true, true, true
	}
	for _, d := range subjects {
		if of[d] {
			return nil
		}
	}
	return fmt.Errorf("its subjects (%s) are neither files nor images of %s %s", text.List(subjects, 3), r.Project, r.Version)
}

// subjectsOf reads what an attestation is about, as SHA-256 digests: the subjects of a
// bundle, or the artifacts of rebuilderd's links.
func subjectsOf(bundle []byte) ([]string, error) {
	claim, err := verify.ReadClaim(bundle)
	return claim.Subjects, err
}

// withoutRebuilds is the directory of a release without rebuilders' attestations:
// the report in a kit is of the release alone, and stays right when one is added.
type withoutRebuilds struct{ fs.FS }

func (w withoutRebuilds) Open(name string) (fs.File, error) {
	if isRebuild(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return w.FS.Open(name)
}

func (w withoutRebuilds) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(all, func(e fs.DirEntry) bool { return isRebuild(e.Name()) }), err
}
