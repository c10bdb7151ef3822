package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
	"facerec/internal/atomicfile"
	"facerec/internal/models"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		// facerec is the whole program over an engine that takes patches of
		// colour for faces; FAKE_… make it
		// fail, or believe that it lies elsewhere.
		"facerec": func() { os.Exit(run(os.Args[1:], fakeEnvironment())) },
		// facerec-bare is the program as it was built for the test.
		"facerec-bare": func() { os.Exit(run(os.Args[1:], hostEnvironment())) },
		// bom FILE writes settings as Notepad would.
		"bom": func() {
			if os.WriteFile(os.Args[1], []byte("\ufeff{\"threshold\": 0.7,\r\n\"margin\": 0.05}\r\n"), 0o666) != nil {
				os.Exit(1)
			}
		},
		// paint FILE WxH COLOR@X,Y,SIDE... makes a picture for it.
		"paint": func() { os.Exit(paint(os.Args[1:])) },
	})
}

// With -update the golden parts of the scripts are written anew.
var update = flag.Bool("update", false, "write golden files anew")

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			dir := filepath.Join(env.WorkDir, "models")
			return errors.Join(os.Mkdir(dir, 0o777), os.WriteFile(filepath.Join(dir, "fake.dat"), []byte(fakeModel), 0o666))
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Getuid() == 0, nil
			case "dlib":
				return hostEnvironment().built() == nil, nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": exitCodeCmd,
			"nolitter": noLitterCmd,
			"corrupt":  corruptCmd,
		},
	})
}

// fakeModel is what the fake engine's model file holds.
const fakeModel = "a model\n"

func fakeEnvironment() *environment {
	env := newEnvironment()
	env.built = func() error { return nil }
	env.now = func() time.Time { return time.Time{} } // every run takes no time
	env.cpuLacks = func() []string { return strings.Fields(os.Getenv("FAKE_CPU_LACKS")) }
	if v := os.Getenv("FAKE_EXECUTABLE"); v != "" {
		env.executable = func() (string, error) { return v, nil }
	}
	env.open = func(app.EngineOptions) (app.Engine, error) {
		if v := os.Getenv("FAKE_ENGINE"); v != "" {
			return nil, errors.New(v)
		}
		return &apptest.Engine{Scores: os.Getenv("FAKE_SCORES") != ""}, nil
	}
	if os.Getenv("FAKE_TERMINAL") != "" {
		env.outTerminal, env.errTerminal = true, true
	}
	env.lineage = func() string { return os.Getenv("FAKE_LINEAGE") }
	env.scores = func() bool { return os.Getenv("FAKE_SCORES") != "" }
	env.dlib = func() string {
		if os.Getenv("FAKE_STATUS") != "" {
			status, _ := os.ReadFile("/proc/self/status")
			return "0.0\n" + string(status)
		}
		return "0.0"
	}
	env.pins = models.Lock{Models: []models.Model{{
		Name: "fake.dat", Size: int64(len(fakeModel)), SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(fakeModel))), Licence: "CC0-1.0",
	}}}
	return env
}

// exitCodeCmd runs "exitcode N command...": the command must exit with N.
func exitCodeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N command args")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// noLitterCmd fails if a temporary file is left anywhere below a directory.
func noLitterCmd(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		err := filepath.WalkDir(ts.MkAbs(dir), func(name string, _ os.DirEntry, err error) error {
			if err == nil && ((strings.HasSuffix(name, ".tmp") && filepath.Base(name) != ".tmp" || strings.HasPrefix(filepath.Base(name), atomicfile.Prefix)) || strings.HasPrefix(filepath.Base(name), atomicfile.Prefix)) {
				return fmt.Errorf("%s was left behind", name)
			}
			return err
		})
		ts.Check(err)
	}
}

var paintColors = map[string]color.RGBA{
	"red": {230, 20, 20, 255}, "darkred": {190, 10, 10, 255}, "green": {20, 220, 20, 255},
	"darkgreen": {10, 180, 10, 255}, "blue": {20, 20, 230, 255}, "magenta": {230, 20, 230, 255},
	"orange": {230, 120, 20, 255},
}

func paint(args []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "paint:", err)
		return 1
	}
	if len(args) < 2 {
		return fail(errors.New("usage: paint FILE WxH COLOR@X,Y,SIDE..."))
	}
	var w, h int
	if _, err := fmt.Sscanf(args[1], "%dx%d", &w, &h); err != nil {
		return fail(err)
	}
	var ps []apptest.Patch
	for _, a := range args[2:] {
		name, rest, _ := strings.Cut(a, "@")
		var x, y, s int
		if _, err := fmt.Sscanf(rest, "%d,%d,%d", &x, &y, &s); err != nil {
			return fail(err)
		}
		c, ok := paintColors[name]
		if !ok {
			return fail(fmt.Errorf("no colour %s", name))
		}
		ps = append(ps, apptest.Patch{Box: image.Rect(x, y, x+s, y+s), Color: c})
	}
	if err := os.MkdirAll(filepath.Dir(args[0]), 0o777); err != nil {
		return fail(err)
	}
	f, err := os.Create(args[0])
	if err != nil {
		return fail(err)
	}
	encode := png.Encode // without the mark of what facerec writes
	if ext := filepath.Ext(args[0]); ext == ".jpg" || ext == ".jpeg" {
		encode = func(w io.Writer, img image.Image) error { return jpeg.Encode(w, img, &jpeg.Options{Quality: 92}) }
	}
	if err := encode(f, apptest.Paint(w, h, ps...)); err != nil {
		return fail(err)
	}
	if err := f.Close(); err != nil {
		return fail(err)
	}
	return 0
}

// corruptCmd changes one bit of every file below a directory, length and all else kept.
func corruptCmd(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	for _, dir := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(dir), func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(name)
			if err != nil || len(data) == 0 {
				return err
			}
			n++
			data[len(data)/2] ^= 1
			return os.WriteFile(name, data, 0o666)
		}))
	}
	if n == 0 {
		ts.Fatalf("nothing to corrupt below %q", args)
	}
}
