// Package atomicfile writes files and directories whole or not at all, and
// opens regular files only.
//
// A file is written to a temporary name next to its place, synced, closed with
// the error checked, and then renamed. A failed or interrupted run leaves what
// was there before. A killed one can leave a name that starts with [Prefix];
// [Clean] removes such names.
package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Prefix starts the name of every temporary file and directory.
const Prefix = ".partial-"

// Write makes the file path from what write produces, with the given mode
// whatever the umask. A file that is there already is replaced.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) error {
	return create(path, mode, write, os.Rename)
}

// WriteBytes is [Write] for contents that are at hand.
func WriteBytes(path string, mode fs.FileMode, data []byte) error {
	return Write(path, mode, copyOf(data))
}

// WriteNew is [Write] for a file that must not exist yet: the error is
// [fs.ErrExist] when it does, even if another process was quicker.
func WriteNew(path string, mode fs.FileMode, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil {
		return &WriteError{path, fs.ErrExist}
	}
	return create(path, mode, write, linkNew)
}

// WriteNewBytes is [WriteNew] for contents that are at hand.
func WriteNewBytes(path string, mode fs.FileMode, data []byte) error {
	return WriteNew(path, mode, copyOf(data))
}

func copyOf(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(data))
		return err
	}
}

// linkNew puts a file in its place unless something is there. Where the file
// system has no hard links it looks first and renames.
func linkNew(from, to string) error {
	err := os.Link(from, to)
	switch {
	case err == nil:
		return os.Remove(from)
	case errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

func create(path string, mode fs.FileMode, write func(io.Writer) error, place func(from, to string) error) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := write(f); err != nil {
		if f.failed != nil {
			return f.failed
		}
		return err // the source's error, not the disk's
	}
	return f.commit(place)
}

// A File is a file that is being written under a temporary name. It appears
// under its own with [File.Commit], or not at all. It is for writers that are
// not one function; [Write] is simpler.
type File struct {
	path   string
	mode   fs.FileMode
	tmp    *os.File
	failed error // of the first Write that failed
	done   bool
}

// Create begins a file. What it is called with is checked when it is committed:
// a file of that name is replaced then.
func Create(path string, mode fs.FileMode) (*File, error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), Prefix)
	if err != nil {
		return nil, &WriteError{path, err}
	}
	return &File{path: path, mode: mode, tmp: tmp}, nil
}

// Write implements io.Writer; its error is a [WriteError].
func (f *File) Write(p []byte) (int, error) {
	n, err := f.tmp.Write(p)
	if err != nil {
		err = &WriteError{f.path, err}
		if f.failed == nil {
			f.failed = err
		}
	}
	return n, err
}

// Own gives the file to the owner and group of another, as far as that is
// allowed: a file that root replaces stays its owner's.
func (f *File) Own(like fs.FileInfo) { own(f.tmp, like) }

// Commit syncs and closes the file, and gives it its name.
func (f *File) Commit() error { return f.commit(os.Rename) }

// CommitNew is [File.Commit] for a file that must not exist yet; see [WriteNew].
func (f *File) CommitNew() error { return f.commit(linkNew) }

func (f *File) commit(place func(from, to string) error) error {
	for _, step := range []func() error{
		func() error { return f.tmp.Chmod(f.mode) },
		f.tmp.Sync,
		f.tmp.Close,
		func() error { return place(f.tmp.Name(), f.path) },
	} {
		if err := step(); err != nil {
			return &WriteError{f.path, err}
		}
	}
	f.done = true
	syncDir(filepath.Dir(f.path))
	return nil
}

// Discard removes what was written, unless it was committed.
func (f *File) Discard() {
	if !f.done {
		_ = f.tmp.Close()
		_ = os.Remove(f.tmp.Name())
		f.done = true
	}
}

// ReplaceDir makes the directory path from what fill puts into an empty one
// next to it, and swaps the two. Parents are made. The caller decides before
// whether the present directory may be replaced.
func ReplaceDir(path string, fill func(tmp string) error) error {
	path = filepath.Clean(path)
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return &WriteError{path, err}
	}
	tmp, err := os.MkdirTemp(parent, Prefix)
	if err != nil {
		return &WriteError{path, err}
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return &WriteError{path, err}
	}
	if err := fill(tmp); err != nil {
		return err
	}
	old := tmp + "-old"
	switch err := os.Rename(path, old); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return &WriteError{path, err}
	default:
		defer os.RemoveAll(old)
	}
	if err := os.Rename(tmp, path); err != nil {
		back := os.Rename(old, path)
		if errors.Is(back, fs.ErrNotExist) {
			back = nil
		}
		return errors.Join(&WriteError{path, err}, back)
	}
	syncDir(parent)
	return nil
}

// IsPartial reports whether name is one that a killed run can leave behind.
func IsPartial(name string) bool { return strings.HasPrefix(filepath.Base(name), Prefix) }

// Clean removes what killed runs left in dir. The caller makes sure that no
// other run is writing there.
func Clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if IsPartial(e.Name()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// WriteError says which file could not be written: the one that was meant,
// not the temporary one.
type WriteError struct {
	Path string
	Err  error
}

func (e *WriteError) Error() string { return "cannot write " + e.Path + ": " + reason(e.Err) }

// Unwrap returns the error of the file system.
func (e *WriteError) Unwrap() error { return e.Err }

// Hint says what to do about it, or nothing.
func (e *WriteError) Hint() string {
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return "fix the directory's permissions or choose another path"
	case isNoSpace(e.Err):
		return "free up space or choose another path"
	case isNoLink(e.Err):
		return "Windows makes symbolic links in developer mode or for an administrator only"
	case isReadOnly(e.Err):
		return "choose a path on a writable file system"
	case errors.Is(e.Err, fs.ErrExist):
		return "choose another name, or remove the file first"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "create the directory first"
	}
	return ""
}

// reason drops the temporary name from an error of package os.
func reason(err error) string {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case isNoSpace(err):
		return "no space left on the device"
	case isNoLink(err):
		return "symbolic links cannot be made"
	case errors.Is(err, fs.ErrNotExist):
		return "the directory does not exist"
	case errors.As(err, &pe):
		return pe.Err.Error()
	case errors.As(err, &le):
		return le.Err.Error()
	}
	return err.Error()
}

// CheckReplaceable reports whether everything in the directory path is the
// caller's own, as ours tells by name. A missing directory is fine. The error is
// a [*ForeignFileError] if something else is in it.
func CheckReplaceable(path string, ours func(name string) bool) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &WriteError{path, err}
	}
	for _, e := range entries {
		if !ours(e.Name()) && !IsPartial(e.Name()) {
			return &ForeignFileError{path, e.Name()}
		}
	}
	return nil
}

// ForeignFileError says that a directory is not replaced because of a file that
// somebody else made.
type ForeignFileError struct{ Dir, Name string }

func (e *ForeignFileError) Error() string {
	return fmt.Sprintf("directory %s is not replaced: it holds %q, which this command did not make", e.Dir, e.Name)
}

// Hint says what to do about it.
func (e *ForeignFileError) Hint() string { return "choose another directory" }
