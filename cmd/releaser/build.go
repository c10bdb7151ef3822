package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/oci"
	"facerec/internal/oci/build"
	"facerec/internal/release"
	"facerec/internal/tarball"
	"facerec/internal/text"
)

func (a *app) buildVerb() *cobra.Command {
	var f cellFlags
	var out string
	var noRun bool
	var jobs int
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Run build_cmd for the chosen cells and assemble one image index per lineage",
		Long: `Run build_cmd once for each chosen cell, in the directory of config.json, with

  RELEASER_LINEAGE   dlib19
  RELEASER_PLATFORM  linux/arm/v7
  RELEASER_OS, RELEASER_ARCH, RELEASER_VARIANT
  RELEASER_VERSION   1.4.0
  SOURCE_DATE_EPOCH  epoch of config.json

in its environment, then assemble one reproducible image index per lineage in an
OCI layout. No container engine is needed. The same inputs give the same digests on
any machine: only the names, contents and owner's execute bit of files count, not
their times, their owners or the umask.

Up to --jobs cells are built at the same time; each line of output starts with its
cell. Cells that write the same artifacts are built one after the other. A cell
that fails does not stop the others: all failures are listed at the end, and the
layout is only written if there are none.

build_cmd does not see environment variables that look like secrets (tokens,
passwords, keys), unless "build_env" in config.json names them.

Every artifact must exist afterwards. Where config.json declares platforms,
and in an artifact that has the entrypoint, every program (ELF) must be for the
cell's platform and statically linked, unless the artifact says otherwise with
"binary": "dynamic" or "any". Other artifacts, such as programs for several
systems in one image, are taken as they are.`,
		Example: `  releaser build
  releaser build --cells linux/arm64 --out build/arm64
  releaser build --json | jq -r '.cells[].index_digest'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if jobs < 0 {
				return usage("--jobs %d: expected a positive number, or 0 for all cores", jobs)
			}
			c, err := a.choose(f)
			if err != nil {
				return err
			}
			built, err := a.buildLayout(cmd.Context(), c, out, !noRun, jobs, "")
			if err != nil {
				return err
			}
			return a.sayBuilt("releaser.build/v1", out, built)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "build/oci", "write the OCI layout to `DIR`; an existing layout there is replaced")
	cmd.Flags().BoolVar(&noRun, "no-run", false, "do not run build_cmd: assemble what is there")
	cmd.Flags().IntVar(&jobs, "jobs", 0, "build up to `N` cells at the same time (default: one per core)")
	return cmd
}

// snapshots reads the files of all cells. With run, it runs build_cmd for each
// first; a cell that fails does not stop the others, and failed has its error.
func (a *app) snapshots(ctx context.Context, c *chosen, b *build.Plan, run bool, jobs int) (snapshots []build.Snapshot, failed []error, err error) {
	if err := canBuild(); err != nil {
		return nil, nil, err
	}
	snapshots, failed = make([]build.Snapshot, len(c.cells)), make([]error, len(c.cells))
	if !run {
		for i, cell := range c.cells {
			if snapshots[i], err = b.Snapshot(cell); err != nil {
				return nil, nil, fmt.Errorf("cell %s: %w", cell, err)
			}
		}
		return snapshots, failed, nil
	}
	if jobs == 0 {
		jobs = runtime.NumCPU()
	}
	if shared := b.SharedArtifact(); shared != "" && jobs > 1 && len(c.cells) > 1 {
		a.note("build: one cell after the other, as they all make %s", shared)
		jobs = 1
	}
	free := make(chan struct{}, jobs)
	var terminal sync.Mutex // one line at a time
	var wg sync.WaitGroup
	for i, cell := range c.cells {
		free <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-free }()
			failed[i] = a.runBuild(ctx, c, cell, &terminal)
			if failed[i] == nil {
				var err error
				if snapshots[i], err = b.Snapshot(cell); err != nil {
					failed[i] = fmt.Errorf("cell %s: %w", cell, err)
				}
			}
			terminal.Lock()
			defer terminal.Unlock()
			switch {
			case ctx.Err() != nil:
			case failed[i] == nil:
				a.note("build: %s is done", cell)
			case len(c.cells) > 1:
				a.complain(failed[i])
			}
		})
	}
	wg.Wait()
	return snapshots, failed, ctx.Err()
}

// failures names every cell that failed. What is wrong with each has been said,
// unless there is only one cell.
func failures(cells []release.Cell, failed []error) error {
	if len(cells) == 1 {
		return failed[0]
	}
	var names []string
	for i, err := range failed {
		if err != nil {
			names = append(names, cells[i].String())
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d cells failed, and no layout was written: %s", len(names), len(cells), strings.Join(names, ", "))
}

// waitForPipes is how long a command that has ended, or was told to, may keep
// its output open through a process that it left behind.
const waitForPipes = 10 * time.Second

// runBuild is the only place of the program that runs a command.
func (a *app) runBuild(ctx context.Context, c *chosen, cell release.Cell, terminal *sync.Mutex) error {
	terminal.Lock()
	a.note("build: %s: %s", cell, text.Line(c.config.BuildCmd, 200))
	terminal.Unlock()
	sh := exec.CommandContext(ctx, "/bin/sh", "-c", c.config.BuildCmd)
	sh.Dir = c.root
	sh.Env = append(withoutSecrets(os.Environ(), c.config.BuildEnv), buildEnvironment(c, cell)...)
	output := newCellOutput(a.errs, terminal, cell.String(), a.quiet)
	sh.Stdout, sh.Stderr = output.stream(), output.stream()
	sh.WaitDelay = waitForPipes
	endWithChildren(sh)
	err := sh.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it succeeded; a daemon that it started lives on
	}
	output.finish(err != nil)
	if err != nil {
		return &buildError{cell, text.Line(c.config.BuildCmd, 200), output.last(), err}
	}
	return nil
}

// buildError is a build_cmd that failed.
type buildError struct {
	cell    release.Cell
	command string
	last    []string // lines that it wrote
	err     error
}

func (e *buildError) Error() string {
	return fmt.Sprintf("build_cmd of cell %s failed (%v): %s", e.cell, e.err, e.command)
}

func (e *buildError) Unwrap() error { return e.err }

// cannotBuild reports whether build_cmd said, by its exit status, that this machine
// cannot build the cell. It is what a shell says of a program that is not found, or
// that is not one for this machine.
func (e *buildError) cannotBuild() bool {
	var exit *exec.ExitError
	return errors.As(e.err, &exit) && (exit.ExitCode() == 126 || exit.ExitCode() == 127)
}

func buildEnvironment(c *chosen, cell release.Cell) []string {
	return []string{
		"RELEASER_LINEAGE=" + cell.Lineage.Name,
		"RELEASER_PLATFORM=" + cell.Platform.String(),
		"RELEASER_OS=" + cell.Platform.OS,
		"RELEASER_ARCH=" + cell.Platform.Arch,
		"RELEASER_VARIANT=" + cell.Platform.Variant,
		"RELEASER_VERSION=" + string(c.version),
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(c.config.Epoch, 10),
	}
}

// buildAnswer is what build --json and join --json print.
type buildAnswer struct {
	Schema string      `json:"schema"`
	Layout string      `json:"layout"`
	Cells  []builtCell `json:"cells"`

	Pushed []oci.Pushed `json:"pushed,omitempty"` // by join --push
}

type builtCell struct {
	Cell     string           `json:"cell"`
	Tag      string           `json:"tag"`
	Index    release.Digest   `json:"index_digest"`
	Manifest release.Digest   `json:"manifest_digest"`
	Layers   []release.Digest `json:"layer_digests"`
}

// buildLayout builds the chosen cells into an OCI layout. With run, it runs
// build_cmd first. revision is the commit that the layout names, if not empty.
func (a *app) buildLayout(ctx context.Context, c *chosen, out string, run bool, jobs int, revision string) (built []build.Built, err error) {
	// Asked before hours of building, not after.
	if err := atomicfile.CheckReplaceable(out, oci.IsLayoutFile); err != nil {
		return nil, err
	}
	spool, err := tarball.NewSpool("")
	if err != nil {
		return nil, err
	}
	defer spool.Close()
	b := &build.Plan{Config: c.config, Version: c.version, Cells: c.cells, Root: c.root, Spool: spool, Revision: revision}
	snapshots, failed, err := a.snapshots(ctx, c, b, run, jobs)
	if err == nil {
		err = failures(c.cells, failed)
	}
	if err != nil {
		return nil, err
	}
	err = atomicfile.ReplaceDir(out, func(tmp string) (err error) {
		built, err = b.Layout(ctx, tmp, snapshots)
		return err
	})
	return built, err
}

// sayBuilt prints the answer of build and join.
func (a *app) sayBuilt(schema, out string, built []build.Built, pushed ...oci.Pushed) error {
	answer := buildAnswer{Schema: schema, Layout: out, Pushed: pushed}
	for _, b := range built {
		one := builtCell{Cell: b.Cell.String(), Tag: b.Tag, Index: b.Index, Manifest: b.Manifest}
		for _, l := range b.Layers {
			one.Layers = append(one.Layers, l.Digest)
		}
		answer.Cells = append(answer.Cells, one)
	}
	if a.json {
		return a.answer(answer)
	}
	for _, one := range answer.Cells {
		a.say("%s  oci-layout:%s:%s  index %s  manifest %s", one.Cell, out, one.Tag, one.Index, one.Manifest)
	}
	for _, p := range pushed {
		a.say("%s", p.Ref)
	}
	return nil
}
