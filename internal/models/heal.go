package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"facerec/internal/atomicfile"
)

// Heal replaces every locked model in dir that does not match its pin with the
// same file from source, and returns the replaced ones as they were found. dir
// must exist; nothing else in it is touched.
//
// A model appears under its name whole and synced, or not at all: it is hashed
// while it is copied, and bytes that do not match the pin replace nothing.
// Several processes may repair one directory at once: they take turns where the
// file system has locks (flock), and do not harm each other where it has none.
// Temporary files of killed processes are removed.
//
// Heal stops at the first error and returns it, with the operating system's
// error inside; models replaced before stay.
func Heal(ctx context.Context, dir string, source fs.FS, l Lock) (repaired []File, err error) {
	unlock, err := atomicfile.LockDir(ctx, dir)
	var none *atomicfile.LockError
	switch {
	case err == nil:
		defer unlock()
		_ = atomicfile.Clean(dir) // nobody else writes here while the lock is held
	case !errors.As(err, &none): // where there are no locks, it goes without
		return nil, err
	}
	here := atomicfile.FS(dir)
	for _, m := range l.Models {
		if err := ctx.Err(); err != nil {
			return repaired, err
		}
		found := checkOne(here, m, true)
		if found.State == OK {
			continue
		}
		if err := reseed(dir, source, m); err != nil {
			if checkOne(here, m, true).State == OK {
				continue // another process was quicker
			}
			return repaired, fmt.Errorf("%w; it cannot be repaired: %w", found.Err(), err)
		}
		repaired = append(repaired, found)
	}
	return repaired, nil
}

// reseed copies one model from source, or leaves dir as it was.
func reseed(dir string, source fs.FS, m Model) error {
	in, err := source.Open(m.Name)
	if err != nil {
		return &SourceError{m.Name, err}
	}
	defer func() { _ = in.Close() }()
	// 0644 whatever the umask, because other users share the directory.
	return atomicfile.Write(filepath.Join(dir, m.Name), 0o644, func(w io.Writer) error {
		h := sha256.New()
		// One byte more than pinned is enough to see that it is too long.
		n, err := io.Copy(w, io.TeeReader(io.LimitReader(reader{in, m.Name}, m.Size+1), h))
		if err != nil {
			return err
		}
		if sum := hex.EncodeToString(h.Sum(nil)); n != m.Size || sum != m.SHA256 {
			return &SourceError{m.Name, fmt.Errorf("expected %d bytes with sha256 %s, got %d with %s", m.Size, m.SHA256, n, sum)}
		}
		return nil
	})
}

// SourceError says that the copy to heal from is itself missing, unreadable or
// not as pinned.
type SourceError struct {
	Name string
	Err  error
}

func (e *SourceError) Error() string { return "the copy to repair from is unusable: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *SourceError) Unwrap() error { return e.Err }

// reader marks what goes wrong on the reading side.
type reader struct {
	io.Reader
	name string
}

func (r reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &SourceError{r.name, err}
	}
	return n, err
}
