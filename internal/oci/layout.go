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

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/release"
)

// refName is the OCI image layout specification's annotation for a tag.
const refName = "org.opencontainers.image.ref.name"

const layoutMarker = `{"imageLayoutVersion":"1.0.0"}`

// layoutSource reads an OCI image layout.
type layoutSource struct {
	ref   Ref
	index v1.IndexManifest
}

func openLayout(ref Ref) (*layoutSource, error) {
	if _, err := os.Stat(filepath.Join(ref.Name, "oci-layout")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NotFoundError{What: "OCI layout " + ref.Name, Hint: "there is no file oci-layout in it"}
		}
		return nil, fmt.Errorf("OCI layout %s: %w", ref.Name, err)
	}
	raw, err := readLimited(filepath.Join(ref.Name, "index.json"))
	if err != nil {
		return nil, fmt.Errorf("OCI layout %s: %w", ref.Name, err)
	}
	s := &layoutSource{ref: ref}
	if err := json.Unmarshal(raw, &s.index); err != nil {
		return nil, fmt.Errorf("OCI layout %s: index.json: %w", ref.Name, err)
	}
	return s, nil
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil && len(raw) > maxManifest {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxManifest)
	}
	return raw, err
}

// Tags are the tags of images in a layout, sorted; those of what stands beside
// images are left out.
func (s *layoutSource) tags() []string {
	var tags []string
	for _, m := range s.index.Manifests {
		if t := m.Annotations[refName]; t != "" && !s.isCompanion(m) {
			tags = append(tags, t)
		}
	}
	sort.Strings(tags)
	return tags
}

// LayoutTags lists the tags of images in the OCI layout that ref points to.
func LayoutTags(ref Ref) ([]string, error) {
	s, err := openLayout(ref)
	if err != nil {
		return nil, err
	}
	return s.tags(), nil
}

func (s *layoutSource) place() Ref { return s.ref }

func (s *layoutSource) Resolve(context.Context) (Descriptor, error) {
	if !s.ref.Digest.IsZero() {
		for _, m := range s.index.Manifests {
			if m.Digest == hashOf(s.ref.Digest) {
				return Descriptor{string(m.MediaType), s.ref.Digest, m.Size}, nil
			}
		}
		// Not on top: a platform manifest below an index may be asked for too.
		fi, err := os.Stat(s.blob(s.ref.Digest))
		if err != nil {
			return Descriptor{}, &NotFoundError{What: s.ref.String(), Hint: "the layout has no such digest"}
		}
		mt, _, err := s.Manifest(context.Background(), s.ref.Digest)
		return Descriptor{mt, s.ref.Digest, fi.Size()}, err
	}
	var found []v1.Descriptor
	for _, m := range s.index.Manifests {
		if s.ref.Tag == "" && !s.isCompanion(m) || s.ref.Tag != "" && m.Annotations[refName] == s.ref.Tag {
			found = append(found, m)
		}
	}
	tags := strings.Join(s.tags(), ", ")
	switch {
	case len(found) == 0:
		return Descriptor{}, &NotFoundError{What: s.ref.String(), Hint: "the layout has the tags " + tags}
	case len(found) > 1:
		return Descriptor{}, fmt.Errorf("%s holds %d images: name one of the tags %s", s.ref, len(found), tags)
	}
	d, err := digestOf(found[0].Digest)
	return Descriptor{string(found[0].MediaType), d, found[0].Size}, err
}

func (s *layoutSource) blob(d release.Digest) string {
	return filepath.Join(s.ref.Name, "blobs", "sha256", d.Hex())
}

func (s *layoutSource) Manifest(_ context.Context, d release.Digest) (string, []byte, error) {
	raw, err := readLimited(s.blob(d))
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
	if err := json.Unmarshal(raw, &m); err != nil {
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
	f, err := os.Open(s.blob(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{What: "blob " + s.ref.At(d.Digest).String()}
	}
	if err != nil {
		return nil, err
	}
	return newChecked(f, d, "blob", s.ref.At(d.Digest).String()), nil
}

// IsLayoutFile says whether a name belongs on top of an OCI image layout.
func IsLayoutFile(name string) bool {
	switch name {
	case "oci-layout", "index.json", "blobs":
		return true
	}
	return false
}

// LayoutWriter fills a new folder with an OCI image layout. The caller puts the
// folder in its place when all is done, so that a failed run leaves nothing.
type LayoutWriter struct {
	dir  string
	tops []v1.Descriptor
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
	return d, os.Rename(f.Name(), filepath.Join(blobs, d.Digest.Hex()))
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
		if err := p.copy(ctx, img.source, Descriptor{Digest: img.Digest, Size: int64(len(img.Manifest))}); err != nil {
			return err
		}
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
	raw, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: mediaTypeOf(mediaIndex), Manifests: w.tops})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "index.json"), raw, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.dir, "oci-layout"), []byte(layoutMarker), 0o644)
}
