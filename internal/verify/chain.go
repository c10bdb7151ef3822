package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// BundleFile is the name under which a release publishes its signature.
const BundleFile = checksum.File + ".sigstore.json"

// Images is where images come from: a registry or a layout. Everything it gives
// has been checked against the digest that was asked for. Where that does not
// hold it answers with an *[Error] of class Differs, naming expected and got; any
// other error means that it could not look.
type Images interface {
	// Manifest gives the digest of the platform's manifest in an index. image is
	// the name and tag in release.json; only the digest says which index it is.
	Manifest(ctx context.Context, image string, index release.Digest, p release.Platform) (release.Digest, error)

	// Tree gives what cell.Path of the platform's manifest looks like to a
	// container, with cell.Include and cell.Exclude applied.
	Tree(ctx context.Context, cell release.RecordCell) (tarball.Tree, error)
}

// Input is a release to be verified.
type Input struct {
	Dist   fs.FS  // the folder of the release's files
	Policy Policy // who must have signed

	Images   Images // nil: nothing is compared with images
	NoImages string // why Images is nil, for the report

	// Cells are the ones that are asked for, as release.json spells them; empty
	// means all of them. What is not asked for is not in the report.
	Cells []string

	// Fast compares tar streams and does not make their compression again: a
	// cell then ends in [SameTar] at best, which passes, and the report says what
	// was not proven.
	Fast bool

	// Progress, if not nil, is called with each step as it ends.
	Progress func(Step)

	Pack tarball.Options // how the rebuilding is done; it has no influence on bytes
}

// Release walks the chain. The error is for a cancelled context alone; all that
// is wrong with the release is in the report.
func Release(ctx context.Context, in Input) (Report, error) {
	w := &walk{in: in}
	w.in.Policy.ExactHint = true
	w.report.Expected, w.report.TrustRoot = in.Policy.expected(), in.Policy.RootOrigin()
	w.release()
	w.cells(ctx)
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	if in.Fast {
		w.report.Unchecked = append(w.report.Unchecked, "the compression of the tarballs was not made again, only what is inside them was compared")
	}
	w.report.finish()
	return w.report, nil
}

// walk is one walk along the chain.
type walk struct {
	in     Input
	report Report
	sums   *checksum.Sums  // nil: cannot be read
	record *release.Record // nil: cannot be used
}

func (w *walk) add(s Step) {
	w.report.Steps = append(w.report.Steps, s)
	if w.in.Progress != nil {
		w.in.Progress(s)
	}
}

func (w *walk) pass(cell, link, subject, format string, args ...any) {
	w.add(Step{Cell: cell, Link: link, Subject: subject, Status: Pass, Detail: fmt.Sprintf(format, args...)})
}

func (w *walk) skip(cell, link, subject, why string) {
	class := Incomplete
	w.add(Step{Cell: cell, Link: link, Subject: subject, Status: Skip, Class: &class, Detail: why})
}

func (w *walk) fail(cell, link, subject string, err error) {
	w.add(failure(cell, link, subject, err))
}

// failure makes a step of an error.
func failure(cell, link, subject string, err error) Step {
	class := Failed
	s := Step{Cell: cell, Link: link, Subject: subject, Status: Fail, Class: &class, Detail: oneLine(err.Error())}
	var e *Error
	if errors.As(err, &e) {
		class = e.Class
		s.Field, s.Expected, s.Got = e.Field, oneLine(e.Expected), oneLine(e.Got)
		if e.Err == nil && e.Expected+e.Got != "" {
			s.Detail = strings.Trim(e.Step+": "+e.Field, ": ") // expected and got have lines of their own
		}
		s.Detail = strings.TrimPrefix(s.Detail, link+": ")
	}
	return s
}

// differs is an Error of class Differs.
func differs(field, expected, got string) *Error {
	return &Error{Class: Differs, Field: field, Expected: expected, Got: got}
}

// read reads a small file whole.
func (w *walk) read(name string, limit int64) ([]byte, error) {
	f, err := w.in.Dist.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: want at most %d bytes", name, limit)
	}
	return b, err
}

// hash reads a file of any size.
func (w *walk) hash(name string) (release.Digest, int64, error) {
	f, err := w.in.Dist.Open(name)
	if err != nil {
		return release.Digest{}, 0, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return release.Digest{}, 0, err
	}
	return release.DigestOf([sha256.Size]byte(h.Sum(nil))), n, nil
}

