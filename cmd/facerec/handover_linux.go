package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"facerec/internal/text"
)

// handOver makes the service user the owner of dir and of the named files in it.
// What it changes it has open, and has looked at: dir itself if it is a directory
// and not a link, and regular files with one link. Everything else is left alone,
// because whoever can write to a volume can put a link to other files there.
func handOver(dir string, names []string) error {
	fail := func(name string, err error) error {
		return text.WithHint(fmt.Errorf("%s: cannot be handed to %d:%d: %w", text.Show(name), serviceUser, serviceGroup, err),
			"allow the capability CHOWN, or run chown -R %d:%d yourself", serviceUser, serviceGroup)
	}
	top, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // the rest says what to do
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
		var st unix.Stat_t
		if unix.Lstat(dir, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return text.WithHint(fmt.Errorf("%s: not handed to %d:%d: it is a symbolic link", text.Show(dir), serviceUser, serviceGroup), "name the directory itself")
		}
		return nil
	case err != nil:
		return fail(dir, err)
	}
	defer unix.Close(top)
	var st, root unix.Stat_t
	if err := unix.Fstat(top, &st); err != nil {
		return fail(dir, err)
	}
	if unix.Stat("/", &root) == nil && st.Dev == root.Dev && st.Ino == root.Ino {
		return fmt.Errorf("%s: not handed to %d:%d: it is the root directory, expected a directory for models only", text.Show(dir), serviceUser, serviceGroup)
	}
	if st.Mode&0o700 != 0o700 {
		if err := unix.Fchmod(top, st.Mode&0o7777|0o700); err != nil {
			return fmt.Errorf("%s: cannot be made writable: %w", text.Show(dir), err)
		}
	}
	if !owned(&st) {
		if err := unix.Fchown(top, serviceUser, serviceGroup); err != nil {
			return fail(dir, err)
		}
	}
	var errs []error
	for _, name := range names {
		if err := handOverFile(top, name); err != nil {
			errs = append(errs, fail(filepath.Join(dir, name), err))
		}
	}
	return errors.Join(errs...)
}

// handOverFile is handOver for one file in the open directory dir. O_PATH opens
// anything without permission to read it, and without waiting.
func handOverFile(dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case owned(&st):
		return nil
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("it is not a regular file")
	case st.Nlink != 1:
		return fmt.Errorf("it has %d hard links, expected 1", st.Nlink)
	}
	return unix.Fchownat(fd, "", serviceUser, serviceGroup, unix.AT_EMPTY_PATH)
}

func owned(st *unix.Stat_t) bool { return st.Uid == serviceUser && st.Gid == serviceGroup }
