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
	var window int
	flags.IntVar(&s.Runs, "n", 3, "runs of each command")
	flags.IntVar(&s.Weights, "weights", 60, "MB of float weights, which are one layer")
	flags.StringVar(&s.Dir, "dir", "", "where to work (default: a temporary directory)")
	flags.StringVar(&rtts, "rtt", "50ms,100ms", "round trip times")
	flags.Float64Var(&rate, "rate", 100, "Mbit/s in each direction")
	flags.IntVar(&window, "window", 256, "KiB that one connection has on the way at most, on the links where that is limited")
	if err := flags.Parse(args); err != nil {
		return err
	}
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		return fmt.Errorf("skopeo not found: go run ./tools/inputs packages bench")
	}
	benchset.Machine()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RTT\tCONNECTION\tSTEP\tPROGRAM\tWALL s\tTHEIRS/OURS\tCPU s\tPEAK MB\tPULLED MB")
	for _, rtt := range strings.Split(rtts, ",") {
		for _, kib := range []int{0, window} {
			s := s
			if s.Link.RTT, err = time.ParseDuration(rtt); err != nil {
				return err
			}
			s.Link.Rate, s.Link.Window = int64(rate*1e6/8), kib<<10
			if err := overLink(ctx, &s, skopeo, w); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// contest is one thing that several programs do, ours first.
type contest struct {
	name     string
	programs []string
	commands []benchset.Command
}

// overLink measures a link that all connections share, or of which each has a part only:
// then what matters is one big layer.
func overLink(ctx context.Context, s *benchset.Stage, skopeo string, w *tabwriter.Writer) error {
	defer s.Close()
	if err := s.Open(ctx); err != nil {
		return err
	}
	work := filepath.Join(s.Dir, "work")
	in := func(name string) string { return filepath.Join(work, name) }
	command := func(args ...string) benchset.Command { return benchset.Command{Args: args} }
	layer, err := s.Set("layer")
	if err != nil {
		return err
	}
	releaser := func(p benchset.Project, args ...string) benchset.Command {
		return command(append([]string{s.Releaser, "-q", "--config", p.Config()}, args...)...)
	}
	pull := func(name, ours, theirs string, crane, skopeoFlags []string) contest {
		return contest{name, []string{"releaser pull", "crane pull", "skopeo copy"}, []benchset.Command{
			command(s.Releaser, "-q", "pull", "--images-only", ours, in("ours")),
			command(append(append([]string{s.Crane, "pull", "--insecure", "--format=oci"}, crane...), theirs, in("crane"))...),
			command(append(append([]string{skopeo, "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false"}, skopeoFlags...), "docker://"+theirs, "oci:"+in("skopeo"))...),
		}}
	}
	pack := func(name string, p benchset.Project) contest {
		return contest{name, []string{"releaser pack", "crane export | tar | gzip"}, []benchset.Command{
			releaser(p, "pack", "--image", p.Image, "--out", in("ours")),
			p.Shell(benchset.BuildScript, in("crane")),
		}}
	}
	one := layer.Image + ":1.0.0"
	steps := []contest{pull("pull one layer", one, one, nil, []string{"--all"}), pack("pack one layer", layer)}
	if s.Link.Window == 0 {
		p, err := s.Set("cells")
		if err != nil {
			return err
		}
		ref := p.Image + ":1.0.0"
		out, err := exec.CommandContext(ctx, s.Crane, "digest", "--insecure", "--platform=linux/amd64", ref).Output()
		if err != nil {
			return fmt.Errorf("crane digest: %w", err)
		}
		amd64 := p.Image + "@" + strings.TrimSpace(string(out))
		steps = append(steps,
			pull("pull one platform", amd64, ref, []string{"--platform=linux/amd64"}, []string{"--override-arch=amd64"}),
			pull("pull the index", ref, ref, nil, []string{"--all"}),
			pack("pack three cells", p))
	}
	connection := "shared"
	if s.Link.Window > 0 {
		connection = fmt.Sprintf("%d KiB", s.Link.Window>>10)
	}
	for _, step := range steps {
		got, err := s.InTurn(work, step.commands...)
		if err != nil {
			return err
		}
		for i, f := range got {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.0f\t%.1f\n", s.Link.RTT, connection, step.name, step.programs[i], f.Wall, f.Wall/got[0].Wall, f.CPU, f.Peak, f.Pulled)
		}
	}
	return nil
}
