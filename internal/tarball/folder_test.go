//go:build unix

package tarball

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"facerec/internal/release"
)

// readFolder makes a tree of a folder on disk, hard links included; false when
// there is something in it that a tree cannot hold or that cannot be read.
func readFolder(t *testing.T, root string) (Tree, bool) {
	t.Helper()
	var entries []Entry
	first := map[uint64]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		//nolint:unconvert // narrower on some systems
		e := Entry{Name: name, Mode: uint32(st.Mode) & 0o7777}
		switch {
		case d.IsDir():
			e.Type = Dir
		case st.Nlink > 1 && first[st.Ino] != "":
			e.Type, e.Link = Hardlink, first[st.Ino]
		case info.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			e.Type, e.Content = Regular, BytesContent(b)
			first[st.Ino] = name
		case info.Mode()&fs.ModeSymlink != 0:
			e.Type = Symlink
			if e.Link, err = os.Readlink(p); err != nil {
				return err
			}
			first[st.Ino] = name
		default:
			return fs.ErrInvalid
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		t.Logf("%s: %v", root, err)
		return Tree{}, false
	}
	return mustTree(t, entries...), true
}

// TestRealFolder packs a folder of the machine and compares with the whole
// pipe, tar | gzip. TARBALL_FOLDER names another one.
func TestRealFolder(t *testing.T) {
	needGNU(t, "tar")
	needGNU(t, "gzip")
	folders := []string{"/usr/share/zoneinfo", "/usr/share/terminfo", "/usr/share/perl5", "/usr/include"}
	if f := os.Getenv("TARBALL_FOLDER"); f != "" {
		folders = []string{f}
	}
	for _, f := range folders {
		if _, err := os.Stat(f); err != nil {
			continue
		}
		tree, ok := readFolder(t, f)
		if !ok {
			continue
		}
		cmd := exec.Command("sh", "-c", `tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - "$1" | gzip -n`, "sh", filepath.Base(f))
		cmd.Dir = filepath.Dir(f)
		want, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		v, err := Pack(context.Background(), []Job{{Name: f, Tree: tree, Prefix: filepath.Base(f), Recipe: GNUGzip6}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if v[0].File != release.DigestBytes(want) {
			t.Errorf("%s: another file than tar | gzip -n makes", f)
		}
		t.Logf("%s: %d entries, %d bytes of tar", f, tree.Len(), v[0].TarSize)
		return
	}
	t.Skip("found no folder to pack")
}
