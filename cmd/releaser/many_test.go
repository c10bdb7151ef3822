package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"facerec/internal/batch"
)

// manyReleases makes n versions of one project in a registry, which share a layer, and
// returns their directories and the key that signed them.
func manyReleases(t testing.TB, host string, n int) (dists []string, key string) {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(in(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	call(t, "-q", "keygen", in("k"))
	if err := os.Mkdir(in("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("data/numbers", strings.Repeat("0123456789", 20_000))
	for i := range n {
		version := fmt.Sprintf("1.0.%d", i)
		write("tool", version)
		write("config.json", `{"project_name": "tool", "version": "`+version+`", "build_cmd": "true", "artifacts": [{"src": "tool", "dest": "/app/tool", "layer": "tool"}],
  "extern_data": [{"src": "data", "dest": "/app/data", "layer": "data"}], "platforms": ["linux/amd64", "linux/arm64"]}`)
		dist := in("dist-" + version)
		call(t, "-q", "--config", in("config.json"), "build", "--out", in("oci"))
		call(t, "-q", "push", in("oci"), host+"/tool")
		call(t, "-q", "--config", in("config.json"), "pack", "--image", host+"/tool", "--out", dist)
		call(t, "-q", "sign", dist, "--key", in("k.key"))
		dists = append(dists, dist)
	}
	return dists, in("k.pub")
}

// listFile writes a list of names.
func listFile(t testing.TB, names []string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte(strings.Join(names, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestListFetchesOnce counts what a list of releases asks distribution's registry
// for: each blob and manifest once, whoever shares it, and one log-in.
func TestListFetchesOnce(t *testing.T) {
	front, host := frontedRegistry(t)
	t.Setenv("RELEASER_REGISTRY", host)
	const releases = 7
	dists, key := manyReleases(t, host, releases)
	front.ClearFaults()
	call(t, "-q", "--config", "none.json", "verify", "--list", listFile(t, dists), "--key", key, "--unsafe-no-transparency-log", "--jobs", "2")
	count := map[string]int{}
	kinds := map[string]int{}
	for _, r := range front.RequestsOf("", "") {
		count[r.Method+" "+r.Path]++
		kind := strings.Split(strings.TrimPrefix(r.Path, "/v2/tool/"), "/")[0]
		kinds[kind]++
	}
	for what, n := range count {
		if n != 1 {
			t.Errorf("%s: %d times", what, n)
		}
	}
	// Of each release an index, two manifests and two configurations; one layer of its
	// own, and one that all have.
	if want := map[string]int{"": 1, "manifests": 3 * releases, "blobs": 3*releases + 1}; fmt.Sprint(kinds) != fmt.Sprint(want) {
		t.Errorf("asked for %v, expected %v", kinds, want)
	}
}

// BenchmarkList verifies 50 releases in one run: with -mutexprofile or -blockprofile to
// see what they wait for each other at.
func BenchmarkList(b *testing.B) {
	_, host := frontedRegistry(b)
	b.Setenv("RELEASER_REGISTRY", host)
	dists, key := manyReleases(b, host, 50)
	list := listFile(b, dists)
	for b.Loop() {
		call(b, "-q", "--config", "none.json", "verify", "--list", list, "--key", key, "--unsafe-no-transparency-log")
	}
}

// TestListInterrupted calls a run off after some lines: they stay, and the exit code
// says so.
func TestListInterrupted(t *testing.T) {
	var names []string
	for i := range 2000 {
		names = append(names, fmt.Sprintf("none-%d", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &afterLines{n: 5, then: cancel}
	var errs bytes.Buffer
	code := run(ctx, []string{"verify", "--json", "--list", listFile(t, names), "--key", "none.pub", "--unsafe-no-transparency-log"}, nil, out, &errs)
	if code != exitUsage { // the key is not there
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	key := filepath.Join(t.TempDir(), "k")
	call(t, "-q", "keygen", key)
	code = run(ctx, []string{"verify", "--json", "--list", listFile(t, names), "--key", key + ".pub", "--unsafe-no-transparency-log"}, nil, out, &errs)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if code != exitInterrupt || len(lines) < 5 || len(lines) >= len(names) || !strings.Contains(errs.String(), "interrupted") {
		t.Fatalf("exit code %d, %d lines: %s", code, len(lines), errs.String())
	}
	for _, line := range lines {
		var l batch.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Schema != batch.LineSchema || l.ExitCode != exitUsage {
			t.Errorf("got %s", line)
		}
	}
}

// afterLines does something after some lines.
type afterLines struct {
	mu sync.Mutex
	bytes.Buffer
	n    int
	then func()
}

func (a *afterLines) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n -= bytes.Count(p, []byte("\n")); a.n <= 0 {
		a.then()
	}
	return a.Buffer.Write(p)
}
