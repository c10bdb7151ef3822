package build

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/text"
)

// part is the image of a cell that was built elsewhere.
type part struct {
	image *oci.Image
	place oci.Ref
}

// Join writes into dir the layout that [Plan.Layout] would have made of all cells,
// from the images of cells that were built elsewhere. The order of the parts does
// not matter, and a cell may be in several of them if its manifest is the same.
//
// A part is a layout, a tag in one, or an image in a registry. The error is a
// [*MissingCellsError] if no part has a cell of the plan, and a [*ConflictError] if
// a part does not belong to the plan, or has another image of a cell than another.
func (p *Plan) Join(ctx context.Context, dir string, parts []oci.Ref, o oci.TransferOptions) ([]Built, error) {
	found := map[release.Cell]part{}
	for _, ref := range parts {
		refs := []oci.Ref{ref}
		if ref.Kind == oci.Layout && ref.Tag == "" && ref.Digest.IsZero() {
			tags, err := oci.LayoutTags(ref)
			if err != nil {
				return nil, err
			}
			if len(tags) == 0 {
				return nil, fmt.Errorf("%s: the layout has no tags", ref)
			}
			refs = nil
			for _, tag := range tags {
				refs = append(refs, ref.WithTag(tag))
			}
		}
		for _, ref := range refs {
			if err := p.collect(ctx, ref, o.Access, found); err != nil {
				return nil, err
			}
		}
	}
	var missing []release.Cell
	var images []*oci.Image
	for _, cell := range p.Cells {
		if one, ok := found[cell]; ok {
			images = append(images, one.image)
		} else {
			missing = append(missing, cell)
		}
	}
	if missing != nil {
		return nil, &MissingCellsError{missing}
	}
	return p.indexes(dir, func(w *oci.LayoutWriter, cell release.Cell) (Built, v1.Descriptor, error) {
		if images != nil { // once, so that shared layers are copied once
			if err := w.Copy(ctx, images, o); err != nil {
				return Built{}, v1.Descriptor{}, err
			}
			images = nil
		}
		img := found[cell].image
		d := oci.Descriptor{MediaType: string(types.OCIManifestSchema1), Digest: img.Digest, Size: int64(len(img.Manifest))}
		return Built{Cell: cell, Manifest: img.Digest, Layers: img.Layers}, entryOf(d, cell.Platform), nil
	})
}

// Parts finds the parts of the plan in a repository, by the tags that
// [oci.PushParts] gives them. A cell that has none is left out.
func (p *Plan) Parts(ctx context.Context, repository oci.Ref, access oci.Access) ([]oci.Ref, error) {
	var out []oci.Ref
	for _, cell := range p.Cells {
		ref := repository.WithTag(p.Config.PartTag(p.Version, cell))
		switch _, err := oci.ReadIndex(ctx, ref, access); {
		case oci.IsNotFound(err):
		case err != nil:
			return nil, err
		default:
			out = append(out, ref)
		}
	}
	return out, nil
}

// collect adds the images of one index to those found so far.
func (p *Plan) collect(ctx context.Context, ref oci.Ref, access oci.Access, found map[release.Cell]part) error {
	ix, err := oci.ReadIndex(ctx, ref, access)
	if err != nil {
		return err
	}
	for _, m := range ix.Manifests {
		if m.IsAttestation() || m.MediaType != string(types.OCIManifestSchema1) {
			return &ConflictError{Place: ref.String(), Expected: "images made by build", Got: "manifest " + m.Digest.String() + " of type " + m.MediaType}
		}
		img, err := ix.ReadImage(ctx, m)
		if err != nil {
			return err
		}
		cell, err := p.cellOf(ref, img)
		if err != nil {
			return err
		}
		if first, ok := found[cell]; ok && first.image.Digest != img.Digest {
			return &ConflictError{Place: ref.String(), Cell: cell.String(),
				Expected: first.image.Digest.String() + ", as in " + first.place.String(), Got: img.Digest.String()}
		} else if !ok {
			found[cell] = part{img, ref}
		}
	}
	return nil
}

// cellOf finds the cell of an image: by the tag that build gives to its lineage or
// push to the part, or else, as parts in a registry need tags of their own, by what the configuration
// sets for it. Cells that are in the configuration but not in the plan are found too.
func (p *Plan) cellOf(ref oci.Ref, img *oci.Image) (release.Cell, error) {
	var platforms, matches []release.Cell
	for _, cell := range p.Config.Cells() {
		if ref.Tag == p.Config.PartTag(p.Version, cell) && cell.Platform.String() != img.Platform {
			return release.Cell{}, &ConflictError{Place: ref.String(), Cell: cell.String(), Expected: cell.Platform.String(), Got: text.Show(img.Platform)}
		}
		if cell.Platform.String() != img.Platform {
			continue
		}
		platforms = append(platforms, cell)
		if ref.Tag == p.Config.ImageTag(p.Version, cell.Lineage) || ref.Tag == p.Config.PartTag(p.Version, cell) {
			platforms, matches = []release.Cell{cell}, nil
			if p.configured(img, cell) {
				matches = platforms
			}
			break
		}
		if p.configured(img, cell) {
			matches = append(matches, cell)
		}
	}
	conflict := &ConflictError{Place: ref.String()}
	switch {
	case len(matches) == 1:
		return matches[0], nil
	case len(platforms) == 0:
		conflict.Expected, conflict.Got = "a platform of the configuration", text.Show(img.Platform)
	case len(matches) > 1:
		conflict.Expected, conflict.Got = "the tag of one lineage", text.Show(ref.Tag)+", which fits "+cellNames(matches)
	default:
		conflict.Cell = cellNames(platforms)
		conflict.Expected, conflict.Got = "the image configuration of version "+string(p.Version)+" in config.json", "another one"
		if label := img.Config.Config.Labels[versionLabel]; label != "" {
			conflict.Got += ", of version " + text.Show(label)
		}
	}
	return release.Cell{}, conflict
}

const versionLabel = "org.opencontainers.image.version"

// configured reports whether an image has the configuration that build would give
// to the cell.
func (p *Plan) configured(img *oci.Image, cell release.Cell) bool {
	got, want := img.Config, p.runConfig(cell)
	return reflect.DeepEqual(got.Config, want) && got.Created.Unix() == p.Config.Epoch
}

func cellNames(cells []release.Cell) string {
	names := make([]string, len(cells))
	for i, c := range cells {
		names[i] = c.String()
	}
	return strings.Join(names, ", ")
}

// MissingCellsError names the cells that no part has.
type MissingCellsError struct{ Cells []release.Cell }

func (e *MissingCellsError) Error() string {
	return fmt.Sprintf("%s missing: %s", text.Count(len(e.Cells), "cell"), cellNames(e.Cells))
}

// Hint says what to do about it.
func (e *MissingCellsError) Hint() string {
	return "build each with 'releaser build --cells CELL --out DIR' and name its layout too, or push it with --part"
}

// ConflictError says that a part does not fit the release or another part.
type ConflictError struct {
	Place         string
	Cell          string // may be empty
	Expected, Got string
}

func (e *ConflictError) Error() string {
	cell := ""
	if e.Cell != "" {
		cell = " cell " + e.Cell + ":"
	}
	return fmt.Sprintf("%s:%s expected %s, got %s", e.Place, cell, e.Expected, e.Got)
}
