// Skips reads what `go test -json` prints, shows it as go test does, and lists
// every test that was skipped with its reason. A skip that the list does not
// allow is a failure: a test that did not run is not a test that passed.
//
//	go test -json ./... | go run ./tools/skips --allow .ci/skips
//
// The list has a line for each kind: PACKAGE TEST REASON. PACKAGE and TEST are
// patterns as of path.Match, REASON is a part of what the test says. Lines
// that allow nothing are named, so that the list can be kept short.
//
// Exit codes: 0 all passed, every skip is allowed · 1 a test failed, or there
// was nothing to read · 2 usage · 3 a skip is not allowed.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"facerec/internal/text"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// event is a line of test2json's.
type event struct {
	Action, Package, Test, Output, ImportPath string
}

// allowed is a line of the list.
type allowed struct {
	pkg, test, reason string
	line              int
	used              bool
}

func (a *allowed) covers(s skip) bool {
	pkg, _ := path.Match(a.pkg, s.pkg)
	test, _ := path.Match(a.test, s.test)
	return pkg && test && strings.Contains(s.reason, a.reason)
}

type skip struct{ pkg, test, reason string }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("skips", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("allow", "", "the list of skips that are allowed")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	list, err := readList(*file)
	if err != nil {
		fmt.Fprintf(stderr, "skips: %v\n", err)
		return 2
	}
	skips, packages, passed, failed, err := read(stdin, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "skips: %v\n", err)
		return 1
	}
	if packages == 0 {
		fmt.Fprintln(stderr, "skips: no package was tested")
		return 1
	}
	code := judge(skips, list, failed, *file, stdout)
	// The form that CI services read in any language.
	fmt.Fprintf(stdout, "%d passed, %d failed, %d skipped\n", passed, failed, len(skips))
	return code
}

func judge(skips []skip, list []*allowed, failed int, file string, stdout io.Writer) int {
	code := 0
	fmt.Fprintf(stdout, "\nskipped: %d\n", len(skips))
	for _, s := range skips {
		verdict := "NOT ALLOWED"
		if i := slices.IndexFunc(list, func(a *allowed) bool { return a.covers(s) }); i >= 0 {
			list[i].used = true
			verdict = "allowed"
		} else {
			code = 3
		}
		fmt.Fprintf(stdout, "  %-11s %s %s: %s\n", verdict, s.pkg, s.test, text.Line(cmp.Or(s.reason, "no reason given"), 300))
	}
	for _, a := range list {
		if !a.used {
			fmt.Fprintf(stdout, "  %s:%d allows what was not skipped this time\n", file, a.line)
		}
	}
	if failed > 0 {
		fmt.Fprintf(stdout, "failed: %s\n", text.CountForms(failed, "test or package", "tests or packages"))
		return 1
	}
	return code
}

func readList(file string) ([]*allowed, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []*allowed
	n := 0
	for line := range strings.Lines(string(raw)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.SplitN(line, " ", 3)
		if len(fields) != 3 || fields[2] == "" {
			return nil, fmt.Errorf("%s:%d: expected PACKAGE TEST REASON, got %s", file, n, text.Quote(line))
		}
		for _, pattern := range fields[:2] {
			if _, err := path.Match(pattern, ""); err != nil {
				return nil, fmt.Errorf("%s:%d: %s: %w", file, n, text.Quote(pattern), err)
			}
		}
		out = append(out, &allowed{pkg: fields[0], test: fields[1], reason: fields[2], line: n})
	}
	return out, nil
}

// read copies what tests print and gathers skips. What go prints besides, such
// as errors of the compiler, is copied too.
func read(stdin io.Reader, stdout io.Writer) (skips []skip, packages, passed, failed int, err error) {
	said := map[[2]string]string{} // the last lines of each test
	lines := bufio.NewReader(stdin)
	for {
		raw, err := lines.ReadBytes('\n')
		if len(raw) > 0 {
			var e event
			if json.Unmarshal(raw, &e) != nil {
				if _, err := stdout.Write(raw); err != nil {
					return nil, 0, 0, 0, err
				}
			} else {
				key := [2]string{e.Package, e.Test}
				switch e.Action {
				case "output", "build-output":
					trimmed := strings.TrimSpace(e.Output)
					if e.Test == "" || e.Action == "build-output" {
						fmt.Fprint(stdout, e.Output)
					} else if !strings.HasPrefix(trimmed, "=== ") && !strings.HasPrefix(trimmed, "--- SKIP") {
						said[key] += e.Output
					}
				case "skip":
					if e.Test != "" { // a package without tests is not a skip
						skips = append(skips, skip{e.Package, e.Test, strings.Join(strings.Fields(said[key]), " ")})
					}
				case "pass":
					if e.Test != "" {
						passed++
					}
				case "fail":
					failed++
					fmt.Fprint(stdout, said[key])
				}
				switch e.Action {
				case "pass", "fail", "skip":
					delete(said, key)
					if e.Test == "" {
						packages++
					}
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, 0, 0, err
		}
	}
	slices.SortFunc(skips, func(a, b skip) int { return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.test, b.test)) })
	return skips, packages, passed, failed, nil
}
