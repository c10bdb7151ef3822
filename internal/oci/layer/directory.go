package layer

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"facerec/internal/tarball"
)

// ReadDirectory reads a directory of the disk as GNU tar would archive it: modes as
// they are, files of one Inode as hard links.
func ReadDirectory(spool *tarball.Spool, dir string) (tarball.Tree, error) {
	var entries []tarball.Entry
	first := map[[2]uint64]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("entry %q: this system does not tell modes as tar needs them", rel)
		}
		e := tarball.Entry{Name: filepath.ToSlash(rel), Mode: st.Mode & 0o7777}
		switch {
		case fi.IsDir():
			e.Type = tarball.Dir
		case fi.Mode()&fs.ModeSymlink != 0:
			e.Type = tarball.Symlink
			e.Link, err = os.Readlink(p)
		case fi.Mode().IsRegular():
			Inode := [2]uint64{uint64(st.Dev), st.Ino} //nolint:unconvert // narrower on some systems
			if name, again := first[Inode]; again && st.Nlink > 1 {
				e.Type, e.Link = tarball.Hardlink, name
				break
			}
			first[Inode] = e.Name
			e.Type = tarball.Regular
			e.Content, err = spool.AddFile(p)
		default:
			return fmt.Errorf("entry %q is neither a file, a folder nor a link", rel)
		}
		if err == nil {
			entries = append(entries, e)
		}
		return err
	})
	if err != nil {
		return tarball.Tree{}, err
	}
	return tarball.NewTree(entries)
}
