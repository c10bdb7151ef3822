package batch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"facerec/internal/release"
	"facerec/internal/tarball"
)

func numbered(n int) (items []Item) {
	for i := range n {
		items = append(items, Item{i + 1, fmt.Sprintf("r%d", i)})
	}
	return items
}

// line is that of a release that came to a code.
func line(item Item, code int) Line {
	return Line{Schema: LineSchema, Release: item.Name, Verdict: verdicts[code], ExitCode: code, Causes: []Cause{}}
}

// packNothing is a packer that returns the names of jobs.
func packNothing(jobs []tarball.Job) (out []tarball.Result) {
	for _, j := range jobs {
		out = append(out, tarball.Result{Name: j.Name})
	}
	return out
}

// TestEveryLineOnce runs lists of many lengths with all kinds of options: each
// release gives its own line, once, and the worst code counts.
func TestEveryLineOnce(t *testing.T) {
	codes := []int{0, 5, 0, 2, 1, 0, 3, 4}
	for _, n := range []int{0, 1, 2, 7, 8, 100} {
		for _, o := range []Options{{}, {Jobs: 1}, {Jobs: 1, Window: 1}, {Jobs: 8, Window: 2}, {Jobs: 64}} {
			var got []string
			o.Emit = func(l Line) { got = append(got, fmt.Sprint(l.Release, l.ExitCode)) }
			s, err := Run(t.Context(), numbered(n), o, func(ctx context.Context, item Item, turn *Turn) (Line, release.Digest) {
				if err := turn.Weigh(ctx, int64(item.Line%3)*recordBudget); err != nil {
					t.Error(err)
				}
				if item.Line%5 > 0 { // some have nothing to compress
					jobs := []tarball.Job{{Name: item.Name, Recipe: "gnu-gzip-6", Prefix: item.Name}}
					r, err := turn.Pack(ctx, jobs, tarball.Options{Workers: 1})
					if err != nil || len(r) != 1 || r[0].Name != item.Name || r[0].FileSize == 0 {
						t.Errorf("%s: got %v, %v", item.Name, r, err)
					}
				}
				return line(item, codes[item.Line%len(codes)]), release.Digest{}
			})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			worst := 0
			for _, i := range numbered(n) {
				code := codes[i.Line%len(codes)]
				want = append(want, fmt.Sprint(i.Name, code))
				if slices.Index(order, code) < slices.Index(order, worst) {
					worst = code
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) || s.Releases != n || s.ExitCode != worst {
				t.Errorf("%d releases, %+v: got %v, %+v", n, o, got, s)
			}
		}
	}
}

// TestWorstCode has pairs of codes: not trusted, differs, could not be done, usage,
// incomplete, in this order.
func TestWorstCode(t *testing.T) {
	for i, worse := range order {
		for _, better := range order[i:] {
			for _, pair := range [][]int{{worse, better}, {better, worse}} {
				s := Summary{Verdicts: map[string]int{}}
				for _, code := range pair {
					s.add(line(Item{}, code))
				}
				if s.ExitCode != worse {
					t.Errorf("%v: got %d", pair, s.ExitCode)
				}
			}
		}
	}
}

// TestTogether counts the calls of Pack: the releases of a window share them, and
// one that fails is alone in that.
func TestTogether(t *testing.T) {
	calls, largest := 0, 0
	bad := errors.New("bad")
	g := gather{cores: 2, pack: func(_ context.Context, jobs []tarball.Job, _ tarball.Options) ([]tarball.Result, error) {
		calls, largest = calls+1, max(largest, len(jobs))
		if slices.ContainsFunc(jobs, func(j tarball.Job) bool { return j.Name == "bad" }) {
			return nil, bad
		}
		return packNothing(jobs), nil
	}}
	const releases = 16
	for range releases {
		g.enter()
	}
	var all sync.WaitGroup
	for i := range releases {
		all.Go(func() {
			defer g.leave(t.Context())
			name := fmt.Sprint(i)
			if i == 5 {
				name = "bad"
			}
			got, err := g.together(t.Context(), []tarball.Job{{Name: name}, {Name: name}}, tarball.Options{})
			switch {
			case i == 5 && !errors.Is(err, bad):
				t.Errorf("bad: got %v", err)
			case i != 5 && (err != nil || len(got) != 2 || got[0].Name != name || got[1].Name != name):
				t.Errorf("%s: got %v, %v", name, got, err)
			}
		})
	}
	all.Wait()
	// At most two calls for all, and then one for each of those that were with the bad one.
	if largest < 2*(releases-releases/4) || calls > releases+3 {
		t.Errorf("%d calls, the largest of %d jobs", calls, largest)
	}
}

// TestLastOnes has one release come after the others: they wait for it if it is soon
// there, and no longer.
func TestLastOnes(t *testing.T) {
	for _, c := range []struct {
		late  time.Duration
		sizes []int
		wait  time.Duration // of the others
	}{
		{0, []int{16}, 0},
		{grace / 2, []int{16}, grace / 2},
		{time.Hour, []int{15, 1}, grace},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sizes []int
			g := gather{cores: 2, pack: func(_ context.Context, jobs []tarball.Job, _ tarball.Options) ([]tarball.Result, error) {
				sizes = append(sizes, len(jobs))
				return packNothing(jobs), nil
			}}
			for range 16 {
				g.enter()
			}
			start := time.Now()
			var all sync.WaitGroup
			for i := range 16 {
				all.Go(func() {
					defer g.leave(t.Context())
					if i == 5 {
						time.Sleep(c.late)
					}
					if _, err := g.together(t.Context(), make([]tarball.Job, 1), tarball.Options{}); err != nil {
						t.Error(err)
					}
					if waited := time.Since(start); i != 5 && waited != c.wait {
						t.Errorf("late by %v: the others waited %v, expected %v", c.late, waited, c.wait)
					}
				})
			}
			all.Wait()
			if !slices.Equal(sizes, c.sizes) {
				t.Errorf("late by %v: %v in a call, expected %v", c.late, sizes, c.sizes)
			}
		})
	}
}

