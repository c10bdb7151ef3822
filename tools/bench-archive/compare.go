package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"facerec/internal/measure"
)

// figures are what one run of a command came to, and what it pulled.
type figures struct {
	measure.Figures
	pulled float64 // MB
}

// buildScript is what people write today. $1 is the image, $2 where to work.
const buildScript = `set -eu
while read -r tag platform prefix asset; do
  mkdir -p "$2/work/$asset/$prefix"
  "$CRANE" export --insecure --platform "$platform" "$1:$tag" - | tar -x -C "$2/work/$asset" app
  rmdir "$2/work/$asset/$prefix"; mv "$2/work/$asset/app" "$2/work/$asset/$prefix"
  tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$2/work/$asset" -cf - "$prefix" | gzip -n >"$2/$asset"
done
cd "$2"; sha256sum *.gz >checksums.txt
`

// verifyScript makes the tarballs again and compares with those in $3.
const verifyScript = `set -eu
(cd "$3"; sha256sum --quiet --check --strict checksums.txt)
while read -r tag platform prefix asset; do
  mkdir -p "$2/work/$asset/$prefix"
  "$CRANE" export --insecure --platform "$platform" "$1:$tag" - | tar -x -C "$2/work/$asset" app
  rmdir "$2/work/$asset/$prefix"; mv "$2/work/$asset/app" "$2/work/$asset/$prefix"
  tar --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$2/work/$asset" -cf - "$prefix" | gzip -n | cmp - "$3/$asset"
done
`

// machine says on what all of this ran.
func (b *bench) machine() {
	cpu := "unknown CPU"
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	fmt.Printf("%s, %d cores (%s), %s\n", runtime.Version(), runtime.NumCPU(), cpu, time.Now().UTC().Format("2006-01-02"))
	for _, tool := range []string{"tar", "gzip"} {
		if out, err := exec.Command(tool, "--version").Output(); err == nil {
			line, _, _ := strings.Cut(string(out), "\n")
			fmt.Println(line)
		}
	}
}

func (b *bench) compare(name string, p project) error {
	image := b.meter.Addr + "/" + name
	dist := filepath.Join(p.dir, "dist")
	key := filepath.Join(p.dir, "key")
	conf := filepath.Join(p.dir, "config.json")
	theirs := filepath.Join(p.dir, "theirs")
	pack := []string{b.releaser, "pack", "-q", "--config", conf, "--image", image, "--out", dist}
	shell := func(script string, extra ...string) []string {
		return append([]string{"sh", "-c", script, "sh", image, theirs}, extra...)
	}
	built, err := b.inTurn(p, theirs, shell(buildScript), pack)
	if err != nil {
		return err
	}
	// The same files, or the comparison is of nothing.
	for _, cell := range p.cells {
		asset := strings.Fields(cell)[3]
		if err := same(filepath.Join(dist, asset), filepath.Join(theirs, asset)); err != nil {
			return err
		}
	}
	if _, err := b.measure([]string{b.releaser, "keygen", key}, nil); err != nil {
		return err
	}
	if _, err := b.measure([]string{b.releaser, "sign", "-q", "--config", conf, dist, "--key", key + ".key"}, nil); err != nil {
		return err
	}
	verify := []string{b.releaser, "verify", "-q", "--config", conf, dist, "--key", key + ".pub", "--unsafe-no-transparency-log"}
	verified, err := b.inTurn(p, theirs, shell(verifyScript, dist), verify, append(slices.Clone(verify), "--fast"))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tCPU s\tWALL s\tPEAK MB\tPULLED MB\tWROTE MB\t")
	rows(w, "build", built[0], built[1])
	rows(w, "verify, exact rebuild", verified[0], verified[1])
	rows(w, "verify --fast", verified[0], verified[2])
	return w.Flush()
}

// rows prints the incumbent's figures, ours, and how many times less ours are.
func rows(w *tabwriter.Writer, name string, theirs, ours figures) {
	for _, row := range []struct {
		who string
		f   figures
	}{{"incumbent", theirs}, {"ours", ours}} {
		fmt.Fprintf(w, "%s, %s\t%.2f\t%.2f\t%.0f\t%.1f\t%.1f\t\n", name, row.who, row.f.CPU, row.f.Wall, row.f.Peak, row.f.pulled, row.f.Wrote)
	}
	fmt.Fprintf(w, "%s, ratio\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, theirs.CPU/ours.CPU, theirs.Wall/ours.Wall,
		theirs.Peak/ours.Peak, theirs.pulled/max(ours.pulled, 0.01), theirs.Wrote/max(ours.Wrote, 0.01))
}

// inTurn runs the incumbent and then each of our commands, that often over, and
// gives their medians in that order. What the incumbent wrote before is taken
// away first, and stays out of the figures.
func (b *bench) inTurn(p project, scratch string, theirs []string, ours ...[]string) ([]figures, error) {
	runs := make([][]figures, 1+len(ours))
	for range b.o.runs {
		if err := errors.Join(os.RemoveAll(scratch), os.MkdirAll(scratch, 0o755)); err != nil {
			return nil, err
		}
		f, err := b.measure(theirs, []byte(strings.Join(p.cells, "\n")+"\n"))
		if err != nil {
			return nil, err
		}
		runs[0] = append(runs[0], f)
		for i, args := range ours {
			if f, err = b.measure(args, nil); err != nil {
				return nil, err
			}
			runs[i+1] = append(runs[i+1], f)
		}
	}
	out := make([]figures, len(runs))
	for i, r := range runs {
		out[i] = median(r)
	}
	return out, nil
}

func (b *bench) measure(args []string, in []byte) (figures, error) {
	b.meter.reset()
	f, err := measure.Run(b.ctx, measure.Command{Args: args, Env: []string{"CRANE=" + b.crane}, Stdin: in})
	return figures{f, b.meter.megabytes()}, err
}

func median(all []figures) figures {
	var runs []measure.Figures
	var pulled []float64
	for _, f := range all {
		runs = append(runs, f.Figures)
		pulled = append(pulled, f.pulled)
	}
	slices.Sort(pulled)
	return figures{measure.Median(runs), pulled[len(pulled)/2]}
}

func same(a, z string) error {
	if out, err := exec.Command("cmp", a, z).CombinedOutput(); err != nil {
		return fmt.Errorf("ours and the incumbent's are not the same file: %s", out)
	}
	return nil
}

func normalFloats(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]byte, 0, 4*n)
	for range n {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(rng.NormFloat64()*0.05)))
	}
	return out
}
