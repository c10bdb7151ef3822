package verify

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/text"
)

// open opens a regular file for reading, through symbolic links. Anything else
// is refused before it is opened: a named pipe would wait for a writer. The
// caller's fs.FS closes the gap between the two, see [atomicfile.FS].
func (w *walk) open(name string) (fs.File, int64, error) {
	fi, err := fs.Stat(w.in.Dist, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if to, lerr := fs.ReadLink(w.in.Dist, name); lerr == nil {
			return nil, 0, fmt.Errorf("is a symbolic link to %s, which was not found: %w", text.Line(to, maxErrorText), fs.ErrNotExist)
		}
		return nil, 0, err
	case err != nil:
		return nil, 0, explainRead(err)
	case !fi.Mode().IsRegular():
		return nil, 0, differs("type", "a regular file", atomicfile.Kind(fi.Mode()))
	}
	f, err := w.in.Dist.Open(name)
	if err != nil {
		return nil, 0, explainRead(err)
	}
	return f, fi.Size(), nil
}

func explainRead(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("cannot be read: fix its permissions: %w", err)
	}
	return err
}

// read reads a small file whole.
func (w *walk) read(name string, limit int64) ([]byte, error) {
	f, _, err := w.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("expected at most %d bytes", limit)
	}
	return b, err
}

// found is a file of any size, hashed.
type found struct {
	digest  release.Digest
	size    int64 // bytes
	intact  bool  // it is as signed
	missing bool  // err says how
	err     error // why it could not be hashed; nil: it is here and was read
}

// here reports whether there is a file that can be opened and compared.
func (f found) here() bool { return f.err == nil }

func (w *walk) find(name string) found {
	f, _, err := w.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		why := errors.New("not found in the directory")
		if _, lerr := fs.ReadLink(w.in.Dist, name); lerr == nil {
			why = errors.New("is a symbolic link to a missing file")
		}
		return found{missing: true, err: why}
	}
	if err != nil {
		return found{err: err}
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return found{err: err}
	}
	return found{digest: release.DigestOf([sha256.Size]byte(h.Sum(nil))), size: n}
}

// archive opens a tarball as something that can be read at any place.
func (w *walk) archive(name string) (readerAt, int64, error) {
	f, size, err := w.open(name)
	if err != nil {
		return nil, 0, err
	}
	at, ok := f.(readerAt)
	if !ok {
		_ = f.Close()
		return nil, 0, fmt.Errorf("%s: cannot be read at an offset", name)
	}
	return at, size, nil
}

type readerAt interface {
	fs.File
	io.ReaderAt
}
