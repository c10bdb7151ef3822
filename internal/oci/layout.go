package oci

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/text"
)

// refName is the OCI image layout specification's annotation for a tag.
const refName = "org.opencontainers.image.ref.name"

const layoutMarker = `{"imageLayoutVersion":"1.0.0"}`

// layoutSource reads an OCI image layout, in a directory or an archive.
type layoutSource struct {
	ref   Ref
	files files
	index v1.IndexManifest
	facts *referrerFacts
}

// referrerFacts remembers which manifests on top of a layout are referrers.
type referrerFacts struct {
	mu    sync.Mutex
	known map[release.Digest]bool
	bytes int64 // that were read to find out
}

// maxReferrerSearch bounds these bytes.
const maxReferrerSearch = 64 << 20

func openLayout(ref Ref) (*layoutSource, error) {
	s := &layoutSource{ref: ref.existing(), facts: &referrerFacts{known: map[release.Digest]bool{}}}
	what := "OCI layout " + text.Show(s.ref.Name)
	s.files = dirFiles(s.ref.Name)
	if ref.Kind == OCIArchive {
		what = "OCI archive " + text.Show(s.ref.Name)
		a, err := openArchiveFiles(s.ref.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, &NotFoundError{What: what}
		case err != nil:
			return nil, orLayout(fmt.Errorf("%s: %w", what, err), s.ref.Name)
		case !a.has("index.json") && (a.has("manifest.json") || a.has("repositories")):
			return nil, text.WithHint(fmt.Errorf("%s: expected an OCI layout, got a docker archive", what), "use docker-archive:%s", s.ref.Name)
		}
		s.files = a
	}
	if fi, err := os.Stat(s.ref.Name); ref.Kind == Layout && err == nil && !fi.IsDir() {
		err = fmt.Errorf("%s: expected a directory, got %s", what, atomicfile.Kind(fi.Mode()))
		if fi.Mode().IsRegular() {
			err = text.WithHint(err, "an archive is named oci-archive:%s or docker-archive:%[1]s", s.ref.Name)
		}
		return nil, err
	}
	if _, err := s.files.size("oci-layout"); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NotFoundError{What: what, Hint: "it has no file oci-layout"}
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	raw, err := readAll(s.files, "index.json")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if err := decode(raw, &s.index); err != nil {
		return nil, fmt.Errorf("%s: index.json: %w", what, err)
	}
	return s, nil
}

// orLayout adds to the error of an archive that it is the directory of a layout.
func orLayout(err error, path string) error {
	if _, serr := os.Stat(filepath.Join(path, "oci-layout")); serr == nil {
		return text.WithHint(err, "use oci-layout:%s", path)
	}
	return err
}

// containerdName is containerd's annotation for the full name of an image, where
// refName has its tag alone.
const containerdName = "io.containerd.image.name"

// tags lists the names of images in a layout, sorted; referrers are left out.
// A name is a tag or, as podman and skopeo write it, a full image name.
func (s *layoutSource) tags() []string {
	var tags []string
	for _, m := range s.index.Manifests {
		if t := m.Annotations[refName]; t != "" && !s.isReferrer(m) {
			tags = append(tags, t)
		}
	}
	sort.Strings(tags)
	return tags
}

// LayoutTags lists the names of images in the OCI layout or archive that ref
// points to.
func LayoutTags(ref Ref) ([]string, error) {
	s, err := openLayout(ref)
	if err != nil {
		return nil, err
	}
	return s.tags(), nil
}

func (s *layoutSource) place() Ref { return s.ref }

func (s *layoutSource) stored(n int64) int64 {
	if a, ok := s.files.(*archiveFiles); ok {
		return a.stored(n)
	}
	return n
}

// maxTops bounds how many manifests on top of a layout are looked into.
const maxTops = 4096

// choices lists the images on top of a layout, and referrers with them if all
// is set.
func (s *layoutSource) choices(all bool) ([]choice, error) {
	if len(s.index.Manifests) > maxTops {
		return nil, fmt.Errorf("%s: index.json lists more than %d manifests", s.ref, maxTops)
	}
	var out []choice
	for _, m := range s.index.Manifests {
		if !all && s.isReferrer(m) {
			continue
		}
		c := choice{id: "@" + m.Digest.String()}
		for _, n := range []string{m.Annotations[refName], m.Annotations[containerdName]} {
			if n != "" {
				c.names = append(c.names, n)
			}
		}
		out = append(out, c)
	}
	s.facts.mu.Lock()
	defer s.facts.mu.Unlock()
	if s.facts.bytes > maxReferrerSearch {
		return nil, fmt.Errorf("%s: more than %d bytes of manifests on top", s.ref, maxReferrerSearch)
	}
	return merge(out), nil
}

