package pack

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
	"facerec/internal/verify"
)

// Images implements [verify.Images]. Indexes, manifests and layers are read once
// each, however many cells share them.
type Images struct {
	Access   oci.Access
	Override *oci.Ref        // where to look, whatever release.json says; nil: there
	Unpacker *layer.Unpacker // reads layers
	Workers  int             // layers to read at a time; 0: one per core
	Keep     bool            // what was read of layers, for releases that come after
	Extra    []tarball.Entry // extract.files of config.json

	mu      sync.Mutex
	indexes map[oci.Ref]*oci.Index
	read    map[imageKey]*oci.Image
}

var _ verify.Images = (*Images)(nil)

// place returns where to look for what a reference names.
func (i *Images) place(ref oci.Ref) oci.Ref {
	if i.Override != nil {
		return *i.Override
	}
	return ref
}

func (i *Images) index(ctx context.Context, image string, digest release.Digest) (*oci.Index, error) {
	ref, err := oci.ParseRef(image)
	if err != nil && i.Override == nil {
		return nil, text.WithHint(err, "name the place of the images with --image")
	}
	ref = i.place(ref).At(digest)
	i.mu.Lock()
	defer i.mu.Unlock()
	if ix := i.indexes[ref]; ix != nil {
		return ix, nil
	}
	ix, err := oci.ReadIndex(ctx, ref, i.Access)
	if err != nil {
		return nil, asDifference(err)
	}
	i.keep(ref, ix)
	return ix, nil
}

func (i *Images) keep(ref oci.Ref, ix *oci.Index) {
	if i.indexes == nil {
		i.indexes = map[oci.Ref]*oci.Index{}
	}
	i.indexes[ref] = ix
}

// Resolve implements verify.Images.
func (i *Images) Resolve(ctx context.Context, image string) (release.Digest, error) {
	ref, err := oci.ParseRef(image)
	if err != nil {
		return release.Digest{}, err
	}
	ix, err := oci.ReadIndex(ctx, ref, i.Access)
	if err != nil {
		return release.Digest{}, asDifference(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keep(i.place(ref).At(ix.Digest), ix)
	return ix.Digest, nil
}

// Platform implements verify.Images.
func (i *Images) Platform(ctx context.Context, image string, index release.Digest, p release.Platform) (release.Digest, error) {
	ix, err := i.index(ctx, image, index)
	if err != nil {
		return release.Digest{}, err
	}
	m, err := ix.Platform(ctx, p)
	if err != nil {
		return release.Digest{}, asDifference(err)
	}
	return m.Digest, nil
}

// Referrers implements verify.Images.
func (i *Images) Referrers(ctx context.Context, image string, index release.Digest) (verify.ImageSubject, error) {
	s := verify.ImageSubject{Digest: index}
	ix, err := i.index(ctx, image, index)
	if err != nil {
		return s, err
	}
	return s, ReadReferrers(ctx, ix.Ref, &s, i.Access)
}

// Manifest implements verify.Images.
func (i *Images) Manifest(ctx context.Context, cell release.RecordCell) (verify.ImageManifest, error) {
	img, err := i.image(ctx, cell)
	if err != nil {
		return verify.ImageManifest{}, err
	}
	return verify.ImageManifest{Config: release.DigestBytes(img.RawConf), Layers: layerDigests(img)}, nil
}

// image reads a platform manifest and its configuration.
func (i *Images) image(ctx context.Context, cell release.RecordCell) (*oci.Image, error) {
	ix, err := i.index(ctx, cell.Image, cell.IndexDigest)
	if err != nil {
		return nil, err
	}
	key := imageKey{ix, cell.Platform}
	i.mu.Lock()
	img := i.read[key]
	i.mu.Unlock()
	if img != nil {
		return img, nil
	}
	if img, err = ix.Image(ctx, cell.Platform); err != nil {
		return nil, asDifference(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.read == nil {
		i.read = map[imageKey]*oci.Image{}
	}
	i.read[key] = img
	return img, nil
}

// imageKey is one platform of an index.
type imageKey struct {
	index    *oci.Index
	platform release.Platform
}

func layerDigests(img *oci.Image) []release.Digest {
	var out []release.Digest
	for _, l := range img.Layers {
		out = append(out, l.Digest)
	}
	return out
}

// Prepare implements verify.Images.
func (i *Images) Prepare(ctx context.Context, cells []release.RecordCell) (done func()) {
	var all sync.WaitGroup
	done = func() {
		all.Wait()
		if !i.Keep {
			i.Unpacker.Drop()
		}
	}
	if i.Workers == 1 { // nothing is read ahead
		return done
	}
	all.Go(func() {
		below := map[string][]*oci.Image{}
		var paths []string
		for _, c := range cells {
			img, err := i.image(ctx, c)
			if err != nil {
				continue
			}
			if below[c.Path] == nil {
				paths = append(paths, c.Path)
			}
			below[c.Path] = append(below[c.Path], img)
		}
		for _, p := range paths {
			i.Unpacker.Prefetch(ctx, below[p], p, i.Workers)()
		}
	})
	return done
}

// Tree implements verify.Images.
func (i *Images) Tree(ctx context.Context, cell release.RecordCell) (verify.ImageTree, error) {
	img, err := i.image(ctx, cell)
	if err != nil {
		return verify.ImageTree{}, err
	}
	flat, err := i.Unpacker.Flatten(ctx, img, cell.Path)
	if err != nil {
		return verify.ImageTree{}, asDifference(err)
	}
	return selectTree(flat, cell.Include, cell.Exclude, i.Extra)
}

// asDifference tells verify which errors mean other bytes than were promised, and
// gives the others their hints.
func asDifference(err error) error {
	var m *oci.MismatchError
	if errors.As(err, &m) {
		return &verify.Error{Class: verify.Differs, Check: m.What, Field: m.Where, Expected: m.Expected, Got: m.Got,
			Err: errors.New("the copy there is damaged or was replaced: fetch it from another place")}
	}
	if hint := text.Hint(err); hint != "" { // a report has no lines for hints
		return fmt.Errorf("%w: %s", err, hint)
	}
	return err
}

// ReadReferrers lists the signatures and attestations that refer to a digest in
// s; each is read when it is verified. What cannot be read is among its problems;
// the error is for a place that cannot be looked at.
func ReadReferrers(ctx context.Context, at oci.Ref, s *verify.ImageSubject, access oci.Access) error {
	found, problems, err := oci.Referrers(ctx, at, s.Digest, access)
	if err != nil {
		return err
	}
	s.Problems = problems
	seen := map[string]bool{}
	for _, att := range found {
		for _, l := range att.Layers {
			if !verify.IsSignatureLayer(l.MediaType) {
				continue
			}
			// The same bytes may be listed twice, with other annotations.
			key := fmt.Sprint(l.Digest, l.MediaType, l.Annotations)
			if seen[key] {
				continue
			}
			seen[key] = true
			s.Layers = append(s.Layers, verify.SignatureLayer{
				Place: att.Place, MediaType: l.MediaType, Annotations: l.Annotations,
				Read: func(ctx context.Context) ([]byte, error) { return att.Read(ctx, l, verify.MaxBundle) },
			})
		}
	}
	return ctx.Err()
}
