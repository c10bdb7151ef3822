package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/retry"
	"facerec/internal/text"
)

// Wanted says what [Fetch] gets.
type Wanted struct {
	Version release.Version // "" for the latest that is not a pre-release

	// Choose picks the cells, of which release.json is already proven. It is
	// required.
	Choose func(release.Record) ([]release.RecordCell, error)

	// All wants SBOMs and every other file of the release too, and the bundles that
	// checksums.txt does not name: they carry their own proof.
	All bool

	// Also names bundles that checksums.txt does not name and that are wanted if the
	// release has them.
	Also []string
}

// Fetching is what [Fetch] works with.
type Fetching struct {
	Page   Reader
	Wanted Wanted
	Dir    string // where files end up
	Temp   string // directory for what is not proven yet, empty, in the file system of Dir

	// Signed checks that the bundle signs checksums.txt. It is required.
	Signed func(ctx context.Context, record release.Record, sums, bundle []byte) error

	// Documents, if not nil, is called with the directory of checksums.txt, its bundle,
	// release.json and the bundles that checksums.txt does not name, before anything
	// else is downloaded.
	Documents func(ctx context.Context, dir string) error

	// Verify, if not nil, checks the directory of all that was downloaded before
	// anything is put in place.
	Verify func(ctx context.Context, dir string) error

	Retry    *retry.Policy // nil for the defaults
	Progress func(Step)    // may be nil
}

// Fetched is what is in place now.
type Fetched struct {
	Version release.Version      `json:"version"`
	URL     string               `json:"url"`
	Cells   []release.RecordCell `json:"-"`
	Files   []FetchedFile        `json:"files"`
}

// FetchedFile is one of them.
type FetchedFile struct {
	Name   string         `json:"name"`
	Path   string         `json:"path"`
	Size   int64          `json:"size"`
	Digest release.Digest `json:"digest"`
	Kept   bool           `json:"kept,omitempty"` // it was there already
}

// Latest picks a release: the version wanted, or the newest one that is not a
// pre-release. Drafts and tags that are not versions do not count.
func Latest(all []Release, page string, wanted release.Version) (Release, error) {
	best := -1
	for i, r := range all {
		v, err := release.ParseVersion(r.Tag)
		if err != nil || r.Draft {
			continue
		}
		switch {
		case wanted != "" && v == wanted:
			return r, nil
		case wanted != "" || r.Prerelease || v.IsPrerelease():
		case best < 0 || compareTags(r.Tag, all[best].Tag) > 0:
			best = i
		}
	}
	if wanted != "" {
		return Release{}, fmt.Errorf("%s: no release %s", page, wanted)
	}
	if best < 0 {
		err := fmt.Errorf("%s: no stable release found", page)
		if len(all) > 0 {
			err = text.WithHint(err, "name a version: %s@VERSION", page)
		}
		return Release{}, err
	}
	return all[best], nil
}

// Fetch downloads a release's files, checks them and puts them into Dir. Nothing
// that is not proven ends up there: the signature first, then checksums.txt for
// every file. A file that is there already is kept if it is the same, and a
// *Refusal if not.
func Fetch(ctx context.Context, in Fetching) (Fetched, error) {
	all, err := in.Page.Releases(ctx)
	if err != nil {
		return Fetched{}, err
	}
	rel, err := Latest(all, in.Page.String(), in.Wanted.Version)
	if err != nil {
		return Fetched{}, err
	}
	f := &fetch{Fetching: in, rel: rel}
	if err := f.documents(ctx); err != nil {
		return Fetched{}, err
	}
	names, cells, err := f.choose()
	if err != nil {
		return Fetched{}, err
	}
	out := Fetched{Version: f.record.Version, URL: rel.URL, Cells: cells}
	have := map[string]FetchedFile{}
	for _, documents := range []bool{true, false} {
		for _, name := range names {
			if f.isDocument(name) != documents {
				continue
			}
			if have[name], err = f.get(ctx, name); err != nil {
				return Fetched{}, err
			}
		}
		if documents && in.Documents != nil {
			if err := in.Documents(ctx, in.Temp); err != nil {
				return Fetched{}, err
			}
		}
	}
	for _, name := range names {
		out.Files = append(out.Files, have[name])
	}
	if in.Verify != nil {
		if err := in.Verify(ctx, in.Temp); err != nil {
			return Fetched{}, err
		}
	}
	for i, file := range out.Files {
		if out.Files[i].Kept, err = f.place(file); err != nil {
			return Fetched{}, err
		}
	}
	return out, nil
}

// isDocument reports whether a file says something of the others: it is one of those
// that are proven first, or a bundle that checksums.txt does not name.
func (f *fetch) isDocument(name string) bool {
	_, small := f.small[name]
	_, listed := f.sums.Lookup(name)
	return small || !listed
}