// release looks at the links that all cells share.
func (w *walk) release() {
	raw, err := w.read(checksum.File, checksum.MaxSize)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("is not in the folder; give the folder of a release")
		}
		w.fail("", LinkChecksums, checksum.File, err)
		return
	}
	w.signature(raw)
	sums, err := checksum.ParseCoreutils(raw)
	if err != nil {
		w.fail("", LinkChecksums, checksum.File, err)
		return
	}
	w.sums = &sums
	w.pass("", LinkChecksums, checksum.File, "%s", plural(sums.Len(), "file"))
	w.readRecord()
	w.provenance()
	w.otherFiles()
	w.folder()
}

func (w *walk) signature(sums []byte) {
	bundle, err := w.read(BundleFile, MaxBundle)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.fail("", LinkBundle, BundleFile, untrusted(StepBundle, "is not in the folder: the release is not signed"))
		return
	case err != nil:
		w.fail("", LinkBundle, BundleFile, err)
		return
	}
	s, err := Blob(bundle, Data(bytes.NewReader(sums)), w.in.Policy)
	if err != nil {
		w.fail("", LinkBundle, BundleFile, err)
		return
	}
	w.report.Signature, w.report.Unchecked = &s, s.Unchecked
	w.pass("", LinkBundle, BundleFile, "%s", s.Text())
}

// listed checks a file against checksums.txt and adds the step. It says whether
// the file is as signed.
func (w *walk) listed(cell, link, name string, want release.Digest) bool {
	got, size, err := w.hash(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.skip(cell, link, name, "is not in the folder")
	case err != nil:
		w.fail(cell, link, name, err)
	case got != want:
		w.fail(cell, link, name, differs("sha256", want.Hex(), got.Hex()))
	default:
		w.pass(cell, link, name, "sha256 %s, %d bytes", got.Hex(), size)
		return true
	}
	return false
}

func (w *walk) readRecord() {
	want, ok := w.sums.Lookup(release.RecordFile)
	if !ok {
		w.skip("", LinkRecord, release.RecordFile, "is not among the files that checksums.txt names: the release does not say what its tarballs are made of")
		return
	}
	raw, err := w.read(release.RecordFile, release.MaxRecordSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.skip("", LinkRecord, release.RecordFile, "is not in the folder")
		return
	case err != nil:
		w.fail("", LinkRecord, release.RecordFile, err)
		return
	}
	if got := release.DigestBytes(raw); got != want {
		w.fail("", LinkRecord, release.RecordFile, differs("sha256", want.Hex(), got.Hex()))
		return
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		w.fail("", LinkRecord, release.RecordFile, err)
		return
	}
	w.record = &record
	w.report.Project, w.report.Version = record.Project, record.Version
	w.pass("", LinkRecord, release.RecordFile, "%s %s, %s", record.Project, record.Version, plural(len(record.Cells), "cell"))
}

// isAsset says whether a listed file is some cell's tarball.
func (w *walk) isAsset(name string) bool {
	if w.record == nil {
		return strings.HasSuffix(name, ".tar.gz")
	}
	return slices.ContainsFunc(w.record.Cells, func(c release.RecordCell) bool { return c.Asset == name })
}

// otherFiles checks what else checksums.txt names: SBOMs and the like. If only
// some cells were asked for, only those that are there.
func (w *walk) otherFiles() {
	for _, s := range w.sums.All() {
		if s.Name == release.RecordFile || w.isAsset(s.Name) {
			continue
		}
		if len(w.in.Cells) > 0 {
			if _, err := fs.Stat(w.in.Dist, s.Name); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		w.listed("", LinkFile, s.Name, s.Digest)
	}
}

// folder looks for files that pass for a part of the release and are not.
func (w *walk) folder() {
	entries, err := fs.ReadDir(w.in.Dist, ".")
	if err != nil {
		w.fail("", LinkFolder, ".", err)
		return
	}
	for _, e := range entries {
		name := e.Name()
		if _, ok := w.sums.Lookup(name); ok || name == checksum.File || name == BundleFile || name == ProvenanceFile || e.IsDir() {
			continue
		}
		ours := w.record != nil && strings.HasPrefix(name, w.record.Project+"_")
		if ours || strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".spdx.json") {
			w.skip("", LinkFolder, oneLine(name), "is not among the files that checksums.txt names: nobody signed it")
		}
	}
}
