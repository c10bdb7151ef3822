package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"facerec/tools/bench/internal/measure"
)

func benchFacerec(ctx context.Context, flags *flag.FlagSet, args []string) error {
	n := flags.Int("n", 3, "rounds")
	program := flags.String("facerec", "bin/facerec", "the program to measure")
	size := flags.Int("library", 2000, "`pictures` of the library")
	only := flags.Bool("more", false, "only the tables after the first: library and formats")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ours, err := filepath.Abs(*program)
	if err != nil {
		return err
	}
	if _, err := os.Stat(ours); err != nil {
		return fmt.Errorf("%s: %w; build it with make facerec", *program, err)
	}
	models, err := filepath.Abs("models")
	if err != nil {
		return err
	}
	keep, err := filepath.Abs(filepath.Join("build", "bench-facerec"))
	if err != nil {
		return err
	}
	debs, err := unpackDebs(ctx, keep, "libopenblas-pthread-dev", "libdlib19.1", "libdlib-dev")
	if err != nil {
		return err
	}
	var others []string
	for _, native := range []bool{true, false} {
		program, err := buildUpstream(ctx, keep, debs, native)
		if err != nil {
			return fmt.Errorf("building go-face: %w", err)
		}
		others = append(others, program)
	}
	work, err := os.MkdirTemp("", "bench-facerec-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	p, err := makePictures(work, debs)
	if err != nil {
		return err
	}
	fmt.Printf("%s/%s, %d CPUs; %d rounds, medians; ours, go-face with -march=native, the same for any x86-64, both with OpenBLAS\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), *n)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tCPU s\tNATIVE\tRATIO\tANY\tRATIO\tWALL s\tNATIVE\tANY\tPEAK MB\tNATIVE\tANY\t")
	b := rows{ctx: ctx, w: w, n: *n, ours: ours, others: others, models: models, dir: work}
	for _, r := range p.rows() {
		if *only {
			break
		}
		if err := b.row(r); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return b.more(p, keep, *size)
}

// row is one line of the table.
type row struct {
	name   string
	ours   []string // arguments of facerec
	theirs []string // pictures for the other sides
	jobs   int
	// Of a "one more" row: the same over one picture, and how many more there are.
	oursOne, theirsOne []string
	more               int
	before             []string // arguments of facerec for a run that is not measured
}

type rows struct {
	ctx          context.Context
	w            *tabwriter.Writer
	n            int
	ours, models string
	others       []string // programs
	dir          string
}

// row runs all sides in turns, and prints the medians.
func (b *rows) row(r row) error {
	var ours, oursOne []measure.Figures
	theirs, theirsOne := make([][]measure.Figures, len(b.others)), make([][]measure.Figures, len(b.others))
	call := func(into *[]measure.Figures, args ...string) error {
		f, err := measure.Run(b.ctx, measure.Command{Args: args, Dir: b.dir, Env: []string{"OPENBLAS_NUM_THREADS=1"}})
		*into = append(*into, f)
		return err
	}
	self := func(args []string) []string { return append([]string{b.ours, "-q"}, args...) }
	other := func(program string, pictures []string) []string {
		return append([]string{program, b.models, fmt.Sprint(max(1, r.jobs))}, pictures...)
	}
	if r.before != nil {
		if out, err := exec.CommandContext(b.ctx, b.ours, r.before...).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	for range b.n {
		if err := call(&ours, self(r.ours)...); err != nil {
			return err
		}
		if r.more > 0 {
			if err := call(&oursOne, self(r.oursOne)...); err != nil {
				return err
			}
		}
		for i, program := range b.others {
			if err := call(&theirs[i], other(program, r.theirs)...); err != nil {
				return err
			}
			if r.more > 0 {
				if err := call(&theirsOne[i], other(program, r.theirsOne)...); err != nil {
					return err
				}
			}
		}
	}
	a := per(measure.Median(ours), oursOne, r.more)
	cpu, wall, peak := fmt.Sprintf("%.3f", a.CPU), fmt.Sprintf("%.3f", a.Wall), fmt.Sprintf("%.0f", a.Peak)
	for i := range b.others {
		c := per(measure.Median(theirs[i]), theirsOne[i], r.more)
		cpu += fmt.Sprintf("\t%.3f\t%.2f", c.CPU, a.CPU/c.CPU)
		wall += fmt.Sprintf("\t%.3f", c.Wall)
		peak += fmt.Sprintf("\t%.0f", c.Peak)
	}
	_, err := fmt.Fprintf(b.w, "%s\t%s\t%s\t%s\t\n", r.name, cpu, wall, peak)
	return err
}

// per is the cost of one more picture.
func per(many measure.Figures, one []measure.Figures, more int) measure.Figures {
	if more == 0 {
		return many
	}
	o := measure.Median(one)
	many.CPU = (many.CPU - o.CPU) / float64(more)
	many.Wall = (many.Wall - o.Wall) / float64(more)
	return many
}
