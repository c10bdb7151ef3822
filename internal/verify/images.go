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

	// Beside gives what stands beside an index and may sign it.
	Beside(ctx context.Context, image string, index release.Digest) (Subject, error)

	// Manifest reads the cell's platform manifest and its configuration.
	Manifest(ctx context.Context, cell release.RecordCell) (ImageManifest, error)

	// Tree reads the layers, and gives what cell.Path looks like to a container,
	// with cell.Include and cell.Exclude applied.
	Tree(ctx context.Context, cell release.RecordCell) (tarball.Tree, error)
}

// ImageManifest is what a platform manifest names.
type ImageManifest struct {
	Config release.Digest
	Layers []release.Digest // as they lie in the registry, lowest first
}
