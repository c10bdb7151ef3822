package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/atomicfile"
	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/text"
)

// The index of a web root.
const (
	indexFile   = "releases.json"
	indexSchema = "releaser.releases/v1"
	notesFile   = "NOTES.md"
	maxIndex    = 16 << 20 // bytes
)

// index is releases.json.
type index struct {
	Schema   string         `json:"schema"`
	Releases []indexRelease `json:"releases"` // newest version first
}

type indexRelease struct {
	Tag        string       `json:"tag"`
	Prerelease bool         `json:"prerelease"`
	Assets     []indexAsset `json:"assets"` // at TAG/NAME, sorted by name
}

type indexAsset struct {
	Name   string         `json:"name"`
	Size   int64          `json:"size"`
	Digest release.Digest `json:"digest"`
}

// webRoot is a directory that a web server serves.
type webRoot struct{ dir string }

func (w *webRoot) String() string { return DirPrefix + w.dir }

func (w *webRoot) Releases(ctx context.Context) ([]Release, error) {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return nil, fmt.Errorf("page %s: %w", w, err)
	}
	var out []Release
	for _, e := range entries {
		v, err := release.ParseVersion(e.Name())
		if err != nil || v.Tag() != e.Name() || !e.IsDir() {
			continue
		}
		r, err := w.read(v.Tag(), false)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, ctx.Err()
}

// place is where a release's files are.
func (w *webRoot) place(r Release) string {
	if r.Draft {
		return filepath.Join(w.dir, atomicfile.Prefix+r.Tag)
	}
	return filepath.Join(w.dir, r.Tag)
}

func (w *webRoot) read(tag string, draft bool) (Release, error) {
	r := Release{Tag: tag, Draft: draft, Prerelease: strings.Contains(tag, "-")}
	dir := w.place(r)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return r, err
	}
	for _, e := range entries {
		if e.Name() == notesFile || atomicfile.IsPartial(e.Name()) {
			continue
		}
		fi, err := e.Info()
		if err != nil {
			return r, err
		}
		r.Assets = append(r.Assets, Asset{Name: e.Name(), Size: fi.Size(), url: filepath.Join(dir, e.Name())})
	}
	r.URL = DirPrefix + filepath.Join(w.dir, tag)
	return r, nil
}

// Commit finds no tags in a directory.
func (w *webRoot) Commit(context.Context, string) (string, error) { return "", nil }

