package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Build assembles one image index per lineage from what lies on disk, and
// writes all of them into a new OCI layout.
//
// A layer is the archive that the release recipe makes of its files, so that
// its digest rests on nothing that a library may change. Items that name the
// same layer share it, and a layer with the same content is written once,
// whichever cells have it.
type Build struct {
	Config  *release.Config
	Version release.Version
	Cells   []release.Cell
	Root    string         // folder of config.json
	Spool   *tarball.Spool // for file contents

	mu    sync.Mutex
	taken map[release.Cell]map[string][]tarball.Entry // by dest, see Take
}

// layerRecipe compresses layers. It never changes: images of released versions
// must come out again with the same digests.
const layerRecipe = tarball.GNUGzip6

// BuiltCell is what became of a cell.
type BuiltCell struct {
	Cell     release.Cell
	Tag      string
	Index    release.Digest
	Manifest release.Digest
	Layers   []Layer
}

// Layout writes the layout into dir, which must not exist or be empty. The
// caller moves it to its place.
func (b *Build) Layout(ctx context.Context, dir string) ([]BuiltCell, error) {
	w, err := newLayoutWriter(dir)
	if err != nil {
		return nil, err
	}
	var built []BuiltCell
	for i := 0; i < len(b.Cells); {
		lineage := b.Cells[i].Lineage
		var manifests []v1.Descriptor
		start := len(built)
		for ; i < len(b.Cells) && b.Cells[i].Lineage == lineage; i++ {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			cell := b.Cells[i]
			done, err := b.cell(ctx, w, cell)
			if err != nil {
				return nil, fmt.Errorf("cell %s: %w", cell, err)
			}
			built = append(built, done.BuiltCell)
			manifests = append(manifests, done.descriptor)
		}
		raw, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: mediaTypeOf(mediaIndex), Manifests: manifests})
		if err != nil {
			return nil, err
		}
		d, err := w.bytes(mediaIndex, raw)
		if err != nil {
			return nil, err
		}
		tag := b.Config.ImageTag(b.Version, lineage)
		w.top(d, tag)
		for j := start; j < len(built); j++ {
			built[j].Tag, built[j].Index = tag, d.Digest
		}
	}
	return built, w.finish()
}

type builtManifest struct {
	BuiltCell
	descriptor v1.Descriptor
}

func (b *Build) cell(ctx context.Context, w *layoutWriter, cell release.Cell) (builtManifest, error) {
	layers, err := b.layerTrees(cell)
	if err != nil {
		return builtManifest{}, err
	}
	epoch := v1.Time{Time: time.Unix(b.Config.Epoch, 0).UTC()}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: mediaTypeOf(mediaManifest)}
	config := v1.ConfigFile{
		Architecture: cell.Platform.Arch,
		OS:           cell.Platform.OS,
		Variant:      cell.Platform.Variant,
		Created:      epoch,
		RootFS:       v1.RootFS{Type: "layers"},
		Config:       b.runConfig(cell),
	}
	out := builtManifest{BuiltCell: BuiltCell{Cell: cell}}
	for _, l := range layers {
		layer, err := b.writeLayer(ctx, w, l.tree)
		if err != nil {
			return builtManifest{}, fmt.Errorf("layer %s: %w", l.name, err)
		}
		out.Layers = append(out.Layers, layer)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, hashOf(layer.DiffID))
		config.History = append(config.History, v1.History{Created: epoch, CreatedBy: "releaser build: layer " + l.name})
		manifest.Layers = append(manifest.Layers, v1.Descriptor{MediaType: mediaTypeOf(mediaLayer), Digest: hashOf(layer.Digest), Size: layer.Size})
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return builtManifest{}, err
	}
	d, err := w.bytes(mediaConfig, raw)
	if err != nil {
		return builtManifest{}, err
	}
	manifest.Config = v1.Descriptor{MediaType: mediaTypeOf(mediaConfig), Digest: hashOf(d.Digest), Size: d.Size}
	if raw, err = json.Marshal(manifest); err != nil {
		return builtManifest{}, err
	}
	if d, err = w.bytes(mediaManifest, raw); err != nil {
		return builtManifest{}, err
	}
	out.Manifest = d.Digest
	out.descriptor = v1.Descriptor{
		MediaType: mediaTypeOf(mediaManifest), Digest: hashOf(d.Digest), Size: d.Size,
		Platform: &v1.Platform{OS: cell.Platform.OS, Architecture: cell.Platform.Arch, Variant: cell.Platform.Variant},
	}
	return out, nil
}

func (b *Build) runConfig(cell release.Cell) v1.Config {
	im := b.Config.Image
	labels := map[string]string{} // encoding/json sorts the keys
	for _, l := range b.Config.Labels(b.Version, cell) {
		labels[l.Key] = l.Value
	}
	return v1.Config{
		User: im.User, WorkingDir: im.Workdir, Entrypoint: im.Entrypoint, Cmd: im.Cmd, Env: im.Env, Labels: labels,
	}
}

func (b *Build) writeLayer(ctx context.Context, w *layoutWriter, tree tarball.Tree) (Layer, error) {
	var layer Layer
	d, err := w.blob(func(to io.Writer) error {
		results, err := tarball.Pack(ctx, []tarball.Job{{Name: "layer", Tree: tree, Recipe: layerRecipe, Out: to}}, tarball.Options{})
		if err == nil {
			layer.DiffID = results[0].Tar
		}
		return err
	})
	d.MediaType = mediaLayer
	layer.Descriptor = d
	return layer, err
}

