package main

import (
	"bytes"
	"context"
	"image"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
)

// slow looks at pictures until the test ends.
type slow struct {
	apptest.Engine
	begun chan struct{}
	end   chan struct{}
}

func (s *slow) Faces(context.Context, app.Picture) ([]app.Detection, error) {
	s.begun <- struct{}{}
	<-s.end
	return nil, nil
}

// Whoever presses Ctrl-C gets the prompt back, though the engine cannot be
// interrupted, with 130 and nothing half-written.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	var picture bytes.Buffer
	if err := app.Encode(&picture, "a.png", apptest.Paint(100, 100, apptest.Patch{Box: image.Rect(10, 10, 60, 60), Color: paintColors["red"]})); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"persons/Rose/1.png", "images/unknown.jpg"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, picture.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("models", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("models/fake.dat", []byte(fakeModel), 0o666); err != nil {
		t.Fatal(err)
	}
	s := &slow{begun: make(chan struct{}), end: make(chan struct{})}
	defer close(s.end)
	env := fakeEnvironment()
	var stdout, stderr bytes.Buffer
	env.stdin, env.stdout, env.stderr = strings.NewReader(""), &stdout, &stderr
	env.open = func(app.EngineOptions) (app.Engine, error) { return s, nil }
	code := make(chan int)
	go func() { code <- run([]string{"--cache", "off"}, env) }()
	<-s.begun
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != 130 {
		t.Errorf("exit code %d, want 130", got)
	}
	if stdout.String() != "" || stderr.String() != "facerec: interrupted\n" {
		t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
	}
	if list, err := os.ReadDir("images"); err != nil || len(list) != 1 {
		t.Errorf("images/ holds %v, %v", list, err)
	}
}
