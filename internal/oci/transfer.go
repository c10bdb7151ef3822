package oci

import (
	"context"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/release"
	"facerec/internal/text"
)

// Pushed is one index that a registry or layout now has.
type Pushed struct {
	Ref       string         `json:"ref"`
	Digest    release.Digest `json:"digest"`
	Referrers int            `json:"beside"` // manifests attached to it that came along

	Left []LeftLayer `json:"left,omitempty"` // foreign layers that were not moved
}

// TransferOptions say how images are moved. The zero value includes what
// is attached to them.
type TransferOptions struct {
	Access     Access
	ImagesOnly bool // leave signatures and all else that is attached to images
	Jobs       int  // blobs that are moved at a time; 0 for 4

	// Progress, if not nil, is told the bytes of blobs moved so far, of how many. It is
	// called by several, one at a time.
	Progress func(done, total int64)

	// Moved, if not nil, is told each image that has arrived.
	Moved func(Pushed)

	// Left, if not nil, is told each foreign layer that is not moved: it is not in
	// the place that images are moved from, or not to be distributed.
	Left func(LeftLayer)
}

// LeftLayer is a foreign layer that was not moved.
type LeftLayer struct {
	Digest release.Digest `json:"digest"`
	URL    string         `json:"url,omitempty"` // where its manifest says that it lies
}

func (o *TransferOptions) left(all []LeftLayer) {
	for _, l := range all {
		if o.Left != nil {
			o.Left(l)
		}
	}
}

// maxPushed is how many tags of a layout are pushed in one run: each is a score of
// requests.
const maxPushed = 256

// Push copies from a layout to a registry, manifests as the bytes they are. A
// layout reference without tag pushes every tag; a target with a tag needs
// exactly one source. The digest of each is asked for again afterwards.
func Push(ctx context.Context, from, to Ref, o TransferOptions) ([]Pushed, error) {
	if from.Kind != Layout {
		return nil, fmt.Errorf("%s: can only push from an OCI layout", from)
	}
	if to.Kind != Registry {
		return nil, fmt.Errorf("%s: can only push to a registry", to)
	}
	if !to.Digest.IsZero() {
		return nil, fmt.Errorf("%s: push to a tag, the digest follows from the bytes", to)
	}
	tags := []string{from.Tag}
	if from.Tag == "" && from.Digest.IsZero() {
		var err error
		if tags, err = LayoutTags(from); err != nil {
			return nil, err
		}
		if len(tags) == 0 {
			return nil, fmt.Errorf("%s: the layout has no tags: name a digest", from)
		}
	}
	if len(tags) > maxPushed {
		return nil, fmt.Errorf("%s holds %d tags, expected at most %d to push together: name one of them", from, len(tags), maxPushed)
	}
	if to.Tag != "" && len(tags) != 1 {
		return nil, fmt.Errorf("%s holds %d tags, %s can take one: leave the tag out to push them all", from, len(tags), to)
	}
	dst, err := openWriter(to, o.Access)
	if err != nil {
		return nil, err
	}
	named := map[string]string{} // full names by tag
	for _, tag := range tags {
		if other, ok := named[tagOf(tag)]; ok && other != tag && to.Tag == "" {
			return nil, fmt.Errorf("%s: both %s and %s would be pushed to the tag %s: name one of them", from, text.Show(other), text.Show(tag), tagOf(tag))
		}
		named[tagOf(tag)] = tag
	}
	var out []Pushed
	for _, tag := range tags {
		src := from
		if tag != "" {
			src = from.WithTag(tag)
		}
		p, err := pushOne(ctx, src, to, dst, o)
		if err != nil {
			return out, err
		}
		out = append(out, p)
		if o.Moved != nil {
			o.Moved(p)
		}
	}
	return out, nil
}

