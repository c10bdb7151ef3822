package inputs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
)

// Store keeps fetched files by their SHA-256 below Dir, and everything derived
// from them next to it. Any number of processes may share one.
type Store struct {
	Dir     string   // made when needed
	Offline string   // directory to take files from by name; when set, nothing is fetched
	Mirror  string   // base of Debian's archive; empty means the machine's own
	Say     Progress // may be nil

	trusted string // "yes" takes the mirror unsigned; only tests do
}

// DefaultDir is $XDG_CACHE_HOME/facerec/inputs, or the same below ~/.cache.
func DefaultDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no directory for the cache: %w (set XDG_CACHE_HOME or give --cache)", err)
	}
	return filepath.Join(base, "facerec", "inputs"), nil
}

func (s *Store) say(format string, args ...any) {
	if s.Say != nil {
		s.Say(format, args...)
	}
}

// WrongHash says that a file is not the pinned one.
type WrongHash struct {
	File          string // path or address
	Expected, Got string // SHA-256 in hexadecimal
	WantedSize    int64  // bytes, 0 when unknown
	Size          int64  // bytes
	Todo          string // what to do, for Hint
}

func (e *WrongHash) Error() string {
	msg := fmt.Sprintf("%s is not the pinned file: expected sha256 %s", e.File, e.Expected)
	if e.WantedSize > 0 {
		msg += fmt.Sprintf(" (%d bytes)", e.WantedSize)
	}
	return msg + fmt.Sprintf(", got %s (%d bytes)", e.Got, e.Size)
}

// Hint returns what to do about it.
func (e *WrongHash) Hint() string { return e.Todo }

// hashFile gives the SHA-256 and the size of a file.
func hashFile(path string) (sum string, size int64, err error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := release.NewHasher()
	if _, err := io.Copy(h, f); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return h.Digest().Hex(), h.Size(), nil
}

// cached gives the path of a file by hash if the store has it intact. A damaged
// one is removed, so that it is fetched anew.
func (s *Store) cached(sum string) (string, bool) {
	path := s.path(sum)
	got, _, err := hashFile(path)
	if err != nil {
		return "", false
	}
	if got != sum {
		s.say("cache: %s is damaged and is removed", path)
		_ = os.Remove(path)
		return "", false
	}
	return path, true
}

func (s *Store) path(sum string) string { return filepath.Join(s.Dir, "files", sum) }

// take brings a file into the store: copies r, checks hash and size, and only
// then gives it its name. name is for messages; todo ends a complaint.
func (s *Store) take(r io.Reader, name, sum string, size int64, todo string) (string, error) {
	path := s.path(sum)
	err := write(path, func(w io.Writer) error {
		h := release.NewHasher()
		if _, err := io.Copy(io.MultiWriter(w, h), r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if got := h.Digest().Hex(); got != sum {
			return &WrongHash{File: name, Expected: sum, Got: got, WantedSize: size, Size: h.Size(), Todo: todo}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return path, nil
}

func (s *Store) takeFile(from, name, sum string, size int64, todo string) (string, error) {
	f, err := atomicfile.Open(from)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return s.take(f, name, sum, size, todo)
}

// write makes a file and the directories above it.
func write(path string, fill func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, 0o644, fill)
}

// copyTo puts a stored file at path, atomically.
func copyTo(path, from string) error {
	return write(path, func(w io.Writer) error {
		f, err := atomicfile.Open(from)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
}

// locked runs f while holding the store's lock of that name, so that two builds
// at once do not fetch or assemble the same thing twice. Locks are taken in the
// order toolchains, apt.
func (s *Store) locked(name string, f func() error) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	unlock, err := atomicfile.Lock(context.Background(), filepath.Join(s.Dir, name+".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	return f()
}

// WriteFile writes b to path, atomically.
func WriteFile(path string, b []byte) error { return WriteFileFrom(path, bytes.NewReader(b)) }

// WriteFileFrom writes what r gives to path, atomically.
func WriteFileFrom(path string, r io.Reader) error {
	return write(path, func(w io.Writer) error { _, err := io.Copy(w, r); return err })
}
