// Bench measures every step of the demo's chain, as whole processes: wall and
// CPU seconds and peak memory, the median of some runs.
//
//	go run ./tools/bench [-n 3] [-cells dlib19/linux/amd64]
//
// It needs bin/releaser, models and samples (make releaser models samples). The
// registry runs in this process, so a push or pull counts only its client.
// Figures are for comparing runs on one machine; nothing is judged here.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"text/tabwriter"

	"facerec/internal/loopback"
	"facerec/internal/measure"
	"facerec/internal/release"
)

func main() {
	measure.Init()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// step is one program call that is measured.
type step struct {
	name string
	dir  string
	args []string
}

func run(ctx context.Context) error {
	n := flag.Int("n", 3, "runs of each step")
	cells := flag.String("cells", "dlib19/linux/amd64", "which cells")
	flag.Parse()
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
	folder, err := unpack(ctx, work, dist)
	if err != nil {
		return err
	}
	program := filepath.Join(folder, "facerec")
	for _, s := range []step{
		{"facerec start", folder, []string{program, "version"}},
		{"facerec load, detect 1 picture", folder, []string{program, "detect", "-q", "images/unknown.jpg"}},
		{"facerec enrol 16 photos, no cache", folder, []string{program, "enroll", "-q", "--cache", "off"}},
		{"facerec recognise, no cache", folder, []string{program, "recognize", "-q", "--cache", "off", "images/unknown.jpg"}},
		{"facerec recognise, warm cache", folder, []string{program, "recognize", "-q", "--cache", filepath.Join(work, "cache"), "images/unknown.jpg"}},
	} {
		if err := median(ctx, w, *n, s); err != nil {
			return err
		}
	}
	return w.Flush()
}

// unpack gives the folder of the first tarball.
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
