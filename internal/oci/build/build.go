// Package build assembles reproducible OCI images from what lies on disk. No
// container engine is needed.
package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Plan is what is built: the cells of one version of a project.
//
// A build has two steps. [Plan.Snapshot] reads the files of one cell, once its
// build command has ended; [Plan.Layout] writes the images of all snapshots.
//
// A layer is the archive that the release recipe makes of its files, so its
// digest depends on nothing that a library may change. Items that name the same
// layer share it, and a layer with the same content is written once, whichever
// cells have it.
type Plan struct {
	Config  *release.Config
	Version release.Version
	Cells   []release.Cell
	Root    string         // directory of config.json
	Spool   *tarball.Spool // for file contents

	Revision string // commit that is built, for [oci.LayoutRevision]; may be empty
}

// layerRecipe compresses layers. It never changes: images of released versions
// must come out again with the same digests.
const layerRecipe = tarball.GNUGzip6

// Built is the image of one cell.
type Built struct {
	Cell     release.Cell
	Tag      string
	Index    release.Digest
	Manifest release.Digest
	Layers   []oci.Layer
}

// Layout writes the images of all cells into dir, which must not exist or be
// empty: one index per lineage. The caller moves the directory to its place.
// There must be a snapshot of every cell of the plan.
func (p *Plan) Layout(ctx context.Context, dir string, snapshots []Snapshot) ([]Built, error) {
	byCell := map[release.Cell]Snapshot{}
	for _, s := range snapshots {
		byCell[s.cell] = s
	}
	return p.indexes(dir, func(w *oci.LayoutWriter, cell release.Cell) (Built, v1.Descriptor, error) {
		if err := ctx.Err(); err != nil {
			return Built{}, v1.Descriptor{}, err
		}
		s, ok := byCell[cell]
		if !ok {
			return Built{}, v1.Descriptor{}, errors.New("its files have not been read")
		}
		return p.image(ctx, w, s)
	})
}

// indexes writes one index per lineage, with the images that image writes for the
// cells, in the order of the plan.
func (p *Plan) indexes(dir string, image func(*oci.LayoutWriter, release.Cell) (Built, v1.Descriptor, error)) ([]Built, error) {
	w, err := oci.NewLayoutWriter(dir)
	if err != nil {
		return nil, err
	}
	w.Revision = p.Revision
	var built []Built
	for i := 0; i < len(p.Cells); {
		lineage := p.Cells[i].Lineage
		var manifests []v1.Descriptor
		start := len(built)
		for ; i < len(p.Cells) && p.Cells[i].Lineage == lineage; i++ {
			one, descriptor, err := image(w, p.Cells[i])
			if err != nil {
				return nil, fmt.Errorf("cell %s: %w", p.Cells[i], err)
			}
			built = append(built, one)
			manifests = append(manifests, descriptor)
		}
		raw, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests})
		if err != nil {
			return nil, err
		}
		d, err := w.Bytes(string(types.OCIImageIndex), raw)
		if err != nil {
			return nil, err
		}
		tag := p.Config.ImageTag(p.Version, lineage)
		w.Top(d, tag)
		for j := start; j < len(built); j++ {
			built[j].Tag, built[j].Index = tag, d.Digest
		}
	}
	return built, w.Finish()
}

// image writes the layers, the configuration and the manifest of one cell.
func (p *Plan) image(ctx context.Context, w *oci.LayoutWriter, s Snapshot) (Built, v1.Descriptor, error) {
	cell := s.cell
	fail := func(err error) (Built, v1.Descriptor, error) { return Built{}, v1.Descriptor{}, err }
	epoch := v1.Time{Time: time.Unix(p.Config.Epoch, 0).UTC()}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	config := v1.ConfigFile{
		Architecture: cell.Platform.Arch,
		OS:           cell.Platform.OS,
		Variant:      cell.Platform.Variant,
		Created:      epoch,
		RootFS:       v1.RootFS{Type: "layers"},
		Config:       p.runConfig(cell),
	}
	out := Built{Cell: cell}
	for _, l := range s.layers {
		layer, err := writeLayer(ctx, w, l.tree)
		if err != nil {
			return fail(fmt.Errorf("layer %s: %w", l.name, err))
		}
		out.Layers = append(out.Layers, layer)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, hashOf(layer.DiffID))
		config.History = append(config.History, v1.History{Created: epoch, CreatedBy: "releaser build: layer " + l.name})
		manifest.Layers = append(manifest.Layers, descriptorOf(layer.Descriptor))
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return fail(err)
	}
	d, err := w.Bytes(string(types.OCIConfigJSON), raw)
	if err != nil {
		return fail(err)
	}
	manifest.Config = descriptorOf(d)
	if raw, err = json.Marshal(manifest); err != nil {
		return fail(err)
	}
	if d, err = w.Bytes(string(types.OCIManifestSchema1), raw); err != nil {
		return fail(err)
	}
	out.Manifest = d.Digest
	return out, entryOf(d, cell.Platform), nil
}

func hashOf(d release.Digest) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: d.Hex()} }

func descriptorOf(d oci.Descriptor) v1.Descriptor {
	return v1.Descriptor{MediaType: types.MediaType(d.MediaType), Digest: hashOf(d.Digest), Size: d.Size}
}

// entryOf is the entry of an image in the index of its lineage.
func entryOf(d oci.Descriptor, p release.Platform) v1.Descriptor {
	entry := descriptorOf(d)
	entry.Platform = &v1.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant}
	return entry
}

func (p *Plan) runConfig(cell release.Cell) v1.Config {
	im := p.Config.Image
	labels := map[string]string{} // encoding/json sorts the keys
	for _, l := range p.Config.Labels(p.Version, cell) {
		labels[l.Key] = l.Value
	}
	return v1.Config{
		User: im.User, WorkingDir: im.Workdir, Entrypoint: im.Entrypoint, Cmd: im.Cmd, Env: im.Env, Labels: labels,
	}
}

func writeLayer(ctx context.Context, w *oci.LayoutWriter, tree tarball.Tree) (oci.Layer, error) {
	var layer oci.Layer
	d, err := w.Blob(func(to io.Writer) error {
		results, err := tarball.Pack(ctx, []tarball.Job{{Name: "layer", Tree: tree, Recipe: layerRecipe, Out: to}}, tarball.Options{})
		if err == nil {
			layer.DiffID = results[0].Tar
		}
		return err
	})
	d.MediaType = string(types.OCILayer)
	layer.Descriptor = d
	return layer, err
}
