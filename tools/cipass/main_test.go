package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"facerec/internal/release"
)

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	flow := write(t, dir, "ci.yml", "on: push\njobs:\n  lint: {runs-on: x}\n  cells: {runs-on: x}\n  ci-pass: {runs-on: x}\n")
	config := write(t, dir, "config.json", `{"project_name": "p", "version": "1.0.0", "build_cmd": "true", "artifacts": [{"src": "a", "dest": "/app/a"}],
 "lineages": [{"name": "old", "suffix": ""}], "platforms": ["linux/amd64", "linux/arm64"]}`)
	good := map[string]string{"old-linux-amd64": "ok\n", "old-linux-arm64": "ok\n"}
	for _, c := range []struct {
		name, needs string
		verdicts    map[string]string
		code        int
		want        string
	}{
		{"all well", `{"lint": {"result": "success"}, "cells": {"result": "success"}}`, good, 0, "passed"},
		{"skipped passes", `{"lint": {"result": "skipped"}, "cells": {"result": "success"}}`, good, 0, "passed"},
		{"failed", `{"lint": {"result": "failure"}, "cells": {"result": "success"}}`, good, 3, "job lint: failure"},
		{"cancelled", `{"lint": {"result": "cancelled"}, "cells": {"result": "success"}}`, good, 3, "job lint: cancelled"},
		{"a result without a name", `{"lint": {"result": ""}, "cells": {"result": "success"}}`, good, 3, "job lint"},
		{"a job that was forgotten", `{"cells": {"result": "success"}}`, good, 3, "job lint is not among the needs"},
		{"a cell that was renamed", `{"lint": {"result": "success"}, "cells": {"result": "success"}}`, map[string]string{"old-linux-amd64": "ok", "old-linux-arm": "ok"}, 3, "cell old/linux/arm64 has no verdict"},
		{"a cell of another name", `{"lint": {"result": "success"}, "cells": {"result": "success"}}`, map[string]string{"old-linux-amd64": "ok", "old-linux-arm64": "ok", "x": "ok"}, 3, `"x" is of no cell`},
		{"a cell that failed", `{"lint": {"result": "success"}, "cells": {"result": "success"}}`, map[string]string{"old-linux-amd64": "ok", "old-linux-arm64": "failure"}, 3, "old/linux/arm64: failure"},
		{"no cells at all", `{"lint": {"result": "success"}, "cells": {"result": "success"}}`, nil, 3, "has no verdict"},
		{"no needs", `{}`, good, 1, ""},
		{"no JSON", ``, good, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			verdicts := filepath.Join(t.TempDir(), "verdicts")
			for name, content := range c.verdicts {
				write(t, verdicts, name, content)
			}
			var out, complaint bytes.Buffer
			if got := run([]string{"--workflow", flow, "--config", config, "--verdicts", verdicts}, c.needs, &out, &complaint); got != c.code {
				t.Errorf("exit code: want %d, got %d\n%s%s", c.code, got, &out, &complaint)
			}
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("want %q in:\n%s", c.want, &out)
			}
		})
	}
}

// TestOwnWorkflow judges this repository's own workflow and cells: all well, and with
// one cell that the matrix gave another name.
func TestOwnWorkflow(t *testing.T) {
	const flow, config = "../../.github/workflows/ci.yml", "../../config.json"
	raw, err := os.ReadFile(flow)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Jobs map[string]struct{ Needs any }
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	list, ok := file.Jobs["ci-pass"].Needs.([]any)
	if !ok || len(list) < 5 {
		t.Fatalf("needs: %v", file.Jobs["ci-pass"].Needs)
	}
	given := map[string]any{}
	for _, n := range list {
		given[n.(string)] = map[string]string{"result": "success"}
	}
	needs, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := release.Parse(config, raw)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var first string
	for i, cell := range c.Cells() {
		name := strings.ReplaceAll(cell.String(), "/", "-")
		write(t, dir, name, "ok\n")
		if i == 0 {
			first = name
		}
	}
	judged := func() (int, string) {
		var out, complaint bytes.Buffer
		code := run([]string{"--workflow", flow, "--config", config, "--verdicts", dir}, string(needs), &out, &complaint)
		return code, out.String() + complaint.String()
	}
	if code, said := judged(); code != 0 {
		t.Errorf("expected 0, got %d: %s", code, said)
	}
	if err := os.Rename(filepath.Join(dir, first), filepath.Join(dir, "renamed")); err != nil {
		t.Fatal(err)
	}
	if code, said := judged(); code != 3 || !strings.Contains(said, "has no verdict") || !strings.Contains(said, "is of no cell") {
		t.Errorf("expected 3, got %d: %s", code, said)
	}
}
