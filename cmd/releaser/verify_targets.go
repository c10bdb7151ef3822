package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/text"
)

// target is something to be verified: the directory of a release, some tarballs of
// one, a release in a kit, or tarballs that no release is around.
type target struct {
	name   string   // as it was asked for
	dist   string   // the directory of a release
	assets []string // of it; none means all
	loose  []string // paths of tarballs

	kit   *openedKit
	files fs.FS // of the release in the kit; nil if the kit cannot be read
}

// place is what a release lies in.
func (t target) place() string {
	if t.kit != nil {
		return t.kit.path
	}
	return t.dist
}

// placesOf is what releases lie in.
func placesOf(targets []target) []string {
	var out []string
	for _, t := range targets {
		if t.loose == nil {
			out = append(out, t.place())
		}
	}
	return out
}

// release is its files.
func (t target) release() fs.FS {
	if t.kit != nil {
		return t.files
	}
	return atomicfile.FS(t.dist)
}

// targetsOf sorts out what was requested for. Tarballs of one directory make one target,
// all loose ones another.
func targetsOf(args []string) (out []target, err error) {
	defer func() {
		if err != nil {
			closeTargets(out)
		}
	}()
	add := func(arg, dist, asset string) {
		same := func(t target) bool {
			return t.loose == nil && t.kit == nil && t.dist == dist && (asset == "") == (t.assets == nil)
		}
		i := slices.IndexFunc(out, same)
		if i < 0 {
			out = append(out, target{name: arg, dist: dist})
			i = len(out) - 1
		}
		if asset != "" && !slices.Contains(out[i].assets, asset) {
			out[i].assets = append(out[i].assets, asset)
		}
	}
	addLoose := func(paths ...string) {
		i := slices.IndexFunc(out, func(t target) bool { return t.loose != nil })
		if i < 0 {
			out = append(out, target{name: "tarballs"})
			i = len(out) - 1
		}
		for _, p := range paths {
			if !slices.Contains(out[i].loose, p) {
				out[i].loose = append(out[i].loose, p)
			}
		}
	}
	for _, arg := range args {
		if isPage(arg) {
			return out, text.WithHint(usage("%s is a page, expected the directory of a release", text.Show(arg)), "download and verify it with 'releaser fetch', or name it in the FILE of 'releaser verify --list'")
		}
		arg = filepath.Clean(arg)
		fi, err := os.Stat(arg)
		if errors.Is(err, fs.ErrNotExist) {
			return out, text.WithHint(usage("%s not found", arg), "name the directory of a release, which has %s, a tarball or a kit", checksum.File)
		}
		if err != nil {
			return out, err
		}
		if !fi.IsDir() && !fi.Mode().IsRegular() {
			return out, &atomicfile.NotRegularError{Path: arg, Mode: fi.Mode()}
		}
		dir, base := filepath.Split(arg)
		dir = filepath.Clean(dir)
		switch {
		case fi.IsDir():
			tarballs, err := looseIn(arg)
			if err != nil {
				return out, err
			}
			if tarballs == nil {
				add(arg, arg, "")
				continue
			}
			addLoose(tarballs...)
		case isKit(arg):
			inside, err := openKit(arg)
			if err != nil {
				return out, err
			}
			out = append(out, inside...)
		case base == checksum.File || base == release.RecordFile || base == release.BundleFile || base == release.ProvenanceFile || isRebuild(base):
			add(dir, dir, "")
		case exists(filepath.Join(dir, checksum.File)):
			add(dir, dir, base)
		case release.IsPackage(base):
			return out, text.WithHint(usage("%s: no %s next to it, and only a release says what a package is made of", arg, checksum.File), "name it in the directory of its release")
		default:
			addLoose(arg)
		}
	}
	return out, nil
}

// looseIn gives the tarballs in a directory that is not a release's, and nothing for one
// that is or should be.
func looseIn(dir string) ([]string, error) {
	for _, name := range []string{checksum.File, release.BundleFile, release.RecordFile} {
		if exists(filepath.Join(dir, name)) {
			return nil, nil
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if release.IsTarball(e.Name()) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// files is an fs.FS of files by the paths that the caller gave.
type files struct{}

func (files) Open(path string) (fs.File, error)      { return atomicfile.Open(path) }
func (files) Stat(path string) (fs.FileInfo, error)  { return os.Stat(path) }
func (files) Lstat(path string) (fs.FileInfo, error) { return os.Lstat(path) }
func (files) ReadLink(path string) (string, error)   { return os.Readlink(path) }

func isRebuild(name string) bool {
	_, ok := release.ParseRebuildFile(name)
	return ok
}
