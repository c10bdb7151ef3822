// Demo runs the whole chain on this machine with the programs of this
// repository: build an image, push it to a registry, pack the tarball, sign,
// verify, unpack what was verified, and run the facerec in it on a picture
// whose photos it was not enrolled with.
//
//	go run ./tools/demo [--real] [--cells CELLS] [--dir build/demo]
//
// By default the registry runs in this process (go-containerregistry's, blobs
// on disk) and a managed key made for the occasion signs. With --real it is
// distribution's registry and a whole Sigstore (certificate authority, log,
// timestamps, an identity provider of our own), all on loopback, started and
// stopped here.
//
// Every step is the releaser as a user calls it, and is printed so that it can
// be repeated by hand.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"facerec/internal/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		if ctx.Err() != nil {
			os.Exit(130)
		}
		os.Exit(1)
	}
}

// demo is one run.
type demo struct {
	ctx      context.Context
	dir      string // everything the run makes
	cells    string
	config   *release.Config
	services services
}

// services are what differs between the two demos.
type services struct {
	registry   string   // HOST:PORT
	what       string   // for the last table
	signArgs   []string // of releaser sign
	verifyArgs []string // of releaser verify
	stop       func()
}

func run(ctx context.Context) error {
	real := flag.Bool("real", false, "use a real registry and a whole Sigstore on loopback")
	cells := flag.String("cells", "dlib19/linux/amd64", "which cells")
	dir := flag.String("dir", "", "where everything goes (default build/demo, or build/demo-real)")
	flag.Parse()
	if *dir == "" {
		*dir = "build/demo"
		if *real {
			*dir = "build/demo-real"
		}
	}
	raw, err := os.ReadFile("config.json")
	if err != nil {
		return fmt.Errorf("run this in the repository's top directory: %w", err)
	}
	config, err := release.Parse("config.json", raw)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	d := &demo{ctx: ctx, dir: *dir, cells: *cells, config: config}
	start := d.inProcess
	if *real {
		start = d.loopback
	}
	if err := start(); err != nil {
		return err
	}
	defer d.services.stop()
	return d.chain()
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

func (d *demo) chain() error {
	started := time.Now()
	layout, dist := d.path("oci"), d.path("dist")
	repository := d.services.registry + "/" + d.config.Image.Repository
	// verify goes to the registry that release.json names only if we name it too.
	fmt.Printf("$ export RELEASER_REGISTRY=%s\n", d.services.registry)
	if err := os.Setenv("RELEASER_REGISTRY", d.services.registry); err != nil {
		return err
	}
	steps := [][]string{
		{"build", "--cells", d.cells, "--out", layout},
	}
	steps = append(steps, d.checks(layout)...)
	steps = append(steps, [][]string{
		{"push", layout, repository},
		{"pack", "--cells", d.cells, "--registry", d.services.registry, "--out", dist},
		append([]string{"sign", dist}, d.services.signArgs...),
	}...)
	for _, s := range steps {
		if err := d.releaser(s...); err != nil {
			return err
		}
	}
	verdicts, err := d.verify(dist)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dist, release.RecordFile))
	if err != nil {
		return err
	}
	record, err := release.ParseRecord(raw)
	if err != nil {
		return err
	}
	// Emulated programs take a minute of CPU each: as many at once as there are
	// cores, and a cell that fails does not stop the others.
	runs := make([]recognised, len(record.Cells))
	failed := make([]error, len(record.Cells))
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i, cell := range record.Cells {
		group.Go(func() error {
			var err error
			if runs[i], err = d.recognise(dist, cell); err != nil {
				failed[i] = fmt.Errorf("cell %s: %w", cell, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in failed
	if err := errors.Join(failed...); err != nil {
		return err
	}
	for _, r := range runs[1:] { // one answer, whatever the architecture and the lineage
		if !slices.Equal(r.names, runs[0].names) {
			return fmt.Errorf("%s recognised %s, but %s recognised %s", r.cell, strings.Join(r.names, ", "), runs[0].cell, strings.Join(runs[0].names, ", "))
		}
	}
	d.table(record, verdicts, runs, time.Since(started))
	return nil
}

// checks are one call of releaser check for each chosen cell: an index with some
// of the platforms only is rightly not what config.json promises as a whole.
func (d *demo) checks(layout string) [][]string {
	var out [][]string
	cells, err := d.config.Select(d.cells)
	if err != nil {
		return nil // build says what is wrong with them
	}
	for _, c := range cells {
		image := "oci-layout:" + layout + ":" + d.config.ImageTag(d.config.Version, c.Lineage)
		out = append(out, []string{"check", "--quiet", "--platform", c.Platform.String(), image})
	}
	return out
}

// releaser runs bin/releaser, its answer passed on.
func (d *demo) releaser(args ...string) error {
	fmt.Printf("$ bin/releaser %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(d.ctx, "bin/releaser", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("releaser %s: %w", args[0], err)
	}
	return nil
}

// verify runs the check and gives each cell's verdict.
func (d *demo) verify(dist string) (map[string]string, error) {
	args := append([]string{"verify", dist}, d.services.verifyArgs...)
	if err := d.releaser(args...); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(d.ctx, "bin/releaser", append(args, "--json", "--quiet")...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("releaser verify --json: %w", err)
	}
	var report struct {
		Steps []struct {
			Cell   string `json:"cell"`
			Status string `json:"status"`
			Grade  string `json:"grade"`
		} `json:"steps"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return nil, fmt.Errorf("releaser verify --json: %w", err)
	}
	verdicts := map[string]string{}
	for _, s := range report.Steps {
		if s.Cell != "" && s.Grade != "" {
			verdicts[s.Cell] = s.Grade
		}
	}
	if len(verdicts) == 0 {
		return nil, errors.New("releaser verify --json graded no cell")
	}
	return verdicts, nil
}

// recognised is what the unpacked program said.
type recognised struct {
	cell    string
	names   []string
	picture string
}

// recognise unpacks a verified tarball with the system's tar and runs the
// program in it, as an end user would.
func (d *demo) recognise(dist string, cell release.RecordCell) (recognised, error) {
	where := d.path(filepath.Join("unpacked", strings.ReplaceAll(cell.String(), "/", "-")))
	if err := os.RemoveAll(where); err != nil {
		return recognised{}, err
	}
	if err := os.MkdirAll(where, 0o755); err != nil {
		return recognised{}, err
	}
	tar := exec.CommandContext(d.ctx, "tar", "-xzf", filepath.Join(dist, cell.Asset), "-C", where)
	said := fmt.Sprintf("$ %s\n", strings.Join(tar.Args, " "))
	if out, err := tar.CombinedOutput(); err != nil {
		return recognised{}, fmt.Errorf("tar: %w: %s", err, out)
	}
	directory := filepath.Join(where, cell.Prefix)
	args, err := runner(cell.Platform)
	if err != nil {
		return recognised{}, err
	}
	args = append(args, "./facerec")
	program := exec.CommandContext(d.ctx, args[0], args[1:]...)
	program.Dir = directory
	program.Stderr = os.Stderr
	out, err := program.Output()
	// In one piece: other cells print at the same time.
	fmt.Printf("%s$ (cd %s && %s)\n%s", said, directory, strings.Join(args, " "), out)
	if err != nil {
		return recognised{}, fmt.Errorf("facerec: %w", err)
	}
	r := recognised{cell: cell.String(), picture: filepath.Join(directory, "images", "result.jpg")}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Person: "); ok {
			r.names = append(r.names, name)
		}
	}
	if len(r.names) == 0 {
		return r, errors.New("facerec named nobody")
	}
	if fi, err := os.Stat(r.picture); err != nil || fi.Size() == 0 {
		return r, fmt.Errorf("facerec left no picture at %s", r.picture)
	}
	return r, nil
}

// runner is what a foreign platform's programs are run with.
func runner(p release.Platform) ([]string, error) {
	emulator := map[string]string{"arm64": "qemu-aarch64-static", "arm": "qemu-arm-static"}[p.Arch]
	if runtime.GOARCH == p.Arch || emulator == "" {
		return nil, nil
	}
	path, err := exec.LookPath(emulator)
	if err != nil {
		return nil, fmt.Errorf("running %s here needs %s: install the package qemu-user-static", p, emulator)
	}
	return []string{path}, nil
}

func (d *demo) table(record release.Record, verdicts map[string]string, runs []recognised, took time.Duration) {
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ASSET\tIMAGE DIGEST\tTAR SHA256\tFILE SHA256\tSIGNATURE\tVERDICT")
	for _, c := range record.Cells {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Asset, short(c.ManifestDigest.Hex()), short(c.TarSHA256.Hex()), short(c.FileSHA256.Hex()), d.services.what, verdicts[c.String()])
	}
	_ = w.Flush()
	fmt.Println()
	for _, r := range runs {
		fmt.Printf("%s recognised: %s\n", r.cell, strings.Join(r.names, ", "))
		fmt.Printf("annotated picture: %s\n", r.picture)
	}
	fmt.Printf("whole digests: %s\nwhole chain: %s\n", filepath.Join(d.path("dist"), release.RecordFile), took.Round(100*time.Millisecond))
}

func short(hex string) string { return hex[:12] }
