package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/release"
	"facerec/internal/text"
)

const (
	mediaIndex    = string(types.OCIImageIndex)
	mediaManifest = string(types.OCIManifestSchema1)
	mediaConfig   = string(types.OCIConfigJSON)
	mediaLayer    = string(types.OCILayer)
)

func mediaTypeOf(s string) types.MediaType { return types.MediaType(s) }

// attestation is the platform that builders give to attestation manifests in an
// index (BuildKit, "Attestation storage"). Other artifacts in an index are
// listed under it too: no machine can run them.
const attestation = "unknown/unknown"

// attestationType is the annotation by which BuildKit marks such manifests.
const attestationType = "vnd.docker.reference.type"

// IsAttestation reports whether the entry holds attestations or another
// artifact, not an image.
func (m PlatformManifest) IsAttestation() bool { return m.Platform == attestation }

// Limits of an index. Real ones have some ten platforms, each perhaps with an
// attestation, and one index inside another where a builder wraps its output.
const (
	maxIndexDepth   = 4   // indexes inside one another
	maxIndexEntries = 512 // manifests in an index and all indexes below it
	maxUnnamed      = 32  // manifests whose platform only their configuration says

	maxIndexBytes = 32 << 20 // bytes of all these manifests; one that is listed twice counts twice
)

// maxLayers is how many layers an image may have. Docker's own limit is 127.
const maxLayers = 512

// expansion counts what an index leads to.
type expansion struct {
	at      Ref
	entries int
	bytes   int64
}

// add counts a manifest that is listed.
func (e *expansion) add(size int64) error {
	if e.entries++; e.entries > maxIndexEntries {
		return fmt.Errorf("index %s: more than %d manifests", e.at, maxIndexEntries)
	}
	if e.bytes += max(0, size); e.bytes > maxIndexBytes {
		return fmt.Errorf("index %s: manifests of more than %d bytes", e.at, maxIndexBytes)
	}
	return nil
}

// deeper counts the indexes inside one another.
func (e *expansion) deeper(depth int) error {
	if depth > maxIndexDepth {
		return fmt.Errorf("index %s: more than %d indexes inside one another", e.at, maxIndexDepth)
	}
	return nil
}

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
	Others   []release.Digest // manifests of the same platform in the index that were not taken

	source Source
}

// Layer is one layer of an image: its compressed bytes and its diff ID.
type Layer struct {
	Descriptor
	DiffID release.Digest
	URL    string // of a foreign layer: the first place that its manifest names for it; "" for others
}

// ReadIndex resolves a reference once and reads the index it names. An image
// without an index counts as an index of one.
func ReadIndex(ctx context.Context, ref Ref, access Access) (*Index, error) {
	src, err := Open(ctx, ref, access)
	if err != nil {
		return nil, err
	}
	return readIndex(ctx, src)
}

func readIndex(ctx context.Context, src Source) (*Index, error) {
	ref := src.place()
	top, err := src.Resolve(ctx)
	if err != nil {
		return nil, withTags(ctx, src, err)
	}
	mediaType, raw, err := readManifest(ctx, src, top)
	if err != nil {
		return nil, err
	}
	ix := &Index{Ref: ref.At(top.Digest), Tag: tagOf(ref.Tag), Digest: top.Digest, source: src}
	switch {
	case mediaTypeOf(mediaType).IsIndex():
		r := indexReader{ix: ix, seen: map[PlatformManifest]bool{}, all: expansion{at: ix.Ref}}
		if err := r.read(ctx, top.Digest, raw, nil, 1); err != nil {
			return nil, err
		}
	case mediaTypeOf(mediaType).IsImage():
		ix.Single = true
		img, err := ix.ReadImage(ctx, PlatformManifest{Descriptor: top})
		if err != nil {
			return nil, err
		}
		ix.Manifests = []PlatformManifest{{top, img.Platform}}
	default:
		return nil, &ArtifactError{Where: ix.Ref.String(), Type: mediaType}
	}
	return ix, nil
}

