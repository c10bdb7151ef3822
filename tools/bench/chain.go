package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"facerec/internal/loopback"
	"facerec/internal/release"
	"facerec/tools/bench/internal/measure"
)

// step is one program call that is measured.
type step struct {
	name string
	dir  string
	args []string
}

func benchChain(ctx context.Context, flags *flag.FlagSet, args []string) error {
	n := flags.Int("n", 3, "runs of each step")
	cells := flags.String("cells", "dlib19/linux/amd64", "which cells")
	if err := flags.Parse(args); err != nil {
		return err
	}
	top, err := os.Getwd()
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	registry, err := loopback.NewInProcess(filepath.Join(work, "registry"), "")
	if err != nil {
		return err
	}
	defer registry.Close()
	host := registry.Addr
	if err := os.Setenv("RELEASER_REGISTRY", host); err != nil { // verify goes to no other one on this machine
		return err
	}
	releaser := filepath.Join(top, "bin", "releaser")
	layout, dist, key := filepath.Join(work, "oci"), filepath.Join(work, "dist"), filepath.Join(work, "key")
	chain := []step{
		{"build", top, []string{releaser, "build", "-q", "--cells", *cells, "--out", layout}},
		{"push", top, []string{releaser, "push", "-q", layout, host + "/facerec/facerec"}},
		{"pack", top, []string{releaser, "pack", "-q", "--cells", *cells, "--registry", host, "--out", dist}},
		{"sign", top, []string{releaser, "sign", "-q", dist, "--key", key + ".key"}},
		{"verify", top, []string{releaser, "verify", "-q", dist, "--key", key + ".pub", "--unsafe-no-transparency-log"}},
	}
	if _, err := measure.Run(ctx, measure.Command{Args: []string{releaser, "keygen", key}}); err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, %d CPUs; %d runs, medians\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), *n)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "STEP\tWALL s\tCPU s\tPEAK MB\t")
	for _, s := range chain {
		if err := median(ctx, w, *n, s); err != nil {
			return err
		}
	}
	directory, err := unpack(ctx, work, dist)
	if err != nil {
		return err
	}
	program := filepath.Join(directory, "facerec")
	for _, s := range []step{
		{"facerec start", directory, []string{program, "version"}},
		{"facerec load, detect 1 picture", directory, []string{program, "detect", "-q", "--no-cache", "images/unknown.jpg"}},
		{"facerec enrol 16 photos, no cache", directory, []string{program, "enroll", "-q", "--cache", "off"}},
		{"facerec recognise, no cache", directory, []string{program, "recognize", "-q", "--cache", "off", "images/unknown.jpg"}},
		{"facerec recognise, warm cache", directory, []string{program, "recognize", "-q", "--cache", filepath.Join(work, "cache"), "images/unknown.jpg"}},
	} {
		if err := median(ctx, w, *n, s); err != nil {
			return err
		}
	}
	return w.Flush()
}

// unpack gives the directory of the first tarball.
func unpack(ctx context.Context, work, dist string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dist, release.RecordFile))
	if err != nil {
		return "", err
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		return "", err
	}
	cell := record.Cells[0]
	if out, err := exec.CommandContext(ctx, "tar", "-xzf", filepath.Join(dist, cell.Asset), "-C", work).CombinedOutput(); err != nil {
		return "", fmt.Errorf("tar: %w: %s", err, out)
	}
	return filepath.Join(work, cell.Prefix), nil
}

func median(ctx context.Context, w io.Writer, n int, s step) error {
	var all []measure.Figures
	for range n {
		f, err := measure.Run(ctx, measure.Command{Args: s.args, Dir: s.dir})
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		all = append(all, f)
	}
	f := measure.Median(all)
	_, err := fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.0f\t\n", s.name, f.Wall, f.CPU, f.Peak)
	return err
}