// withPlatforms adds the platforms of images without names.
func (s *layoutSource) withPlatforms(ctx context.Context, all []choice) []choice {
	known := map[string]*v1.Platform{}
	for _, m := range s.index.Manifests {
		known["@"+m.Digest.String()] = m.Platform
	}
	for i, c := range all {
		if len(c.names) > 0 || i >= maxUnnamed {
			continue
		}
		if p := known[c.id]; p != nil {
			all[i].of = platformName(p.OS, p.Architecture, p.Variant)
			continue
		}
		d, err := release.ParseDigest(c.id[1:])
		if err != nil {
			continue
		}
		pinned := *s
		pinned.ref = s.ref.At(d)
		if ix, err := readIndex(ctx, &pinned); err == nil {
			all[i].of = strings.Join(ix.Platforms(), " ")
		}
	}
	return all
}

func (s *layoutSource) Resolve(ctx context.Context) (Descriptor, error) {
	if !s.ref.Digest.IsZero() {
		for _, m := range s.index.Manifests {
			if m.Digest == hashOf(s.ref.Digest) {
				return Descriptor{string(m.MediaType), s.ref.Digest, m.Size}, nil
			}
		}
		// Not on top: a platform manifest below an index may be asked for too.
		size, err := s.files.size(blobName(s.ref.Digest))
		if err != nil {
			return Descriptor{}, &NotFoundError{What: s.ref.String(), Hint: "the layout has no such digest"}
		}
		mt, _, err := s.Manifest(ctx, s.ref.Digest)
		return Descriptor{mt, s.ref.Digest, size}, err
	}
	all, err := s.choices(s.ref.Tag != "")
	if err != nil {
		return Descriptor{}, err
	}
	found := all
	if s.ref.Tag != "" {
		found = choose(all, s.ref.Tag)
	}
	switch {
	case len(found) == 0:
		hint := "the layout has no images"
		if all, err = s.choices(false); err != nil {
			return Descriptor{}, err
		}
		if len(all) > 0 {
			hint = "the layout has " + list(s.withPlatforms(ctx, all))
		}
		return Descriptor{}, &NotFoundError{What: s.ref.String(), Hint: hint}
	case len(found) > 1:
		return Descriptor{}, ambiguous(s.ref, s.withPlatforms(ctx, found))
	}
	for _, m := range s.index.Manifests {
		if "@"+m.Digest.String() == found[0].id {
			d, err := digestOf(m.Digest)
			return Descriptor{string(m.MediaType), d, m.Size}, err
		}
	}
	return Descriptor{}, &NotFoundError{What: s.ref.String()}
}

// blobName is the name of a blob's file in a layout.
func blobName(d release.Digest) string { return "blobs/sha256/" + d.Hex() }

func (s *layoutSource) Manifest(_ context.Context, d release.Digest) (string, []byte, error) {
	raw, err := readAll(s.files, blobName(d))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, &NotFoundError{What: "manifest " + s.ref.At(d).String()}
	}
	if err != nil {
		return "", nil, err
	}
	if sum := release.DigestBytes(raw); sum != d {
		return "", nil, &MismatchError{"manifest", s.ref.At(d).String(), d.String(), sum.String()}
	}
	var m struct {
		MediaType string            `json:"mediaType"`
		Manifests []json.RawMessage `json:"manifests"`
	}
	if err := decode(raw, &m); err != nil {
		return "", nil, fmt.Errorf("manifest %s: %w", s.ref.At(d), err)
	}
	if m.MediaType == "" { // the field is optional; the shape tells
		m.MediaType = mediaManifest
		if m.Manifests != nil {
			m.MediaType = mediaIndex
		}
	}
	return m.MediaType, raw, nil
}

