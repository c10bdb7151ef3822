package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"facerec/internal/tarball"
)

// compareFast takes the last two links of each cell without compressing
// anything: what is inside the tarball is compared with what the tree makes.
func (w *walk) compareFast(ctx context.Context, all []*candidate) {
	var jobs []tarball.CompareJob
	var which []*candidate
	for _, k := range all {
		if k.tree == nil || !k.present {
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
	verdicts := map[*candidate]tarball.Verdict{}
	compare := func(jobs []tarball.CompareJob, which []*candidate) error {
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
		w.judgeFast(k, verdicts)
	}
}

func (w *walk) judgeFast(k *candidate, verdicts map[*candidate]tarball.Verdict) {
	cell, asset := k.cell.String(), k.cell.Asset
	v, compared := verdicts[k]
	same := compared && v.Grade <= tarball.SameTar
	var index *tarball.Index
	if same {
		w.compareContents(k, v.Rebuilt.Tar, v.Rebuilt.TarSize, Entries(*k.tree))
	} else {
		index = w.contents(k)
	}
	switch {
	case k.treeErr != nil:
		w.fail(cell, LinkRebuilt, asset, k.treeErr)
	case !compared:
		w.skip(cell, LinkRebuilt, asset, or(k.noTree, "is not in the folder"))
	case same:
		w.add(Step{Cell: cell, Link: LinkRebuilt, Subject: asset, Status: Pass, Grade: SameTar,
			Detail: "the same tar stream comes out of the image; its compression was not made again"})
	default:
		s := w.graded(k, v.Rebuilt, index)
		// There is no rebuilt file whose hash could be shown.
		s.Field, s.Expected, s.Got = "", "", ""
		w.add(s)
	}
}

// compareJob opens the tarball of a cell.
func (w *walk) compareJob(k *candidate) (tarball.CompareJob, func(), error) {
	recipe, err := tarball.ParseRecipe(k.cell.Recipe)
	if err != nil {
		return tarball.CompareJob{}, nil, err
	}
	f, err := w.in.Dist.Open(k.cell.Asset)
	if err != nil {
		return tarball.CompareJob{}, nil, err
	}
	done := func() { _ = f.Close() }
	at, ok := f.(io.ReaderAt)
	var size fs.FileInfo
	if !ok {
		err = errors.New("cannot be read at an offset")
	} else {
		size, err = f.Stat()
	}
	if err != nil {
		done()
		return tarball.CompareJob{}, nil, fmt.Errorf("%s: %w", k.cell.Asset, err)
	}
	return tarball.CompareJob{Name: k.cell.String(), Tree: *k.tree, Prefix: k.cell.Prefix, Recipe: recipe, Have: at, Size: size.Size()}, done, nil
}
