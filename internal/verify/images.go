package verify

import (
	"context"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Images is where images come from: a registry or a layout. Everything it gives
// has been checked against the digest that was asked for. Where that does not
// hold it answers with an *[Error] of class Differs, naming expected and got; any
// other error means that it could not look.
type Images interface {
	// Resolve gives the index that a reference names. It is asked where no
	// release.json pins the digest, once for each reference.
	Resolve(ctx context.Context, image string) (release.Digest, error)

	// Platform gives the digest of the platform's manifest in an index. image is
	// the name and tag in release.json; only the digest says which index it is.
	Platform(ctx context.Context, image string, index release.Digest, p release.Platform) (release.Digest, error)

	// Referrers gives what is attached to an index and may sign it.
	Referrers(ctx context.Context, image string, index release.Digest) (ImageSubject, error)

	// Manifest reads the cell's platform manifest and its configuration.
	Manifest(ctx context.Context, cell release.RecordCell) (ImageManifest, error)

	// Prepare begins to read what Tree will be asked for, and returns at once.
	// What goes wrong there is left to Tree. done says that Tree has been asked for
	// all of it, and returns when nothing of it goes on any more.
	Prepare(ctx context.Context, cells []release.RecordCell) (done func())

	// Tree reads the layers, and gives what cell.Path looks like to a container,
	// with cell.Include and cell.Exclude applied.
	Tree(ctx context.Context, cell release.RecordCell) (ImageTree, error)
}

// ImageTree is what a tarball can hold of a directory in an image.
type ImageTree struct {
	Tree tarball.Tree
	Lost []string // the entries with attributes that it cannot hold, for people: "bin/ping: security.capability"
}

// ImageManifest is what a platform manifest names.
type ImageManifest struct {
	Config release.Digest
	Layers []release.Digest // as they lie in the registry, lowest first
}

// ImageAccess is where a verification gets images from, or why it has none. The
// zero value has none.
type ImageAccess struct {
	images Images
	named  bool // by the caller, and not by release.json
	why    string
}

// CompareWith compares tarballs with the images that release.json names. They are
// looked at only after the release's signature was found good.
func CompareWith(i Images) ImageAccess { return ImageAccess{images: i} }

// CompareWithNamed compares tarballs with images in a place that the caller
// named, whether or not the release is signed.
func CompareWithNamed(i Images) ImageAccess { return ImageAccess{images: i, named: true} }

// WithoutImages compares nothing with images. Every link that needs one is
// skipped for the given reason.
func WithoutImages(reason string) ImageAccess { return ImageAccess{why: reason} }

func (a ImageAccess) reason() string { return or(a.why, "no image was given to compare with") }
