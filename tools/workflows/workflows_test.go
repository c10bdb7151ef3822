package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"facerec/internal/release"
)

// flow is what the rules look at in a workflow.
type flow struct {
	On          yaml.Node
	Permissions map[string]string
	Concurrency struct {
		Group  string
		Cancel string `yaml:"cancel-in-progress"`
	}
	Jobs map[string]job
}

type job struct {
	Needs       yaml.Node
	RunsOn      string `yaml:"runs-on"`
	If          string
	Environment string
	Timeout     int `yaml:"timeout-minutes"`
	Continue    any `yaml:"continue-on-error"`
	Permissions map[string]string
	Strategy    struct {
		FailFast *bool `yaml:"fail-fast"`
		Matrix   string
	}
	Steps []struct {
		If, Uses, Run string
		Continue      any `yaml:"continue-on-error"`
		With, Env     map[string]string
	}
}

func words(n yaml.Node) (list []string) {
	switch n.Kind {
	case yaml.ScalarNode:
		return []string{n.Value}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			list = append(list, c.Value)
		}
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			list = append(list, n.Content[i].Value)
		}
	}
	return list
}

func flows(t *testing.T) map[string]flow {
	t.Helper()
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	out := map[string]flow{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f flow
		if err := yaml.Unmarshal(raw, &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".yml")] = f
	}
	return out
}

// mayWrite lists the only permissions beyond reading, and the jobs that have them.
var mayWrite = map[string]string{
	"release/publish":   "contents: write, id-token: write, packages: write",
	"discover/discover": "issues: write",
	"reproduce/rebuild": "id-token: write",
	"reproduce/publish": "contents: write, packages: write",
	"cleanup/cleanup":   "actions: write",
}

// called is what a step may run: make, and what a bare container needs first.
var called = regexp.MustCompile(`^(make ([^;&|<>()\x60$]|\$[A-Z_]+)*|apt-get -q update && apt-get -q -y install ca-certificates git make)$`)

// wrong lists what breaks the rules, in words.
func wrong(name string, f flow) (list []string) {
	say := func(s ...string) { list = append(list, strings.Join(s, " ")) }
	events := words(f.On)
	for _, e := range events {
		// These two run with the project's secrets on a stranger's change.
		if e == "pull_request_target" || e == "workflow_run" {
			say(name, "runs on", e)
		}
	}
	if len(f.Permissions) != 1 || f.Permissions["contents"] != "read" {
		say(name, "has other permissions than contents: read")
	}
	if f.Concurrency.Group == "" || f.Concurrency.Cancel == "true" {
		say(name, "has no concurrency, or cancels")
	}
	for _, j := range slices.Sorted(maps.Keys(f.Jobs)) {
		at, job := name+"/"+j, f.Jobs[j]
		var writes []string
		for _, p := range slices.Sorted(maps.Keys(job.Permissions)) {
			if level := job.Permissions[p]; level != "read" && level != "none" {
				writes = append(writes, p+": "+level)
			}
		}
		if got := strings.Join(writes, ", "); got != mayWrite[at] {
			say(at, "may", got)
		}
		if len(writes) > 0 && slices.Contains(events, "pull_request") {
			say(at, "may write for a pull request")
		}
		if job.Timeout <= 0 {
			say(at, "has no timeout")
		}
		if job.Continue != nil {
			say(at, "goes on after an error")
		}
		if job.If != "" && at != "ci/ci-pass" {
			say(at, "has a condition")
		}
		if job.Strategy.FailFast != nil && *job.Strategy.FailFast {
			say(at, "fails fast")
		}
		for _, s := range job.Steps {
			if s.If != "" || s.Continue != nil {
				say(at, "has a step with a condition")
			}
			if s.Run != "" && !called.MatchString(s.Run) {
				say(at, "has logic in YAML:", s.Run)
			}
			if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != "false" {
				say(at, "leaves a token in .git/config")
			}
			// A cache can have been written by a pull request.
			if strings.HasPrefix(s.Uses, "actions/setup-go@") && (name == "release" || mayWrite[at] != "") && s.With["cache"] != "false" {
				say(at, "reads a cache")
			}
			for _, values := range []map[string]string{s.Env, s.With} {
				for _, v := range values {
					if (strings.Contains(v, "secrets.") || strings.Contains(v, "github.token")) && mayWrite[at] == "" {
						say(at, "has a token:", v)
					}
				}
			}
		}
	}
	return list
}

