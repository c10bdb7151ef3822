package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// candidate is a cell whose image was taken apart and waits to be packed again.
type candidate struct {
	cell    release.RecordCell
	intact  bool // the tarball is here and as signed
	present bool // the tarball is here
	tree    *tarball.Tree
	treeErr error
	noTree  string // why there is neither
}

// cells looks at the links of each cell, and goes on whatever it finds.
func (w *walk) cells(ctx context.Context) {
	if w.record == nil {
		w.cellsWithoutRecord()
		return
	}
	for _, name := range w.in.Cells {
		if _, ok := w.record.Cell(name); !ok {
			w.fail(name, LinkPromise, release.RecordFile, fmt.Errorf("has no cell %s; it has %s", name, w.cellNames()))
		}
	}
	var all []*candidate
	for _, c := range w.record.Cells {
		if len(w.in.Cells) > 0 && !slices.Contains(w.in.Cells, c.String()) {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		all = append(all, w.lookAt(ctx, c))
	}
	if w.in.Fast {
		w.compareFast(ctx, all)
		return
	}
	w.rebuild(ctx, all)
}

func (w *walk) cellNames() string {
	s := ""
	for i, c := range w.record.Cells {
		if i > 0 {
			s += ", "
		}
		s += c.String()
	}
	return s
}

// cellsWithoutRecord checks what is left to check if nothing says what the
// tarballs are: their hashes.
func (w *walk) cellsWithoutRecord() {
	const why = "release.json cannot be used, and only it says which image this is made of"
	if len(w.in.Cells) > 0 {
		for _, name := range w.in.Cells {
			w.skip(name, LinkPromise, release.RecordFile, why)
		}
		return
	}
	if w.sums == nil {
		return
	}
	for _, s := range w.sums.All() {
		if w.isAsset(s.Name) {
			w.listed(s.Name, LinkTarball, s.Name, s.Digest)
			w.skip(s.Name, LinkRebuilt, s.Name, why)
		}
	}
}

// lookAt takes the links up to the image.
func (w *walk) lookAt(ctx context.Context, c release.RecordCell) *candidate {
	cell := c.String()
	k := &candidate{cell: c}
	signed, ok := w.sums.Lookup(c.Asset)
	switch {
	case !ok:
		w.fail(cell, LinkPromise, c.Asset, differs("name in checksums.txt", c.Asset, "nothing"))
	case signed != c.FileSHA256.Digest:
		w.fail(cell, LinkPromise, c.Asset, differs("file_sha256 in release.json", signed.Hex(), c.FileSHA256.Hex()))
	default:
		w.pass(cell, LinkPromise, c.Asset, "release.json and checksums.txt agree")
	}
	if ok {
		k.intact = w.listed(cell, LinkTarball, c.Asset, signed)
	}
	if _, err := fs.Stat(w.in.Dist, c.Asset); err == nil {
		k.present = true
	}
	w.image(ctx, k)
	return k
}

// image takes the links index and image.
func (w *walk) image(ctx context.Context, k *candidate) {
	c, cell := k.cell, k.cell.String()
	where := c.Image + "@" + c.IndexDigest.String()
	if w.in.Images == nil {
		k.noTree = or(w.in.NoImages, "no image was given to compare with")
		w.skip(cell, LinkIndex, where, k.noTree)
		return
	}
	manifest, err := w.in.Images.Manifest(ctx, c.Image, c.IndexDigest, c.Platform)
	if err == nil && manifest != c.ManifestDigest {
		err = differs("manifest of "+c.Platform.String(), c.ManifestDigest.String(), manifest.String())
	}
	if err != nil {
		k.noTree = "the index is not as release.json says"
		w.fail(cell, LinkIndex, where, err)
		return
	}
	w.pass(cell, LinkIndex, where, "%s is %s", c.Platform, manifest)
	tree, err := w.in.Images.Tree(ctx, c)
	if err != nil {
		k.noTree = "the image cannot be taken apart"
		w.fail(cell, LinkImage, c.ManifestDigest.String(), err)
		return
	}
	k.tree = &tree
	w.pass(cell, LinkImage, c.ManifestDigest.String(), "%s, %s", c.Path, entryCount(tree.Len()))
}

// rebuild packs all trees in one call, so that what they share is compressed
// once, and takes the last two links of each cell.
func (w *walk) rebuild(ctx context.Context, all []*candidate) {
	var jobs []tarball.Job
	var which []*candidate
	for _, k := range all {
		if k.tree == nil {
			continue
		}
		recipe, err := tarball.ParseRecipe(k.cell.Recipe)
		if err != nil {
			k.treeErr = err
			continue
		}
		jobs = append(jobs, tarball.Job{Name: k.cell.String(), Tree: *k.tree, Prefix: k.cell.Prefix, Recipe: recipe})
		which = append(which, k)
	}
	results := map[*candidate]tarball.Result{}
	if len(jobs) > 0 {
		packed, err := tarball.Pack(ctx, jobs, w.in.Pack)
		for i, k := range which {
			if err != nil {
				k.treeErr = err
			} else {
				results[k] = packed[i]
			}
		}
	}
	for _, k := range all {
		if ctx.Err() != nil {
			return
		}
		cell, asset := k.cell.String(), k.cell.Asset
		result, rebuilt := results[k]
		identical := rebuilt && result.File == k.cell.FileSHA256.Digest && result.FileSize == k.cell.FileSize
		var index *tarball.Index
		if identical && k.intact {
			w.contentsByRebuild(k, result)
		} else {
			index = w.contents(k)
		}
		switch {
		case k.treeErr != nil:
			w.fail(cell, LinkRebuilt, asset, k.treeErr)
		case !rebuilt:
			w.skip(cell, LinkRebuilt, asset, k.noTree)
		case identical:
			w.add(Step{Cell: cell, Link: LinkRebuilt, Subject: asset, Status: Pass, Grade: Identical,
				Detail: "the same file comes out of the image, byte for byte"})
		default:
			w.add(w.graded(k, result, index))
		}
	}
}

// contentsByRebuild compares what was packed with what release.json says: the
// tarball is the same file, so there is no need to open it.
func (w *walk) contentsByRebuild(k *candidate, result tarball.Result) {
	w.compareContents(k, result.Tar, result.TarSize, Entries(*k.tree))
}

// contents opens the tarball and compares it with what release.json says.
func (w *walk) contents(k *candidate) *tarball.Index {
	cell, asset := k.cell.String(), k.cell.Asset
	if !k.present {
		w.skip(cell, LinkContents, asset, "is not in the folder")
		return nil
	}
	f, err := w.in.Dist.Open(asset)
	if err != nil {
		w.fail(cell, LinkContents, asset, err)
		return nil
	}
	defer func() { _ = f.Close() }()
	index, err := tarball.IndexArchive(f, tarball.DefaultLimits())
	if err != nil {
		w.fail(cell, LinkContents, asset, err)
		return nil
	}
	if len(index.Problems) > 0 {
		p := index.Problems[0]
		w.fail(cell, LinkContents, asset, &Error{Class: Differs, Step: p.Kind, Err: errors.New(p.Detail)})
		return index
	}
	w.compareContents(k, index.Tar, index.TarSize, archiveEntries(index, k.cell.Prefix))
	return index
}

func (w *walk) compareContents(k *candidate, tar release.Digest, size int64, entries []release.RecordEntry) {
	cell, asset := k.cell.String(), k.cell.Asset
	differences := compareEntries(k.cell.Entries, entries)
	switch {
	case tar != k.cell.TarSHA256.Digest:
		s := failure(cell, LinkContents, asset, differs("tar_sha256", k.cell.TarSHA256.Hex(), tar.Hex()))
		s.Differences = differences
		w.add(s)
	case size != k.cell.TarSize:
		w.fail(cell, LinkContents, asset, differs("tar_size", fmt.Sprint(k.cell.TarSize), fmt.Sprint(size)))
	case len(differences) > 0:
		s := failure(cell, LinkContents, asset, &Error{Class: Differs, Step: "entries", Err: errors.New("are not as release.json lists them")})
		s.Differences = differences
		w.add(s)
	default:
		w.pass(cell, LinkContents, asset, "tar sha256 %s, %s as in release.json", tar.Hex(), entryCount(len(entries)))
	}
}

// graded says how close a rebuilt file came, if it is not the released one.
func (w *walk) graded(k *candidate, result tarball.Result, index *tarball.Index) Step {
	s := failure(k.cell.String(), LinkRebuilt, k.cell.Asset, differs("sha256", k.cell.FileSHA256.Hex(), result.File.Hex()))
	released, tar := k.cell.Entries, k.cell.TarSHA256.Digest
	if index != nil && len(index.Problems) == 0 {
		released, tar = archiveEntries(index, k.cell.Prefix), index.Tar
	}
	s.Differences = compareEntries(released, Entries(*k.tree))
	switch {
	case result.Tar == tar:
		s.Grade = SameTar
		s.Detail = "the tar stream is the same, its compression is not"
	case len(s.Differences) == 0:
		s.Grade = SameContent
		s.Detail = "every entry has the same bytes, the tar stream around them is not the same"
	default:
		s.Grade = Different
		s.Detail = "the image holds something else"
	}
	return s
}
