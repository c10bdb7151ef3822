package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/release"
)

const (
	mediaIndex    = string(types.OCIImageIndex)
	mediaManifest = string(types.OCIManifestSchema1)
	mediaConfig   = string(types.OCIConfigJSON)
	mediaLayer    = string(types.OCILayer)
)

func mediaTypeOf(s string) types.MediaType { return types.MediaType(s) }

// attestation is the platform that builders give to attestation manifests in an
// index (BuildKit, "Attestation storage").
const attestation = "unknown/unknown"

// IsAttestation reports whether the entry holds attestations, not an image.
func (m PlatformManifest) IsAttestation() bool { return m.Platform == attestation }

// Index is a multi-platform image whose digest is known: the tag that led here
// is not asked again.
type Index struct {
	Ref       Ref // pinned by digest
	Tag       string
	Digest    release.Digest
	Single    bool // the reference named one manifest, no index stands above it
	Manifests []PlatformManifest

	source Source
}

// PlatformManifest is one entry of an index.
type PlatformManifest struct {
	Descriptor
	Platform string // OS/ARCH[/VARIANT], as the index spells it
}

// Image is one platform manifest with its configuration, both checked against
// their digests.
type Image struct {
	Ref      Ref // pinned by the manifest's digest
	Index    release.Digest
	Digest   release.Digest
	Platform string
	Manifest []byte // raw
	Config   v1.ConfigFile
	RawConf  []byte
	Layers   []Layer

	source Source
}

// Layer is one layer of an image: its compressed bytes and its diff ID.
type Layer struct {
	Descriptor
	DiffID release.Digest
}

// ReadIndex resolves a reference once and reads the index it names. An image
// without an index counts as an index of one.
func ReadIndex(ctx context.Context, ref Ref, access Access) (*Index, error) {
	src, err := Open(ctx, ref, access)
	if err != nil {
		return nil, err
	}
	top, err := src.Resolve(ctx)
	if err != nil {
		return nil, withTags(ctx, src, err)
	}
	mediaType, raw, err := readManifest(ctx, src, top)
	if err != nil {
		return nil, err
	}
	ix := &Index{Ref: ref.At(top.Digest), Tag: ref.Tag, Digest: top.Digest, source: src}
	switch {
	case mediaTypeOf(mediaType).IsIndex():
		var m v1.IndexManifest
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("index %s: %w", ix.Ref, err)
		}
		for _, d := range m.Manifests {
			digest, err := digestOf(d.Digest)
			if err != nil {
				return nil, fmt.Errorf("index %s: %w", ix.Ref, err)
			}
			p := attestation
			if d.Platform != nil {
				p = platformName(d.Platform.OS, d.Platform.Architecture, d.Platform.Variant)
			}
			ix.Manifests = append(ix.Manifests, PlatformManifest{Descriptor{string(d.MediaType), digest, d.Size}, p})
		}
	case mediaTypeOf(mediaType).IsImage():
		ix.Single = true
		img, err := ix.ReadImage(ctx, PlatformManifest{Descriptor: top})
		if err != nil {
			return nil, err
		}
		ix.Manifests = []PlatformManifest{{top, img.Platform}}
	default:
		return nil, fmt.Errorf("%s is neither an index nor an image manifest but %q", ix.Ref, mediaType)
	}
	return ix, nil
}

// platformName normalises as the image specification does: arm64's only
// variant goes without saying, and so does armv7's "v7" where it is missing.
func platformName(os, arch, variant string) string {
	switch {
	case arch == "arm64" && variant == "v8":
		variant = ""
	case arch == "arm" && variant == "":
		variant = "v7"
	}
	s := os + "/" + arch
	if variant != "" {
		s += "/" + variant
	}
	return s
}

