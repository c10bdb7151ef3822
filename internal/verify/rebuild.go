package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"iter"

	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// rebuild packs all trees in one call, so that what they share is compressed
// once, and takes the last two links of each cell.
func (w *walk) rebuild(ctx context.Context, all []*cellCheck) {
	var jobs []tarball.Job
	var which []*cellCheck
	for _, k := range all {
		if k.unasked || k.tree == nil || k.standalone && !k.file.here() {
			continue
		}
		recipe, err := tarball.ParseRecipe(k.cell.Recipe)
		if err != nil {
			k.treeErr = err
			continue
		}
		job := tarball.Job{Name: k.name, Tree: *k.tree, Prefix: k.cell.Prefix, Recipe: recipe}
		if k.late != nil {
			job.Out = k.late
		}
		jobs = append(jobs, job)
		which = append(which, k)
	}
	results := map[*cellCheck]tarball.Result{}
	payloads := w.payloads(all)
	if len(jobs)+len(payloads) > 0 {
		packed, err := w.in.Packer(ctx, append(jobs, payloads.jobs()...), w.in.Pack)
		payloads.made(packed, len(jobs), err)
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
		result, rebuilt := results[k]
		w.settle(ctx, k, rebuilt, result)
		if !k.unasked {
			w.compareRebuilt(ctx, k, result, rebuilt)
		}
		w.comparePackages(ctx, k)
	}
}

func (w *walk) compareRebuilt(ctx context.Context, k *cellCheck, result tarball.Result, rebuilt bool) {
	asset := k.cell.Asset
	if rebuilt && k.file.here() && result.File == k.file.digest && result.FileSize == k.file.size {
		// The tarball is the same file, so there is no need to open it.
		w.compareEntries(k, result.Tar, result.TarSize, AllEntries(*k.tree))
		w.add(Result{Cell: k.name, Link: LinkRebuilt, Subject: asset, Status: Pass, Grade: grade(tarball.Identical),
			Detail: "the image gives the same file, byte for byte"})
		return
	}
	index := w.entries(k)
	switch {
	case k.treeErr != nil:
		w.fail(k.name, LinkRebuilt, asset, k.treeErr)
	case !rebuilt:
		w.skip(k.name, LinkRebuilt, asset, or(k.noTree, "no tarball to compare with"))
	case k.file.here():
		w.add(w.graded(ctx, k, result, index, nil))
	case result.File == k.cell.FileSHA256.Digest:
		w.add(Result{Cell: k.name, Link: LinkRebuilt, Subject: asset, Status: Pass, Grade: grade(tarball.Identical),
			Detail: "the image gives the file that release.json names, byte for byte"})
	default:
		s := failure(k.name, LinkRebuilt, asset, differs("sha256", k.cell.FileSHA256.Hex(), result.File.Hex()))
		s.Grade, s.Detail = grade(tarball.Differs), "the image does not give the file that release.json names"
		differences, err := w.entryDifferences(k, AllEntries(*k.tree))
		if err != nil {
			s = failure(k.name, LinkRebuilt, asset, err)
		}
		s.Differences = differences
		w.add(s)
	}
}

// entries opens the tarball and compares it with what release.json says, or, if
// there is none, with the image.
func (w *walk) entries(k *cellCheck) *tarball.Listing {
	asset := k.cell.Asset
	if !k.file.here() {
		w.skip(k.name, LinkEntries, asset, "no tarball could be opened")
		return nil
	}
	if why := w.withheld(); why != "" && !k.standalone {
		w.skip(k.name, LinkEntries, asset, "nobody signed it")
		return nil
	}
	f, _, err := w.open(asset)
	if err != nil {
		w.fail(k.name, LinkEntries, asset, err)
		return nil
	}
	defer func() { _ = f.Close() }()
	index, err := tarball.List(f, tarball.DefaultLimits())
	if err != nil {
		w.fail(k.name, LinkEntries, asset, err)
		return nil
	}
	if len(index.Problems) > 0 {
		p := index.Problems[0]
		w.fail(k.name, LinkEntries, asset, &Error{Class: Differs, Check: p.Kind, Err: errors.New(p.Detail)})
		return index
	}
	if k.standalone && k.tree == nil {
		w.skip(k.name, LinkEntries, asset, k.noTree)
		return index
	}
	w.compareEntries(k, index.Tar, index.TarSize, archiveEntries(index, k.cell.Prefix))
	return index
}

