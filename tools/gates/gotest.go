package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"facerec/internal/text"
)

// raced are the packages whose goroutines share memory.
const raced = "./internal/... ./cmd/releaser"

func raceGate(ctx context.Context, w *world) (string, error) {
	if _, err := installed("gcc", "gcc"); err != nil { // the race detector needs cgo
		return "", err
	}
	packages := strings.Fields(cmp.Or(w.packages, raced))
	r, err := call{dir: w.root, env: []string{"CGO_ENABLED=1"}, args: append([]string{"go", "test", "-race", "-short", "-timeout", "40m"}, packages...)}.run(ctx)
	if err != nil {
		return "", err
	}
	return strings.Join(packages, " "), testsFailed(r)
}

// testsFailed names the packages whose tests failed, and whether for a race.
func testsFailed(r result) error {
	if r.code == 0 {
		return nil
	}
	var wrong []string
	for _, l := range r.lines() {
		if strings.HasPrefix(l, "FAIL\t") || strings.HasPrefix(l, "--- FAIL") || strings.HasPrefix(l, "WARNING: DATA RACE") {
			wrong = append(wrong, strings.ReplaceAll(l, "\t", " "))
		}
	}
	if len(wrong) == 0 {
		wrong = []string{r.last()}
	}
	return found("go test failed", slices.Compact(wrong))
}

// floorFile has a line for each package: import path, and the least percentage
// of its statements that its own tests must run.
const floorFile = "coverage.floor"

func coverageGate(ctx context.Context, w *world) (string, error) {
	path := filepath.Join(w.root, floorFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", unchecked("%w", err)
	}
	floor, err := parseFloor(raw)
	if err != nil {
		return "", err
	}
	highest, err := w.highestFloor(ctx)
	if err != nil {
		return "", err
	}
	r, err := call{dir: w.root, env: []string{"CGO_ENABLED=0"}, args: append([]string{"go", "test", "-cover"}, w.covered(floor)...)}.run(ctx)
	if err != nil {
		return "", err
	}
	if err := testsFailed(r); err != nil {
		return "", err
	}
	have := coverages(r.lines())
	if w.write {
		return "wrote " + floorFile, os.WriteFile(path, formatFloor(raise(highest, have)), 0o644)
	}
	var wrong []string
	for _, pkg := range slices.Sorted(maps.Keys(floor)) {
		got, ran := have[pkg]
		switch {
		case !ran:
			wrong = append(wrong, pkg+": no coverage: it has no tests, or no longer exists")
		case got < floor[pkg]:
			wrong = append(wrong, fmt.Sprintf("%s: expected at least %.1f %%, got %.1f %%", pkg, floor[pkg], got))
		}
		if before := highest[pkg]; floor[pkg] < before {
			wrong = append(wrong, fmt.Sprintf("%s: the floor was %.1f %% and is %.1f %%: it only rises", pkg, before, floor[pkg]))
		}
	}
	if len(floor) == 0 {
		return "", unchecked("%s names no package", floorFile)
	}
	return text.Count(len(floor), "package"), found("coverage", wrong)
}

// covered are the packages to test: those with a floor, or those asked for.
func (w *world) covered(floor map[string]float64) []string {
	if w.packages != "" {
		return strings.Fields(w.packages)
	}
	return slices.Sorted(maps.Keys(floor))
}

var coverLine = regexp.MustCompile(`^ok\s+(\S+)\s.*coverage: ([0-9.]+)% of statements`)

// coverages reads what `go test -cover` prints.
func coverages(lines []string) map[string]float64 {
	out := map[string]float64{}
	for _, l := range lines {
		if m := coverLine.FindStringSubmatch(l); m != nil {
			if v, err := strconv.ParseFloat(m[2], 64); err == nil {
				out[m[1]] = v
			}
		}
	}
	return out
}

// raise returns the floor that today's coverage allows: whole percents, never
// below what it was.
func raise(floor, have map[string]float64) map[string]float64 {
	out := map[string]float64{}
	for pkg, got := range have {
		out[pkg] = max(floor[pkg], math.Floor(got))
	}
	return out
}

func parseFloor(raw []byte) (map[string]float64, error) {
	out := map[string]float64{}
	n := 0
	for line := range strings.Lines(string(raw)) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("%s:%d: expected PACKAGE PERCENT, got %s", floorFile, n, text.Quote(line))
		}
		v, err := strconv.ParseFloat(fields[1], 64)
		if err != nil || v < 0 || v > 100 || math.IsNaN(v) {
			return nil, fmt.Errorf("%s:%d: expected a percentage, got %s", floorFile, n, text.Quote(fields[1]))
		}
		if _, twice := out[fields[0]]; twice {
			return nil, fmt.Errorf("%s:%d: duplicate package %s", floorFile, n, text.Show(fields[0]))
		}
		out[fields[0]] = v
	}
	return out, nil
}

func formatFloor(floor map[string]float64) []byte {
	var b bytes.Buffer
	b.WriteString("# The least percentage of each package's statements that its own tests run.\n# `make coverage` checks it; `make coverage-floor` raises it. It never falls.\n")
	for _, pkg := range slices.Sorted(maps.Keys(floor)) {
		fmt.Fprintf(&b, "%s %.1f\n", pkg, floor[pkg])
	}
	return b.Bytes()
}

// highestFloor is the highest floor that a commit before had. A package whose
// line was removed is not in the floor any more and is not compared.
func (w *world) highestFloor(ctx context.Context) (map[string]float64, error) {
	r, err := call{dir: w.root, args: []string{"git", "log", "--format=%H", "--", floorFile}}.run(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, commit := range r.lines() {
		old, err := call{dir: w.root, args: []string{"git", "show", commit + ":" + floorFile}}.run(ctx)
		if err != nil {
			return nil, err
		}
		if old.code != 0 {
			continue // the commit removed it
		}
		floor, err := parseFloor(old.stdout)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", commit, err)
		}
		for pkg, v := range floor {
			out[pkg] = max(out[pkg], v)
		}
	}
	return out, nil
}
