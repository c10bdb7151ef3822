package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// lateFile is a tarball that is not hashed by itself: what the image gives is hashed
// as it is made, and compared with the file byte for byte. Where all is the same,
// that is the digest of both, and the file has been read once; otherwise it is
// hashed as any other.
type lateFile struct {
	open   func() (fs.File, error)
	at     int            // of the file's result in the report, which waits for it
	signed release.Digest // what it should have

	f     fs.File // nil: nothing was made yet; many may wait, and fewer are made at a time
	other bool    // a byte was another, or missing
}

// Write implements io.Writer for what the image gives. It never fails.
func (l *lateFile) Write(p []byte) (int, error) {
	if l.f == nil && !l.other {
		var err error
		l.f, err = l.open()
		l.other = err != nil // who asks for the file's digest then says why
	}
	if !l.other {
		l.other = !next(l.f, p)
	}
	return len(p), nil
}

// pieces are for what is read of a file to be compared.
var pieces = sync.Pool{New: func() any { return new([]byte) }}

// next reports whether what comes next in a file is p.
func next(f io.Reader, p []byte) bool {
	b := pieces.Get().(*[]byte)
	defer pieces.Put(b)
	*b = slices.Grow((*b)[:0], len(p))[:len(p)]
	_, err := io.ReadFull(f, *b)
	return err == nil && bytes.Equal(*b, p)
}

// same reports whether the file has what was written, and nothing after it.
func (l *lateFile) same() bool {
	if l.other || l.f == nil {
		return false
	}
	_, err := l.f.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// maxLate is how many tarballs of a release may be open at a time. Those that come
// after are hashed.
const maxLate = 64

// mayBeLate reports whether a tarball is about to be compared with what its image
// gives, before anybody asks for its digest or watches what is checked.
func (w *walk) mayBeLate(k *cellCheck) bool {
	return w.late < maxLate && !w.in.Fast && !k.standalone && w.in.Rebuilders == nil && w.in.Progress == nil && w.in.Images.images != nil && w.withheld() == ""
}

// later leaves a cell's tarball for later and keeps its place in the report.
func (w *walk) later(k *cellCheck, signed release.Digest) {
	open := func() (fs.File, error) {
		f, _, err := w.open(k.cell.Asset)
		return f, err
	}
	w.late++
	k.late = &lateFile{open: open, at: len(w.report.Results), signed: signed}
	w.add(Result{})
}

// settle says what a tarball is that was left for later, now that its image was
// made into one, or was not.
func (w *walk) settle(ctx context.Context, k *cellCheck, rebuilt bool, made tarball.Result) {
	l := k.late
	if l == nil {
		return
	}
	k.late = nil
	switch {
	case rebuilt && l.same():
		k.file = found{digest: made.File, size: made.FileSize}
	case ctx.Err() != nil:
		k.file = found{err: context.Cause(ctx)}
	default:
		k.file = w.find(k.cell.Asset)
	}
	if l.f != nil {
		_ = l.f.Close() // it was only read
	}
	w.report.Results[l.at] = w.asListed(k.name, LinkTarball, k.cell.Asset, l.signed, &k.file)
}