// compareEntries compares entries with those of release.json or, if there is none, of
// the image.
func (w *walk) compareEntries(k *cellCheck, tar release.Digest, size int64, entries iter.Seq[release.RecordEntry]) {
	asset := k.cell.Asset
	expected, like := k.cell.EntriesSum(), "release.json"
	if k.standalone {
		expected, like = release.SumEntries(AllEntries(*k.tree)), "the image"
	}
	var differences []string
	if release.SumEntries(entries) != expected {
		var err error
		if differences, err = w.entryDifferences(k, entries); err != nil {
			w.fail(k.name, LinkEntries, asset, err)
			return
		}
	}
	switch {
	case !k.standalone && tar != k.cell.TarSHA256.Digest:
		s := failure(k.name, LinkEntries, asset, differs("tar_sha256", k.cell.TarSHA256.Hex(), tar.Hex()))
		s.Differences = differences
		w.add(s)
	case !k.standalone && size != k.cell.TarSize:
		w.fail(k.name, LinkEntries, asset, differs("tar_size", fmt.Sprint(k.cell.TarSize), fmt.Sprint(size)))
	case len(differences) > 0:
		s := failure(k.name, LinkEntries, asset, &Error{Class: Differs, Err: errors.New("are not those of " + like)})
		s.Differences = differences
		w.add(s)
	default:
		w.pass(k.name, LinkEntries, asset, "tar sha256 %s, %s as in %s", tar.Hex(), text.CountForms(expected.Count, "entry", "entries"), like)
	}
}

// entryDifferences says how entries differ from those of release.json, or of the image.
func (w *walk) entryDifferences(k *cellCheck, got iter.Seq[release.RecordEntry]) ([]string, error) {
	if k.standalone {
		return EntryDifferences(Entries(*k.tree), listOf(got)), nil
	}
	expected, err := w.recordEntries(k.cell)
	if err != nil {
		return nil, err
	}
	return EntryDifferences(expected, listOf(got)), nil
}

// graded says how close what the image makes came to the tarball, and why it is
// not the same. index is the tarball's, if it was read; report is the comparison,
// if it was made already.
func (w *walk) graded(ctx context.Context, k *cellCheck, result tarball.Result, index *tarball.Listing, report *tarball.Difference) Result {
	s := failure(k.name, LinkRebuilt, k.cell.Asset, differs("sha256", k.file.digest.Hex(), result.File.Hex()))
	if !k.file.intact { // nobody promised these bytes
		s.Expected, s.Got = s.Got, s.Expected
	}
	if result.File.IsZero() { // nothing was compressed
		s.Field, s.Expected, s.Got = "", "", ""
	}
	s.Grade = grade(tarball.Differs)
	if report == nil {
		var err error
		if report, err = w.diff(ctx, k); err != nil {
			s.Detail = "the image gives another file, and the cause cannot be determined: " + text.Line(err.Error(), maxErrorText)
			return s
		}
	}
	s.Grade = grade(report.Grade)
	s.Detail = map[tarball.Grade]string{
		tarball.SameTar:     "the tar stream is the same, its compression differs",
		tarball.SameContent: "every entry has the same bytes, the tar stream around them differs",
		tarball.Differs:     "the image has other contents",
	}[report.Grade]
	if !result.File.IsZero() && !k.standalone && !k.file.intact && result.File == k.cell.FileSHA256.Digest {
		s.Detail += "; the image gives the signed file, so this copy was changed: fetch it again"
	}
	for _, c := range report.Causes {
		s.Causes = append(s.Causes, causeText(c, k.cell.Recipe, result, index, w.onlyHeader(ctx, k, c, index)))
	}
	s.Differences = differenceLines(report.Entries)
	return s
}

