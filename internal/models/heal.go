package models

import (
	"context"
	"crypto/rand"
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

// Heal puts every locked model in dir that is not as pinned right again, from
// the same file in source, and returns what it mended, as it was found. dir
// must exist; nothing else in it is touched.
//
// A model appears under its name whole and synced, or not at all: what source
// holds is hashed while it is copied, and bytes that are not as pinned replace
// nothing. Several processes may heal one folder at once: they take turns where
// the file system has locks (flock), and do no harm to each other where it has
// not. What a process that was killed half-way left behind is cleared away.
//
// The error is the first that stopped it, with the operating system's reason
// inside; what was mended before stays mended.
func Heal(ctx context.Context, dir string, source fs.FS, l Lock) (mended []File, err error) {
	unlock, held, err := lockFolder(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if held {
		clearAway(dir, l)
	}
	here := os.DirFS(dir)
	for _, m := range l.Models {
		if err := ctx.Err(); err != nil {
			return mended, err
		}
		found := checkOne(here, m, true)
		if found.State == OK {
			continue
		}
		if err := reseed(dir, source, m); err != nil {
			if checkOne(here, m, true).State == OK {
				continue // somebody else was quicker
			}
			return mended, fmt.Errorf("%w; it cannot be put right: %w", found.Err(), because(err))
		}
		mended = append(mended, found)
	}
	return mended, nil
}

// reseed copies one model from source, or leaves dir as it was.
func reseed(dir string, source fs.FS, m Model) (err error) {
	in, err := source.Open(m.Name)
	if err != nil {
		return &SourceError{m.Name, err}
	}
	defer func() { _ = in.Close() }()
	tmp := filepath.Join(dir, "."+m.Name+"."+rand.Text()[:8]+tmpSuffix)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(tmp)
		}
	}()
	h := sha256.New()
	// One byte more than pinned is enough to see that it is too long.
	n, err := io.Copy(f, io.TeeReader(io.LimitReader(reader{in, m.Name}, m.Size+1), h))
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); n != m.Size || sum != m.SHA256 {
		return &SourceError{m.Name, fmt.Errorf("expected %d bytes with sha256 %s, got %d with %s", m.Size, m.SHA256, n, sum)}
	}
	if err := f.Chmod(0o644); err != nil { // whatever the umask: other users share the folder
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, m.Name)); err != nil {
		return err
	}
	syncFolder(dir)
	return nil
}

// SourceError says that the copy to heal from is itself missing, unreadable or
// not as pinned.
type SourceError struct {
	Name string
	Err  error
}

func (e *SourceError) Error() string { return "the copy to heal from is of no use: " + e.Err.Error() }

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

// because takes off what the operating system adds to its reason: the name of
// a temporary file says nothing to anybody.
func because(err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, new(*SourceError)):
		return err
	case errors.As(err, &pe):
		return pe.Err
	case errors.As(err, &le):
		return le.Err
	}
	return err
}

const tmpSuffix = ".tmp"

// clearAway removes the temporary files of processes that were killed. Whoever
// holds the folder's lock knows that nobody is writing one.
func clearAway(dir string, l Lock) {
	for _, m := range l.Models {
		left, err := filepath.Glob(filepath.Join(escape(dir), "."+m.Name+".*"+tmpSuffix))
		if err != nil {
			continue
		}
		for _, name := range left {
			_ = os.Remove(name)
		}
	}
}

// escape makes a pattern that matches a path only.
func escape(path string) string {
	var out []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, path[i])
	}
	return string(out)
}

// lockFolder waits until no other process heals dir. held is false where the
// file system knows no such locks; that is no error.
func lockFolder(ctx context.Context, dir string) (unlock func(), held bool, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, false, err
	}
	got := make(chan error, 1)
	go func() {
		for {
			err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX)
			if !errors.Is(err, syscall.EINTR) {
				got <- err
				return
			}
		}
	}()
	select {
	case err := <-got:
		return func() { _ = d.Close() }, err == nil, nil // closing lets go
	case <-ctx.Done():
		go func() {
			<-got //nolint:errcheck // it is let go again, whatever came of it
			_ = d.Close()
		}()
		return nil, false, ctx.Err()
	}
}

// syncFolder makes a rename last through a power cut, where that can be had.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
