package inputs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Store keeps fetched files by their SHA-256 below Dir, and everything derived
// from them beside. Any number of processes may share one.
type Store struct {
	Dir     string   // made when needed
	Offline string   // folder to take files from by name; when set, nothing is fetched
	Mirror  string   // base of Debian's archive; empty means the machine's own
	Say     Progress // may be nil

	trusted string // "yes" takes the mirror unsigned; only tests do
}

// DefaultDir is $XDG_CACHE_HOME/facerec/inputs, or the same below ~/.cache.
func DefaultDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the cache: %w (set XDG_CACHE_HOME or give --cache)", err)
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
	Todo          string // ends the message
}

func (e *WrongHash) Error() string {
	msg := fmt.Sprintf("%s is not the pinned file: expected sha256 %s", e.File, e.Expected)
	if e.WantedSize > 0 {
		msg += fmt.Sprintf(" (%d bytes)", e.WantedSize)
	}
	msg += fmt.Sprintf(", got %s (%d bytes)", e.Got, e.Size)
	if e.Todo != "" {
		msg += "; " + e.Todo
	}
	return msg
}

// hashFile gives the SHA-256 and the size of a file.
func hashFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	size, err = io.Copy(h, f)
	if err != nil {
		return "", 0, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
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
	err := writeAtomic(path, 0o644, func(w io.Writer) error {
		h := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, h), r)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != sum {
			return &WrongHash{File: name, Expected: sum, Got: got, WantedSize: size, Size: n, Todo: todo}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return path, nil
}

func (s *Store) takeFile(from, name, sum string, size int64, todo string) (string, error) {
	f, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	return s.take(f, name, sum, size, todo)
}

// writeAtomic writes a file through a temporary one in the same folder, synced
// and renamed. When fill fails nothing is left behind.
func writeAtomic(path string, mode fs.FileMode, fill func(io.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if err = fill(tmp); err != nil {
		return err
	}
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// copyTo puts a stored file at path, atomically.
func copyTo(path, from string, mode fs.FileMode) error {
	return writeAtomic(path, mode, func(w io.Writer) error {
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		_, err = io.Copy(w, f)
		return err
	})
}

// locked runs f while holding the store's lock of that name, so that two builds
// at once do not fetch or assemble the same thing twice. Locks are taken in the
// order toolchains, apt.
func (s *Store) locked(name string, f func() error) (err error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(s.Dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		if err == nil {
			break
		}
		if err != syscall.EINTR {
			return fmt.Errorf("lock %s: %w", lock.Name(), err)
		}
	}
	return f()
}

// WriteFile writes b to path, atomically.
func WriteFile(path string, b []byte) error { return WriteFileFrom(path, bytes.NewReader(b)) }

// WriteFileFrom writes what r gives to path, atomically.
func WriteFileFrom(path string, r io.Reader) error {
	return writeAtomic(path, 0o644, func(w io.Writer) error { _, err := io.Copy(w, r); return err })
}