func (w *webRoot) Find(_ context.Context, tag string) ([]Release, error) {
	for _, draft := range []bool{false, true} {
		r, err := w.read(tag, draft)
		if err == nil {
			return []Release{r}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, nil
}

func (w *webRoot) Create(_ context.Context, r Release) (Release, error) {
	r.Draft = true
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return Release{}, &atomicfile.WriteError{Path: w.dir, Err: err}
	}
	if err := os.Mkdir(w.place(r), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return Release{}, &atomicfile.WriteError{Path: w.place(r), Err: err}
	}
	return w.read(r.Tag, true)
}

func (w *webRoot) Upload(_ context.Context, r Release, name string, f *os.File, size int64) (Asset, error) {
	path := filepath.Join(w.place(r), name)
	err := atomicfile.WriteNew(path, 0o644, func(to io.Writer) error {
		_, err := io.Copy(to, io.NewSectionReader(f, 0, size))
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return Asset{}, fmt.Errorf("%s: %w", name, ErrExists)
	}
	return Asset{Name: name, Size: size, url: path}, err
}

func (w *webRoot) Remove(_ context.Context, r Release, a Asset) error {
	if err := os.Remove(filepath.Join(w.place(r), a.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (w *webRoot) Discard(_ context.Context, r Release) error { return os.RemoveAll(w.place(r)) }

// Promote gives the draft's directory its name, in one step. Where another run
// was quicker, that fails, as a directory that is not empty is not replaced. The
// index comes last and is made of what is there, so a run that was killed
// between the two is repaired by the next.
func (w *webRoot) Promote(ctx context.Context, r Release) error {
	if r.Draft {
		if err := atomicfile.WriteBytes(filepath.Join(w.place(r), notesFile), 0o644, []byte(r.Notes)); err != nil {
			return err
		}
		if err := atomicfile.Clean(w.place(r)); err != nil {
			return err
		}
		final := r
		final.Draft = false
		if err := os.Rename(w.place(r), w.place(final)); err != nil {
			return &atomicfile.WriteError{Path: w.place(final), Err: err}
		}
	}
	all, err := w.Releases(ctx)
	if err != nil {
		return err
	}
	x := index{Schema: indexSchema, Releases: []indexRelease{}}
	for _, r := range all {
		entry := indexRelease{Tag: r.Tag, Prerelease: r.Prerelease}
		for _, a := range r.Assets {
			d, _, err := hashFile(a.url)
			if err != nil {
				return err
			}
			entry.Assets = append(entry.Assets, indexAsset{a.Name, a.Size, d})
		}
		x.Releases = append(x.Releases, entry)
	}
	slices.SortFunc(x.Releases, func(a, b indexRelease) int { return compareTags(b.Tag, a.Tag) })
	raw, err := text.JSON(x)
	if err != nil {
		return err
	}
	path := filepath.Join(w.dir, indexFile)
	if old, err := atomicfile.ReadFile(path, maxIndex); err == nil && bytes.Equal(old, raw) {
		return nil
	}
	return atomicfile.WriteBytes(path, 0o644, raw)
}

func (w *webRoot) Read(_ context.Context, a Asset, offset int64) (io.ReadCloser, int64, error) {
	f, err := atomicfile.Open(a.url)
	if err != nil {
		return nil, 0, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, offset, nil
}

// webSite is a web root, seen through its web server.
type webSite struct {
	base   *url.URL
	client *http.Client
}

func (w *webSite) String() string { return w.base.String() }

func (w *webSite) Releases(ctx context.Context) ([]Release, error) {
	resp, err := get(ctx, w.client, w.base.JoinPath(indexFile).String(), nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxIndex+1))
	if err != nil {
		return nil, err
	}
	x, err := parseIndex(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.base.JoinPath(indexFile), err)
	}
	var out []Release
	for _, e := range x.Releases {
		r := Release{Tag: e.Tag, Prerelease: e.Prerelease, URL: w.base.JoinPath(e.Tag).String()}
		for _, a := range e.Assets {
			r.Assets = append(r.Assets, Asset{Name: a.Name, Size: a.Size, Digest: a.Digest, url: w.base.JoinPath(e.Tag, url.PathEscape(a.Name)).String()})
		}
		out = append(out, r)
	}
	return out, nil
}

// parseIndex reads releases.json as a stranger serves it.
func parseIndex(raw []byte) (index, error) {
	var x index
	if len(raw) > maxIndex {
		return x, fmt.Errorf("expected at most %d bytes", maxIndex)
	}
	if err := json.Unmarshal(raw, &x); err != nil {
		return x, fmt.Errorf("expected %s: %w", indexSchema, err)
	}
	if x.Schema != indexSchema {
		return x, fmt.Errorf("expected schema %s, got %s", indexSchema, text.Show(x.Schema))
	}
	if len(x.Releases) > maxReleases {
		return x, fmt.Errorf("more than %d releases", maxReleases)
	}
	for _, r := range x.Releases {
		if v, err := release.ParseVersion(r.Tag); err != nil || v.Tag() != r.Tag {
			return x, fmt.Errorf("expected a tag such as v1.4.0, got %s", text.Show(r.Tag))
		}
		for _, a := range r.Assets {
			if err := checksum.ValidName(a.Name); err != nil {
				return x, err
			}
		}
	}
	return x, nil
}

func (w *webSite) Read(ctx context.Context, a Asset, offset int64) (io.ReadCloser, int64, error) {
	u, err := url.Parse(a.url)
	if err != nil {
		return nil, 0, err
	}
	return read(ctx, w.client, u, http.Header{}, offset)
}
