package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
	"facerec/internal/loopback"
)

// containers is an engine with an image that holds this program over the fake
// engine, laid out like a release in /app.
type containers struct {
	engine *loopback.Engine
}

func startContainers(t *testing.T) *containers {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a container engine")
	}
	ctx := context.Background()
	e, err := loopback.NewEngine(ctx, t.TempDir())
	if errors.Is(err, loopback.ErrNoEngine) {
		t.Skipf("nothing is run in containers: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	// This very test, linked statically: as facerec it is the program.
	program := filepath.Join(t.TempDir(), "facerec")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var picture bytes.Buffer
	if err := app.Encode(&picture, "a.png", apptest.Paint(100, 100, apptest.Patch{Box: image.Rect(10, 10, 60, 60), Color: paintColors["red"]})); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	for _, dir := range []string{"app/", "app/models/", "app/persons/", "app/persons/Rose/", "app/images/"} {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []struct {
		name string
		mode int64
		data []byte
	}{
		{"app/facerec", 0o755, binary},
		{"app/models/fake.dat", 0o644, []byte(fakeModel)},
		{"app/persons/Rose/1.png", 0o644, picture.Bytes()},
		{"app/images/unknown.jpg", 0o644, picture.Bytes()},
	} {
		if err := tw.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	load := e.Command(ctx, "import", "--change", `ENTRYPOINT ["/app/facerec"]`, "--change", "WORKDIR /app", "--change", "USER 10001:10001", "-", "facerec:test")
	load.Stdin = &archive
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
	return &containers{e}
}

// run runs the image with docker's flags, and then the program's arguments.
func (c *containers) run(flags []string, args ...string) (code int, stdout, stderr string, err error) {
	all := append([]string{"run", "--rm", "--network", "none"}, flags...)
	cmd := c.engine.Command(context.Background(), append(append(all, "facerec:test"), args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), out.String(), errs.String(), nil
	}
	return 0, out.String(), errs.String(), err
}

// volume is a directory to mount: who owns it and what the model in it holds.
type volume struct {
	owner int
	mode  os.FileMode
	model string // nothing: there is none
}

func (v volume) make(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "volume")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "fake.dat")
	if v.model != "" {
		if err := os.WriteFile(name, []byte(v.model), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(name, v.owner, v.owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Lchown(dir, v.owner, v.owner), os.Chmod(dir, v.mode)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestModelsVolume runs the program in real containers with a volume for models
// in every state that volumes get into.
func TestModelsVolume(t *testing.T) {
	c := startContainers(t)
	const (
		truncated = "a mo"
		flippedAt = "a mndel\n" // o and n differ in one bit
		whole     = fakeModel
	)
	hardened := []string{"--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"}
	asRoot := []string{"--user", "0:0"}
	as := func(user string) []string { return append([]string{"--user", user}, hardened...) }
	// csv writes no picture: the root is read-only.
	rest := []string{"recognize", "--format", "csv"}
	viaEntrypoint := append([]string{"entrypoint"}, rest...)
	tests := []struct {
		name   string
		volume volume
		flags  []string
		args   []string
		code   int
		says   string // on standard error; nothing: nothing is said
		owner  int    // of the directory afterwards
		healed bool   // the model is whole afterwards, and 10001's or whoever ran
	}{
		{"wiped", volume{10001, 0o755, ""}, as("10001:10001"), rest, 0, "fake.dat was missing: copied from models", 10001, true},
		{"truncated", volume{10001, 0o755, truncated}, as("10001:10001"), rest, 0, "was wrong size: copied", 10001, true},
		{"one bit flipped", volume{10001, 0o755, flippedAt}, as("10001:10001"), rest, 0, "was wrong hash: copied", 10001, true},
		{"whole", volume{10001, 0o755, whole}, as("10001:10001"), rest, 0, "", 10001, true},
		{"whole, not to be written", volume{10001, 0o555, whole}, as("10001:10001"), rest, 0, "", 10001, true},
		{"root's, wiped", volume{0, 0o755, ""}, as("10001:10001"), rest, 5, "the directory belongs to 0:0 with mode 0755, and facerec runs as 10001:10001; hand it over once as root", 0, false},
		{"root's, truncated", volume{0, 0o700, truncated}, as("10001:10001"), rest, 5, "hand it over once as root", 0, false},
		{"root's, handed over", volume{0, 0o755, ""}, asRoot, viaEntrypoint, 0, "copied from models", 10001, true},
		{"root's and closed, handed over", volume{0, 0o500, truncated}, asRoot, viaEntrypoint, 0, "was wrong size: copied", 10001, true},
		{"root's, whole, handed over", volume{0, 0o755, whole}, asRoot, viaEntrypoint, 0, "", 10001, true},
		{"root's, handed over, read-only root", volume{0, 0o755, flippedAt}, append([]string{"--read-only"}, asRoot...), viaEntrypoint, 0, "was wrong hash: copied", 10001, true},
		{"just the capabilities that it takes", volume{0, 0o755, ""}, append(as("0:0"), "--cap-add", "CHOWN", "--cap-add", "SETUID", "--cap-add", "SETGID"), viaEntrypoint, 0, "copied from models", 10001, true},
		{"no capability to hand over", volume{0, 0o755, ""}, append(as("0:0"), "--cap-add", "SETUID", "--cap-add", "SETGID"), viaEntrypoint, 5, "allow the capability CHOWN", 0, false},
		{"no capability to hand over, no need", volume{0, 0o755, ""}, append(as("0:0"), "--cap-add", "SETUID", "--cap-add", "SETGID", "-e", "FACEREC_MODELS_CACHE="), viaEntrypoint, 0, "", 0, false},
		{"no capabilities", volume{0, 0o755, whole}, as("0:0"), viaEntrypoint, 1, "cannot drop root's privileges: setgroups: operation not permitted\nhint: allow the capabilities SETUID and SETGID, or start as 10001:10001", 0, true},
		{"not root, through the entrypoint", volume{10001, 0o755, ""}, as("10001:10001"), viaEntrypoint, 0, "copied from models", 10001, true},
		{"any user, directory for all", volume{0, 0o777, truncated}, as("123456:0"), viaEntrypoint, 0, "was unreadable: copied", 0, true},
		{"any user, the group's directory", volume{0, 0o775, ""}, as("123456:0"), rest, 0, "copied from models", 0, true},
		{"any user, root's directory", volume{0, 0o755, ""}, as("123456:123456"), rest, 5, "chown -R 123456:123456 /models", 0, false},
		{"the verb heals", volume{0, 0o755, ""}, asRoot, []string{"entrypoint", "models", "heal"}, 0, "", 10001, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tt.volume.make(t)
			flags := append([]string{"-v", dir + ":/models", "-e", "FACEREC_MODELS_CACHE=/models"}, tt.flags...)
			code, stdout, stderr, err := c.run(flags, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if code != tt.code || !strings.Contains(stderr, tt.says) || tt.says == "" && stderr != "" {
				t.Errorf("exit code %d, expected %d with %q\nstdout: %sstderr: %s", code, tt.code, tt.says, stdout, stderr)
			}
			if code == 0 && tt.args[len(tt.args)-1] == "csv" && !strings.Contains(stdout, ",known,Rose,") {
				t.Errorf("stdout: %s", stdout)
			}
			var fi os.FileInfo
			if fi, err = os.Stat(dir); err != nil {
				t.Fatal(err)
			}
			if got := ownerOf(fi); got != tt.owner {
				t.Errorf("the directory belongs to %d, expected %d", got, tt.owner)
			}
			data, err := os.ReadFile(filepath.Join(dir, "fake.dat"))
			if (err == nil && string(data) == whole) != tt.healed {
				t.Errorf("the model holds %q, %v", data, err)
			}
			if !tt.healed && string(data) != tt.volume.model {
				t.Errorf("the model was %q and is %q", tt.volume.model, data)
			}
			if list, err := os.ReadDir(dir); err != nil || len(list) > 1 {
				t.Errorf("left behind: %v, %v", list, err)
			}
		})
	}
	t.Run("read-only volume", func(t *testing.T) {
		dir := volume{10001, 0o755, truncated}.make(t)
		code, _, stderr, err := c.run(append([]string{"-v", dir + ":/models:ro", "-e", "FACEREC_MODELS_CACHE=/models"}, as("10001:10001")...), rest...)
		if err != nil || code != 5 || !strings.Contains(stderr, "read-only file system\nhint: mount a writable volume there") {
			t.Errorf("%d, %s, %v", code, stderr, err)
		}
	})
	t.Run("no volume", func(t *testing.T) {
		for _, user := range []string{"10001:10001", "0:0"} {
			code, _, stderr, err := c.run([]string{"--user", user, "--read-only", "-e", "FACEREC_MODELS_CACHE=/models"}, viaEntrypoint...)
			if err != nil || code != 5 || !strings.Contains(stderr, "/models: directory for models not found\nhint: mount a volume there (docker run -v VOLUME:/models)") {
				t.Errorf("as %s: %d, %s, %v", user, code, stderr, err)
			}
		}
	})
	t.Run("several at once", func(t *testing.T) {
		dir := volume{0, 0o755, flippedAt}.make(t)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				code, stdout, stderr, err := c.run(append([]string{"-v", dir + ":/models", "-e", "FACEREC_MODELS_CACHE=/models"}, asRoot...), viaEntrypoint...)
				if err != nil || code != 0 || !strings.Contains(stdout, ",known,Rose,") {
					t.Errorf("%d, %s, %v", code, stderr, err)
				}
			})
		}
		all.Wait()
		if data, err := os.ReadFile(filepath.Join(dir, "fake.dat")); err != nil || string(data) != whole {
			t.Errorf("%q, %v", data, err)
		}
	})
	t.Run("what is left of root", func(t *testing.T) {
		code, stdout, stderr, err := c.run(append([]string{"-e", "FAKE_STATUS=yes"}, asRoot...), "entrypoint", "version")
		if err != nil || code != 0 {
			t.Fatalf("%d, %s, %v", code, stderr, err)
		}
		want := fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\nGid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", serviceUser)
		for _, line := range []string{want, "Groups:\t \n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(stdout, line) {
				t.Errorf("no %q in what the kernel says:\n%s", line, stdout)
			}
		}
	})
}
