package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"facerec/internal/packages"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

// packageCheck is a package of a cell that waits to be made again.
type packageCheck struct {
	record release.RecordPackage
	file   found
	pkg    *packages.Package
	made   *tarball.Result // of its payload; nil: not compressed again
	err    error           // why it cannot be made
}

// hasPackage reports whether a file is a package of the cell.
func hasPackage(c release.RecordCell, name string) bool {
	return slices.ContainsFunc(c.Packages, func(p release.RecordPackage) bool { return p.Asset == name })
}

// checkPackage takes a package's link to checksums.txt and release.json, and lays it
// out if the image was read.
func (w *walk) checkPackage(k *cellCheck, r release.RecordPackage) *packageCheck {
	p := &packageCheck{record: r}
	signed, ok := w.sums.Lookup(r.Asset)
	switch {
	case !ok:
		p.file = w.find(r.Asset)
		w.fail(k.name, LinkPackage, r.Asset, differs("name in checksums.txt", r.Asset, "nothing"))
	case signed != r.FileSHA256.Digest:
		p.file = w.find(r.Asset)
		w.fail(k.name, LinkPackage, r.Asset, &Error{Class: Differs, Field: "file_sha256", Expected: signed.Hex(), Got: r.FileSHA256.Hex(),
			Err: errors.New("release.json contradicts checksums.txt: report it to the publisher")})
	default:
		p.file = w.listed(k.name, LinkPackage, r.Asset, signed)
	}
	if k.tree != nil {
		p.pkg, p.err = packages.New(r, w.record.Version, k.cell.Platform, *k.tree)
	}
	return p
}

// payloads are the packages whose payloads are compressed again.
type payloads []*packageCheck

func (w *walk) payloads(all []*cellCheck) payloads {
	var out payloads
	for _, k := range all {
		for _, p := range k.packages {
			if p.pkg != nil && p.err == nil && p.file.here() {
				out = append(out, p)
			}
		}
	}
	return out
}

// jobs lists the work. What cannot be laid out is left to [packageCheck.err], with
// an empty job in its place.
func (all payloads) jobs() []tarball.Job {
	var out []tarball.Job
	for _, p := range all {
		job, err := p.pkg.Job(nil)
		if err != nil {
			p.err, job = err, tarball.Job{Name: p.record.Asset, Recipe: tarball.GNUGzip6}
		}
		out = append(out, job)
	}
	return out
}

// made notes what the work came to, from results[first] on.
func (all payloads) made(results []tarball.Result, first int, err error) {
	for i, p := range all {
		switch {
		case p.err != nil:
		case err != nil:
			p.err = err
		default:
			p.made = &results[first+i]
		}
	}
}

// comparePackages takes the last link of each package.
func (w *walk) comparePackages(ctx context.Context, k *cellCheck) {
	for _, p := range k.packages {
		switch {
		case p.err != nil:
			w.fail(k.name, LinkRepackaged, p.record.Asset, p.err)
		case p.pkg == nil:
			w.skip(k.name, LinkRepackaged, p.record.Asset, k.noTree)
		case !p.file.here():
			w.skip(k.name, LinkRepackaged, p.record.Asset, "no package to compare with")
		default:
			w.add(w.comparePackage(ctx, k, p))
		}
	}
}

// comparePackage compares a package with the one that the image makes, or, if
// nothing was compressed again, what is in it.
func (w *walk) comparePackage(ctx context.Context, k *cellCheck, p *packageCheck) Result {
	asset := p.record.Asset
	f, size, err := w.archive(asset)
	if err != nil {
		return failure(k.name, LinkRepackaged, asset, err)
	}
	defer func() { _ = f.Close() }()
	expected, err := p.pkg.Expected()
	if err != nil {
		return failure(k.name, LinkRepackaged, asset, err)
	}
	entries := text.CountForms(len(expected.Entries), "entry", "entries")
	pass := Result{Cell: k.name, Link: LinkRepackaged, Subject: asset, Status: Pass}
	if p.made != nil {
		same, err := p.pkg.Same(ctx, *p.made, f, size)
		if err != nil {
			return failure(k.name, LinkRepackaged, asset, err)
		}
		if same {
			pass.Grade = grade(tarball.Identical)
			pass.Detail = fmt.Sprintf("the image gives the same file, byte for byte, %s", entries)
			return pass
		}
	}
	got, err := packages.Read(f, size)
	if err != nil {
		return failure(k.name, LinkRepackaged, asset, &Error{Class: Differs, Check: "package", Err: err})
	}
	differences := slices.Concat(EntryDifferences(expected.Entries, got.Entries), packages.Differences(expected.Fields, got.Fields), got.Problems)
	switch {
	case len(differences) > 0:
		s := failure(k.name, LinkRepackaged, asset, &Error{Class: Differs, Err: errors.New("the package is not what the image and release.json make")})
		s.Grade, s.Differences = grade(tarball.Differs), firstFew(differences)
		return s
	case p.made != nil:
		s := failure(k.name, LinkRepackaged, asset, &Error{Class: Differs,
			Err: fmt.Errorf("every entry and all metadata are the same, the archives around them are not what %s makes", p.record.Recipe)})
		s.Grade = grade(tarball.SameContent)
		return s
	}
	w.notRepackaged = true
	pass.Detail = entries + " as in the image, metadata as in release.json, no scripts; the package itself was not made again"
	pass.Grade = grade(tarball.SameContent)
	return pass
}
