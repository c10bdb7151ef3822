package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"facerec/internal/loopback"
	"facerec/internal/release"
)

// composition runs compose.yaml in a real engine.
type composition struct {
	engine *loopback.Engine
	dir    string
	env    []string
}

// up runs the service facerec to its end and gives what it and the service models
// printed.
func (c *composition) up(t *testing.T) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker-compose", "--project-name", "photos", "--file", filepath.Join(c.dir, "compose.yaml"), "up", "--no-color", "--force-recreate")
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), err
	}
	code, err := c.engine.Command(t.Context(), "inspect", "--format", "{{.State.ExitCode}}", "photos_facerec_1").Output()
	if err == nil && strings.TrimSpace(string(code)) != "0" {
		err = fmt.Errorf("facerec exited with %s", code)
	}
	return string(out), err
}

// volume changes the models volume from outside of any container.
func (c *composition) volume(t *testing.T, change func(dir string)) {
	t.Helper()
	out, err := c.engine.Command(t.Context(), "volume", "inspect", "--format", "{{.Mountpoint}}", "photos_models").Output()
	if err != nil {
		t.Fatal(err)
	}
	change(strings.TrimSpace(string(out)))
}

// TestCompose runs facerec as compose.yaml has it: photos in, results out, and a
// models volume that is wiped and spoiled between the runs.
func TestCompose(t *testing.T) {
	layout := facerecLayout(t)
	if _, err := exec.LookPath("docker-compose"); err != nil {
		t.Skip("docker-compose is not installed (Debian package docker-compose)")
	}
	engine := startEngine(t)
	var image string
	for _, im := range pushed(t, layout, startRegistry(t)+"/facerec") {
		if im.platform == (release.Platform{OS: "linux", Arch: runtime.GOARCH}) {
			image = im.ref
		}
	}
	if image == "" {
		t.Skipf("%s has no image for this machine", layout)
	}
	if out, err := engine.Command(t.Context(), "pull", "--quiet", image).CombinedOutput(); err != nil {
		t.Fatalf("pull: %v: %s", err, out)
	}
	c := &composition{engine: engine, dir: t.TempDir(), env: append(engine.Environment(), "FACEREC_IMAGE="+image, "FACEREC_USER=65534:65534")}
	copyInto(t, filepath.Join(c.dir, "compose.yaml"), "../../compose.yaml")
	copyInto(t, filepath.Join(c.dir, "images", "unknown.jpg"), "../../images/unknown.jpg")
	if err := os.CopyFS(filepath.Join(c.dir, "persons"), os.DirFS("../../persons")); err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(c.dir, "results")
	if err := os.Mkdir(results, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(results, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	open(t, c.dir)

	for _, step := range []struct {
		name   string
		change func(volume string)
		says   string // about the models; "" for nothing
	}{
		{"first run", nil, "repaired"},
		{"second run", func(string) {}, ""},
		{"one bit flipped", func(volume string) {
			for _, name := range models(t, volume) {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				b[len(b)/2] ^= 1
				if err := os.WriteFile(name, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}, "repaired"},
		{"wiped", func(volume string) {
			for _, name := range models(t, volume) {
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}, "repaired"},
	} {
		if step.change != nil {
			c.volume(t, step.change)
		}
		for _, file := range []string{"unknown.jpg", "report.html"} {
			if err := os.RemoveAll(filepath.Join(results, file)); err != nil {
				t.Fatal(err)
			}
		}
		text, err := c.up(t)
		if err != nil {
			t.Fatalf("%s: %v\n%s", step.name, err, text)
		}
		if repaired := strings.Contains(text, "repaired"); repaired != (step.says != "") {
			t.Errorf("%s: expected models repaired: %v, got\n%s", step.name, step.says != "", text)
		}
		for _, name := range []string{"John_Salley", "John_Savage", "John_Schneider", "John_Simm"} {
			if !strings.Contains(text, name) {
				t.Errorf("%s: %s was not recognised:\n%s", step.name, name, text)
			}
		}
		for _, file := range []string{"unknown.jpg", "report.html"} {
			if fi, err := os.Stat(filepath.Join(results, file)); err != nil || fi.Size() == 0 {
				t.Errorf("%s: results/%s: %v", step.name, file, err)
			}
		}
	}
	// What is read is as it was.
	before, err := os.ReadFile("../../images/unknown.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(filepath.Join(c.dir, "images", "unknown.jpg")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the photo was changed (%v)", err)
	}
}

// models are the model files in a volume.
func models(t *testing.T, volume string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(volume, "*.dat"))
	if err != nil || len(names) != 3 {
		t.Fatalf("expected three models in %s, got %q, %v", volume, names, err)
	}
	return names
}

func copyInto(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// open lets everybody read a directory, and reach it through its parents.
func open(t *testing.T, dir string) {
	t.Helper()
	for d := filepath.Dir(dir); strings.HasPrefix(d, os.TempDir()) && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
}