// indexReader lists the manifests of an index and of the indexes inside it.
type indexReader struct {
	ix      *Index
	seen    map[PlatformManifest]bool
	all     expansion
	unnamed int
}

// read adds the manifests of one index. outer is the platform by which an index
// around it names it, if any.
func (r *indexReader) read(ctx context.Context, at release.Digest, raw []byte, outer *v1.Platform, depth int) error {
	where := r.ix.Ref.At(at)
	if err := r.all.deeper(depth); err != nil {
		return err
	}
	var m struct {
		Manifests []struct {
			v1.Descriptor
			ArtifactType string `json:"artifactType"`
		} `json:"manifests"`
	}
	if err := decode(raw, &m); err != nil {
		return fmt.Errorf("index %s: %w", where, err)
	}
	for _, d := range m.Manifests {
		if err := r.all.add(d.Size); err != nil {
			return err
		}
		digest, err := digestOf(d.Digest)
		if err != nil {
			return fmt.Errorf("index %s: %w", where, err)
		}
		platform := d.Platform
		if platform == nil || platform.OS == "" && platform.Architecture == "" {
			platform = outer
		}
		entry := PlatformManifest{Descriptor: Descriptor{string(d.MediaType), digest, d.Size}}
		switch {
		case d.Annotations[attestationType] != "":
			entry.Platform = attestation
		case d.MediaType.IsIndex():
			_, inner, err := readManifest(ctx, r.ix.source, entry.Descriptor)
			if err != nil {
				return err
			}
			if err := r.read(ctx, digest, inner, platform, depth+1); err != nil {
				return err
			}
			continue
		case platform != nil:
			entry.Platform = platformName(platform.OS, platform.Architecture, platform.Variant)
		case d.MediaType != "" && !d.MediaType.IsImage():
			entry.Platform = attestation
		default:
			if entry.Platform, err = r.configured(ctx, entry); err != nil {
				return err
			}
		}
		if !r.seen[entry] {
			r.seen[entry] = true
			r.ix.Manifests = append(r.ix.Manifests, entry)
		}
	}
	return nil
}

// configured returns the platform that a manifest's configuration says.
func (r *indexReader) configured(ctx context.Context, entry PlatformManifest) (string, error) {
	if r.unnamed++; r.unnamed > maxUnnamed {
		return "", fmt.Errorf("index %s: more than %d manifests without a platform", r.ix.Ref, maxUnnamed)
	}
	img, err := r.ix.ReadImage(ctx, entry)
	var artifact *ArtifactError
	switch {
	case errors.As(err, &artifact):
		return attestation, nil
	case err != nil:
		return "", err
	}
	return img.Platform, nil
}

// ArtifactError says that a reference names something other than an image.
type ArtifactError struct {
	Where string
	Type  string // its artifact type or media type
}

func (e *ArtifactError) Error() string {
	return fmt.Sprintf("%s is an artifact of type %s, not an image", e.Where, text.Show(e.Type))
}

// artifactTypeOf returns the type of the artifact that a manifest describes, or
// "" for an image. The image specification ("Guidelines for Artifact Usage")
// goes by the configuration's media type.
func artifactTypeOf(artifactType string, config types.MediaType) string {
	switch config {
	case types.OCIConfigJSON, types.DockerConfigJSON, "", "application/octet-stream":
		return ""
	}
	if artifactType != "" {
		return artifactType
	}
	return string(config)
}

func platformName(os, arch, variant string) string {
	return release.Platform{OS: os, Arch: arch, Variant: variant}.Normal().String()
}

// samePlatform reports whether two platforms are the same. With lenient, a
// variant that one of them leaves out is not a contradiction.
func samePlatform(a, b string, lenient bool) bool {
	x, y := append(strings.Split(a, "/"), "", ""), append(strings.Split(b, "/"), "", "")
	if x[0] != y[0] || x[1] != y[1] {
		return false
	}
	return release.Platform{Arch: x[1], Variant: x[2]}.Normal().Variant == release.Platform{Arch: y[1], Variant: y[2]}.Normal().Variant || lenient && (x[2] == "" || y[2] == "")
}