// Platform finds the manifest of one platform. Attestations that builders put
// beside images as platform unknown/unknown are passed over.
func (ix *Index) Platform(p release.Platform) (PlatformManifest, error) {
	var found []PlatformManifest
	var names []string
	for _, m := range ix.Manifests {
		if m.Platform == p.String() {
			found = append(found, m)
		}
		if !m.IsAttestation() {
			names = append(names, m.Platform)
		}
	}
	switch len(found) {
	case 0:
		return PlatformManifest{}, &NotFoundError{What: fmt.Sprintf("platform %s in %s", p, ix.Ref), Hint: "the image has " + strings.Join(names, ", ")}
	case 1:
		return found[0], nil
	}
	return PlatformManifest{}, fmt.Errorf("%s names platform %s %d times: cannot tell which is meant", ix.Ref, p, len(found))
}

// Image reads the manifest of one platform and its configuration.
func (ix *Index) Image(ctx context.Context, p release.Platform) (*Image, error) {
	m, err := ix.Platform(p)
	if err != nil {
		return nil, err
	}
	return ix.ReadImage(ctx, m)
}

// Images reads every platform manifest but attestations.
func (ix *Index) Images(ctx context.Context) ([]*Image, error) {
	var out []*Image
	for _, m := range ix.Manifests {
		if m.IsAttestation() {
			continue
		}
		img, err := ix.ReadImage(ctx, m)
		if err != nil {
			return nil, err
		}
		out = append(out, img)
	}
	return out, nil
}

// ReadImage reads the manifest and the configuration of one platform.
func (ix *Index) ReadImage(ctx context.Context, pm PlatformManifest) (*Image, error) {
	img := &Image{Ref: ix.Ref.At(pm.Digest), Digest: pm.Digest, source: ix.source}
	if !ix.Single {
		img.Index = ix.Digest
	}
	raw, err := readImageManifest(ctx, ix.source, pm.Descriptor)
	if err != nil {
		return nil, err
	}
	img.Manifest = raw
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", img.Ref, err)
	}
	confDigest, err := digestOf(m.Config.Digest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: configuration: %w", img.Ref, err)
	}
	if m.Config.Size > maxManifest || m.Config.Size < 0 {
		return nil, fmt.Errorf("manifest %s: a configuration of %d bytes is refused: at most %d", img.Ref, m.Config.Size, maxManifest)
	}
	img.RawConf, err = wholeBlob(ctx, ix.source, Descriptor{string(m.Config.MediaType), confDigest, m.Config.Size})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(img.RawConf, &img.Config); err != nil {
		return nil, fmt.Errorf("configuration of %s: %w", img.Ref, err)
	}
	img.Platform = platformName(img.Config.OS, img.Config.Architecture, img.Config.Variant)
	if pm.Platform != "" && img.Platform != pm.Platform {
		return nil, fmt.Errorf("manifest %s: the index says platform %s, its configuration says %s", img.Ref, pm.Platform, img.Platform)
	}
	if len(m.Layers) != len(img.Config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("manifest %s: %d layers, but %d diff IDs in its configuration", img.Ref, len(m.Layers), len(img.Config.RootFS.DiffIDs))
	}
	for i, l := range m.Layers {
		d, err := digestOf(l.Digest)
		if err != nil {
			return nil, fmt.Errorf("manifest %s: layer %d: %w", img.Ref, i, err)
		}
		diff, err := digestOf(img.Config.RootFS.DiffIDs[i])
		if err != nil {
			return nil, fmt.Errorf("manifest %s: diff ID %d: %w", img.Ref, i, err)
		}
		img.Layers = append(img.Layers, Layer{Descriptor{string(l.MediaType), d, l.Size}, diff})
	}
	return img, nil
}

// ReadLayer passes the stored bytes of a layer to use, as [Source.Blob] checks
// them. It calls use once more if a cached copy turns out to be damaged, so use
// must be able to start over.
func (img *Image) ReadLayer(ctx context.Context, l Layer, use func(io.Reader) error) error {
	return readBlob(ctx, img.source, l.Descriptor, use)
}

// SameSource reports whether both images are read from the same place.
func (img *Image) SameSource(other *Image) bool { return img.source == other.source }