type fetch struct {
	Fetching
	rel    Release
	sums   checksum.Sums
	record release.Record
	small  map[string][]byte
}

func (f *fetch) progress(s Step) {
	if f.Progress != nil {
		f.Progress(s)
	}
}

// documents gets and proves checksums.txt and release.json.
func (f *fetch) documents(ctx context.Context) error {
	f.small = map[string][]byte{}
	for name, limit := range map[string]int64{checksum.File: checksum.MaxSize, bundleFile: maxIndex, release.RecordFile: maxIndex} {
		a, err := f.one(name)
		if err != nil {
			return err
		}
		if f.small[name], err = small(ctx, f.Page, *a, limit, f.Retry); err != nil {
			return err
		}
	}
	// What release.json says is a hint for people until checksums.txt is proven.
	record, recordErr := release.ParseRecord(f.small[release.RecordFile])
	if err := f.Signed(ctx, record, f.small[checksum.File], f.small[bundleFile]); err != nil {
		return err
	}
	var err error
	if f.sums, err = checksum.Parse(f.small[checksum.File]); err != nil {
		return &Refusal{Subject: checksum.File, Reason: err.Error()}
	}
	want, ok := f.sums.Lookup(release.RecordFile)
	if got := release.DigestBytes(f.small[release.RecordFile]); !ok || got != want {
		return &Refusal{Subject: release.RecordFile, Reason: fmt.Sprintf("the page serves other bytes: expected %s, got %s", want, got)}
	}
	if recordErr != nil {
		return &Refusal{Subject: release.RecordFile, Reason: recordErr.Error()}
	}
	// A page can serve an old release, correctly signed, under a new tag.
	if record.Version.Tag() != f.rel.Tag {
		return &Refusal{Subject: f.rel.Tag, Reason: fmt.Sprintf("expected version %s, got %s in %s", f.rel.Tag, record.Version, release.RecordFile)}
	}
	f.record = record
	return nil
}

// one finds the only asset of a name.
func (f *fetch) one(name string) (*Asset, error) {
	var found *Asset
	for i, a := range f.rel.Assets {
		if a.Name != name {
			continue
		}
		if found != nil {
			return nil, &Refusal{Subject: text.Show(name), Reason: "the page has several assets of this name"}
		}
		found = &f.rel.Assets[i]
	}
	if found == nil {
		return nil, &NoAssetError{f.Page.String(), f.rel.Tag, name}
	}
	return found, nil
}

// NoAssetError says that a release on a page lacks an asset.
type NoAssetError struct{ Page, Tag, Name string }

func (e *NoAssetError) Error() string {
	return fmt.Sprintf("%s: %s has no asset %s", e.Page, text.Show(e.Tag), text.Show(e.Name))
}