// TestTogetherIsBounded has more tarballs wait than one call may have.
func TestTogetherIsBounded(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	g := gather{cores: 1, pack: func(_ context.Context, jobs []tarball.Job, _ tarball.Options) ([]tarball.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, len(jobs))
		return packNothing(jobs), nil
	}}
	counts := []int{10, 20, 30, 2 * maxTogether, 1}
	for range counts {
		g.enter()
	}
	var all sync.WaitGroup
	for _, n := range counts {
		all.Go(func() {
			defer g.leave(t.Context())
			if got, err := g.together(t.Context(), make([]tarball.Job, n), tarball.Options{}); err != nil || len(got) != n {
				t.Errorf("got %d, %v", len(got), err)
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range sizes {
		sum += n
		if n > maxTogether && n != 2*maxTogether {
			t.Errorf("%d tarballs in one call", n)
		}
	}
	if sum != 61+2*maxTogether {
		t.Errorf("got %v", sizes)
	}
}

// TestCalledOff cancels a run: what was emitted stays, nothing else is, and nothing
// goes on.
func TestCalledOff(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	var emitted, began atomic.Int32
	_, err := Run(ctx, numbered(1000), Options{Jobs: 2, Emit: func(Line) {
		if emitted.Add(1) == 10 {
			cancel(stop)
		}
	}}, func(ctx context.Context, item Item, turn *Turn) (Line, release.Digest) {
		began.Add(1)
		_, _ = turn.Pack(ctx, []tarball.Job{{Name: item.Name, Recipe: "gnu-gzip-6", Prefix: "p"}}, tarball.Options{Workers: 1})
		return line(item, 0), release.Digest{}
	})
	if !errors.Is(err, stop) || emitted.Load() != 10 || began.Load() > 10+2*defaultWindow {
		t.Errorf("got %v, %d lines of %d releases", err, emitted.Load(), began.Load())
	}
}

func inputsOf(item Item, what string) release.Digest {
	return release.DigestBytes([]byte(item.Name + what))
}

// TestState kills a run after every line, by forgetting what it has in memory, and
// runs it again: each release is done once, and the lines are the same.
func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	const n = 20
	run := func(stopAfter int, inputs string) (lines []string, done, kept int) {
		t.Helper()
		s, err := OpenState(t.Context(), path, func(line string) { t.Error(line) })
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var count atomic.Int32
		sum, _ := Run(ctx, numbered(n), Options{Jobs: 1, Window: 1, State: s, Emit: func(l Line) {
			lines = append(lines, l.Text())
			if len(lines) == stopAfter {
				cancel()
			}
		}}, func(_ context.Context, item Item, turn *Turn) (Line, release.Digest) {
			in := inputsOf(item, inputs)
			if l, ok := turn.Find(in); ok {
				return l, in
			}
			count.Add(1)
			return line(item, []int{0, 3, 4, 5, 1}[item.Line%5]), in
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return lines, int(count.Load()), sum.Kept
	}
	done := 0
	for stop := 1; stop < n; stop++ {
		_, d, _ := run(stop, "")
		done += d
	}
	lines, d, kept := run(n+1, "")
	if done += d; len(lines) != n || kept != n-n/5-1 { // the last one was never come to
		t.Errorf("got %d lines, %d kept", len(lines), kept)
	}
	if again := n / 5; done < n || done > n+again*n { // what could not be done is tried in every run
		t.Errorf("%d releases were verified, expected %d and the %d that could not be in each run", done, n, again)
	}
	if more, d, _ := run(n+1, ""); d != n/5 || !slices.Equal(more, lines) {
		t.Errorf("%d were verified again: %v, expected %v", d, more, lines)
	}
	if _, d, kept := run(n+1, "changed"); d != n || kept != 0 {
		t.Errorf("with other inputs: %d verified, %d kept", d, kept)
	}
	if _, d, _ := run(n+1, "changed"); d != n/5 {
		t.Errorf("with other inputs once more: %d verified", d)
	}
	// What is of the past goes one day.
	for i := range 30 {
		run(n+1, fmt.Sprint(i))
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Size() > 100*n*20 {
		t.Errorf("the state of %d releases has %d bytes", n, fi.Size())
	}
}

// TestDamagedState flips bits: a line that is not as it was is done again, and never
// believed.
func TestDamagedState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	open := func() (*State, []string) {
		var said []string
		s, err := OpenState(t.Context(), path, func(line string) { said = append(said, line) })
		if err != nil {
			t.Fatal(err)
		}
		return s, said
	}
	s, _ := open()
	items := numbered(3)
	for _, i := range items {
		if err := s.put(inputsOf(i, ""), line(i, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 7 {
		raw := slices.Clone(whole)
		raw[at] ^= 4
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		s, said := open()
		found := 0
		for _, i := range items {
			if l, ok := s.Find(i.Name, inputsOf(i, "")); ok {
				found++
				if l.Text() != line(i, 3).Text() {
					t.Errorf("bit at %d: got %+v", at, l)
				}
			}
		}
		if found > 2 || found < 1 || len(said) != 1 || !strings.Contains(said[0], "damaged") {
			t.Errorf("bit at %d: %d lines found, %q", at, found, said)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte("a list\nof something\nelse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenState(t.Context(), path, func(string) {}); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("another file: got %v", err)
	}
}

// TestMemoryIsFlat runs ten times as many releases: at the end no more memory is in
// use. What is compressed just then comes and goes, so the least of some looks counts.
func TestMemoryIsFlat(t *testing.T) {
	content := release.DigestBytes(nil)
	inUse := func(n int) uint64 {
		s, err := OpenState(t.Context(), filepath.Join(t.TempDir(), "state"), func(line string) { t.Error(line) })
		if err != nil {
			t.Fatal(err)
		}
		least, seen := uint64(1<<63), 0
		_, err = Run(t.Context(), numbered(n), Options{Jobs: 2, State: s, Emit: func(Line) {
			if seen++; seen < n-40 {
				return
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			least = min(least, m.HeapAlloc)
		}}, func(ctx context.Context, item Item, turn *Turn) (Line, release.Digest) {
			held := make([]byte, 16<<10) // what a release takes while it is under way
			_, err := turn.Pack(ctx, []tarball.Job{{Name: item.Name, Recipe: "gnu-gzip-6", Prefix: item.Name}}, tarball.Options{Workers: 1})
			if err != nil {
				t.Error(err)
			}
			runtime.KeepAlive(held)
			l := line(item, 0)
			l.Digest, l.Unchecked = &content, []string{strings.Repeat("x", 10_000)}
			return l, inputsOf(item, "")
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		return least
	}
	small, large := inUse(100), inUse(1000)
	// 900 lines more are 9 MB; of each, its name and its place in the state may stay.
	if large > small+1<<20 {
		t.Errorf("%d bytes in use after 100 releases, %d after 1000", small, large)
	}
}
