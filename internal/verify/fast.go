package verify

import (
	"context"

	"facerec/internal/tarball"
)

// compareFast takes the last two links of each cell without compressing
// anything: what is inside the tarball is compared with what the tree makes.
func (w *walk) compareFast(ctx context.Context, all []*cellCheck) {
	var jobs []tarball.CompareJob
	var which []*cellCheck
	for _, k := range all {
		if k.unasked || k.tree == nil || !k.file.here() {
			continue
		}
		job, done, err := w.compareJob(k)
		if err != nil {
			k.treeErr = err
			continue
		}
		defer done()
		jobs = append(jobs, job)
		which = append(which, k)
	}
	verdicts := map[*cellCheck]tarball.Verdict{}
	compare := func(jobs []tarball.CompareJob, which []*cellCheck) error {
		got, err := tarball.CompareFast(ctx, jobs, w.in.Pack, tarball.DefaultLimits())
		if err == nil {
			for i, k := range which {
				verdicts[k] = got[i]
			}
		}
		return err
	}
	if err := compare(jobs, which); err != nil {
		// Together they fail together; alone each has its own reason.
		for i, k := range which {
			k.treeErr = compare(jobs[i:i+1], which[i:i+1])
		}
	}
	for _, k := range all {
		if ctx.Err() != nil {
			return
		}
		if !k.unasked {
			w.compareRebuiltFast(ctx, k, verdicts)
		}
		w.comparePackages(ctx, k)
	}
}

func (w *walk) compareRebuiltFast(ctx context.Context, k *cellCheck, verdicts map[*cellCheck]tarball.Verdict) {
	asset := k.cell.Asset
	v, compared := verdicts[k]
	if compared && v.Grade <= tarball.SameTar {
		w.compareEntries(k, v.Rebuilt.Tar, v.Rebuilt.TarSize, AllEntries(*k.tree))
		w.add(Result{Cell: k.name, Link: LinkRebuilt, Subject: asset, Status: Pass, Grade: grade(tarball.SameTar),
			Detail: "the image gives the same tar stream; it was not compressed again"})
		return
	}
	index := w.entries(k)
	switch {
	case k.treeErr != nil:
		w.fail(k.name, LinkRebuilt, asset, k.treeErr)
	case !compared:
		w.skip(k.name, LinkRebuilt, asset, or(k.noTree, "no tarball to compare with"))
	default:
		w.add(w.graded(ctx, k, v.Rebuilt, index, v.Report))
	}
}

// compareJob opens the tarball of a cell.
func (w *walk) compareJob(k *cellCheck) (tarball.CompareJob, func(), error) {
	recipe, err := tarball.ParseRecipe(k.cell.Recipe)
	if err != nil {
		return tarball.CompareJob{}, nil, err
	}
	f, size, err := w.archive(k.cell.Asset)
	if err != nil {
		return tarball.CompareJob{}, nil, err
	}
	done := func() { _ = f.Close() }
	return tarball.CompareJob{Name: k.name, Tree: *k.tree, Prefix: k.cell.Prefix, Recipe: recipe, Have: f, Size: size}, done, nil
}