func (s *layoutSource) Blob(_ context.Context, d Descriptor) (io.ReadCloser, error) {
	f, err := s.files.open(blobName(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{What: "blob " + s.ref.At(d.Digest).String()}
	}
	if err != nil {
		return nil, err
	}
	return newChecked(f, d, "blob", s.ref.At(d.Digest).String()), nil
}

// IsLayoutFile reports whether a name belongs on top of an OCI image layout.
func IsLayoutFile(name string) bool {
	switch name {
	case "oci-layout", "index.json", "blobs":
		return true
	}
	return false
}

// LayoutWriter fills a new directory with an OCI image layout. The caller puts the
// directory in its place when all is done, so that a failed run leaves nothing.
type LayoutWriter struct {
	// Revision, if not empty, is written into index.json: the commit that the images
	// were built from. No digest of an image depends on it.
	Revision string

	dir  string
	tops []v1.Descriptor
}

// revisionName is the annotation for a commit
// (OCI image specification, "Pre-Defined Annotation Keys").
const revisionName = "org.opencontainers.image.revision"

// LayoutRevision returns the commit that the images in an OCI layout were built
// from, or "" if its index.json has none.
func LayoutRevision(ref Ref) (string, error) {
	s, err := openLayout(ref)
	if err != nil {
		return "", err
	}
	return s.index.Annotations[revisionName], nil
}

// NewLayoutWriter starts a layout in dir, which must be empty or not exist.
func NewLayoutWriter(dir string) (*LayoutWriter, error) {
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	return &LayoutWriter{dir: dir}, nil
}

// Blob writes the bytes that write produces and names them by their digest.
func (w *LayoutWriter) Blob(write func(io.Writer) error) (Descriptor, error) {
	blobs := filepath.Join(w.dir, "blobs", "sha256")
	f, err := os.CreateTemp(blobs, ".partial-")
	if err != nil {
		return Descriptor{}, err
	}
	defer os.Remove(f.Name()) // fails, and may, once renamed
	sum := release.NewHasher()
	err = write(io.MultiWriter(f, sum))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return Descriptor{}, err
	}
	d := Descriptor{Digest: sum.Digest(), Size: sum.Size()}
	place := filepath.Join(blobs, d.Digest.Hex())
	err = os.Rename(f.Name(), place)
	if _, there := os.Stat(place); there == nil {
		err = nil // the same bytes: on Windows a file that is open is not replaced
	}
	return d, err
}

// Bytes is [LayoutWriter.Blob] for a document that is at hand.
func (w *LayoutWriter) Bytes(mediaType string, raw []byte) (Descriptor, error) {
	d, err := w.Blob(func(to io.Writer) error {
		_, err := to.Write(raw)
		return err
	})
	d.MediaType = mediaType
	return d, err
}

// Copy copies images, manifests as the bytes they are, every blob checked and each
// copied once.
func (w *LayoutWriter) Copy(ctx context.Context, images []*Image, o TransferOptions) error {
	p := &puller{w: w, o: o, sizes: map[release.Digest]int64{}, blobs: map[release.Digest]bool{}}
	for _, img := range images {
		left, err := p.copy(ctx, img.source, Descriptor{Digest: img.Digest, Size: int64(len(img.Manifest))})
		if err != nil {
			return err
		}
		o.left(left)
	}
	return nil
}

// Top records an index or manifest that index.json points to.
func (w *LayoutWriter) Top(d Descriptor, tag string) {
	desc := v1.Descriptor{MediaType: mediaTypeOf(d.MediaType), Digest: hashOf(d.Digest), Size: d.Size}
	if tag != "" {
		desc.Annotations = map[string]string{refName: tag}
	}
	w.tops = append(w.tops, desc)
}

// Finish writes index.json and oci-layout.
func (w *LayoutWriter) Finish() error {
	slices.SortStableFunc(w.tops, func(a, b v1.Descriptor) int {
		tagA, tagB := a.Annotations[refName], b.Annotations[refName]
		return cmp.Or(cmp.Compare(tagA, tagB), cmp.Compare(a.Digest.Hex, b.Digest.Hex))
	})
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: mediaTypeOf(mediaIndex), Manifests: w.tops}
	if w.Revision != "" {
		index.Annotations = map[string]string{revisionName: w.Revision}
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "index.json"), raw, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.dir, "oci-layout"), []byte(layoutMarker), 0o644)
}
