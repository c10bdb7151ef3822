package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// cellCheck is a cell whose image was taken apart and waits to be packed again.
type cellCheck struct {
	cell       release.RecordCell
	name       string // of the cell in the report
	standalone bool   // nothing says what the tarball should be; see [Tarballs]
	file       found
	late       *lateFile // nil: file is known
	tree       *tarball.Tree
	treeErr    error
	noTree     string // why there is neither

	packages []*packageCheck
	unasked  bool // only packages of the cell were asked for
}

// cells looks at the links of each cell, and goes on whatever it finds.
func (w *walk) cells(ctx context.Context) {
	if w.record == nil {
		w.cellsWithoutRecord(ctx)
		return
	}
	for _, name := range w.in.Cells {
		if _, ok := w.record.Cell(name); !ok {
			w.fail(name, LinkRecord, release.RecordFile, fmt.Errorf("has no cell %s; it has %s", name, w.cellNames()))
		}
	}
	var all []*cellCheck
	defer func() {
		for _, k := range all { // where the walk ended early
			w.settle(ctx, k, false, tarball.Result{})
		}
	}()
	selected := slices.DeleteFunc(slices.Clone(w.record.Cells), func(c release.RecordCell) bool { return !w.selected(c) })
	done := func() {}
	if w.in.Images.images != nil && w.withheld() == "" {
		done = w.in.Images.images.Prepare(ctx, selected)
	}
	for _, c := range selected {
		if ctx.Err() != nil {
			break
		}
		all = append(all, w.checkCell(ctx, c))
	}
	done()
	if ctx.Err() == nil {
		w.compare(ctx, all)
	}
}

// asked reports whether a cell is to be looked at.
func (w *walk) selected(c release.RecordCell) bool {
	return len(w.in.Cells)+len(w.in.Assets) == 0 || slices.Contains(w.in.Cells, c.String()) || slices.Contains(w.in.Assets, c.Asset) ||
		slices.ContainsFunc(w.in.Assets, func(name string) bool { return hasPackage(c, name) })
}

// compare takes the last links of each cell.
func (w *walk) compare(ctx context.Context, all []*cellCheck) {
	w.rebuilders(ctx, all) // first: a no is to be seen before the work is done
	if w.in.Fast {
		w.compareFast(ctx, all)
		return
	}
	w.rebuild(ctx, all)
}

func (w *walk) cellNames() string {
	var names []string
	for _, c := range w.record.Cells {
		names = append(names, c.String())
	}
	return strings.Join(names, ", ")
}

// cellsWithoutRecord checks what is left to check if release.json does not say
// what the tarballs are: their hashes, and, if the caller says of which images
// they are made, the way from there.
func (w *walk) cellsWithoutRecord(ctx context.Context) {
	const why = "release.json cannot be used, and only release.json names the image"
	if len(w.in.Cells) > 0 {
		for _, name := range w.in.Cells {
			w.skip(name, LinkRecord, release.RecordFile, why)
		}
		return
	}
	if w.sums == nil {
		return
	}
	indexes := map[string]resolved{}
	var all []*cellCheck
	for _, s := range w.sums.All() {
		if !w.isAsset(s.Name) || len(w.in.Assets) > 0 && !slices.Contains(w.in.Assets, s.Name) {
			continue
		}
		file := w.listed(s.Name, LinkTarball, s.Name, s.Digest)
		if w.in.Describe == nil {
			w.skipFrom(s.Name, s.Name, LinkRecord, why)
			continue
		}
		w.skip(s.Name, LinkRecord, s.Name, "release.json does not vouch for the image: the caller named it")
		l := w.in.Describe(s.Name)
		k := &cellCheck{cell: l.Cell, name: s.Name, standalone: true, file: file}
		w.standaloneImage(ctx, k, l.Err, indexes)
		all = append(all, k)
	}
	w.compare(ctx, all)
}

// skipFrom skips a link of a cell and all that rest on it.
func (w *walk) skipFrom(cell, subject, link, why string) {
	w.skip(cell, link, subject, why)
	w.skipBetween(cell, subject, link, "")
}

