// Gates checks what a change, or a release, must pass before it goes on.
//
//	go run ./tools/gates [flags] GATE…
//	go run ./tools/gates --list
//
// Gates of the sources:
//
//	format      gofmt and `go mod tidy` change nothing, in every module
//	dockerfile  BuildKit's own linter finds nothing in the Dockerfile
//	workflows   actionlint and shellcheck find nothing in workflows and scripts
//	history     gitleaks finds no secret in the history
//	subjects    every commit has a subject of the form `room: what`
//	race        `go test -race` finds no data race
//	coverage    no package is covered less than coverage.floor says
//	licences    everything linked in has a licence from licences.json
//	vulncheck   govulncheck finds nothing that both programs call
//
// Gates of a release, on --layout and --dist:
//
//	structure   releaser check holds for every image
//	smoke       every image's program starts: natively, or under qemu
//	images      gitleaks finds no secret in any layer
//	vulns       osv-scanner finds nothing in the SPDX documents
//	sbom        syft finds no component that the SPDX documents lack
//
// A gate answers with one line: ok, FAIL, or not checked. What is accepted in
// spite of a finding is in files with a reason: vex.openvex.json (vulnerabilities,
// each with a last day), licences.json, .gitleaksignore and sbom-differences.json.
//
// Exit codes: 0 every gate is ok · 1 a gate could not run · 2 usage · 3 a gate
// found something · 5 a gate was not checked: its tool, its database or what it
// checks is missing, or it timed out. 3 wins over 1, and 1 over 5.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"facerec/internal/text"
)

// gate is one check. It answers with a note for the line that says ok.
type gate struct {
	name string
	run  func(context.Context, *world) (note string, err error)
}

var gates = []gate{
	{"format", formatGate},
	{"dockerfile", dockerfileGate},
	{"workflows", workflowsGate},
	{"history", historyGate},
	{"subjects", subjectsGate},
	{"race", raceGate},
	{"coverage", coverageGate},
	{"licences", licencesGate},
	{"vulncheck", vulncheckGate},
	{"structure", structureGate},
	{"smoke", smokeGate},
	{"images", imagesGate},
	{"vulns", vulnsGate},
	{"sbom", sbomGate},
}

// world is what gates look at and work with.
type world struct {
	root     string // of the repository
	layout   string // OCI layout of the release
	dist     string // its directory of assets
	config   string // its config.json
	only     string // the cells that a layout has that is not whole
	releaser string // the program
	database string // directory of vulnerability databases: osv and govulncheck
	write    bool   // renew what is derived: licence tables, coverage.floor
	packages string // patterns for race and coverage
	notRun   string // platforms that smoke need not run, comma-separated
	// startTime is how long a program may take to say its version; emulated ones
	// are slow.
	startTime time.Duration
	today     time.Time
	tool      func(context.Context, string) (string, error)
}

// foundError is a gate's verdict that something is wrong.
type foundError struct {
	what  string
	lines []string
}

func (e *foundError) Error() string { return e.what }

// found returns what is wrong, or nil if there are no lines.
func found(what string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	return &foundError{what, lines}
}

// errUnchecked marks what could not be looked at.
var errUnchecked = errors.New("not checked")

func unchecked(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errUnchecked, fmt.Errorf(format, args...))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitFound       = 3
	exitUnchecked   = 5
	exitInterrupted = 130
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	w := &world{today: time.Now(), tool: tool, startTime: time.Minute}
	flags := flag.NewFlagSet("gates", flag.ContinueOnError)
	flags.SetOutput(stderr)
	list := flags.Bool("list", false, "list the gates")
	timeout := flags.Duration("timeout", 30*time.Minute, "the most time for one gate")
	flags.StringVar(&w.root, "root", ".", "top directory of the repository")
	flags.StringVar(&w.layout, "layout", "build/oci", "OCI layout of the release")
	flags.StringVar(&w.dist, "dist", "dist", "directory with the release's assets")
	flags.StringVar(&w.config, "config", "config.json", "the release's configuration")
	flags.StringVar(&w.only, "cells", "", "cells, comma-separated, that the layout has (default: all)")
	flags.StringVar(&w.releaser, "releaser", "bin/releaser", "the releaser to use")
	flags.StringVar(&w.database, "database", "", "directory with the databases osv and govulncheck (default: the public ones)")
	flags.BoolVar(&w.write, "write", false, "renew the derived files of licences and coverage; a floor only rises")
	flags.StringVar(&w.packages, "packages", "", "packages for race and coverage (default: each gate's own)")
	flags.StringVar(&w.notRun, "not-run", "", "platforms, comma-separated, that smoke may leave out")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitOK
		}
		return exitUsage
	}
	if *list {
		for _, g := range gates {
			fmt.Fprintln(stdout, g.name)
		}
		return exitOK
	}
	var chosen []gate
	for _, name := range flags.Args() {
		i := slices.IndexFunc(gates, func(g gate) bool { return g.name == name })
		if i < 0 {
			fmt.Fprintf(stderr, "gates: no gate is named %s: --list lists them\n", text.Quote(name))
			return exitUsage
		}
		chosen = append(chosen, gates[i])
	}
	if len(chosen) == 0 {
		fmt.Fprintln(stderr, "gates: expected at least one gate: --list lists them")
		return exitUsage
	}
	if err := w.absolute(); err != nil {
		fmt.Fprintf(stderr, "gates: %v\n", err)
		return exitFailed
	}
	worst := exitOK
	for _, g := range chosen {
		one, cancel := context.WithTimeout(ctx, *timeout)
		note, err := g.run(one, w)
		if err != nil && one.Err() != nil && ctx.Err() == nil {
			err = unchecked("it took more than %v", *timeout)
		}
		cancel()
		if ctx.Err() != nil {
			return exitInterrupted
		}
		worst = worse(worst, answer(stdout, g.name, note, err))
	}
	return worst
}

func (w *world) absolute() error {
	for _, p := range []*string{&w.root, &w.layout, &w.dist, &w.config, &w.releaser, &w.database} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	return nil
}

// answer prints a gate's verdict and returns its exit code.
func answer(stdout io.Writer, name, note string, err error) int {
	var wrong *foundError
	line := func(verdict, what string) {
		fmt.Fprintln(stdout, strings.TrimSuffix(fmt.Sprintf("%-12s %s: %s", verdict, name, what), ": "))
	}
	switch {
	case err == nil:
		line("ok", note)
		return exitOK
	case errors.As(err, &wrong):
		line("FAIL", wrong.what)
		for _, l := range wrong.lines {
			fmt.Fprintf(stdout, "    %s\n", text.Line(l, 400))
		}
		return exitFound
	case errors.Is(err, errUnchecked):
		line("not checked", strings.TrimPrefix(text.Line(err.Error(), 0), errUnchecked.Error()+": "))
		return exitUnchecked
	default:
		line("error", text.Line(err.Error(), 0))
		return exitFailed
	}
}

// worse is the exit code of two gates.
func worse(a, b int) int {
	rank := []int{exitOK, exitUnchecked, exitFailed, exitFound}
	if slices.Index(rank, b) > slices.Index(rank, a) {
		return b
	}
	return a
}
