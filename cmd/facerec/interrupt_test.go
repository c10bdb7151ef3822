package main

import (
	"bytes"
	"context"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
)

// slow looks at pictures until the test ends, from one of them on.
type slow struct {
	apptest.Engine
	from  int64 // that many are looked at without delay
	begun chan struct{}
	end   chan struct{}
}

func (s *slow) Faces(ctx context.Context, p app.Picture) ([]app.Detection, error) {
	if s.Looked.Load() < s.from {
		return s.Engine.Faces(ctx, p)
	}
	s.begun <- struct{}{}
	<-s.end
	return nil, nil
}

// files lists everything below a directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	if err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		out = append(out, name)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// smallLibrary makes a directory with one person, two pictures and a model, and goes there.
func smallLibrary(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	write := func(name string, data []byte) {
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	painted := func(size int, patches ...apptest.Patch) []byte {
		var b bytes.Buffer
		if err := app.Encode(&b, "a.png", apptest.Paint(size, 100, patches...)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	red := apptest.Patch{Box: image.Rect(10, 10, 60, 60), Color: paintColors["red"]}
	blue := apptest.Patch{Box: image.Rect(100, 10, 150, 60), Color: paintColors["blue"]}
	write("persons/Rose/1.png", painted(100, red))
	write("images/unknown.jpg", painted(200, red, blue))
	write("images/z.png", painted(210, red, blue))
	write("models/fake.dat", []byte(fakeModel))
}

// Whoever presses Ctrl-C gets the prompt back, though the engine cannot be
// interrupted, with 130 and nothing half-written.
func TestInterrupt(t *testing.T) {
	for _, tt := range []struct {
		name string
		from int64    // pictures that are looked at before
		args []string // besides --cache off
		left []string // what may be there afterwards
	}{
		{"no verb", 0, nil, nil},
		{"recognize", 2, []string{"recognize", "images", "--jobs", "1", "--out", "drawn", "--crops", "cut", "--report", "all.html"}, []string{"drawn", "drawn/unknown.jpg", "cut", "cut/unknown-1.jpg", "cut/unknown-2.jpg"}},
		{"sidecars", 2, []string{"recognize", "images", "--jobs", "1", "--xmp"}, []string{"images/unknown.jpg.xmp"}},
		{"group, while it looks", 2, []string{"group", "images", "--jobs", "1", "--out", "people", "--report", "all.html"}, nil},
		{"group, while it cuts", 3, []string{"group", "images", "--jobs", "1", "--out", "people", "--report", "all.html"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			smallLibrary(t)
			before := files(t, ".")
			s := &slow{from: tt.from, begun: make(chan struct{}), end: make(chan struct{})}
			defer close(s.end)
			env := fakeEnvironment()
			var stdout, stderr bytes.Buffer
			env.stdin, env.stdout, env.stderr = strings.NewReader(""), &stdout, &stderr
			env.open = func(app.EngineOptions) (app.Engine, error) { return s, nil }
			code := make(chan int)
			go func() { code <- run(append(tt.args, "--cache", "off"), env) }()
			<-s.begun
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if got := <-code; got != 130 {
				t.Errorf("exit code %d, want 130", got)
			}
			if !strings.HasSuffix(stderr.String(), "facerec: interrupted\n") {
				t.Errorf("stderr %q", stderr.String())
			}
			if tt.name == "no verb" && (stdout.String() != "" || stderr.String() != "facerec: interrupted\n") {
				t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
			}
			want := append(before, tt.left...)
			slices.Sort(want)
			got := files(t, ".")
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("left behind: %v, expected %v", got, want)
			}
		})
	}
}

// longest is how long tests wait for what comes soon, on any machine.
const longest = 3 * time.Minute

// A second Ctrl-C ends the program at once where the first cannot: while it waits
// for a pipe that nobody writes to.
func TestSecondInterrupt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "facerec") // by this name the test is the program; see TestMain
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"recognize", "-"},
		{"recognize", "--files-from", "-", "--xmp"},
		{"group", "--files-from", "-", "--out", "people", "--report", "all.html"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			smallLibrary(t)
			before := files(t, ".")
			cmd := exec.Command(program, append(args, "--cache", "off")...)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			// More than a pipe holds: when it is written, the program is reading.
			more := bytes.Repeat([]byte("\n"), 1<<20)
			if args[1] == "-" { // not the names of pictures, but one
				copy(more, "\x89PNG\r\n\x1a\n")
			}
			if _, err := stdin.Write(more); err != nil {
				t.Fatal(err)
			}
			sent := 0
			for end := time.Now().Add(longest); ; {
				if cmd.Process.Signal(os.Interrupt) == nil {
					sent++
				}
				select {
				case <-ended:
				case <-time.After(20 * time.Millisecond):
					if time.Now().After(end) {
						_ = cmd.Process.Kill()
						t.Fatal("still running")
					}
					continue
				}
				break
			}
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGINT || sent < 2 {
				t.Errorf("it ended with %v after %d interrupts, expected SIGINT after the second", cmd.ProcessState, sent)
			}
			if got := files(t, "."); !slices.Equal(got, before) {
				t.Errorf("left behind: %v, expected %v", got, before)
			}
		})
	}
}
