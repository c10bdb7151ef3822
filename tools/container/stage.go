package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"facerec/internal/release"
)

// stage lays one cell's image out in a directory: what config.json names, where
// and with the modes that it says. It follows the rules of `releaser build`
// (of a file's own mode only the owner's execute bit counts, directories are 0755),
// so that the Dockerfile need not repeat them.
func stage(config *release.Config, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("container stage", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("cell", "", "LINEAGE/OS/ARCH[/VARIANT]")
	if err := flags.Parse(args); err != nil {
		return usageError{err}
	}
	if flags.NArg() != 1 {
		return usageError{fmt.Errorf("stage: expected one directory, got %d arguments", flags.NArg())}
	}
	cell, err := oneCell(config, *name)
	if err != nil {
		return usageError{err}
	}
	return lay(config, cell, ".", flags.Arg(0))
}

func oneCell(config *release.Config, name string) (release.Cell, error) {
	for _, c := range config.Cells() {
		if c.String() == name {
			return c, nil
		}
	}
	return release.Cell{}, fmt.Errorf("cell %q is not in config.json: expected LINEAGE/OS/ARCH[/VARIANT], one of %v", name, config.Cells())
}

// lay copies the items of a cell from root into dir, which must not exist.
func lay(config *release.Config, cell release.Cell, root, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, items := range [][]release.Item{config.ExternData, config.Artifacts} {
		for _, it := range items {
			src := filepath.Join(root, filepath.FromSlash(it.Source(config.Version, cell)))
			if err := layItem(src, filepath.Join(dir, filepath.FromSlash(it.Dest)), it.Mode); err != nil {
				return fmt.Errorf("%s: %w", it.Dest, err)
			}
		}
	}
	return nil
}

func layItem(src, dest string, mode *uint32) error {
	return filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil {
			return err
		}
		to := filepath.Join(dest, rel)
		fi, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case fi.IsDir():
			return directory(to)
		case fi.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(link, to)
		case !fi.Mode().IsRegular():
			return fmt.Errorf("%s is neither a file, a directory nor a symbolic link", p)
		}
		perm := fs.FileMode(0o644)
		if fi.Mode()&0o100 != 0 {
			perm = 0o755
		}
		if mode != nil {
			perm = fs.FileMode(*mode & 0o777)
		}
		if err := directory(filepath.Dir(to)); err != nil {
			return err
		}
		return copyFile(p, to, perm)
	})
}

// directory makes a directory and those above it, all 0755 whatever the umask is.
func directory(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := directory(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

func copyFile(from, to string, perm fs.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Chmod(perm)
}
