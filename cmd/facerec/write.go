package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// writeFile is the only way by which this program writes files. The bytes go
// to a hidden file beside name, which takes its place when all is written and
// synced; when anything fails nothing is left, and what was there before stays.
// Something that is no regular file, such as /dev/stdout, is written to directly.
func writeFile(name string, write func(io.Writer) error) (err error) {
	if fi, serr := os.Stat(name); serr == nil && !fi.Mode().IsRegular() {
		if fi.IsDir() {
			return fmt.Errorf("%s: is a folder, expected the name of a file to write", name)
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return writeHint(name, err)
		}
		return errors.Join(write(f), f.Close())
	}
	tmp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+rand.Text()[:8]+".tmp")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return writeHint(name, err)
	}
	defer func() {
		if err != nil {
			f.Close()      //nolint:errcheck // the first error counts
			os.Remove(tmp) //nolint:errcheck // the first error counts
		}
	}()
	b := bufio.NewWriter(f)
	if err := write(b); err != nil {
		return writeHint(name, err)
	}
	if err := b.Flush(); err != nil {
		return writeHint(name, err)
	}
	if err := f.Sync(); err != nil {
		return writeHint(name, err)
	}
	if err := f.Close(); err != nil {
		return writeHint(name, err)
	}
	if err := os.Rename(tmp, name); err != nil {
		return writeHint(name, err)
	}
	return nil
}

// writeHint names the file that was meant, rather than the temporary one, and
// says what can be done.
func writeHint(name string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	switch {
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: cannot be written: %w; name a place that can with --out FILE, or write no picture with --out ''", name, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: cannot be written: there is no folder %s; make it first", name, filepath.Dir(name))
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: cannot be written: %w; make room, or name another place with --out FILE", name, err)
	}
	return fmt.Errorf("%s: cannot be written: %w", name, err)
}