// skipBetween skips what comes after a broken link and before another; "" stands
// for the end of the chain.
func (w *walk) skipBetween(cell, subject, broken, end string) {
	rest := chain[slices.Index(chain, broken)+1:]
	if end != "" {
		rest = rest[:slices.Index(rest, end)]
	}
	for _, l := range rest {
		if w.asked(l) {
			w.skip(cell, l, subject, "the chain is broken at "+broken)
		}
	}
}

// asked reports whether a link is looked at at all.
func (w *walk) asked(link string) bool {
	switch link {
	case LinkSignature:
		return w.in.ImageSignatures
	case LinkRebuilders:
		return w.in.Rebuilders != nil
	}
	return true
}

// checkCell takes the links up to the layers.
func (w *walk) checkCell(ctx context.Context, c release.RecordCell) *cellCheck {
	cell := c.String()
	k := &cellCheck{cell: c, name: cell}
	k.unasked = len(w.in.Cells) == 0 && len(w.in.Assets) > 0 && !slices.Contains(w.in.Assets, c.Asset)
	if !k.unasked {
		w.tarball(k)
	}
	w.image(ctx, k)
	for _, p := range c.Packages {
		if len(w.in.Assets) == 0 || slices.Contains(w.in.Assets, p.Asset) {
			k.packages = append(k.packages, w.checkPackage(k, p))
		}
	}
	return k
}

// tarball takes the links of a cell's tarball to checksums.txt and release.json.
func (w *walk) tarball(k *cellCheck) {
	c, cell := k.cell, k.name
	signed, ok := w.sums.Lookup(c.Asset)
	switch {
	case ok && w.mayBeLate(k):
		w.later(k, signed)
	case ok:
		k.file = w.listed(cell, LinkTarball, c.Asset, signed)
	default:
		k.file = w.find(c.Asset)
		w.fail(cell, LinkTarball, c.Asset, differs("name in checksums.txt", c.Asset, "nothing"))
	}
	switch {
	case !ok:
		w.skip(cell, LinkRecord, c.Asset, "checksums.txt could not be read")
	case signed != c.FileSHA256.Digest:
		w.fail(cell, LinkRecord, c.Asset, &Error{Class: Differs, Field: "file_sha256", Expected: signed.Hex(), Got: c.FileSHA256.Hex(),
			Err: fmt.Errorf("release.json contradicts checksums.txt: report it to the publisher")})
	default:
		w.pass(cell, LinkRecord, c.Asset, "release.json and checksums.txt agree")
	}
}

// image takes the links from the index to the layers.
func (w *walk) image(ctx context.Context, k *cellCheck) {
	c := &k.cell
	where := c.Image + "@" + c.IndexDigest.String()
	broken := func(link string) {
		w.skipBetween(k.name, or(c.ManifestDigest.String(), where), link, LinkEntries)
	}
	if why := w.withheld(); w.in.Images.images == nil || why != "" {
		k.noTree = or(why, w.in.Images.reason())
		w.skip(k.name, LinkIndex, where, k.noTree)
		broken(LinkIndex)
		return
	}
	manifest, err := w.in.Images.images.Platform(ctx, c.Image, c.IndexDigest, c.Platform)
	switch {
	case err == nil && k.standalone:
		c.ManifestDigest = manifest
	case err == nil && manifest != c.ManifestDigest:
		err = differs("manifest of "+c.Platform.String(), c.ManifestDigest.String(), manifest.String())
	}
	if err != nil {
		k.noTree = unread("the index", "does not match its digest", err)
		w.fail(k.name, LinkIndex, where, err)
		broken(LinkIndex)
		return
	}
	w.pass(k.name, LinkIndex, where, "%s is %s", c.Platform, manifest)
	if w.in.ImageSignatures {
		w.imageSignature(ctx, k)
	}
	m, err := w.in.Images.images.Manifest(ctx, *c)
	if err == nil {
		err = m.compare(*c)
	}
	if err != nil {
		k.noTree = unread("the manifest", "does not match its digest", err)
		w.fail(k.name, LinkManifest, c.ManifestDigest.String(), err)
		broken(LinkManifest)
		return
	}
	w.pass(k.name, LinkManifest, c.ManifestDigest.String(), "configuration %s, %s", m.Config, text.Count(len(m.Layers), "layer"))
	tree, err := w.in.Images.images.Tree(ctx, *c)
	if err != nil {
		k.noTree = unread("the layers", "do not match their digests", err)
		w.fail(k.name, LinkLayers, c.ManifestDigest.String(), err)
		return
	}
	k.tree = &tree.Tree
	s := Result{Cell: k.name, Link: LinkLayers, Subject: c.ManifestDigest.String(), Status: Pass}
	s.Detail = fmt.Sprintf("%s as their digests and diff IDs say; %s has %s", text.Count(len(m.Layers), "layer"), c.Path, text.CountForms(tree.Tree.Len()+1, "entry", "entries"))
	if len(tree.Lost) > 0 {
		s.Notes = []string{"the image has attributes that the tarball loses: " + text.List(tree.Lost, maxLost)}
	}
	w.add(s)
}

