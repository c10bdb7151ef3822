package batch

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

// recordBudget is how many bytes the release.json of the releases that are under
// way may have together. One that has more is verified alone.
const recordBudget = 16 << 20

// defaultWindow is how many releases are under way at once.
const defaultWindow = 64

// minDownloads is how many releases may be downloaded at once, if there are not more
// cores.
const minDownloads = 8

// Options say how a list is worked on. They have no influence on any line.
type Options struct {
	Jobs   int // releases that use a core at the same time; 0 for one for each core
	Window int // releases under way, those that wait to be compressed among them; 0 for 64, or more where there are many cores

	State *State

	// Emit takes the lines as they finish, one at a time.
	Emit func(Line)
}

// Work verifies one release. inputs is the digest of all that decided the line; a
// zero one keeps the line out of the state.
type Work func(ctx context.Context, item Item, t *Turn) (l Line, inputs release.Digest)

// Turn is one release's place in a run.
type Turn struct {
	r      *run
	weight int64
	item   Item
	kept   bool
}

type run struct {
	Options
	cores     *semaphore.Weighted
	downloads *semaphore.Weighted
	budget    *semaphore.Weighted
	gather    gather
}

// Run has every item worked on. The error is for a cancelled context, and for a
// state that cannot be written: the lines that were emitted are as they were.
func Run(ctx context.Context, items []Item, o Options, work Work) (Summary, error) {
	if o.Jobs <= 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.Window <= 0 {
		o.Window = max(defaultWindow, 2*o.Jobs)
	}
	o.Window = min(o.Window, max(len(items), 1))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{Options: o, cores: semaphore.NewWeighted(int64(o.Jobs)), downloads: semaphore.NewWeighted(int64(max(minDownloads, o.Jobs))), budget: semaphore.NewWeighted(recordBudget), gather: gather{cores: o.Jobs, pack: tarball.Pack}}
	s := Summary{Schema: SummarySchema, Verdicts: map[string]int{}}
	var taking sync.Mutex // of next: nobody waits with an item for a line to be shown
	next := 0
	take := func() (Item, bool) {
		taking.Lock()
		defer taking.Unlock()
		if next == len(items) || ctx.Err() != nil {
			return Item{}, false
		}
		next++
		return items[next-1], true
	}
	var mu sync.Mutex // of s
	// report emits a line, unless the run was cancelled: by the line before, maybe,
	// so the lock is taken first.
	report := func(l Line, kept bool) bool {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		s.add(l)
		if kept {
			s.Kept++
		}
		if o.Emit != nil {
			o.Emit(l)
		}
		return true
	}
	var all sync.WaitGroup
	for range o.Window {
		r.gather.enter()
	}
	for range o.Window {
		all.Go(func() {
			defer r.gather.leave(ctx)
			for {
				item, ok := take()
				if !ok {
					return
				}
				l, kept, err := r.one(ctx, item, work)
				if err != nil {
					cancel(err)
				}
				if !report(l, kept) {
					return
				}
			}
		})
	}
	all.Wait()
	return s, context.Cause(ctx)
}

// one works on one item.
func (r *run) one(ctx context.Context, item Item, work Work) (l Line, kept bool, err error) {
	if err := r.cores.Acquire(ctx, 1); err != nil {
		return l, false, err
	}
	t := &Turn{r: r, item: item}
	l, inputs := work(ctx, item, t)
	r.cores.Release(1)
	r.budget.Release(t.weight)
	called := ctx.Err() != nil // what it came to may be for that reason
	if !t.kept && !called && !inputs.IsZero() && l.final() {
		err = r.State.put(inputs, l)
	}
	return l, t.kept, err
}

// Find returns the line that the release came to before, with the same inputs.
func (t *Turn) Find(inputs release.Digest) (Line, bool) {
	l, ok := t.r.State.Find(t.item.Name, inputs)
	t.kept = ok
	return l, ok
}

// Weigh waits until what is under way leaves room for a release.json of so many
// bytes. It is called once, before the release is read.
func (t *Turn) Weigh(ctx context.Context, bytes int64) error {
	n := min(max(bytes, 0), recordBudget)
	if t.r.budget.TryAcquire(n) {
		t.weight = n
		return nil
	}
	t.r.cores.Release(1)
	t.r.gather.leave(ctx)
	err := t.r.budget.Acquire(ctx, n)
	t.r.gather.enter()
	if err == nil {
		t.weight = n
	}
	return t.back(ctx, err)
}

// Download runs something that waits for a network more than it computes: others have
// the core meanwhile.
func (t *Turn) Download(ctx context.Context, download func() error) error {
	t.r.cores.Release(1)
	err := t.r.downloads.Acquire(ctx, 1)
	if err == nil {
		err = download()
		t.r.downloads.Release(1)
	}
	return t.back(ctx, err)
}

// Pack is [tarball.Pack], together with other releases.
func (t *Turn) Pack(ctx context.Context, jobs []tarball.Job, o tarball.Options) ([]tarball.Result, error) {
	t.r.cores.Release(1)
	results, err := t.r.gather.together(ctx, jobs, o)
	return results, t.back(ctx, err)
}

// back waits for a core again.
func (t *Turn) back(ctx context.Context, err error) error {
	// The one who took the item gives the core back in any case.
	if aerr := t.r.cores.Acquire(context.WithoutCancel(ctx), 1); err == nil {
		err = aerr
	}
	return err
}
