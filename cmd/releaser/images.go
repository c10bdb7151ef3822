package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"facerec/internal/oci"
	"facerec/internal/oci/layer"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/verify"
)

// images gives verify what the images hold, by digest. Indexes, manifests and
// layers are read once each, however many cells share them.
type images struct {
	access   oci.Access
	instead  *oci.Ref // --image: where to look, whatever release.json says
	unpacker *layer.Unpacker
	jobs     int             // layers that are read at a time; 0 for one for each CPU
	extra    []tarball.Entry // extract.files of config.json

	mu      sync.Mutex
	indexes map[oci.Ref]*oci.Index
	read    map[imageKey]*oci.Image
}

// place is where to look for what a reference names.
func (i *images) place(ref oci.Ref) oci.Ref {
	if i.instead != nil {
		return *i.instead
	}
	return ref
}

func (i *images) index(ctx context.Context, image string, digest release.Digest) (*oci.Index, error) {
	ref, err := oci.ParseRef(image)
	if err != nil && i.instead == nil {
		return nil, fmt.Errorf("%w; say where the images are with --image", err)
	}
	ref = i.place(ref).At(digest)
	i.mu.Lock()
	defer i.mu.Unlock()
	if ix := i.indexes[ref]; ix != nil {
		return ix, nil
	}
	ix, err := oci.ReadIndex(ctx, ref, i.access)
	if err != nil {
		return nil, asDifference(err)
	}
	i.indexes[ref] = ix
	return ix, nil
}

// Resolve implements verify.Images.
func (i *images) Resolve(ctx context.Context, image string) (release.Digest, error) {
	ref, err := oci.ParseRef(image)
	if err != nil {
		return release.Digest{}, err
	}
	ix, err := oci.ReadIndex(ctx, ref, i.access)
	if err != nil {
		return release.Digest{}, asDifference(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.indexes[i.place(ref).At(ix.Digest)] = ix
	return ix.Digest, nil
}

// Platform implements verify.Images.
func (i *images) Platform(ctx context.Context, image string, index release.Digest, p release.Platform) (release.Digest, error) {
	ix, err := i.index(ctx, image, index)
	if err != nil {
		return release.Digest{}, err
	}
	m, err := ix.Platform(p)
	if err != nil {
		return release.Digest{}, asDifference(err)
	}
	return m.Digest, nil
}

// Referrers implements verify.Images.
func (i *images) Referrers(ctx context.Context, image string, index release.Digest) (verify.ImageSubject, error) {
	s := verify.ImageSubject{Digest: index}
	ix, err := i.index(ctx, image, index)
	if err != nil {
		return s, err
	}
	return s, readBeside(ctx, ix.Ref, &s, i.access)
}

// Manifest implements verify.Images.
func (i *images) Manifest(ctx context.Context, cell release.RecordCell) (verify.ImageManifest, error) {
	img, err := i.image(ctx, cell)
	if err != nil {
		return verify.ImageManifest{}, err
	}
	return verify.ImageManifest{Config: release.DigestBytes(img.RawConf), Layers: layerDigests(img)}, nil
}

// image reads a platform manifest and its configuration.
func (i *images) image(ctx context.Context, cell release.RecordCell) (*oci.Image, error) {
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
func (i *images) Prepare(ctx context.Context, cells []release.RecordCell) (wait func()) {
	var all sync.WaitGroup
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
			i.unpacker.Prefetch(ctx, below[p], p, i.jobs)()
		}
	})
	return all.Wait
}

// Tree implements verify.Images.
func (i *images) Tree(ctx context.Context, cell release.RecordCell) (tarball.Tree, error) {
	img, err := i.image(ctx, cell)
	if err != nil {
		return tarball.Tree{}, err
	}
	flat, err := i.unpacker.Flatten(ctx, img, cell.Path)
	if err != nil {
		return tarball.Tree{}, asDifference(err)
	}
	return selectTree(flat.Tree, cell.Include, cell.Exclude, i.extra)
}

// selectTree is what pack and verify both make of a folder of an image.
func selectTree(t tarball.Tree, include, exclude []string, extra []tarball.Entry) (tarball.Tree, error) {
	t, err := t.Filter(include, exclude)
	if err != nil {
		return tarball.Tree{}, err
	}
	return t.Add(extra...)
}

// asDifference tells verify which errors mean other bytes than were promised.
func asDifference(err error) error {
	var m *oci.MismatchError
	if errors.As(err, &m) {
		return &verify.Error{Class: verify.Differs, Check: m.What, Field: m.Where, Expected: m.Expected, Got: m.Got,
			Err: errors.New("the copy there is damaged or was replaced: fetch it from another place")}
	}
	return err
}
