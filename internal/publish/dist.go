package publish

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/text"
)

// File is a file of a release at hand.
type File struct {
	Name   string
	Path   string
	Size   int64 // bytes
	Digest release.Digest
}

// bundleSuffix ends the names of bundles.
const bundleSuffix = ".sigstore.json"

// bundleFile is the signature of checksums.txt.
const bundleFile = checksum.File + bundleSuffix

// Dist is a release directory as pack and sign make it.
type Dist struct {
	Dir    string
	Record release.Record
	Files  []File // sorted by name
}

// ReadDist reads a release directory. What checksums.txt names must be as it
// says, nothing else may be there, and the bundle must be. Errors are of type
// *Refusal where bytes differ.
func ReadDist(dir string) (Dist, error) {
	d := Dist{Dir: dir}
	raw, err := atomicfile.ReadFile(filepath.Join(dir, checksum.File), checksum.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return d, text.WithHint(fmt.Errorf("%s: %s not found", dir, checksum.File), "name a directory that 'releaser pack' made")
	}
	if err != nil {
		return d, err
	}
	sums, err := checksum.Parse(raw)
	if err != nil {
		return d, &Refusal{Subject: filepath.Join(dir, checksum.File), Reason: err.Error()}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return d, err
	}
	for _, e := range entries {
		f := File{Name: e.Name(), Path: filepath.Join(dir, e.Name())}
		if atomicfile.IsPartial(f.Name) {
			continue
		}
		if f.Digest, f.Size, err = hashFile(f.Path); err != nil {
			return d, err
		}
		want, listed := sums.Lookup(f.Name)
		switch {
		case listed && want != f.Digest:
			return d, &Refusal{Subject: f.Path, Reason: fmt.Sprintf("expected %s as %s says, got %s", want, checksum.File, f.Digest)}
		case !listed && f.Name != checksum.File && !ownProof(f.Name):
			return d, &Refusal{Subject: f.Path, Reason: "not in " + checksum.File, Advice: "remove the file, or pack again"}
		}
		d.Files = append(d.Files, f)
	}
	for _, s := range sums.All() {
		if !has(d.Files, s.Name) {
			return d, &Refusal{Subject: filepath.Join(dir, s.Name), Reason: "not found, but " + checksum.File + " names it"}
		}
	}
	if !has(d.Files, bundleFile) {
		return d, text.WithHint(fmt.Errorf("%s: %s not found", dir, bundleFile), "sign the release first: releaser sign %s", dir)
	}
	if raw, err = atomicfile.ReadFile(filepath.Join(dir, release.RecordFile), maxIndex); err != nil {
		return d, err
	}
	if d.Record, err = release.ParseRecord(raw); err != nil {
		return d, &Refusal{Subject: filepath.Join(dir, release.RecordFile), Reason: err.Error()}
	}
	return d, nil
}

// ownProof reports whether a file is called like one that checksums.txt need not name
// because it carries its own proof: bundles, and the links of rebuilderd.
func ownProof(name string) bool { return strings.HasSuffix(name, bundleSuffix) || isRebuild(name) }

// isRebuild reports whether a file is called like a signed rebuild.
func isRebuild(name string) bool {
	_, ok := release.ParseRebuildFile(name)
	return ok
}

// has reports whether files, sorted by name, have one of that name.
func has(files []File, name string) bool {
	_, ok := slices.BinarySearchFunc(files, name, func(f File, n string) int { return cmp.Compare(f.Name, n) })
	return ok
}

func hashFile(path string) (release.Digest, int64, error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return release.Digest{}, 0, err
	}
	defer f.Close()
	h := release.NewHasher()
	n, err := io.Copy(h, f)
	return h.Digest(), n, err
}