type namedTree struct {
	name string
	tree tarball.Tree
}

// layerTrees reads a cell's items. Layers come in the order in which they are
// first named, what was there before the build first: it changes least, and a
// registry keeps it.
func (b *Build) layerTrees(cell release.Cell) ([]namedTree, error) {
	var order []string
	entries := map[string][]tarball.Entry{}
	items := append(append([]release.Item(nil), b.Config.ExternData...), b.Config.Artifacts...)
	for _, it := range items {
		if _, known := entries[it.Layer]; !known {
			order = append(order, it.Layer)
		}
		more, err := b.entriesOf(it, cell)
		if err != nil {
			return nil, err
		}
		entries[it.Layer] = append(entries[it.Layer], more...)
	}
	var out []namedTree
	for _, name := range order {
		list, err := withParents(entries[name])
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
		tree, err := tarball.NewTree(list)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
		out = append(out, namedTree{name, tree})
	}
	return out, nil
}

// withParents adds the folders above the entries, and merges the folders that
// several items have in common.
func withParents(entries []tarball.Entry) ([]tarball.Entry, error) {
	byName := map[string]tarball.Entry{}
	for _, e := range entries {
		if other, taken := byName[e.Name]; taken && (other.Type != tarball.Dir || e.Type != tarball.Dir) {
			return nil, fmt.Errorf("/%s comes from two places", e.Name)
		}
		byName[e.Name] = e
	}
	for _, e := range entries {
		for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
			if other, there := byName[dir]; !there {
				byName[dir] = tarball.Entry{Name: dir, Type: tarball.Dir, Mode: 0o755}
			} else if other.Type != tarball.Dir {
				return nil, fmt.Errorf("/%s is a file, but /%s lies in it", dir, e.Name)
			}
		}
	}
	out := make([]tarball.Entry, 0, len(byName))
	for _, e := range byName {
		out = append(out, e)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// MissingArtefactError says that build_cmd left nothing where config.json
// promised something.
type MissingArtefactError struct{ Path, Kind string }

func (e *MissingArtefactError) Error() string {
	if e.Kind == "artifact" {
		return fmt.Sprintf("artifact %s is not there: build_cmd ended well but did not make it; check its src in config.json", e.Path)
	}
	return fmt.Sprintf("extern_data %s is not there: check its src in config.json, or fetch it first", e.Path)
}

func (b *Build) item(it release.Item, cell release.Cell) ([]tarball.Entry, error) {
	src := it.Source(b.Version, cell)
	full := filepath.Join(b.Root, filepath.FromSlash(src))
	kind, want := "extern_data", release.BinaryAny
	if b.isArtifact(it) {
		kind, want = "artifact", b.Config.WantedBinary(it)
	}
	if _, err := os.Lstat(full); err != nil {
		return nil, &MissingArtefactError{src, kind}
	}
	dest := strings.TrimPrefix(it.Dest, "/")
	var out []tarball.Entry
	err := filepath.WalkDir(full, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(full, p)
		if err != nil {
			return err
		}
		name := path.Join(dest, filepath.ToSlash(rel))
		e, err := b.entry(p, name, it.Mode)
		if err != nil {
			return fmt.Errorf("%s %s: %w", kind, path.Join(src, filepath.ToSlash(rel)), err)
		}
		if e.Type == tarball.Regular {
			if err := checkBinary(e.Content, e.Content.Size(), path.Join(src, filepath.ToSlash(rel)), cell.Platform, want); err != nil {
				return err
			}
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// entry reads one file. Of its mode only the owner's execute bit counts: the
// rest is the umask of whoever checked the file out.
func (b *Build) entry(file, name string, mode *uint32) (tarball.Entry, error) {
	fi, err := os.Lstat(file)
	if err != nil {
		return tarball.Entry{}, err
	}
	switch {
	case fi.IsDir():
		return tarball.Entry{Name: name, Type: tarball.Dir, Mode: 0o755}, nil
	case fi.Mode()&fs.ModeSymlink != 0:
		link, err := os.Readlink(file)
		return tarball.Entry{Name: name, Type: tarball.Symlink, Mode: 0o777, Link: link}, err
	case fi.Mode().IsRegular():
		content, err := spoolFile(b.Spool, file)
		if err != nil {
			return tarball.Entry{}, err
		}
		e := tarball.Entry{Name: name, Type: tarball.Regular, Mode: 0o644, Content: content}
		if fi.Mode()&0o100 != 0 {
			e.Mode = 0o755
		}
		if mode != nil {
			e.Mode = *mode
		}
		return e, nil
	}
	return tarball.Entry{}, fmt.Errorf("is neither a file, a folder nor a symbolic link")
}

// ExtraFiles reads the files that extract.files adds to a tarball.
func ExtraFiles(spool *tarball.Spool, root string, files []release.ExtraFile) ([]tarball.Entry, error) {
	var out []tarball.Entry
	for _, f := range files {
		content, err := spoolFile(spool, filepath.Join(root, filepath.FromSlash(f.Src)))
		if err != nil {
			return nil, fmt.Errorf("extract.files: %w", err)
		}
		out = append(out, tarball.Entry{Name: f.Dest, Type: tarball.Regular, Mode: f.Mode, Content: content})
	}
	return out, nil
}
