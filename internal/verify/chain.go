package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// maxUnsignedRecord is the largest release.json, in bytes, that is read while
// nobody vouches for it: a release of six cells has under 2 MB.
const maxUnsignedRecord = 8 << 20

// Input is a release to be verified.
type Input struct {
	Dist   fs.FS  // the directory of the release's files
	Policy Policy // who must have signed; [Tarballs] skips signatures if it names nobody

	Expect Expectation // which release this must be

	Images ImageAccess // what tarballs are compared with

	// ImageSignatures asks for a signature of each image besides that of the
	// release, by the same policy.
	ImageSignatures bool

	// Rebuilders, if not nil, are who must have built the tarballs again.
	Rebuilders *Rebuilders

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

	// Before are steps about what the release lies in, which its caller took. They
	// come first in the report.
	Before []Result

	// Progress, if not nil, is called with each step as it ends.
	Progress func(Result)

	// KeepEntries asks for the entries of each cell in [Released], which are
	// otherwise left out: there may be very many.
	KeepEntries bool

	Pack tarball.Options // how the rebuilding is done; it has no influence on bytes

	// Packer, if not nil, is used instead of [tarball.Pack], for example to have the
	// tarballs of several releases compressed together.
	Packer func(context.Context, []tarball.Job, tarball.Options) ([]tarball.Result, error)
}

// Release walks the chain. The error is for a cancelled context alone; all that
// is wrong with the release is in the report.
func Release(ctx context.Context, in Input) (Report, error) {
	w := newWalk(in)
	w.report.Expected, w.report.TrustRoot = in.Policy.expected(), in.Policy.RootOrigin()
	w.report.ExpectedProject, w.report.ExpectedVersion = in.Expect.Project, in.Expect.Version
	for _, s := range in.Before {
		w.add(s)
	}
	w.release()
	w.cells(ctx)
	if w.in.Expect.FromRelease {
		w.report.Unchecked = append(w.report.Unchecked, w.in.Expect.note(w.report.Version))
	}
	return w.finish(ctx)
}

// Unopened is the report of something that no release could be found in: of the steps
// that say why, and of nothing else.
func Unopened(in Input) Report {
	r := Report{Expected: []string{}, Results: in.Before}
	r.finish()
	return r
}

// walk is one walk along the chain.
type walk struct {
	in     Input
	report Report
	sums   *checksum.Sums  // nil: cannot be read
	record *release.Record // nil: cannot be used
	wrong  bool            // the record is of another project or version than expected

	signed map[release.Digest]Result // the link of each image's signature, by index

	notRepackaged bool // a package passed without being made again
	late          int  // tarballs that were left for later; see lateFile
}

func newWalk(in Input) *walk {
	if in.Packer == nil {
		in.Packer = tarball.Pack
	}
	return &walk{in: in, signed: map[release.Digest]Result{}}
}