// reaches reports whether a job waits for another, directly or not.
func (f flow) reaches(from, to string) bool {
	for _, n := range words(f.Jobs[from].Needs) {
		if n == to || f.reaches(n, to) {
			return true
		}
	}
	return false
}

func TestWorkflows(t *testing.T) {
	all := flows(t)
	for name, f := range all {
		for _, w := range wrong(name, f) {
			t.Error(w)
		}
	}
	ci, rel := all["ci"], all["release"]
	if !slices.Contains(words(ci.On), "pull_request") {
		t.Error("ci does not run for pull requests")
	}
	if ci.Jobs["ci-pass"].If != "always()" {
		t.Error("ci-pass is skipped when a job fails, and a skipped check passes")
	}
	for j := range ci.Jobs {
		if j != "ci-pass" && !slices.Contains(words(ci.Jobs["ci-pass"].Needs), j) {
			t.Errorf("ci-pass does not need %s", j)
		}
	}
	if got := words(rel.On); len(got) != 1 || got[0] != "push" {
		t.Errorf("release runs on %v", got)
	}
	if rel.Concurrency.Cancel != "false" {
		t.Error("release may cancel a tag")
	}
	for _, before := range []string{"plan", "build", "assemble"} {
		if !rel.reaches("publish", before) {
			t.Errorf("publish does not wait for %s", before)
		}
	}
	if rel.Jobs["publish"].Environment == "" {
		t.Error("publish has no environment")
	}
}

