// Bench-archive measures what making and checking tarballs costs, beside the
// pipeline that everybody else uses.
//
//	go run ./tools/bench-archive [-n 3] [-weights 100] [-lineages 2] [-small 100000] [-dir DIR] [-sets cells,small,small-six]
//	go run ./tools/bench-archive -scaling
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
// architecture, and small files; one image with very many small files; and six
// that all have these.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"facerec/internal/benchset"
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

func run(ctx context.Context) error {
	var s benchset.Stage
	var sets string
	flag.IntVar(&s.Runs, "n", 3, "runs of each command")
	flag.IntVar(&s.Weights, "weights", 100, "MB of float weights a lineage")
	flag.IntVar(&s.Lineages, "lineages", 2, "lineages, of three platforms each")
	flag.IntVar(&s.Small, "small", 100_000, "files in the set of small files")
	flag.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary folder)")
	flag.StringVar(&sets, "sets", "cells,small,small-six", "which sets")
	scaling := flag.Bool("scaling", false, "instead, releaser pack alone on sets of 3 to 24 cells and of 50 MB to 1 GB")
	flag.Parse()
	benchset.Machine()
	if *scaling {
		return scale(ctx, s)
	}
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		return err
	}
	for _, name := range strings.Split(sets, ",") {
		p, err := s.Set(name)
		if err != nil {
			return err
		}
		if err := compare(&s, p); err != nil {
			return err
		}
	}
	return nil
}

func compare(s *benchset.Stage, p benchset.Project) error {
	dist := filepath.Join(p.Dir, "dist")
	key := filepath.Join(p.Dir, "key")
	theirs := filepath.Join(p.Dir, "theirs")
	releaser := func(args ...string) benchset.Command {
		return benchset.Command{Args: append([]string{s.Releaser, "-q", "--config", p.Config()}, args...)}
	}
	built, err := s.InTurn(theirs, p.Shell(benchset.BuildScript, theirs), releaser("pack", "--image", p.Image, "--out", dist))
	if err != nil {
		return err
	}
	// The same files, or the comparison is of nothing.
	for _, cell := range p.Cells {
		asset := strings.Fields(cell)[3]
		if err := benchset.Same(filepath.Join(dist, asset), filepath.Join(theirs, asset)); err != nil {
			return err
		}
	}
	for _, c := range []benchset.Command{releaser("keygen", key), releaser("sign", dist, "--key", key+".key")} {
		if _, err := s.Measure(c); err != nil {
			return err
		}
	}
	verify := []string{"verify", dist, "--key", key + ".pub", "--unsafe-no-transparency-log"}
	verified, err := s.InTurn(theirs, p.Shell(benchset.VerifyScript, theirs, dist), releaser(verify...), releaser(append(verify, "--fast")...))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	benchset.Head(w)
	benchset.Rows(w, "build", built[0], built[1])
	benchset.Rows(w, "verify, exact rebuild", verified[0], verified[1])
	benchset.Rows(w, "verify --fast", verified[0], verified[2])
	return w.Flush()
}