// finish gives the report, unless the work was called off.
func (w *walk) finish(ctx context.Context) (Report, error) {
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	if w.in.Fast {
		w.report.Unchecked = append(w.report.Unchecked, "the tarballs were not compressed again: only their contents were compared")
	}
	if w.notRepackaged {
		w.report.Unchecked = append(w.report.Unchecked, "the packages were not made again: only their entries and metadata were compared")
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

func (w *walk) skip(cell, link, subject, why string) { w.add(skipped(cell, link, subject, why)) }

func skipped(cell, link, subject, why string) Result {
	class := Incomplete
	return Result{Cell: cell, Link: link, Subject: subject, Status: Skip, Class: &class, Detail: why}
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
	if !w.documents() {
		return
	}
	w.provenance()
	w.otherFiles()
	w.unsignedLinks()
}

// documents reads checksums.txt, its signature and release.json. It reports whether
// there is a list of files.
func (w *walk) documents() bool {
	raw, err := w.read(checksum.File, checksum.MaxSize)
	if err != nil {
		w.fail("", LinkChecksums, checksum.File, w.unreadableSums(err))
		return false
	}
	w.signature(raw)
	sums, err := checksum.ParseCoreutils(raw)
	if err != nil {
		w.fail("", LinkChecksums, checksum.File, &Error{Class: Untrusted, Err: err})
		return false
	}
	w.sums = &sums
	w.pass("", LinkChecksums, checksum.File, "%s", text.Count(sums.Len(), "file"))
	w.readRecord()
	return true
}

// unreadableSums explains why checksums.txt could not be read. Without it nothing
// of a release is trusted; but a directory that has nothing of a release at all
// is not a release.
func (w *walk) unreadableSums(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return &Error{Class: Untrusted, Err: err}
	}
	for _, name := range []string{release.BundleFile, release.RecordFile, release.ProvenanceFile} {
		if _, err := fs.Stat(w.in.Dist, name); err == nil {
			return untrusted("", "not found in the directory: the release is not trusted without it")
		}
	}
	return errors.New("not found in the directory: pass the directory of a release")
}

func (w *walk) signature(sums []byte) {
	bundle, err := w.read(release.BundleFile, MaxBundle)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.fail("", LinkBundle, release.BundleFile, untrusted(CheckBundle, "not found in the directory: the release is not signed"))
		return
	case err != nil:
		w.fail("", LinkBundle, release.BundleFile, err)
		return
	}
	s, err := blob(bundle, Data(bytes.NewReader(sums)), w.in.Policy, exactHint)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Check == CheckBundle && e.Class == Failed {
			e.Class = Untrusted // in the place of a release's bundle, another file is not a signature
		}
		step := failure("", LinkBundle, release.BundleFile, err)
		if bytes.Contains(sums, []byte("\r\n")) {
			step.Detail += "; checksums.txt has CRLF line endings: a transfer converted it, fetch it again"
		}
		w.add(step)
		return
	}
	w.report.Signature, w.report.Unchecked = &s, s.Unchecked
	w.report.Released.Checksums = release.DigestBytes(sums)
	w.pass("", LinkBundle, release.BundleFile, "%s", s.Text())
}

// listed checks a file against checksums.txt and adds the step.
func (w *walk) listed(cell, link, name string, want release.Digest) found {
	f := w.find(name)
	w.add(w.asListed(cell, link, name, want, &f))
	return f
}

// asListed is the link from a file to checksums.txt.
func (w *walk) asListed(cell, link, name string, want release.Digest, f *found) Result {
	switch {
	case f.missing:
		return skipped(cell, link, name, f.err.Error())
	case f.err != nil:
		return failure(cell, link, name, f.err)
	case f.digest != want:
		e := differs("sha256", want.Hex(), f.digest.Hex())
		if why := w.whatIs(*f, name); why != "" {
			e.Err = errors.New(why)
		}
		return failure(cell, link, name, e)
	}
	f.intact = true
	return Result{Cell: cell, Link: link, Subject: name, Status: Pass, Detail: fmt.Sprintf("sha256 %s, %d bytes", f.digest.Hex(), f.size)}
}

// instead says what lies in the place of a listed file, where that can be determined.
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

