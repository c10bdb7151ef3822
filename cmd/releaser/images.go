package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/verify"
)

// images gives verify what the images hold, by digest. Indexes, manifests and
// layers are read once each, however many cells share them.
type images struct {
	access   oci.Access
	instead  *oci.Ref // --image: where to look, whatever release.json says
	unpacker *oci.Unpacker
	extra    []tarball.Entry // extract.files of config.json

	mu      sync.Mutex
	indexes map[oci.Ref]*oci.Index
}

func (i *images) index(ctx context.Context, image string, digest release.Digest) (*oci.Index, error) {
	ref, err := oci.ParseRef(image)
	if i.instead != nil {
		ref, err = *i.instead, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w; say where the images are with --image", err)
	}
	ref = ref.At(digest)
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

// Manifest implements verify.Images.
func (i *images) Manifest(ctx context.Context, image string, index release.Digest, p release.Platform) (release.Digest, error) {
	ix, err := i.index(ctx, image, index)
	if err != nil {
		return release.Digest{}, err
	}
	img, err := ix.Image(ctx, p)
	if err != nil {
		return release.Digest{}, asDifference(err)
	}
	return img.Digest, nil
}

// Tree implements verify.Images.
func (i *images) Tree(ctx context.Context, cell release.RecordCell) (tarball.Tree, error) {
	ix, err := i.index(ctx, cell.Image, cell.IndexDigest)
	if err != nil {
		return tarball.Tree{}, err
	}
	img, err := ix.Image(ctx, cell.Platform)
	if err != nil {
		return tarball.Tree{}, asDifference(err)
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
		return &verify.Error{Class: verify.Differs, Step: m.What, Field: m.Where, Expected: m.Expected, Got: m.Got}
	}
	return err
}
