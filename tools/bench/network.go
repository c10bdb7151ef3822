package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"facerec/tools/bench/internal/benchset"
)

func benchNetwork(ctx context.Context, flags *flag.FlagSet, args []string) error {
	s := benchset.Stage{Lineages: 1}
	var rtts string
	var rate float64
	flags.IntVar(&s.Runs, "n", 3, "runs of each command")
	flags.IntVar(&s.Weights, "weights", 60, "MB of float weights, which are one layer")
	flags.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary directory)")
	flags.StringVar(&rtts, "rtt", "50ms,100ms", "round trip times")
	flags.Float64Var(&rate, "rate", 100, "Mbit/s in each direction")
	if err := flags.Parse(args); err != nil {
		return err
	}
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		return fmt.Errorf("skopeo not found: go run ./tools/inputs packages bench")
	}
	benchset.Machine()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RTT\tSTEP\tPROGRAM\tWALL s\tTHEIRS/OURS\tCPU s\tPEAK MB\tPULLED MB")
	for _, rtt := range strings.Split(rtts, ",") {
		s := s
		if s.Link.RTT, err = time.ParseDuration(rtt); err != nil {
			return err
		}
		s.Link.Rate = int64(rate * 1e6 / 8)
		if err := overLink(ctx, &s, skopeo, w); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func overLink(ctx context.Context, s *benchset.Stage, skopeo string, w *tabwriter.Writer) error {
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		return err
	}
	p, err := s.Set("cells")
	if err != nil {
		return err
	}
	work := filepath.Join(s.Dir, "work")
	in := func(name string) string { return filepath.Join(work, name) }
	command := func(args ...string) benchset.Command { return benchset.Command{Args: args} }
	releaser := func(args ...string) benchset.Command {
		return command(append([]string{s.Releaser, "-q", "--config", p.Config()}, args...)...)
	}
	ref := p.Image + ":1.0.0"
	copyTo := func(dir string, more ...string) benchset.Command {
		return command(append(append([]string{skopeo, "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false"}, more...), "docker://"+ref, "oci:"+dir)...)
	}
	out, err := exec.CommandContext(ctx, s.Crane, "digest", "--insecure", "--platform=linux/amd64", ref).Output()
	if err != nil {
		return fmt.Errorf("crane digest: %w", err)
	}
	for _, step := range []struct {
		name     string
		programs []string // ours first
		commands []benchset.Command
	}{
		{"pull one platform", []string{"releaser pull", "crane pull", "skopeo copy"}, []benchset.Command{
			releaser("pull", "--images-only", p.Image+"@"+strings.TrimSpace(string(out)), in("ours")),
			command(s.Crane, "pull", "--insecure", "--format=oci", "--platform=linux/amd64", ref, in("crane")),
			copyTo(in("skopeo"), "--override-arch=amd64"),
		}},
		{"pull the index", []string{"releaser pull", "crane pull", "skopeo copy"}, []benchset.Command{
			releaser("pull", "--images-only", ref, in("ours")),
			command(s.Crane, "pull", "--insecure", "--format=oci", ref, in("crane")),
			copyTo(in("skopeo"), "--all"),
		}},
		{"pack three cells", []string{"releaser pack", "crane export | tar | gzip"}, []benchset.Command{
			releaser("pack", "--image", p.Image, "--out", in("ours")),
			p.Shell(benchset.BuildScript, in("crane")),
		}},
	} {
		got, err := s.InTurn(work, step.commands...)
		if err != nil {
			return err
		}
		for i, f := range got {
			fmt.Fprintf(w, "%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.0f\t%.1f\n", s.Link.RTT, step.name, step.programs[i], f.Wall, f.Wall/got[0].Wall, f.CPU, f.Peak, f.Pulled)
		}
	}
	return nil
}