// signedRecord reads release.json, which may be large, if it has the digest that it
// must have: a first time for the digest, and again to take it apart by way of read,
// or whole if read does not take it.
func (w *walk) signedRecord(want release.Digest, limit int64, read func(io.Reader) (release.Record, bool)) (record release.Record, err error) {
	check := func(got *release.Hasher) error {
		switch {
		case got.Size() > limit:
			return fmt.Errorf("expected at most %d bytes", limit)
		case got.Digest() == want:
			return nil
		}
		e := differs("sha256", want.Hex(), got.Digest().Hex())
		if why := w.whatIs(found{digest: got.Digest(), size: got.Size()}, release.RecordFile); why != "" {
			e.Err = errors.New(why)
		}
		return e
	}
	pass := func(read func(io.Reader)) error {
		f, _, err := w.open(release.RecordFile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		h := release.NewHasher()
		in := io.TeeReader(io.LimitReader(f, limit+1), h)
		read(in)
		if _, err := io.Copy(io.Discard, in); err != nil {
			return err
		}
		return check(h)
	}
	if err := pass(func(io.Reader) {}); err != nil {
		return record, err
	}
	ok := false
	if err := pass(func(in io.Reader) { record, ok = read(in) }); err != nil || ok {
		return record, err
	}
	var raw []byte
	if err := pass(func(in io.Reader) { raw, err = io.ReadAll(in) }); err != nil {
		return record, err
	}
	if err != nil {
		return record, err
	}
	if err := checkDepth(raw); err != nil {
		return record, err
	}
	return release.ParseRecord(raw)
}

// recordEntries reads the entries of a cell again, as they are rarely needed.
func (w *walk) recordEntries(c release.RecordCell) ([]release.RecordEntry, error) {
	if c.Entries != nil {
		return c.Entries, nil
	}
	want, _ := w.sums.Lookup(release.RecordFile)
	record, err := w.signedRecord(want, release.MaxRecordSize, release.ReadRecord)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", release.RecordFile, err)
	}
	again, _ := record.Cell(c.String())
	return again.Entries, nil
}

func (w *walk) readRecord() {
	want, ok := w.sums.Lookup(release.RecordFile)
	if !ok {
		w.skip("", LinkRecord, release.RecordFile, "is not named by checksums.txt: the release does not name its images")
		return
	}
	limit := int64(release.MaxRecordSize)
	if w.report.Signature == nil {
		limit = maxUnsignedRecord
	}
	read := release.SumRecord
	if w.in.KeepEntries {
		read = release.ReadRecord
	}
	record, err := w.signedRecord(want, limit, read)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.skip("", LinkRecord, release.RecordFile, "not found in the directory")
		return
	case err != nil:
		w.fail("", LinkRecord, release.RecordFile, err)
		return
	}
	if err := w.in.Expect.check(record); err != nil {
		w.fail("", LinkRecord, release.RecordFile, err)
		w.wrong = true
	}
	w.record = &record
	w.report.Project, w.report.Version = record.Project, record.Version
	if w.wrong {
		w.report.Released = Released{}
		return
	}
	if w.report.Signature != nil {
		w.report.Released.Record = &record
	}
	w.pass("", LinkRecord, release.RecordFile, "%s %s, %s", record.Project, record.Version, text.Count(len(record.Cells), "cell"))
}

// isAsset reports whether a listed file is some cell's tarball or package.
func (w *walk) isAsset(name string) bool {
	if w.record == nil {
		return strings.HasSuffix(name, ".tar.gz")
	}
	return slices.ContainsFunc(w.record.Cells, func(c release.RecordCell) bool { return c.Asset == name || hasPackage(c, name) })
}

// otherFiles checks what else checksums.txt names: SBOMs and the like. If only
// some files are verified, it checks only those; if only some cells are, only
// those files that are present and are not archives. The hash of an archive or a
// program alone does not verify it: a signed list can name what no image holds.
func (w *walk) otherFiles() {
	for _, s := range w.sums.All() {
		if s.Name == release.RecordFile || w.isAsset(s.Name) {
			continue
		}
		if len(w.in.Assets) > 0 && !slices.Contains(w.in.Assets, s.Name) {
			continue
		}
		u := w.classify(s.Name)
		if len(w.in.Cells) > 0 {
			if _, err := fs.Stat(w.in.Dist, s.Name); u.executable || errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if !u.executable {
			w.listed("", LinkFile, s.Name, s.Digest)
			continue
		}
		switch f := w.find(s.Name); {
		case f.err != nil || f.digest != s.Digest:
			w.listed("", LinkFile, s.Name, s.Digest)
		default:
			w.skip("", LinkFile, s.Name, "as signed, but no cell of release.json describes it ("+u.what+"): it cannot be compared with an image")
		}
	}
}
