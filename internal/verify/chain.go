package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// BundleFile is the name under which a release publishes its signature.
const BundleFile = release.BundleFile

// Input is a release to be verified.
type Input struct {
	Dist   fs.FS  // the folder of the release's files
	Policy Policy // who must have signed; [Tarballs] skips signatures if it names nobody

	Images ImageAccess // what tarballs are compared with

	// ImageSignatures asks for a signature of each image besides that of the
	// release, by the same policy.
	ImageSignatures bool

	// Cells are the ones that are asked for, as release.json spells them; empty
	// means all of them. What is not asked for is not in the report. Assets does
	// the same by the names of tarballs.
	Cells, Assets []string

	// Describe, if not nil, says of which image a tarball is said to be made, where
	// release.json does not.
	Describe func(asset string) Standalone

	// Fast compares tar streams and does not make their compression again: a
	// cell then ends in [SameTar] at best, which passes, and the report says what
	// was not proven.
	Fast bool

	// Progress, if not nil, is called with each step as it ends.
	Progress func(Result)

	Pack tarball.Options // how the rebuilding is done; it has no influence on bytes
}

// Release walks the chain. The error is for a cancelled context alone; all that
// is wrong with the release is in the report.
func Release(ctx context.Context, in Input) (Report, error) {
	w := newWalk(in)
	w.report.Expected, w.report.TrustRoot = in.Policy.expected(), in.Policy.RootOrigin()
	w.release()
	w.cells(ctx)
	return w.finish(ctx)
}

// walk is one walk along the chain.
type walk struct {
	in     Input
	report Report
	sums   *checksum.Sums  // nil: cannot be read
	record *release.Record // nil: cannot be used

	signed map[release.Digest]Result // the link of each image's signature, by index
}

func newWalk(in Input) *walk {
	return &walk{in: in, signed: map[release.Digest]Result{}}
}

// finish gives the report, unless the work was called off.
func (w *walk) finish(ctx context.Context) (Report, error) {
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	if w.in.Fast {
		w.report.Unchecked = append(w.report.Unchecked, "the compression of the tarballs was not made again, only what is inside them was compared")
	}
	w.report.finish()
	return w.report, nil
}

func (w *walk) add(s Result) {
	w.report.Results = append(w.report.Results, s)
	if w.in.Progress != nil {
		w.in.Progress(s)
	}
}

func (w *walk) pass(cell, link, subject, format string, args ...any) {
	w.add(Result{Cell: cell, Link: link, Subject: subject, Status: Pass, Detail: fmt.Sprintf(format, args...)})
}

func (w *walk) skip(cell, link, subject, why string) {
	class := Incomplete
	w.add(Result{Cell: cell, Link: link, Subject: subject, Status: Skip, Class: &class, Detail: why})
}

func (w *walk) fail(cell, link, subject string, err error) {
	w.add(failure(cell, link, subject, err))
}

// failure makes a step of an error.
func failure(cell, link, subject string, err error) Result {
	class := Failed
	s := Result{Cell: cell, Link: link, Subject: subject, Status: Fail, Class: &class, Detail: text.Line(err.Error(), maxErrorText)}
	var e *Error
	if errors.As(err, &e) {
		class = e.Class
		s.Field, s.Expected, s.Got = e.Field, text.Line(e.Expected, maxErrorText), text.Line(e.Got, maxErrorText)
		if e.Expected+e.Got != "" { // they have lines of their own
			s.Detail = e.text("")
		}
	}
	for _, said := range []string{subject, link} { // it stands before the detail anyway
		s.Detail = strings.TrimPrefix(s.Detail, said+": ")
	}
	return s
}

// differs is an Error of class Differs.
func differs(field, expected, got string) *Error {
	return &Error{Class: Differs, Field: field, Expected: expected, Got: got}
}

// release looks at the links that all cells share.
func (w *walk) release() {
	raw, err := w.read(checksum.File, checksum.MaxSize)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("is not in the folder: give the folder of a release")
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
	strangers, others, err := w.uncovered()
	if err != nil {
		w.fail("", LinkFolder, ".", err)
	}
	if len(others) == 0 {
		w.pass("", LinkChecksums, checksum.File, "%s", text.Count(sums.Len(), "file"))
	} else {
		w.pass("", LinkChecksums, checksum.File, "%s; not covered: %s", text.Count(sums.Len(), "file"), strings.Join(firstFew(others), ", "))
	}
	w.readRecord()
	w.provenance()
	w.otherFiles()
	w.folder(strangers)
}