func pushOne(ctx context.Context, from, to Ref, dst *remoteSource, o TransferOptions) (Pushed, error) {
	src, err := openLayout(from)
	if err != nil {
		return Pushed{}, err
	}
	top, err := src.Resolve(ctx)
	if err != nil {
		return Pushed{}, err
	}
	if err := checkComplete(ctx, src, top); err != nil {
		return Pushed{}, err
	}
	var subjects []release.Digest
	var beside []Referrer
	if !o.ImagesOnly {
		if subjects, err = below(ctx, src, top); err != nil {
			return Pushed{}, err
		}
		if beside, err = referrers(ctx, from, subjects, o.Access); err != nil {
			return Pushed{}, err
		}
		for _, a := range beside {
			if err := checkComplete(ctx, src, Descriptor{Digest: a.Digest}); err != nil {
				return Pushed{}, fmt.Errorf("%s: %w", a.Place, err)
			}
		}
	}
	tag := to.Tag
	if tag == "" {
		tag = tagOf(from.Tag)
	}
	if tag == "" {
		return Pushed{}, fmt.Errorf("%s: name a tag to push it under", to)
	}
	at := to.WithTag(tag)
	left, err := dst.pushAll(ctx, src, top, tag, o)
	if err != nil {
		why := dst.explain("pushing to "+at.String(), err)
		if len(left) > 0 && statusOf(err) == http.StatusBadRequest {
			why = text.WithHint(why, "the registry may want foreign layer %s, which is not sent: some can be set up to do without", left[0].Digest)
		}
		return Pushed{}, why
	}
	got, err := underTag(dst, tag).Resolve(ctx)
	if err != nil {
		return Pushed{}, err
	}
	if got.Digest != top.Digest {
		return Pushed{}, &MismatchError{"index after the push", at.String(), top.Digest.String(), got.Digest.String()}
	}
	more, err := dst.pushReferrers(ctx, src, at, subjects, beside)
	left = append(left, more...)
	o.left(left)
	return Pushed{Ref: at.At(got.Digest).String(), Digest: got.Digest, Referrers: len(beside), Left: left}, err
}