// candidates lists the manifests of a platform in the order of the index: those
// with its very variant, or else those that leave it out.
func (ix *Index) candidates(p release.Platform) []PlatformManifest {
	for _, lenient := range []bool{false, true} {
		var found []PlatformManifest
		for _, m := range ix.Manifests {
			if !m.IsAttestation() && samePlatform(m.Platform, p.String(), lenient) {
				found = append(found, m)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// Platforms lists the platforms of the images in the index, each once, in its
// order.
func (ix *Index) Platforms() []string {
	var out []string
	for _, m := range ix.Manifests {
		if !m.IsAttestation() && !slices.Contains(out, m.Platform) {
			out = append(out, m.Platform)
		}
	}
	return out
}

// Offers lists the manifests that the index has for one platform, in its order:
// those with the very variant, or else those that leave it out or have one where
// p has none. Attestations are skipped. The error is a [*NotFoundError].
func (ix *Index) Offers(p release.Platform) ([]PlatformManifest, error) {
	found := ix.candidates(p)
	if len(found) == 0 {
		hint := "the index has no image"
		if all := ix.Platforms(); len(all) > 0 {
			hint = "the image has " + text.List(all, 12)
		}
		return nil, &NotFoundError{What: fmt.Sprintf("platform %s in %s", p, ix.Ref), Hint: hint}
	}
	return found, nil
}

// Platform finds the manifest that [Index.Image] takes for a platform, or fails
// on. Nothing is read where the index offers only one.
func (ix *Index) Platform(ctx context.Context, p release.Platform) (PlatformManifest, error) {
	found, err := ix.Offers(p)
	switch {
	case err != nil:
		return PlatformManifest{}, err
	case len(found) == 1:
		return found[0], nil
	}
	img, err := ix.first(ctx, found)
	switch {
	case ctx.Err() != nil:
		return PlatformManifest{}, err
	case err != nil:
		return found[0], nil //nolint:nilerr // whoever reads it is told
	}
	return found[slices.IndexFunc(found, func(m PlatformManifest) bool { return m.Digest == img.Digest })], nil
}

// Image reads the manifest of one platform and its configuration. An index may
// offer an image twice, in two compressions for example: then it is the first
// that can be read, as the image specification says, and [Image.Others] names
// the rest.
func (ix *Index) Image(ctx context.Context, p release.Platform) (*Image, error) {
	found, err := ix.Offers(p)
	if err != nil {
		return nil, err
	}
	return ix.first(ctx, found)
}

// first reads the first of several manifests that can be read.
func (ix *Index) first(ctx context.Context, found []PlatformManifest) (*Image, error) {
	var first error
	for _, m := range found {
		img, err := ix.ReadImage(ctx, m)
		if err == nil {
			err = img.readable()
		}
		if err == nil {
			for _, other := range found {
				if other.Digest != img.Digest {
					img.Others = append(img.Others, other.Digest)
				}
			}
			return img, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if first == nil {
			first = err
		}
		var mismatch *MismatchError // a wrong copy is never worked around
		if errors.As(err, &mismatch) {
			break
		}
	}
	return nil, first
}

// readable reports what keeps the layers from being read.
func (img *Image) readable() error {
	for _, l := range img.Layers {
		if err := l.Readable(); err != nil {
			return fmt.Errorf("layer %s: %w", img.Ref.At(l.Digest), err)
		}
	}
	return nil
}

// Readable reports, by its media type, why a layer cannot be read.
func (l Layer) Readable() error {
	t := mediaTypeOf(l.MediaType)
	switch {
	case strings.HasSuffix(l.MediaType, "+encrypted"):
		return text.WithHint(fmt.Errorf("it is encrypted (%s)", text.Show(l.MediaType)), "decrypt the image first")
	case t.IsLayer(), t == "", t == "application/octet-stream", strings.HasPrefix(l.MediaType, "application/vnd.oci.image.layer."), strings.HasPrefix(l.MediaType, "application/vnd.docker.image.rootfs."):
		return nil
	}
	return text.WithHint(fmt.Errorf("expected a file system layer, got the media type %s", text.Show(l.MediaType)), "build the image with layers that are tar archives, plain or compressed with gzip or zstd")
}

// foreignURL returns where a foreign layer lies, or "" for any other. Those are
// the layers whose descriptors have URLs: registries and layouts need not have
// them (those of Windows base images mostly). Nothing is ever read from a URL.
func foreignURL(d v1.Descriptor) string {
	for _, u := range d.URLs {
		if u != "" {
			return u
		}
	}
	return ""
}

// distributable reports whether layers of a type may be sent to registries.
func distributable(mediaType string) bool {
	return !strings.Contains(mediaType, ".layer.nondistributable.") && !strings.Contains(mediaType, ".rootfs.foreign.")
}

// ForeignLayerError says that a foreign layer is not where its image is.
type ForeignLayerError struct {
	Layer string // by digest, in its place
	URL   string // where its manifest says that it lies
	Err   error  // what did not find it
}

func (e *ForeignLayerError) Error() string {
	return fmt.Sprintf("foreign layer %s not found: its manifest leaves it at %s, and nothing is downloaded from there", e.Layer, text.Show(e.URL))
}

// Unwrap returns what did not find it.
func (e *ForeignLayerError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *ForeignLayerError) Hint() string {
	return "name a registry or layout that has the foreign layers of the image"
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
	var m struct {
		v1.Manifest
		ArtifactType string `json:"artifactType"`
	}
	if err := decode(raw, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", img.Ref, err)
	}
	if t := artifactTypeOf(m.ArtifactType, m.Config.MediaType); t != "" {
		return nil, &ArtifactError{Where: img.Ref.String(), Type: t}
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
	if err := decode(img.RawConf, &img.Config); err != nil {
		return nil, fmt.Errorf("configuration of %s: %w", img.Ref, err)
	}
	img.Platform = platformName(img.Config.OS, img.Config.Architecture, img.Config.Variant)
	if pm.Platform != "" {
		if !pm.IsAttestation() && !samePlatform(pm.Platform, rawPlatform(img.Config), true) {
			return nil, fmt.Errorf("manifest %s: the index says platform %s, its configuration says %s", img.Ref, pm.Platform, img.Platform)
		}
		img.Platform = pm.Platform
	}
	if len(m.Layers) > maxLayers {
		return nil, fmt.Errorf("manifest %s: expected at most %d layers, got %d", img.Ref, maxLayers, len(m.Layers))
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
		img.Layers = append(img.Layers, Layer{Descriptor{string(l.MediaType), d, l.Size}, diff, foreignURL(l)})
	}
	return img, nil
}

func rawPlatform(c v1.ConfigFile) string {
	return strings.TrimSuffix(c.OS+"/"+c.Architecture+"/"+c.Variant, "/")
}

// ReadLayer passes the stored bytes of a layer to use, as [Source.Blob] checks
// them. It calls use once more if a cached copy turns out to be damaged, so use
// must be able to start over.
func (img *Image) ReadLayer(ctx context.Context, l Layer, use func(io.Reader) error) error {
	if err := l.Readable(); err != nil {
		return fmt.Errorf("layer %s: %w", img.Ref.At(l.Digest), err)
	}
	err := readBlob(ctx, img.source, l.Descriptor, use)
	if l.URL != "" && IsNotFound(err) {
		return &ForeignLayerError{img.Ref.At(l.Digest).String(), l.URL, err}
	}
	return err
}

// Stored is how many bytes a layer takes where it comes from. In a compressed
// archive it takes its share of the file, and its size proves nothing.
func (img *Image) Stored(l Layer) int64 {
	if s, ok := img.source.(interface{ stored(int64) int64 }); ok {
		return s.stored(max(l.Size, 0))
	}
	return max(l.Size, 0)
}

// SameSource reports whether both images are read from the same place.
func (img *Image) SameSource(other *Image) bool { return img.source == other.source }
