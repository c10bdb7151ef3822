// Cipass is the verdict over all jobs of a CI run, for the only check that a
// branch needs to require.
//
//	NEEDS='{"lint": {"result": "success"}, …}' go run ./tools/cipass --workflow .github/workflows/ci.yml [--verdicts DIR]
//
// A job that was skipped passes; one that failed or was cancelled does not. It
// notices what a list of names cannot: every job of the workflow must be among
// those it was given, and with --verdicts there must be a file DIR/CELL (with
// "-" for "/") for each cell of config.json that says ok, and no other, so that
// a cell that was renamed or left out of the matrix does not pass silently.
//
// Exit codes: 0 passed · 1 could not judge · 2 usage · 3 not passed.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"facerec/internal/release"
	"facerec/internal/text"
)

func main() { os.Exit(run(os.Args[1:], os.Getenv("NEEDS"), os.Stdout, os.Stderr)) }

func run(args []string, needs string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("cipass", flag.ContinueOnError)
	flags.SetOutput(stderr)
	workflow := flags.String("workflow", ".github/workflows/ci.yml", "the workflow whose jobs must all be given")
	job := flags.String("job", "ci-pass", "the job that runs this")
	verdicts := flags.String("verdicts", "", "directory with a file for each cell")
	config := flags.String("config", "config.json", "which has the cells")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	wrong, err := judge(*workflow, *job, needs, stdout)
	if err == nil && *verdicts != "" {
		var more []string
		more, err = cells(*config, *verdicts)
		wrong = append(wrong, more...)
	}
	if err != nil {
		fmt.Fprintf(stderr, "cipass: %v\n", err)
		return 1
	}
	for _, w := range wrong {
		fmt.Fprintf(stdout, "not passed: %s\n", w)
	}
	if len(wrong) > 0 {
		return 3
	}
	fmt.Fprintln(stdout, "passed")
	return 0
}

func judge(workflow, own, needs string, stdout io.Writer) ([]string, error) {
	var given map[string]struct{ Result string }
	if err := json.Unmarshal([]byte(needs), &given); err != nil {
		return nil, fmt.Errorf("NEEDS: expected the JSON of the needs context: %w", err)
	}
	raw, err := os.ReadFile(workflow)
	if err != nil {
		return nil, err
	}
	var file struct {
		Jobs map[string]yaml.Node
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", workflow, err)
	}
	if len(given) == 0 || len(file.Jobs) == 0 {
		return nil, errors.New("no jobs to judge")
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(file.Jobs)) {
		if _, ok := given[name]; !ok && name != own {
			wrong = append(wrong, fmt.Sprintf("job %s is not among the needs of %s", text.Show(name), text.Show(own)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		result := given[name].Result
		fmt.Fprintf(stdout, "%-10s %s\n", text.Show(result), text.Show(name))
		if result != "success" && result != "skipped" {
			wrong = append(wrong, fmt.Sprintf("job %s: %s", text.Show(name), text.Show(result)))
		}
	}
	return wrong, nil
}

// cells compares the verdicts with the cells of config.json.
func cells(file, dir string) ([]string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	config, err := release.Parse(file, raw)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	have := map[string]bool{}
	for _, e := range entries {
		have[e.Name()] = true
	}
	var wrong []string
	for _, c := range config.Cells() {
		name := strings.ReplaceAll(c.String(), "/", "-")
		if !have[name] {
			wrong = append(wrong, fmt.Sprintf("cell %s has no verdict", c))
			continue
		}
		delete(have, name)
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if verdict := strings.TrimSpace(string(raw)); verdict != "ok" {
			wrong = append(wrong, fmt.Sprintf("cell %s: %s", c, text.Show(verdict)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		wrong = append(wrong, fmt.Sprintf("verdict %s is of no cell in %s", text.Quote(name), file))
	}
	return wrong, nil
}
