// Bench-archive measures what making and checking tarballs costs, beside the
// pipeline that everybody else uses.
//
//	go run ./tools/bench-archive [-n 3] [-weights 100] [-lineages 2] [-small 100000] [-dir DIR] [-sets cells,small]
//
// The incumbent is a shell script of stock tools, once a cell:
//
//	crane export | tar -x, tar | gzip -n, sha256sum        to build
//	crane export | tar -x, tar | gzip -n | cmp             to verify
//
// Ours is releaser pack, and releaser verify. Both take their images from
// distribution's registry on loopback, through a proxy here that counts the
// bytes. They run in turn, A B A B, and medians are printed with their ratios;
// CPU is the sum over all processes a command waited for, as the kernel
// accounts it, peak memory that of the largest single one.
//
// The sets: two lineages of three platforms, each lineage with its own float
// weights (the pinned models where they are there, the rest drawn from a normal
// distribution as trained weights are), static Go programs of each
// architecture, and small files; and one image with very many small files.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"facerec/internal/loopback"
	"facerec/internal/measure"
)

func main() {
	measure.Init()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "bench-archive: %v\n", err)
		os.Exit(1)
	}
}

type options struct {
	runs, weights, lineages, small int
	dir, sets                      string
}

func run(ctx context.Context) error {
	var o options
	flag.IntVar(&o.runs, "n", 3, "runs of each command")
	flag.IntVar(&o.weights, "weights", 100, "MB of float weights a lineage")
	flag.IntVar(&o.lineages, "lineages", 2, "lineages, of three platforms each")
	flag.IntVar(&o.small, "small", 100_000, "files in the set of small files")
	flag.StringVar(&o.dir, "dir", "", "where to work (default: a temporary folder)")
	flag.StringVar(&o.sets, "sets", "cells,small", "which sets")
	flag.Parse()
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "bench-archive-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	releaser, err := filepath.Abs("bin/releaser")
	if err != nil {
		return err
	}
	if _, err := os.Stat(releaser); err != nil {
		return errors.New("bin/releaser is not there: run make releaser")
	}
	crane, err := loopback.Tool(ctx, "crane")
	if err != nil {
		return err
	}
	storage := filepath.Join(o.dir, "storage")
	if err := os.MkdirAll(storage, 0o755); err != nil {
		return err
	}
	registry, err := loopback.NewRegistry(ctx, storage)
	if err != nil {
		return err
	}
	defer registry.Close()
	counted, err := newMeter(registry.Addr)
	if err != nil {
		return err
	}
	defer counted.Close()
	b := &bench{ctx: ctx, o: o, releaser: releaser, crane: crane, meter: counted}
	b.machine()
	for _, set := range strings.Split(o.sets, ",") {
		switch set {
		case "cells":
			err = b.set("cells", b.makeCells)
		case "small":
			err = b.set("small", b.makeSmall)
		default:
			err = fmt.Errorf("set %q: want cells or small", set)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bench is one run of this program.
type bench struct {
	ctx             context.Context
	o               options
	releaser, crane string
	meter           *meter
}

// project is a set of images in the registry.
type project struct {
	dir   string
	cells []string // LINEAGE SUFFIX PLATFORM ASSET, one a line of the incumbent's loop
	bytes int64    // of all distinct file contents
}

type config struct {
	Name      string              `json:"project_name"`
	Version   string              `json:"version"`
	Build     string              `json:"build_cmd"`
	Artifacts []map[string]string `json:"artifacts"`
	Data      []map[string]string `json:"extern_data,omitempty"`
	Lineages  []map[string]string `json:"lineages"`
	Platforms []string            `json:"platforms"`
}

// makeCells lays out lineages × three platforms.
func (b *bench) makeCells(dir string) (config, error) {
	c := config{Name: "set", Version: "1.0.0", Build: "true", Platforms: []string{"linux/amd64", "linux/arm64", "linux/arm/v7"}}
	for i := range b.o.lineages {
		l := map[string]string{"name": fmt.Sprintf("line%d", i)}
		if i > 0 {
			l["suffix"] = fmt.Sprintf("-line%d", i)
		}
		c.Lineages = append(c.Lineages, l)
		if err := weights(filepath.Join(dir, "weights", l["name"]), b.o.weights<<20, uint64(i)); err != nil {
			return c, err
		}
	}
	for _, p := range c.Platforms {
		parts := strings.Split(p, "/")
		out := filepath.Join(dir, "programs", p)
		cmd := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-o", out+"/", "./cmd/releaser", "./tools/demo")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+parts[0], "GOARCH="+parts[1], "GOARM=7")
		if msg, err := cmd.CombinedOutput(); err != nil {
			return c, fmt.Errorf("building programs for %s: %w: %s", p, err, msg)
		}
	}
	if err := manyFiles(filepath.Join(dir, "small"), 500); err != nil {
		return c, err
	}
	c.Data = []map[string]string{
		{"src": "weights/{lineage}", "dest": "/app/models", "layer": "models"},
		{"src": "small", "dest": "/app/data", "layer": "data"},
	}
	c.Artifacts = []map[string]string{{"src": "programs/{platform}", "dest": "/app/bin", "layer": "programs"}}
	return c, nil
}

// makeSmall lays out one image of very many small files.
func (b *bench) makeSmall(dir string) (config, error) {
	c := config{Name: "set", Version: "1.0.0", Build: "true", Platforms: []string{"linux/amd64"}, Lineages: []map[string]string{{"name": "line0"}}}
	c.Artifacts = []map[string]string{{"src": "small", "dest": "/app/data"}}
	return c, manyFiles(filepath.Join(dir, "small"), b.o.small)
}

// weights writes about n bytes of float32: the pinned models, then values as
// trained layers have them.
func weights(dir string, n int, seed uint64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	models, err := filepath.Glob("models/*.dat")
	if err != nil {
		return err
	}
	for _, m := range models {
		raw, err := os.ReadFile(m)
		if err != nil {
			return err
		}
		if n -= len(raw); n < 0 {
			break
		}
		if seed > 0 { // another lineage has weights of its own
			raw = append([]byte{byte(seed)}, raw...)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(m)), raw, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "more.dat"), normalFloats(max(n, 0)/4, seed), 0o644)
}

func manyFiles(dir string, n int) error {
	rng := rand.New(rand.NewPCG(7, 7))
	words := strings.Fields("image index manifest layer descriptor digest bundle trusted root identity lineage cell recipe embedding landmark the of and in to is a that for it as with on")
	for i := range n {
		d := filepath.Join(dir, fmt.Sprintf("%03d", i/1000), fmt.Sprintf("%02d", i/50%20))
		if i%50 == 0 {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		var text strings.Builder
		for range 10 + rng.IntN(200) {
			text.WriteString(words[rng.IntN(len(words))] + " ")
		}
		if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("file-%06d.txt", i)), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// set makes a project, pushes it, and measures.
func (b *bench) set(name string, fill func(string) (config, error)) error {
	p := project{dir: filepath.Join(b.o.dir, name)}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	c, err := fill(p.dir)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.dir, "config.json"), raw, 0o644); err != nil {
		return err
	}
	for _, l := range c.Lineages {
		for _, pl := range c.Platforms {
			arch := strings.ReplaceAll(strings.TrimPrefix(pl, "linux/"), "/", "")
			p.cells = append(p.cells, fmt.Sprintf("1.0.0%s %s set-1.0.0%s set_1.0.0_linux_%s%s.tar.gz", l["suffix"], pl, l["suffix"], arch, l["suffix"]))
		}
	}
	if err := filepath.WalkDir(p.dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			fi, err := d.Info()
			if err != nil {
				return err
			}
			p.bytes += fi.Size()
		}
		return err
	}); err != nil {
		return err
	}
	conf := filepath.Join(p.dir, "config.json")
	layout := filepath.Join(p.dir, "oci")
	for _, args := range [][]string{
		{"build", "-q", "--config", conf, "--no-run", "--out", layout},
		{"push", "-q", layout, b.meter.Addr + "/" + name},
	} {
		if out, err := exec.CommandContext(b.ctx, b.releaser, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("releaser %s: %w: %s", args[0], err, out)
		}
	}
	fmt.Printf("\nset %s: %d cells, %d MB of distinct contents\n", name, len(p.cells), p.bytes>>20)
	return b.compare(name, p)
}
