package build

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"facerec/internal/tarball"
)

// Stage lays the files of a snapshot out in dir, which must not exist, with the
// modes that the image has, whatever the umask. It is for engines that build
// images themselves.
func (s Snapshot) Stage(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	for _, l := range s.layers {
		for _, e := range l.tree.Entries() {
			if err := stage(e, filepath.Join(dir, filepath.FromSlash(e.Name))); err != nil {
				return err
			}
		}
	}
	return nil
}

func stage(e tarball.Entry, to string) error {
	switch e.Type {
	case tarball.Dir:
		if err := os.Mkdir(to, 0o755); err != nil {
			if fi, serr := os.Lstat(to); serr == nil && fi.IsDir() {
				return nil // several layers have it
			}
			return err
		}
	case tarball.Symlink:
		return os.Symlink(e.Link, to)
	default:
		if err := copyContent(e.Content, to); err != nil {
			return err
		}
	}
	mode := fs.FileMode(e.Mode & 0o777)
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if e.Mode&bit != 0 {
			mode |= flag
		}
	}
	return os.Chmod(to, mode)
}

func copyContent(c tarball.Content, to string) (err error) {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	_, err = io.Copy(f, io.NewSectionReader(c, 0, c.Size()))
	return err
}
