package main

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"

	"facerec/internal/loopback"
	"facerec/internal/loopback/hostile"
)

func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){
		"releaser": main,
	})
}

// goCache is the build cache of whoever runs the tests.
var goCache = os.Getenv("GOCACHE")

// tidy stops what tests shared once all have ended.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	defer stopSigning()
	// What the person at this machine trusts is no part of a test.
	if dir, err := os.UserCacheDir(); err == nil && goCache == "" {
		goCache = filepath.Join(dir, "go-build")
	}
	home, err := os.MkdirTemp("", "home-")
	if err == nil {
		defer os.RemoveAll(home)
		err = os.Setenv("XDG_CONFIG_HOME", home)
	}
	if err == nil { // nor is a cache of theirs
		err = os.Unsetenv("RELEASER_CACHE")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.M.Run()
}

// TestScripts runs one txtar file a verb or a story. Each has a registry of its
// own at $REGISTRY, a real one over HTTP on loopback, in this process.
func TestScripts(t *testing.T) {
	p := scriptParams()
	p.Dir = "testdata/script"
	testscript.Run(t, p)
}

// TestScriptsOnDistribution runs scripts about parts of an index on a registry that
// is stricter than the one in this process.
func TestScriptsOnDistribution(t *testing.T) {
	real, err := loopback.NewRegistry(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(real.Close) // after the scripts, which run in parallel
	p := scriptParams()
	p.Files = []string{"testdata/script/join.txtar"}
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		err := setup(env)
		env.Setenv("REGISTRY", real.Addr)
		return err
	}
	testscript.Run(t, p)
}

func scriptParams() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			r := hostile.New(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
			r.Ranges = true
			s := httptest.NewServer(r)
			env.Defer(s.Close)
			env.Setenv("REGISTRY", strings.TrimPrefix(s.URL, "http://"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GOCACHE", goCache) // for builds of other people's projects
			env.Values["server"], env.Values["tuf"] = s, &tufServer{}
			return nil
		},
		Condition: canUnshare,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"nonet":    noNet,
			"flip":     flip,
			"truncate": truncate,
			"oneline":  oneLine,
			"empty":    emptyDir,
			"spoil":    spoil,
			"tuf":      tufRepository,
			"fault":    faultCommand,
			"asked":    asked,
			"waitfor":  waitFor,
			"serve":    serveCommand,
			"spoil-layer": func(ts *testscript.TestScript, neg bool, args []string) {
				spoil(ts, neg, []string{strings.TrimSpace(ts.ReadFile(args[0]))})
			},
		},
	}
}

// exits CODE PROGRAM ARGS… runs a program and wants exactly that exit code;
// its output is there for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		m := regexp.MustCompile(`exit status ([0-9]+)`).FindStringSubmatch(err.Error())
		if m == nil {
			ts.Fatalf("%v", err)
		}
		got, err = strconv.Atoi(m[1])
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// flip FILE changes one bit in the middle of a file; flip FILE OFFSET there.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	raw := []byte(ts.ReadFile(args[0]))
	at := len(raw) / 2
	if len(args) > 1 {
		var err error
		at, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	raw[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), raw, 0o644))
}

// emptyDir DIR wants a directory to have nothing in it, hidden files neither.
func emptyDir(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	for _, e := range entries {
		ts.Fatalf("%s has %s", args[0], e.Name())
	}
}

// truncate FILE cuts a file in half.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	raw := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(raw[:len(raw)/2]), 0o644))
}

// oneLine wants the last standard error to be a single line, hints aside.
func oneLine(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(strings.TrimRight(ts.ReadFile("stderr"), "\n"), "\n")
	if rest := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.HasPrefix(l, "hint: ") }); len(rest) != 1 || rest[0] == "" {
		ts.Fatalf("expected one line on standard error, got %q", lines)
	}
}

// spoil SUFFIX makes the registry flip a bit in what it answers for paths that
// end so; spoil alone makes it honest again.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	s := front(ts)
	s.ClearFaults()
	if suffix := strings.Join(args, ""); suffix != "" {
		s.Spoil(suffix, 0, hostile.Body(hostile.Flip, true))
	}
}

// front is the registry that scripts can spoil.
func front(ts *testscript.TestScript) *hostile.Registry {
	return ts.Value("server").(*httptest.Server).Config.Handler.(*hostile.Registry)
}
