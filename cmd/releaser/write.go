package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Everything that this program writes to disk goes through this file: into a
// temporary name beside its place, synced, closed with the error looked at,
// then renamed. A failed or interrupted run leaves what was there before.

// partialPrefix marks what a killed run may leave; the next run takes it away.
const partialPrefix = ".releaser-partial-"

// writeFile makes a file from what write produces.
func writeFile(path string, write func(io.Writer) error) error {
	return writeMode(path, 0o644, write)
}

// writeMode is writeFile with a mode, which no umask can reach.
func writeMode(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, partialPrefix)
	if err != nil {
		return explainWrite(path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			err = explainWrite(path, err)
		}
	}()
	if err = write(f); err != nil {
		return err
	}
	if err = finishFile(f, mode); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// finishFile gives a file its mode and puts it on the disk.
func finishFile(f *os.File, mode fs.FileMode) error {
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func writeBytes(path string, data []byte) error {
	return writeFile(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// replaceDir makes a folder from what fill puts into a new one beside it, and
// swaps it into place. ours says whether an existing entry may be replaced:
// a folder with anything else in it is refused untouched.
func replaceDir(path string, ours func(name string) bool, fill func(tmp string) error) (err error) {
	path = filepath.Clean(path)
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return explainWrite(path, err)
	}
	if err := checkReplaceable(path, ours); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, partialPrefix)
	if err != nil {
		return explainWrite(path, err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return explainWrite(path, err)
	}
	if err := fill(tmp); err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return explainWrite(path, err)
		}
		return err
	}
	old := tmp + "-old"
	if err := os.Rename(path, old); err == nil {
		if err := os.Rename(tmp, path); err != nil {
			return errors.Join(explainWrite(path, err), os.Rename(old, path))
		}
		return os.RemoveAll(old)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return explainWrite(path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return explainWrite(path, err)
	}
	return nil
}

func checkReplaceable(path string, ours func(string) bool) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("output folder %s: %w", path, err)
	}
	for _, e := range entries {
		if !ours(e.Name()) {
			return usage("output folder %s has %q in it, which this command did not make: nothing was replaced; name another folder with --out", path, e.Name())
		}
	}
	return nil
}

// explainWrite says which output could not be written and what to do.
func explainWrite(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot write %s: permission denied: choose another --out or mend the folder's permissions", path)
	case isNoSpace(err):
		return fmt.Errorf("cannot write %s: no space left on the device: free some or choose another --out", path)
	case isReadOnly(err):
		return fmt.Errorf("cannot write %s: the file system is read-only: choose another --out", path)
	}
	return fmt.Errorf("cannot write %s: %w", path, err)
}

// writeNew makes a file that must not be there yet.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return usage("%s exists and is not replaced: choose another name", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), partialPrefix)
	if err != nil {
		return explainWrite(path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return explainWrite(path, err)
	}
	if err := finishFile(f, mode); err != nil {
		return explainWrite(path, err)
	}
	// A link, not a rename: it fails where another run was faster.
	if err := os.Link(f.Name(), path); err != nil {
		return explainWrite(path, err)
	}
	return nil
}
