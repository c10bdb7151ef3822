package layer

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
		st := statusOf(fi)
		e := tarball.Entry{Name: filepath.ToSlash(rel), Mode: st.mode}
		switch {
		case fi.IsDir():
			e.Type = tarball.Dir
		case fi.Mode()&fs.ModeSymlink != 0:
			e.Type = tarball.Symlink
			e.Link, err = os.Readlink(p)
		case fi.Mode().IsRegular():
			if name, again := first[st.inode]; again && st.links > 1 {
				e.Type, e.Link = tarball.Hardlink, name
				break
			}
			first[st.inode] = e.Name
			e.Type = tarball.Regular
			e.Content, err = spool.AddFile(p)
		default:
			return fmt.Errorf("entry %q is neither a file, a directory nor a link", rel)
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

// status is what tar needs of a file and package fs does not have.
type status struct {
	mode  uint32    // permission, set-id and sticky bits
	inode [2]uint64 // the same for all hard links of a file
	links uint64
}