// maxLost is how many entries a note about lost attributes names.
const maxLost = 8

// unread says why what comes after a link was not looked at: other bytes came
// than were promised, or none.
func unread(what, differs string, err error) string {
	var e *Error
	if errors.As(err, &e) && e.Class == Differs {
		return what + " " + differs
	}
	return what + " could not be read"
}

// withheld says why no image that release.json names is looked at: until the
// signature holds, nothing is done or contacted in the name of the release.
func (w *walk) withheld() string {
	if w.report.Signature != nil || w.in.Images.named {
		return ""
	}
	return "nobody signed what release.json names: pass --image to compare with an image of your own choice"
}

// compare checks a manifest against what release.json says of it, if it does.
func (m ImageManifest) compare(c release.RecordCell) error {
	if c.ConfigDigest != nil && *c.ConfigDigest != m.Config {
		return differs("config_digest", c.ConfigDigest.String(), m.Config.String())
	}
	for i := range max(len(c.Layers), len(m.Layers)) {
		expected, got := "nothing", "nothing"
		if i < len(c.Layers) {
			expected = c.Layers[i].String()
		}
		if i < len(m.Layers) {
			got = m.Layers[i].String()
		}
		if c.Layers != nil && expected != got {
			return differs(fmt.Sprintf("layer %d", i+1), expected, got)
		}
	}
	return nil
}

// imageSignature looks at what is attached to the image, once for each index.
func (w *walk) imageSignature(ctx context.Context, k *cellCheck) {
	s, ok := w.signed[k.cell.IndexDigest]
	if !ok {
		s = w.checkReferrers(ctx, k)
		w.signed[k.cell.IndexDigest] = s
	}
	s.Cell = k.name
	w.add(s)
}

func (w *walk) checkReferrers(ctx context.Context, k *cellCheck) Result {
	where := k.cell.IndexDigest.String()
	incomplete := Incomplete
	skip := func(why string) Result {
		return Result{Link: LinkSignature, Subject: where, Status: Skip, Class: &incomplete, Detail: why}
	}
	if w.in.Policy.Empty() {
		return skip("no expected signer was given: pass --key, or --certificate-identity and --certificate-oidc-issuer")
	}
	subject, err := w.in.Images.images.Referrers(ctx, k.cell.Image, k.cell.IndexDigest)
	if err != nil {
		return failure("", LinkSignature, where, err)
	}
	if k.standalone && len(subject.Layers)+len(subject.Problems) == 0 {
		return skip("the image has no signature: nobody says that it is the released one")
	}
	r := Image(ctx, ImageInput{Subjects: []ImageSubject{subject}, Policy: w.in.Policy}).Subjects[0]
	s := Result{Link: LinkSignature, Subject: where, Status: r.Status, Class: r.Class, Detail: r.Detail, Field: r.Field, Expected: r.Expected, Got: r.Got}
	for _, x := range r.Refused {
		s.Differences = append(s.Differences, "refused: "+x.Place+": "+x.Why)
	}
	return s
}
