package benchset

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"facerec/tools/bench/internal/measure"
)

// Figures are what one run of a command came to, and what it pulled and sent through
// the proxies; or the medians of several runs.
type Figures struct {
	measure.Figures
	Pulled, Sent float64 // MB

	runs []measure.Figures // of medians, in the order of the rounds
}

// Command is what to run, and what is added to its environment.
type Command struct {
	Args, Env []string
	Stdin     []byte
}

// Head prints the line above the rows.
func Head(w *tabwriter.Writer) { head(w, "WROTE") }

// Rows prints the incumbent's figures, ours, and how many times less ours are.
func Rows(w *tabwriter.Writer, name string, theirs, ours Figures) {
	rows(w, name, theirs, ours, theirs.Wrote, ours.Wrote)
}

// ForgeHead and ForgeRows are Head and Rows with what was sent.
func ForgeHead(w *tabwriter.Writer) { head(w, "SENT") }

// ForgeRows prints the incumbent's figures, ours, and how many times less ours are.
func ForgeRows(w *tabwriter.Writer, name string, theirs, ours Figures) {
	rows(w, name, theirs, ours, theirs.Sent, ours.Sent)
}

func head(w *tabwriter.Writer, last string) {
	fmt.Fprintf(w, "\tCPU S\tWALL S\tPEAK MB\tPULLED MB\t%s MB\t\n", last)
}

// least prints the smallest of all rounds' ratios.
func least(w *tabwriter.Writer, name string, theirs, ours []measure.Figures) {
	if len(ours) < 2 || len(theirs) != len(ours) {
		return
	}
	cpu, wall := math.Inf(1), math.Inf(1)
	for i := range ours {
		cpu, wall = min(cpu, theirs[i].CPU/ours[i].CPU), min(wall, theirs[i].Wall/ours[i].Wall)
	}
	fmt.Fprintf(w, "%s, least ratio of %d rounds\t%.1f\t%.1f\t\t\t\t\n", name, len(ours), cpu, wall)
}

// rows has as its last column what the caller chose, in MB.
func rows(w *tabwriter.Writer, name string, theirs, ours Figures, theirLast, ourLast float64) {
	for _, row := range []struct {
		who  string
		f    Figures
		last float64
	}{{"incumbent", theirs, theirLast}, {"ours", ours, ourLast}} {
		fmt.Fprintf(w, "%s, %s\t%s\t%s\t%.0f\t%.1f\t%.1f\t\n", name, row.who, seconds(row.f.CPU), seconds(row.f.Wall), row.f.Peak, row.f.Pulled, row.last)
	}
	least(w, name, theirs.runs, ours.runs)
	fmt.Fprintf(w, "%s, ratio\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, theirs.CPU/ours.CPU, theirs.Wall/ours.Wall,
		theirs.Peak/ours.Peak, theirs.Pulled/max(ours.Pulled, 0.01), theirLast/max(ourLast, 0.01))
}

// seconds shows short times to the millisecond.
func seconds(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.3f", s)
	}
	return fmt.Sprintf("%.2f", s)
}

// InTurn runs the commands one after another, that often over, and gives their
// medians in that order. The directory scratch is empty before each round, and
// before each command the disk has what the one before wrote; both stay out of
// the figures.
func (s *Stage) InTurn(scratch string, commands ...Command) ([]Figures, error) {
	return s.Rounds(scratch, func(int) ([]Command, error) { return commands, nil })
}

// Rounds is InTurn for commands that differ from round to round: next returns those
// of a round, always as many.
func (s *Stage) Rounds(scratch string, next func(round int) ([]Command, error)) ([]Figures, error) {
	var runs [][]Figures
	for round := range s.Runs {
		commands, err := next(round)
		if err != nil {
			return nil, err
		}
		for len(runs) < len(commands) {
			runs = append(runs, nil)
		}
		if err := errors.Join(s.empty(scratch), os.MkdirAll(scratch, 0o755)); err != nil {
			return nil, err
		}
		for i, c := range commands {
			syscall.Sync()
			f, err := s.Measure(c)
			if err != nil {
				return nil, err
			}
			runs[i] = append(runs[i], f)
		}
	}
	out := make([]Figures, len(runs))
	for i, r := range runs {
		out[i] = median(r)
	}
	return out, nil
}

// empty moves what a directory has out of the way; Close removes it. Large files are
// removed at once. Small ones are not, as there may be very many: ext4 without a
// journal does not use an inode again for some minutes, and looks at all of these
// whenever a file is made. 100,000 removed files cost the next command half a minute.
func (s *Stage) empty(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	aside, err := os.MkdirTemp(filepath.Dir(dir), "aside-")
	if err != nil {
		return err
	}
	s.aside = append(s.aside, aside)
	if err := os.Rename(dir, filepath.Join(aside, "was")); err != nil {
		return err
	}
	return filepath.WalkDir(aside, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if fi, err := d.Info(); err != nil || fi.Size() < largeFile {
			return err
		}
		return os.Remove(path)
	})
}

// largeFile is how many bytes a file has that is removed at once.
const largeFile = 64 << 10

// Measure runs a command once.
func (s *Stage) Measure(c Command) (Figures, error) {
	for _, m := range s.meters {
		m.reset()
	}
	f, err := measure.Run(s.ctx, measure.Command{Args: c.Args, Env: append([]string{"CRANE=" + s.Crane}, c.Env...), Stdin: c.Stdin})
	out := Figures{Figures: f}
	for _, m := range s.meters {
		out.Pulled += float64(m.n.Load()) / 1e6
		out.Sent += float64(m.sent.Load()) / 1e6
	}
	return out, err
}

// Shell is a script that is run for a project with more arguments behind its
// image and the directory where to work.
func (p Project) Shell(script, work string, extra ...string) Command {
	return Command{
		Args:  append([]string{"sh", "-c", script, "sh", p.Image, work}, extra...),
		Stdin: []byte(strings.Join(p.Cells, "\n") + "\n"),
	}
}

func median(all []Figures) Figures {
	var runs []measure.Figures
	var pulled, sent []float64
	for _, f := range all {
		runs = append(runs, f.Figures)
		pulled, sent = append(pulled, f.Pulled), append(sent, f.Sent)
	}
	slices.Sort(pulled)
	slices.Sort(sent)
	return Figures{measure.Median(runs), pulled[len(pulled)/2], sent[len(sent)/2], runs}
}

// Same reports whether two files are the same, byte for byte.
func Same(a, z string) error {
	if out, err := exec.Command("cmp", a, z).CombinedOutput(); err != nil {
		return fmt.Errorf("ours and the incumbent's are not the same file: %s", out)
	}
	return nil
}
