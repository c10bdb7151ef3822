package batch

import (
	"context"
	"sync"
	"time"

	"facerec/internal/tarball"
)

// maxTogether is how many tarballs are compressed in one call, which bounds its
// memory: each takes 300 KB.
const maxTogether = 64

// grace is how long those that wait do so for the last ones under way, though a core
// has nothing to do: one that comes too late has what it shares searched once more.
const grace = 20 * time.Millisecond

// gather has the releases that are under way compress their tarballs together.
type gather struct {
	cores int
	pack  func(context.Context, []tarball.Job, tarball.Options) ([]tarball.Result, error)

	mu      sync.Mutex
	walking int         // releases under way that do not wait here
	waiting []*request  // in the order in which they came
	busy    bool        // some are being compressed
	last    *time.Timer // runs while the last ones are waited for
}

// request is the tarballs of one release.
type request struct {
	jobs    []tarball.Job
	options tarball.Options
	results []tarball.Result
	err     error
	done    chan struct{}
}

// enter counts a release that is under way, which may come to wait.
func (g *gather) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.walking++
}

// leave takes it off again: it will not wait, or not before something else happens.
func (g *gather) leave(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.walking--
	g.begin(ctx)
}

// together is [tarball.Pack] for one of the releases under way.
func (g *gather) together(ctx context.Context, jobs []tarball.Job, o tarball.Options) ([]tarball.Result, error) {
	r := &request{jobs: jobs, options: o, done: make(chan struct{})}
	g.mu.Lock()
	g.walking--
	g.waiting = append(g.waiting, r)
	g.begin(ctx)
	g.mu.Unlock()
	<-r.done // also when the work is called off: Pack ends then
	return r.results, r.err
}

// begin compresses what waits when all of the releases under way wait, or, after a
// grace, most of them do and there would be nothing to do for a core otherwise: one
// that is slow to come must not hold up all others.
func (g *gather) begin(ctx context.Context) {
	switch {
	case g.busy || len(g.waiting) == 0:
	case g.walking == 0:
		g.start(ctx)
	case g.mostWait() && g.last == nil:
		g.last = time.AfterFunc(grace, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.last = nil
			if !g.busy && len(g.waiting) > 0 && g.mostWait() {
				g.start(ctx)
			}
		})
	}
}

func (g *gather) mostWait() bool {
	return g.walking < min(g.cores, (g.walking+len(g.waiting)+3)/4)
}

// start compresses what waits.
func (g *gather) start(ctx context.Context) {
	if g.last != nil {
		g.last.Stop()
		g.last = nil
	}
	n, jobs := 0, 0
	for n < len(g.waiting) && (n == 0 || jobs+len(g.waiting[n].jobs) <= maxTogether) {
		jobs += len(g.waiting[n].jobs)
		n++
	}
	batch := g.waiting[:n:n]
	g.waiting = append([]*request(nil), g.waiting[n:]...)
	g.busy = true
	go func() {
		g.run(ctx, batch)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.busy = false
		g.walking += len(batch)
		for _, r := range batch {
			close(r.done)
		}
		g.begin(ctx)
	}()
}

// run compresses in one call. When that fails each release has its own, so that
// the fault of one is not that of all.
func (g *gather) run(ctx context.Context, batch []*request) {
	var all []tarball.Job
	for _, r := range batch {
		all = append(all, r.jobs...)
	}
	results, err := g.pack(ctx, all, batch[0].options)
	for _, r := range batch {
		switch {
		case err == nil:
			r.results, results = results[:len(r.jobs):len(r.jobs)], results[len(r.jobs):]
		case len(batch) == 1:
			r.err = err
		default:
			r.results, r.err = g.pack(ctx, r.jobs, r.options)
		}
	}
}