// diff compares the tarball with the image's directory as "releaser diff" does.
func (w *walk) diff(ctx context.Context, k *cellCheck) (*tarball.Difference, error) {
	f, size, err := w.archive(k.cell.Asset)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	tree, err := tarball.TreeSource("the image", *k.tree, k.cell.Prefix)
	if err != nil {
		return nil, err
	}
	tree.Made = false // its compression matters
	r, err := tarball.DiffSources(ctx, tarball.FileSource(k.cell.Asset, f, size), tree, tarball.DefaultLimits())
	r.Grade = max(r.Grade, tarball.SameTar) // a bare tar stream is not what the recipe makes
	return &r, err
}

// onlyHeader reports whether the tarball differs from what the recipe makes in
// its gzip header alone. It packs once more, as nothing else needs to know.
func (w *walk) onlyHeader(ctx context.Context, k *cellCheck, c tarball.Cause, index *tarball.Listing) bool {
	if c.Kind != tarball.CauseCompressor && c.Kind != tarball.CauseUnpacked || index == nil || index.Body.IsZero() || w.in.Fast {
		return false
	}
	recipe, err := tarball.ParseRecipe(k.cell.Recipe)
	if err != nil {
		return false
	}
	body := &bodyHash{h: sha256.New(), skip: tarball.HeaderSize}
	_, err = tarball.Pack(ctx, []tarball.Job{{Name: k.name, Tree: *k.tree, Prefix: k.cell.Prefix, Recipe: recipe, Out: body}}, tarball.Options{Workers: w.in.Pack.Workers})
	return err == nil && release.DigestOf([sha256.Size]byte(body.h.Sum(nil))) == index.Body
}

// bodyHash hashes what is written to it but for the first bytes.
type bodyHash struct {
	h    hash.Hash
	skip int
}

func (b *bodyHash) Write(p []byte) (int, error) {
	n := min(b.skip, len(p))
	b.skip -= n
	b.h.Write(p[n:])
	return len(p), nil
}

// causeText is a cause with the two sides called by what they are.
func causeText(c tarball.Cause, recipe string, made tarball.Result, index *tarball.Listing, onlyHeader bool) string {
	if (c.Kind == tarball.CauseCompressor || c.Kind == tarball.CauseUnpacked) && index != nil {
		have := fmt.Sprintf("not compressed (%d bytes)", index.FileSize)
		if g := index.Gzip; g != nil {
			have = fmt.Sprintf("%d bytes with gzip's flags %d, extra flags %d, system %d, time %d", index.FileSize, g.Flags, g.XFL, g.OS, g.Mtime)
		}
		if onlyHeader {
			return text.Line(fmt.Sprintf("%s: the compressed data is what %s writes, only the gzip header differs: the tarball is %s", tarball.CauseHeader, recipe, have), maxErrorText)
		}
		kind, want := tarball.CauseUnpacked, ""
		if index.Compression != "" {
			kind = tarball.CauseCompressor
		}
		if made.FileSize > 0 {
			want = fmt.Sprintf(" (%d bytes, flags 0, extra flags 0, system 3, time 0)", made.FileSize)
		}
		return text.Line(fmt.Sprintf("%s: another compressor or level than %s%s: the tarball is %s", kind, recipe, want, have), maxErrorText)
	}
	return text.Line(fmt.Sprintf("%s: %s (a is the tarball, b is what the image gives)", c.Kind, c.Detail), maxErrorText)
}

// differenceLines are the first few entries that differ.
func differenceLines(all []tarball.EntryDiff) []string {
	var out []string
	for _, e := range all {
		switch e.Change {
		case "only in a":
			out = append(out, fmt.Sprintf("%s: only in the tarball", e.Name))
		case "only in b":
			out = append(out, fmt.Sprintf("%s: only in the image", e.Name))
		default:
			for _, f := range e.Fields {
				line := fmt.Sprintf("%s: %s: tarball %s, image %s", e.Name, f.Field, or(f.A, "none"), or(f.B, "none"))
				if f.Offset != nil {
					line += fmt.Sprintf(", the first different byte is at offset %d", *f.Offset)
				}
				out = append(out, line)
			}
		}
	}
	return firstFew(out)
}

func grade(g tarball.Grade) *tarball.Grade { return &g }
