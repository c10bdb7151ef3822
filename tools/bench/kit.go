package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"facerec/tools/bench/internal/benchset"
)

// benchKit measures a kit of a release: its size by the size of its parts, and what
// it takes to make and to verify it.
func benchKit(ctx context.Context, flags *flag.FlagSet, args []string) error {
	s := benchset.Stage{}
	var cells int
	flags.IntVar(&s.Runs, "n", 3, "runs of each command")
	flags.IntVar(&cells, "cells", 6, "how many cells: 3 for each lineage")
	flags.IntVar(&s.Weights, "weights", 100, "MB of float weights per lineage")
	flags.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary directory)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	defer s.Close()
	b, err := releasedCells(ctx, &s, cells)
	if err != nil {
		return err
	}
	defer b.sigstore.Close()
	kit, layout := filepath.Join(s.Dir, "x.kit"), filepath.Join(s.Dir, "pulled")
	if err := b.sizes(kit, layout); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tCPU S\tWALL S\tPEAK MB\tPULLED MB\tWROTE MB\t\n")
	commands := []struct {
		name string
		benchset.Command
	}{
		{"kit create DIST", b.releaser("kit", "create", b.dist, "-o", kit, "--force")},
		{"verify KIT", b.releaser("verify", kit)},
		{"verify KIT --fast", b.releaser("verify", kit, "--fast")},
		{"verify DIST, from the registry", b.releaser("verify", b.dist)},
		{"verify DIST, from a layout", b.releaser("verify", b.dist, "--offline", "--image", "oci-layout:"+layout)},
		{"sha256sum KIT", benchset.Command{Args: []string{"sha256sum", kit}}},
	}
	var all []benchset.Command
	for _, c := range commands {
		all = append(all, c.Command)
	}
	got, err := s.InTurn(filepath.Join(s.Dir, "scratch"), all...)
	if err != nil {
		return err
	}
	for i, c := range commands {
		f := got[i]
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.0f\t%.1f\t%.1f\t\n", c.name, f.CPU, f.Wall, f.Peak, f.Pulled, f.Wrote)
	}
	return w.Flush()
}

// sizes makes the kit and prints what it and its parts take: the release's files, and
// the image of each cell by itself.
func (b *signedRelease) sizes(kit, layout string) error {
	if _, err := b.Measure(b.releaser("kit", "create", b.dist, "-o", kit, "--force")); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(b.dist, "release.json"))
	if err != nil {
		return err
	}
	var record struct {
		Cells []struct {
			Image    string `json:"image"`
			Index    string `json:"index_digest"`
			Manifest string `json:"manifest_digest"`
		} `json:"cells"`
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		return err
	}
	pull := []string{b.Releaser, "-q", "pull"}
	known := map[string]bool{}
	images := int64(0)
	for i, c := range record.Cells {
		one := filepath.Join(b.Stage.Dir, fmt.Sprintf("one-%d", i))
		if _, err := b.Measure(benchset.Command{Args: []string{b.Releaser, "-q", "pull", "--images-only", b.Image + "@" + c.Manifest, one}}); err != nil {
			return err
		}
		n, err := bytesIn(one)
		if err = errors.Join(err, os.RemoveAll(one)); err != nil {
			return err
		}
		images += n
		if !known[c.Index] {
			known[c.Index] = true
			pull = append(pull, b.Image+"@"+c.Index)
		}
	}
	if _, err := b.Measure(benchset.Command{Args: append(pull, layout)}); err != nil {
		return err
	}
	files, err := bytesIn(b.dist)
	if err != nil {
		return err
	}
	once, err := bytesIn(layout)
	if err != nil {
		return err
	}
	fi, err := os.Stat(kit)
	if err != nil {
		return err
	}
	mb := func(n int64) float64 { return float64(n) / 1e6 }
	fmt.Printf("\nkit %.1f MB; its parts %.1f MB: the release's files %.1f MB, %d images one by one %.1f MB (in one layout %.1f MB)\n\n",
		mb(fi.Size()), mb(files+images), mb(files), len(record.Cells), mb(images), mb(once))
	return nil
}

// bytesIn is the size of all files in a directory.
func bytesIn(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			n += fi.Size()
		}
		return err
	})
	return n, err
}
