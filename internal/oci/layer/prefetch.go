package layer

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"facerec/internal/oci"
)

// Prefetch begins to read the layers of images, as many at a time as workers
// says (0 for one for each CPU), as [Unpacker.Flatten] will want them for the
// directory root. It returns at once. Errors are left to Flatten, which meets them
// again without another try. wait returns when nothing of it goes on any more; a
// cancelled context ends it early.
func (u *Unpacker) Prefetch(ctx context.Context, images []*oci.Image, root string, workers int) (wait func()) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var all sync.WaitGroup
	if workers == 1 {
		return all.Wait // Flatten does as well
	}
	type one struct {
		img *oci.Image
		key part
	}
	var list []one
	seen := map[part]bool{}
	for _, img := range images {
		for _, l := range img.Layers {
			if key := (part{l, folderName(root)}); !seen[key] {
				seen[key] = true
				list = append(list, one{img, key})
			}
		}
	}
	// The largest first, so that none is left to be read alone at the end.
	slices.SortStableFunc(list, func(a, b one) int { return cmp.Compare(b.key.layer.Size, a.key.layer.Size) })
	all.Go(func() {
		var g errgroup.Group
		g.SetLimit(workers)
		for _, l := range list {
			if ctx.Err() != nil {
				break
			}
			g.Go(func() error {
				_, _ = u.Read(ctx, l.img, l.key.layer, l.key.below)
				return nil
			})
		}
		_ = g.Wait() // no error is ever given to it
	})
	return all.Wait
}
