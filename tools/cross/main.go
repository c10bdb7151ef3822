// Command cross checks packages for other systems than the one it runs on: it
// type-checks them, their tests and all they import, and runs the checks of go
// vet, without compiling anything.
//
//	cross SYSTEM/ARCHITECTURE… -- PACKAGES
//
// One target costs seconds of CPU time. "go vet" for a foreign target compiles
// everything first, which costs minutes with an empty build cache and finds
// nothing more. Exit code 0 when all targets are clean, 1 when not, 2 for usage.
package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/analysis/suite/vet"
	"golang.org/x/tools/go/packages"
)

func main() {
	i := slices.Index(os.Args, "--")
	if i < 2 || i == len(os.Args)-1 {
		fmt.Fprintln(os.Stderr, "usage: cross SYSTEM/ARCHITECTURE… -- PACKAGES")
		os.Exit(2)
	}
	clean := true
	for _, target := range os.Args[1:i] {
		found, err := check(".", target, os.Args[i+1:])
		if err != nil {
			fmt.Fprintf(os.Stderr, "cross: %s: %v\n", target, err)
			os.Exit(1)
		}
		report(os.Stdout, target, found)
		clean = clean && len(found) == 0
	}
	if !clean {
		os.Exit(1)
	}
}

func report(w io.Writer, target string, found []string) {
	if len(found) == 0 {
		fmt.Fprintf(w, "cross: %s: ok\n", target)
	}
	for _, f := range found {
		fmt.Fprintf(w, "cross: %s: %s\n", target, f)
	}
}

// check returns what is wrong with packages on a target, sorted.
func check(dir, target string, patterns []string) ([]string, error) {
	system, architecture, ok := strings.Cut(target, "/")
	if !ok {
		return nil, errors.New("expected SYSTEM/ARCHITECTURE")
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.LoadAllSyntax | packages.NeedModule, Tests: true, Dir: dir,
		Env: append(os.Environ(), "GOOS="+system, "GOARCH="+architecture, "CGO_ENABLED=0"),
	}, patterns...)
	if err != nil {
		return nil, err
	}
	if len(loaded) == 0 {
		return nil, errors.New("no packages")
	}
	found := map[string]bool{}
	packages.Visit(loaded, nil, func(p *packages.Package) {
		for _, e := range p.Errors {
			found[e.Error()] = true
		}
	})
	if len(found) == 0 {
		graph, err := checker.Analyze(vet.Suite, loaded, nil)
		if err != nil {
			return nil, err
		}
		for _, action := range graph.Roots {
			if action.Err != nil {
				return nil, action.Err
			}
			for _, d := range action.Diagnostics {
				found[fmt.Sprintf("%s: %s (%s)", action.Package.Fset.Position(d.Pos), d.Message, action.Analyzer.Name)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}
