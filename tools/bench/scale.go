package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"facerec/tools/bench/internal/benchset"
)

// scale measures releaser pack alone on larger and larger sets: first more and more
// lineages of three cells, then one lineage of three with more and more weights. If
// the cost is that of the distinct bytes and of the bytes written, the last column
// stays about the same; the peak should not follow the size at all.
func scale(ctx context.Context, like benchset.Stage) error {
	fmt.Println("cells  distinct MB  tarballs MB  CPU s  wall s  peak MB  CPU ms per MB distinct  and per MB of both")
	for i, size := range []struct{ lineages, weights int }{{1, 50}, {2, 50}, {4, 50}, {8, 50}, {1, 250}, {1, 1000}} {
		s := like
		s.Lineages, s.Weights = size.lineages, size.weights
		if s.Dir != "" {
			s.Dir = filepath.Join(s.Dir, fmt.Sprint(i))
		}
		if err := scaleOne(ctx, &s); err != nil {
			return err
		}
	}
	return nil
}

func scaleOne(ctx context.Context, s *benchset.Stage) error {
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		return err
	}
	p, err := s.Set("cells")
	if err != nil {
		return err
	}
	dist := filepath.Join(p.Dir, "dist")
	f, err := s.InTurn(dist, benchset.Command{Args: []string{s.Releaser, "-q", "--config", p.Config(), "pack", "--image", p.Image, "--out", dist}})
	if err != nil {
		return err
	}
	written := int64(0)
	tarballs, err := filepath.Glob(filepath.Join(dist, "*.tar.gz"))
	if err != nil {
		return err
	}
	for _, t := range tarballs {
		fi, err := os.Stat(t)
		if err != nil {
			return err
		}
		written += fi.Size()
	}
	distinct, tar := float64(p.Bytes)/(1<<20), float64(written)/(1<<20)
	fmt.Printf("%5d  %11.0f  %11.0f  %5.1f  %6.1f  %7.0f  %22.1f  %18.1f\n",
		len(p.Cells), distinct, tar, f[0].CPU, f[0].Wall, f[0].Peak, 1000*f[0].CPU/distinct, 1000*f[0].CPU/(distinct+tar))
	return nil
}