func (w *walk) signature(sums []byte) {
	bundle, err := w.read(BundleFile, MaxBundle)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.fail("", LinkBundle, BundleFile, untrusted(CheckBundle, "is not in the folder: the release is not signed"))
		return
	case err != nil:
		w.fail("", LinkBundle, BundleFile, err)
		return
	}
	s, err := blob(bundle, Data(bytes.NewReader(sums)), w.in.Policy, exactHint)
	if err != nil {
		step := failure("", LinkBundle, BundleFile, err)
		if bytes.Contains(sums, []byte("\r\n")) {
			step.Detail += "; checksums.txt has DOS line ends, so it was converted on its way: fetch it again"
		}
		w.add(step)
		return
	}
	w.report.Signature, w.report.Unchecked = &s, s.Unchecked
	w.pass("", LinkBundle, BundleFile, "%s", s.Text())
}

// listed checks a file against checksums.txt and adds the step.
func (w *walk) listed(cell, link, name string, want release.Digest) found {
	f := w.find(name)
	switch {
	case f.missing:
		w.skip(cell, link, name, f.err.Error())
	case f.err != nil:
		w.fail(cell, link, name, f.err)
	case f.digest != want:
		e := differs("sha256", want.Hex(), f.digest.Hex())
		if why := w.whatIs(f, name); why != "" {
			e.Err = errors.New(why)
		}
		w.fail(cell, link, name, e)
	default:
		f.intact = true
		w.pass(cell, link, name, "sha256 %s, %d bytes", f.digest.Hex(), f.size)
	}
	return f
}

// instead says what lies in the place of a listed file, where that can be told.
func (w *walk) whatIs(f found, name string) string {
	if f.size == 0 {
		return "the file is empty"
	}
	for _, s := range w.sums.All() {
		if s.Digest == f.digest && s.Name != name {
			return "this is the file that checksums.txt calls " + s.Name + ", under another name"
		}
	}
	return ""
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
		e := differs("sha256", want.Hex(), got.Hex())
		if why := w.whatIs(found{digest: got, size: int64(len(raw))}, release.RecordFile); why != "" {
			e.Err = errors.New(why)
		}
		w.fail("", LinkRecord, release.RecordFile, e)
		return
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		w.fail("", LinkRecord, release.RecordFile, err)
		return
	}
	w.record = &record
	w.report.Project, w.report.Version = record.Project, record.Version
	w.pass("", LinkRecord, release.RecordFile, "%s %s, %s", record.Project, record.Version, text.Count(len(record.Cells), "cell"))
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
		if len(w.in.Cells)+len(w.in.Assets) > 0 {
			if _, err := fs.Stat(w.in.Dist, s.Name); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		w.listed("", LinkFile, s.Name, s.Digest)
	}
}

// uncovered lists the files that checksums.txt does not name: those that could
// pass for a part of the release, and others.
func (w *walk) uncovered() (strangers, others []string, err error) {
	entries, err := fs.ReadDir(w.in.Dist, ".")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name := e.Name()
		if _, ok := w.sums.Lookup(name); ok || name == checksum.File || name == BundleFile || name == ProvenanceFile || e.IsDir() {
			continue
		}
		if w.looksLikeOurs(name) {
			strangers = append(strangers, name)
		} else {
			others = append(others, name)
		}
	}
	return strangers, others, nil
}

// looksLikeOurs goes by how releases name their files, and by what the listed
// tarballs begin with.
func (w *walk) looksLikeOurs(name string) bool {
	if strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".spdx.json") {
		return true
	}
	for _, s := range w.sums.All() {
		if project, _, ok := strings.Cut(s.Name, "_"); ok && strings.HasSuffix(s.Name, ".tar.gz") && strings.HasPrefix(name, project+"_") {
			return true
		}
	}
	return false
}

// folder names the files that pass for a part of the release and are not.
func (w *walk) folder(strangers []string) {
	for _, name := range strangers {
		why := "is not among the files that checksums.txt names: nobody signed it"
		if f := w.find(name); f.here() {
			if is := w.whatIs(f, name); is != "" {
				why += "; " + is
			}
		}
		w.skip("", LinkFolder, text.Line(name, maxErrorText), why)
	}
}
