package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"facerec/tools/bench/internal/benchset"
)

func benchArchive(ctx context.Context, flags *flag.FlagSet, args []string) error {
	var s benchset.Stage
	var sets string
	flags.IntVar(&s.Runs, "n", 3, "runs of each command")
	flags.IntVar(&s.Weights, "weights", 100, "MB of float weights per lineage")
	flags.IntVar(&s.Lineages, "lineages", 2, "lineages, of three platforms each")
	flags.IntVar(&s.Small, "small", 100_000, "files in the set of small files")
	flags.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary directory)")
	flags.StringVar(&sets, "sets", "cells,small,small-six", "which sets")
	scaling := flags.Bool("scaling", false, "instead, releaser pack alone on sets of 3 to 24 cells and of 50 MB to 1 GB")
	if err := flags.Parse(args); err != nil {
		return err
	}
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