// TestRunners wants each job to run on a machine that there is a stand-in for, as act
// skips any other, and the jobs that build cells to leave the choice to config.json.
func TestRunners(t *testing.T) {
	raw, err := os.ReadFile("../../config.json")
	if err != nil {
		t.Fatal(err)
	}
	config, err := release.Parse("config.json", raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range config.Cells() {
		if label := config.Runner(cell.Platform); !slices.Contains(runners, label) {
			t.Errorf("config.json: %s is built on %q, expected one of %q", cell, label, runners)
		}
	}
	for name, f := range flows(t) {
		for j, job := range f.Jobs {
			of := job.Strategy.Matrix
			switch {
			case strings.Contains(of, "matrix"):
				if job.RunsOn != "${{ matrix.runner }}" {
					t.Errorf("%s/%s: runs-on: got %q, expected that of config.json", name, j, job.RunsOn)
				}
			case !slices.Contains(runners, job.RunsOn):
				t.Errorf("%s/%s: runs-on: got %q, expected one of %q", name, j, job.RunsOn, runners)
			}
		}
	}
}

// TestWorkflowRules plants what each rule is for.
func TestWorkflowRules(t *testing.T) {
	const good = "on: [push, pull_request]\npermissions:\n  contents: read\nconcurrency:\n  group: g\n  cancel-in-progress: false\njobs:\n  a:\n    timeout-minutes: 1\n    steps:\n      - run: make a X=\"$X\"\n"
	parse := func(text string) flow {
		t.Helper()
		var f flow
		if err := yaml.Unmarshal([]byte(text), &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	if got := wrong("x", parse(good)); len(got) > 0 {
		t.Fatalf("got %q", got)
	}
	for _, c := range []struct{ from, to, want string }{
		{"[push, pull_request]", "pull_request_target", "runs on"},
		{"[push, pull_request]", "{workflow_run: {workflows: [ci]}}", "runs on"},
		{"  contents: read", "  contents: write", "other permissions"},
		{"permissions:\n  contents: read\n", "", "other permissions"},
		{"    timeout-minutes: 1\n", "", "no timeout"},
		{"    timeout-minutes: 1\n", "    timeout-minutes: 1\n    permissions: {id-token: write}\n", "may id-token: write"},
		{"    timeout-minutes: 1\n", "    timeout-minutes: 1\n    permissions: {packages: write}\n", "for a pull request"},
		{"    timeout-minutes: 1\n", "    timeout-minutes: 1\n    continue-on-error: true\n", "goes on after an error"},
		{"    timeout-minutes: 1\n", "    timeout-minutes: 1\n    if: always()\n", "has a condition"},
		{"    timeout-minutes: 1\n", "    timeout-minutes: 1\n    strategy: {fail-fast: true}\n", "fails fast"},
		{"cancel-in-progress: false", "cancel-in-progress: true", "cancels"},
		{`make a X="$X"`, "make a || true", "logic in YAML"},
		{`make a X="$X"`, "make a X=${{ github.head_ref }}", "logic in YAML"},
		{`make a X="$X"`, "curl x | sh", "logic in YAML"},
		{`      - run: make a X="$X"`, "      - {run: make a, if: success()}", "condition"},
		{`      - run: make a X="$X"`, "      - {run: make a, env: {T: \"${{ secrets.T }}\"}}", "has a token"},
		{`      - run: make a X="$X"`, "      - {run: make a, env: {T: \"${{ github.token }}\"}}", "has a token"},
		{`      - run: make a X="$X"`, "      - uses: actions/checkout@v1", "token in .git/config"},
	} {
		if !strings.Contains(good, c.from) {
			t.Fatalf("nothing to replace: %s", c.from)
		}
		if got := wrong("x", parse(strings.Replace(good, c.from, c.to, 1))); !strings.Contains(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s: expected %q, got %q", c.to, c.want, got)
		}
	}
}

// TestStandIns checks that something stands in for each action, and that the
// composite action installs from where releaser is published.
func TestStandIns(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{top: top, project: top}
	for name := range flows(t) {
		flags, err := s.standIns(filepath.Join(top, ".github", "workflows", name+".yml"))
		if err != nil || len(flags) == 0 {
			t.Errorf("%s: %v, %v", name, flags, err)
		}
	}
	unknown := filepath.Join(t.TempDir(), "x.yml")
	if err := os.WriteFile(unknown, []byte("      - uses: a/b@"+strings.Repeat("0", 40)+" # v1.0.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.standIns(unknown); err == nil || !strings.Contains(err.Error(), "nothing stands in for a/b") {
		t.Errorf("got %v", err)
	}
	raw, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs map[string]struct{ Default string }
	}
	if err := yaml.Unmarshal(raw, &action); err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile("../../releaser.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := release.Parse("releaser.json", raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := action.Inputs["releaser-page"].Default; got != c.Page || got != docSelf {
		t.Errorf("action.yml installs from %s, releaser.json publishes on %s", got, c.Page)
	}
}

// TestExamples checks that the document has what a run fills in.
func TestExamples(t *testing.T) {
	raw, err := os.ReadFile("../../" + pipeline)
	if err != nil {
		t.Fatal(err)
	}
	for head, want := range map[string][]string{
		"GitHub": {"COMMIT", "VERSION", "SHA256", docPage, docIdentity},
		"GitLab": {"VERSION", "SHA256", docPage, docSelf, "IDENTITY", "ISSUER"},
		"Shell":  {"VERSION", "SHA256", docPage, docSelf, "IDENTITY", "ISSUER"},
	} {
		block, err := example(string(raw), head)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, w := range want {
			if _, err := filled(block, w, "x"); err != nil {
				t.Errorf("%s: %v", head, err)
			}
		}
	}
	if _, err := example("Shell:\n\nNo block.\n", "Shell"); err == nil {
		t.Error("an example that is missing was found")
	}
}

// TestEvents checks that a pull request's event is that of a fork.
func TestEvents(t *testing.T) {
	raw, err := json.Marshal(events["pull_request"])
	if err != nil || !strings.Contains(string(raw), `"fork":true`) {
		t.Errorf("%s, %v", raw, err)
	}
}