func (f *fetch) choose() ([]string, []release.RecordCell, error) {
	cells, err := f.Wanted.Choose(f.record)
	if err != nil {
		return nil, nil, err
	}
	names := []string{checksum.File, bundleFile, release.RecordFile}
	if f.Wanted.All {
		for _, s := range f.sums.All() {
			names = append(names, s.Name)
		}
		bundles, err := f.bundles()
		if err != nil {
			return nil, nil, err
		}
		names = append(names, bundles...)
	}
	for _, name := range f.Wanted.Also {
		if slices.ContainsFunc(f.rel.Assets, func(a Asset) bool { return a.Name == name }) {
			names = append(names, name)
		}
	}
	for _, c := range cells {
		names = append(names, c.Asset)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	rules, err := atomicfile.Probe(f.Temp)
	if err != nil {
		return nil, nil, err
	}
	return names, cells, together(names, rules)
}

// bundles lists the files on the page that checksums.txt does not name and that carry
// their own proof.
func (f *fetch) bundles() ([]string, error) {
	var names []string
	for _, a := range f.rel.Assets {
		if _, listed := f.sums.Lookup(a.Name); listed || !ownProof(a.Name) {
			continue
		}
		if err := checksum.ValidName(a.Name); err != nil {
			return nil, &Refusal{Subject: text.Show(f.rel.Tag), Reason: err.Error()}
		}
		names = append(names, a.Name)
	}
	if len(names) > maxBundles {
		return nil, &Refusal{Subject: text.Show(f.rel.Tag), Reason: fmt.Sprintf("expected at most %d bundles, got %d", maxBundles, len(names))}
	}
	return names, nil
}

// together returns an error if no one directory can have all the names.
func together(names []string, rules atomicfile.Rules) error {
	set := atomicfile.NewNames(rules)
	for _, name := range names {
		if err := set.Add(name); err != nil {
			return err
		}
	}
	return nil
}

// get downloads a file into Temp, or goes on with what an earlier run left of it
// in Dir. Its digest is known before, so what is there is either a part of it or
// removed.
func (f *fetch) get(ctx context.Context, name string) (FetchedFile, error) {
	out := FetchedFile{Name: name, Path: filepath.Join(f.Dir, name)}
	temp := filepath.Join(f.Temp, name)
	if data, ok := f.small[name]; ok {
		out.Size, out.Digest = int64(len(data)), release.DigestBytes(data)
		return out, atomicfile.WriteBytes(temp, 0o644, data)
	}
	want, ok := f.sums.Lookup(name)
	if !ok && !ownProof(name) {
		return out, &Refusal{Subject: text.Show(name), Reason: "not in " + checksum.File}
	}
	a, err := f.one(name)
	if err != nil {
		return out, err
	}
	if !ok {
		data, err := small(ctx, f.Page, *a, maxBundle, f.Retry)
		if err != nil {
			return out, err
		}
		out.Size, out.Digest = int64(len(data)), release.DigestBytes(data)
		return out, atomicfile.WriteBytes(temp, 0o644, data)
	}
	if d, size, err := hashFile(out.Path); err == nil && d == want {
		out.Size, out.Digest = size, d // there already: no need to ask for it again
		return out, copyFile(out.Path, temp)
	}
	partial := filepath.Join(f.Dir, atomicfile.Prefix+name+"-"+want.Hex()[:16])
	f.progress(Step{Action: "download", Asset: name, Size: a.Size})
	if out.Size, err = f.download(ctx, *a, partial, want); err != nil {
		return out, err
	}
	out.Digest = want
	return out, os.Rename(partial, temp)
}

// Limits of the bundles that checksums.txt does not name.
const (
	maxBundles = 1000
	maxBundle  = 16 << 20 // bytes
)

// maxAsset bounds a download whose page reports no size, in bytes.
const maxAsset = 64 << 30

// download completes a partial file. Bytes that are not those wanted are not
// kept; those of a cut connection are, for the next run.
func (f *fetch) download(ctx context.Context, a Asset, partial string, want release.Digest) (int64, error) {
	for again := false; ; again = true {
		size, had, got, err := f.complete(ctx, a, partial)
		if err != nil {
			return 0, err
		}
		if got == want {
			return size, nil
		}
		if err := os.Remove(partial); err != nil {
			return 0, err
		}
		if had == 0 || again {
			return 0, &Refusal{Subject: text.Show(a.Name), Reason: fmt.Sprintf("the page serves other bytes: expected %s, got %s", want, got), Advice: "nothing was kept"}
		}
		// The part that was there may have been of something else: from the start.
	}
}

// complete appends to a partial file what is missing. had is what was there.
func (f *fetch) complete(ctx context.Context, a Asset, partial string) (size, had int64, got release.Digest, err error) {
	// A link would lead to somebody else's file, and a pipe has no end.
	before, err := os.Lstat(partial)
	if err == nil && !before.Mode().IsRegular() {
		return 0, 0, got, &atomicfile.NotRegularError{Path: partial, Mode: before.Mode()}
	}
	file, err := atomicfile.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return 0, 0, got, &atomicfile.WriteError{Path: filepath.Join(f.Dir, a.Name), Err: err}
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
	}()
	h := release.NewHasher()
	if had, err = io.Copy(h, file); err != nil {
		return 0, 0, got, err
	}
	limit := a.Size
	if limit <= 0 {
		limit = maxAsset
	}
	if had > limit {
		return had, had, h.Digest(), nil
	}
	if had < limit {
		w := &fileSink{file, filepath.Join(f.Dir, a.Name)}
		if err := copyFrom(ctx, f.Page, a, io.MultiWriter(w, h), had, limit, f.Retry); err != nil {
			return 0, had, got, err
		}
	}
	if err := file.Sync(); err != nil {
		return 0, had, got, &atomicfile.WriteError{Path: filepath.Join(f.Dir, a.Name), Err: err}
	}
	size, err = file.Seek(0, io.SeekEnd)
	return size, had, h.Digest(), err
}

// fileSink names the file that was meant when the disk is full.
type fileSink struct {
	io.Writer
	path string
}

func (s *fileSink) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil {
		err = &atomicfile.WriteError{Path: s.path, Err: err}
	}
	return n, err
}

func copyFile(from, to string) error {
	f, err := atomicfile.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return atomicfile.Write(to, 0o644, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// place moves a file from Temp to Dir. It reports whether the same file was there.
func (f *fetch) place(file FetchedFile) (bool, error) {
	d, _, err := hashFile(file.Path)
	switch {
	case err == nil && d == file.Digest:
		return true, nil
	case err == nil:
		return false, &Refusal{Subject: file.Path, Reason: fmt.Sprintf("another file is there already: expected %s, got %s", file.Digest, d), Advice: "remove it, or name another directory"}
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if err := os.Rename(filepath.Join(f.Temp, file.Name), file.Path); err != nil {
		return false, &atomicfile.WriteError{Path: file.Path, Err: err}
	}
	return false, nil
}
