package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"facerec/internal/loopback"
	"facerec/internal/loopback/farm"
	"facerec/tools/bench/internal/benchset"
)

// benchFarm measures how long one worker of rebuilderd and two take for the same
// units.
func benchFarm(ctx context.Context, flags *flag.FlagSet, args []string) (err error) {
	runs := flags.Int("n", 3, "rounds")
	releases := flags.Int("releases", 3, "releases, of two units each")
	work := flags.Int("work", 500, "MB that each build hashes, on one core")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-farm-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	scripts, err := filepath.Abs("contrib")
	if err != nil {
		return err
	}
	program, err := filepath.Abs("bin/releaser")
	if err != nil {
		return err
	}
	path := scripts + string(filepath.ListSeparator) + filepath.Dir(program) + string(filepath.ListSeparator) + os.Getenv("PATH")
	if err := os.Setenv("PATH", path); err != nil {
		return err
	}
	p, err := farm.NewProject(ctx, dir, program, *work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for i := range *releases {
		if err := p.Release(ctx, fmt.Sprintf("1.%d.0", i), i%2 > 0); err != nil {
			return err
		}
	}
	packages, err := exec.CommandContext(ctx, filepath.Join(scripts, "rebuilderd", "packages"), p.List).Output()
	if err != nil {
		return err
	}
	b := farmBench{project: p, packages: packages, backend: filepath.Join(scripts, "rebuilderd", "backend"), units: *releases * len(farm.Platforms)}
	benchset.Machine()
	var wall [2][]float64
	for round := range *runs {
		for i := range wall {
			at := filepath.Join(dir, fmt.Sprintf("round%d-%d", round, i+1))
			t, err := b.run(ctx, at, i+1)
			if err != nil {
				return err
			}
			wall[i] = append(wall[i], t.Seconds())
		}
	}
	for i := range wall {
		slices.Sort(wall[i])
	}
	one, two := wall[0][len(wall[0])/2], wall[1][len(wall[1])/2]
	fmt.Printf("%d units, %d MB hashed by each: one worker %.1f s, two workers %.1f s, ratio %.2f\n", b.units, *work, one, two, one/two)
	return nil
}

// farmBench is what all rounds have in common.
type farmBench struct {
	project  *farm.Project
	packages []byte
	backend  string
	units    int
}

// run measures one farm, with a server of its own in dir.
func (b *farmBench) run(ctx context.Context, dir string, workers int) (time.Duration, error) {
	home := filepath.Join(dir, "server")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return 0, err
	}
	server, err := loopback.NewRebuilderd(ctx, home)
	if err != nil {
		return 0, err
	}
	defer server.Close()
	// Idle workers ask again after three minutes only, so the work is there first.
	if _, err := server.Ctl(ctx, b.packages, "pkgs", "sync-stdin", "releaser", "main"); err != nil {
		return 0, err
	}
	began := time.Now()
	for i := range workers {
		at := filepath.Join(dir, fmt.Sprintf("worker%d", i+1))
		if err := os.MkdirAll(at, 0o755); err != nil {
			return 0, err
		}
		w, err := server.Worker(ctx, at, b.backend, "RELEASER_UNITS="+b.project.List)
		if err != nil {
			return 0, err
		}
		defer func() { _ = w.Close() }() // it is idle
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := server.Packages(ctx)
		if err != nil {
			return 0, err
		}
		count := map[string]int{}
		for _, one := range list {
			count[one.Status]++
		}
		if count["UNKWN"] == 0 {
			if good := (b.units/len(farm.Platforms) + 1) / 2 * len(farm.Platforms); count["GOOD"] != good || len(list) != b.units {
				return 0, fmt.Errorf("expected %d GOOD of %d, got %v", good, b.units, count)
			}
			return time.Since(began), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}
