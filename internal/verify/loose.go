package verify

import (
	"context"
	"fmt"

	"facerec/internal/checksum"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

// Standalone is a tarball without a release around it: nobody signed what it should
// be, and the caller says of which image it is said to be made.
type Standalone struct {
	// Cell names the tarball (Asset), the image, the platform, and how it is taken
	// out and packed. What only a release.json can know stays empty; an empty
	// prefix means the top directory that the tarball itself has.
	Cell release.RecordCell

	// Err, if not nil, is why nothing can be said about the image.
	Err error
}

// Tarballs verifies tarballs against images alone: index, manifest, layers,
// entries and rebuilt bytes, and what signs the image. The links to a signed
// release are skipped by name, so that the report is incomplete at best: that a
// tarball comes out of an image does not say that anybody released it.
//
// in.Dist is where the tarballs are, and may be several directories deep; in.Cells
// and in.Assets are not used. Image signatures are always looked for.
func Tarballs(ctx context.Context, in Input, tarballs []Standalone) (Report, error) {
	in.ImageSignatures = true
	in.Images.named = true // no release.json names any
	w := newWalk(in)
	if !in.Policy.Empty() {
		w.report.Expected, w.report.TrustRoot = in.Policy.expected(), in.Policy.RootOrigin()
	} else {
		w.report.Expected = []string{}
	}
	const why = "was not given: no signature covers these tarballs"
	w.skip("", LinkBundle, release.BundleFile, why)
	w.skip("", LinkChecksums, checksum.File, why)
	w.skip("", LinkRecord, release.RecordFile, why)
	if len(tarballs) == 0 {
		w.fail("", LinkTarball, ".", fmt.Errorf("no tarball and no %s found: pass the directory of a release, or tarballs and --image", checksum.File))
	}
	indexes := map[string]resolved{}
	var all []*cellCheck
	for _, l := range tarballs {
		if ctx.Err() != nil {
			break
		}
		all = append(all, w.standalone(ctx, l, indexes))
	}
	w.compare(ctx, all)
	return w.finish(ctx)
}

// resolved is what a reference names, or why that is not known.
type resolved struct {
	index release.Digest
	err   error
}

// loose takes the links of one tarball up to the layers.
func (w *walk) standalone(ctx context.Context, l Standalone, indexes map[string]resolved) *cellCheck {
	c := l.Cell
	k := &cellCheck{cell: c, name: c.Asset, standalone: true, file: w.find(c.Asset)}
	switch {
	case k.file.err != nil:
		w.fail(k.name, LinkTarball, c.Asset, k.file.err)
	default:
		w.skip(k.name, LinkTarball, c.Asset, fmt.Sprintf("no checksums.txt to compare with; sha256 %s, %d bytes", k.file.digest.Hex(), k.file.size))
	}
	w.standaloneImage(ctx, k, l.Err, indexes)
	return k
}

// standaloneImage takes the links from the index to the layers for a tarball that no
// release.json describes. err is why nothing is known of its image.
func (w *walk) standaloneImage(ctx context.Context, k *cellCheck, err error, indexes map[string]resolved) {
	c := k.cell
	if err != nil {
		k.noTree = "its image is not known"
		w.fail(k.name, LinkIndex, c.Asset, err)
		w.skipBetween(k.name, c.Asset, LinkIndex, LinkEntries)
		return
	}
	if k.file.here() && c.Prefix == "" {
		k.cell.Prefix = w.topFolder(c.Asset)
	}
	if w.in.Images.images == nil {
		w.image(ctx, k)
		return
	}
	r, ok := indexes[c.Image]
	if !ok {
		r.index, r.err = w.in.Images.images.Resolve(ctx, c.Image)
		indexes[c.Image] = r
	}
	if r.err != nil {
		k.noTree = "the image could not be looked up"
		w.fail(k.name, LinkIndex, c.Image, r.err)
		w.skipBetween(k.name, c.Image, LinkIndex, LinkEntries)
		return
	}
	k.cell.IndexDigest = r.index
	w.image(ctx, k)
}

// topFolder is the directory that all of a tarball is in, "" if it cannot be determined:
// the comparison of the entries then says what is wrong.
func (w *walk) topFolder(name string) string {
	f, _, err := w.open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	return tarball.Top(f, tarball.DefaultLimits())
}
