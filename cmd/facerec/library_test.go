package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
)

// library makes n pictures, each with one face, in a directory of a new working
// directory, and an environment whose engines are counted.
func library(t *testing.T, n int) (env *environment, looked func() int64, stdout *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	if err := errors.Join(os.MkdirAll("photos/sub", 0o777), os.Mkdir("models", 0o777), os.WriteFile("models/fake.dat", []byte(fakeModel), 0o666)); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		addPicture(t, i)
	}
	env = fakeEnvironment()
	stdout = &bytes.Buffer{}
	env.stdout, env.stderr = stdout, &bytes.Buffer{}
	var mu sync.Mutex
	var engines []*apptest.Engine
	env.open = func(app.EngineOptions) (app.Engine, error) {
		mu.Lock()
		defer mu.Unlock()
		e := &apptest.Engine{}
		engines = append(engines, e)
		return e, nil
	}
	return env, func() (sum int64) {
		for _, e := range engines {
			sum += e.Looked.Load()
		}
		engines = nil
		return sum
	}, stdout
}

func pictureName(i int) string {
	dir := "photos"
	if i%3 == 0 {
		dir = "photos/sub"
	}
	return filepath.Join(dir, fmt.Sprintf("%04d.png", i))
}

func addPicture(t *testing.T, i int) {
	t.Helper()
	img := apptest.Paint(40, 40, apptest.Patch{Box: image.Rect(5, 5, 20, 20), Color: color.RGBA{250, uint8(i % 100), uint8(i / 100), 255}})
	var b bytes.Buffer
	if err := errors.Join(app.Encode(&b, "x.png", img), os.WriteFile(pictureName(i), b.Bytes(), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// The second run over a library asks the engine for nothing, a new picture costs
// one look, and a renamed one none.
func TestLibraryIsLookedAtOnce(t *testing.T) {
	const n = 250
	env, looked, stdout := library(t, n)
	detect := func(want int64) string {
		t.Helper()
		stdout.Reset()
		if code := run([]string{"detect", "photos", "--format", "csv"}, env); code != 0 {
			t.Fatalf("exit code %d\n%s", code, env.stderr)
		}
		if got := looked(); got != want {
			t.Errorf("the engine looked at %d pictures, expected %d", got, want)
		}
		return stdout.String()
	}
	first := detect(n)
	if again := detect(0); again != first {
		t.Error("the second run answers otherwise")
	}
	addPicture(t, n)
	detect(1)
	if err := os.Rename(pictureName(n), "photos/renamed.png"); err != nil {
		t.Fatal(err)
	}
	if out := detect(0); !strings.Contains(out, "photos/renamed.png,") {
		t.Error("the renamed picture is missing")
	}
}

// A picture that has not changed is not even opened; one that may have is.
func TestUnchangedIsNotOpened(t *testing.T) {
	env, _, _ := library(t, 1)
	name := pictureName(0)
	o := &options{globals: &globals{}, cache: "auto"}
	look := func() (opened bool) {
		t.Helper()
		s := openStore(env, o)
		defer s.Close()
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		in := fileInput(name, fi)
		read := in.read
		in.read = func() ([]byte, error) { opened = true; return read() }
		j := &job{env: env, o: o, store: s, recognizer: &app.Recognizer{Engine: &apptest.Engine{}, NoImage: true, Cache: s}}
		r, err := j.look(t.Context(), in, nil)
		if err != nil || r.Err != nil || len(r.Faces) != 1 {
			t.Fatal(err, r.Err, len(r.Faces))
		}
		s.save(o)
		return opened
	}
	if !look() || look() {
		t.Error("expected it to be opened the first time, and not the second")
	}
	fi, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	same := fi.ModTime()
	touch := func() error { // until it shows: times of entries have steps of milliseconds
		for before := state(fi); ; {
			if err := os.Chtimes(name, same, same); err != nil {
				return err
			}
			if fi, err = os.Stat(name); err != nil || !bytes.Equal(state(fi), before) {
				return err
			}
		}
	}
	for what, change := range map[string]func() error{
		"its time":  func() error { return os.Chtimes(name, same, same.Add(time.Second)) },
		"its entry": touch,
		"its size": func() error {
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.Write([]byte{0})
			return errors.Join(err, f.Close(), os.Chtimes(name, same, same))
		},
		"the file": func() error {
			data, err := os.ReadFile(name)
			return errors.Join(err, os.WriteFile(name+"~", data, 0o666), os.Chtimes(name+"~", same, same), os.Rename(name+"~", name))
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if !look() || look() {
			t.Errorf("%s changed: expected it to be opened once", what)
		}
	}
	// What was changed a moment ago may change again without a trace.
	if err := touch(); err != nil {
		t.Fatal(err)
	}
	changed := time.Unix(0, changeTime(fi.Sys().(*syscall.Stat_t)))
	env.now = func() time.Time { return changed.Add(settled - 1) }
	for range 2 {
		if look() {
			continue
		}
		t.Error("a picture that was changed just now is taken for settled")
	}
}

// Two runs at once disturb neither each other nor the next.
func TestLibraryAtOnce(t *testing.T) {
	const n = 60
	env, looked, _ := library(t, n)
	var wg sync.WaitGroup
	outs := make([]bytes.Buffer, 3)
	for i := range outs {
		wg.Go(func() {
			mine := *env
			mine.stdout, mine.stderr = &outs[i], &bytes.Buffer{}
			if code := run([]string{"detect", "photos", "--format", "csv"}, &mine); code != 0 {
				t.Errorf("exit code %d\n%s", code, mine.stderr)
			}
		})
	}
	wg.Wait()
	for i := range outs {
		if outs[i].String() != outs[0].String() {
			t.Error("the runs answer differently")
		}
	}
	looked()
	if code := run([]string{"detect", "photos", "--format", "csv"}, env); code != 0 || looked() != 0 {
		t.Errorf("exit code %d\n%s", code, env.stderr)
	}
}

// A run that is interrupted keeps what it found so far.
func TestInterruptedRunIsKept(t *testing.T) {
	env, looked, _ := library(t, 40)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := &options{globals: &globals{quiet: true}, cache: "auto", checkModels: "quick", detector: "hog", upsample: "0", memory: "0", maxPixels: 1 << 20, jobs: 1, models: "models"}
	j, err := newJob(env, o, []string{"photos"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := openEngine(ctx, env, o)
	if err != nil {
		t.Fatal(err)
	}
	j.use(env, e, nil, app.Rule{})
	_, _, err = j.batch(ctx, bufio.NewWriter(io.Discard), []app.Reporter{stopAfter{15, new(int), cancel}})
	if err = e.shut(ctx, err); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, expected an interrupted run", err)
	}
	if n := looked(); n < 15 || n > 20 {
		t.Fatalf("the engine looked at %d pictures before it was interrupted", n)
	}
	ctx = t.Context()
	if e, err = openEngine(ctx, env, o); err != nil {
		t.Fatal(err)
	}
	j.use(env, e, nil, app.Rule{})
	if _, _, err = j.batch(ctx, bufio.NewWriter(io.Discard), []app.Reporter{&app.Insides{}}); err != nil {
		t.Fatal(err)
	}
	if err := e.shut(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if n := looked(); n > 25 {
		t.Errorf("the second run looked at %d pictures, expected at most 25", n)
	}
}

// stopAfter interrupts a run after so many pictures.
type stopAfter struct {
	n      int
	seen   *int
	cancel func()
}

func (s stopAfter) Picture(*app.Result) error {
	if *s.seen++; *s.seen == s.n {
		s.cancel()
	}
	return nil
}

func (s stopAfter) End(app.Summary) error { return nil }