// pushAll sends everything from an index or manifest down: first the blobs, then
// the manifests by their digests, children before parents, and the top one under
// id, a tag or its digest. It lists the foreign layers that are not sent: those
// that src does not have, and those of a type that is not to be distributed. It
// does so too where the registry refuses a manifest.
func (s *remoteSource) pushAll(ctx context.Context, src Source, top Descriptor, id string, o TransferOptions) (left []LeftLayer, err error) {
	type manifest struct {
		Descriptor
		raw []byte
	}
	var blobs []upload
	var manifests []manifest
	seen := map[release.Digest]bool{}
	err = visit(ctx, src, top, func(b blobUse) error {
		d := b.Descriptor
		if seen[d.Digest] {
			return nil
		}
		there := distributable(d.MediaType)
		if there && b.url != "" {
			rc, err := src.Blob(ctx, d)
			switch {
			case err == nil:
				_ = rc.Close() // only read
			case IsNotFound(err):
				there = false
			default:
				return err
			}
		}
		if !there {
			left = append(left, LeftLayer{d.Digest, b.url})
			return nil
		}
		seen[d.Digest] = true
		blobs = append(blobs, upload{d, func() (io.ReadCloser, error) { return src.Blob(ctx, d) }})
		return nil
	}, func(d Descriptor, raw []byte) error {
		if !seen[d.Digest] {
			manifests = append(manifests, manifest{d, raw})
		}
		seen[d.Digest] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.putBlobs(ctx, blobs, o.Jobs, o.Progress); err != nil {
		return nil, err
	}
	for _, m := range manifests {
		at := m.Digest.String()
		if m.Digest == top.Digest {
			at = id
		}
		if err := s.putManifest(ctx, at, m.MediaType, m.raw); err != nil {
			return left, err
		}
	}
	return left, nil
}

// checkComplete reads everything below a descriptor, hashing it, before the
// first byte goes out: a registry may accept half an image. Foreign layers may be
// missing.
func checkComplete(ctx context.Context, src Source, top Descriptor) error {
	return visit(ctx, src, top, func(b blobUse) error {
		err := readBlob(ctx, src, b.Descriptor, func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		})
		if b.url != "" && IsNotFound(err) {
			return nil
		}
		return err
	}, nil)
}

// blobUse is a configuration or layer as a manifest names it.
type blobUse struct {
	Descriptor
	url string // see [foreignURL]
}

// visit walks from an index or manifest down. blob is called for each
// configuration and layer, manifest (may be nil) for each index and manifest
// with its raw bytes, children before parents, each once; a blob that is foreign
// in one manifest and not in another counts as two.
func visit(ctx context.Context, src Source, d Descriptor, blob func(blobUse) error, manifest func(Descriptor, []byte) error) error {
	v := visitor{src: src, blob: blob, manifest: manifest, all: expansion{at: src.place().At(d.Digest)}, known: map[release.Digest]visited{}, blobs: map[seenBlob]bool{}}
	return v.visit(ctx, d, 0)
}

type visitor struct {
	src      Source
	blob     func(blobUse) error
	manifest func(Descriptor, []byte) error
	all      expansion
	known    map[release.Digest]visited
	blobs    map[seenBlob]bool
}

// seenBlob is a blob that was visited.
type seenBlob struct {
	digest  release.Digest
	foreign bool
}

// visited is a manifest that was read.
type visited struct {
	size  int64
	below []v1.Descriptor // of an index
}

func (v *visitor) visit(ctx context.Context, d Descriptor, depth int) error {
	if seen, ok := v.known[d.Digest]; ok {
		return v.again(ctx, d, seen, depth)
	}
	mediaType, raw, err := readManifest(ctx, v.src, d)
	if err != nil {
		return err
	}
	if err := v.all.add(int64(len(raw))); err != nil {
		return err
	}
	this := visited{size: int64(len(raw))}
	if mediaTypeOf(mediaType).IsIndex() {
		if err := v.all.deeper(depth + 1); err != nil {
			return err
		}
		var m v1.IndexManifest
		if err := decode(raw, &m); err != nil {
			return fmt.Errorf("index %s: %w", d.Digest, err)
		}
		this.below = m.Manifests
		err = v.children(ctx, d, m.Manifests, func(c blobUse) error { return v.visit(ctx, c.Descriptor, depth+1) })
	} else {
		var m v1.Manifest
		if err := decode(raw, &m); err != nil {
			return fmt.Errorf("manifest %s: %w", d.Digest, err)
		}
		if len(m.Layers) > maxLayers {
			return fmt.Errorf("manifest %s: expected at most %d layers, got %d", d.Digest, maxLayers, len(m.Layers))
		}
		m.Config.URLs = nil // an image cannot be read without
		err = v.children(ctx, d, append([]v1.Descriptor{m.Config}, m.Layers...), v.once)
	}
	if err != nil {
		return err
	}
	v.known[d.Digest] = this
	if v.manifest != nil {
		return v.manifest(Descriptor{mediaType, d.Digest, int64(len(raw))}, raw)
	}
	return nil
}

// again counts what a manifest leads to that was visited before.
func (v *visitor) again(ctx context.Context, d Descriptor, seen visited, depth int) error {
	if err := v.all.add(seen.size); err != nil {
		return err
	}
	return v.children(ctx, d, seen.below, func(c blobUse) error { return v.visit(ctx, c.Descriptor, depth+1) })
}

func (v *visitor) children(ctx context.Context, d Descriptor, list []v1.Descriptor, each func(blobUse) error) error {
	for _, b := range list {
		digest, err := digestOf(b.Digest)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("below %s: %w", d.Digest, err)
		}
		if err := each(blobUse{Descriptor{string(b.MediaType), digest, b.Size}, foreignURL(b)}); err != nil {
			return err
		}
	}
	return nil
}

// once calls blob for the first of several with the same digest.
func (v *visitor) once(b blobUse) error {
	key := seenBlob{b.Digest, b.url != ""}
	if v.blobs[key] {
		return nil
	}
	v.blobs[key] = true
	return v.blob(b)
}
