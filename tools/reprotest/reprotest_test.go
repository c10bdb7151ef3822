package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/release"
)

// The test of the test: a build that lets something in must be caught, and one
// that does not must pass.
func TestTwice(t *testing.T) {
	for _, name := range []string{"git", "sh"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	// Not t.TempDir: its parents are closed to the second build's user.
	dir, err := os.MkdirTemp("", "reprotest")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	releaser := filepath.Join(dir, "releaser")
	build := exec.Command("go", "build", "-o", releaser, "facerec/cmd/releaser")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range []struct {
		name, cmd string
		differs   bool
	}{
		{"reproducible", "echo hello >out", false},
		{"a timestamp", "date +%s%N >out", true},
		{"the day", "date +%F >out", laterClock(ownMemory()) != nil},
		{"the folder", "pwd >out", true},
		{"the time zone", "date -d @0 +%H:%M >out", true},
		{"the umask", "umask >out", true},
		{"the user", "id -u >out", os.Getuid() == 0},
		{"the host name", "cat /proc/sys/kernel/hostname >out", os.Getuid() == 0 && elsewhere() != nil},
		{"the locale", "echo $LC_ALL >out", true},
		{"a file's mode beyond the owner's x", "echo x >out; chmod 664 out", false},
		{"a file's time", "echo x >out; touch -d @12345 out", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			project := filepath.Join(dir, filepath.Base(t.Name()))
			if err := os.MkdirAll(project, 0o755); err != nil {
				t.Fatal(err)
			}
			config := `{"project_name": "x", "version": "1.0.0", "build_cmd": "` + c.cmd + `", "artifacts": [{"src": "out", "dest": "/app/out", "mode": "0755"}]}`
			if err := os.WriteFile(filepath.Join(project, "config.json"), []byte(config), 0o644); err != nil {
				t.Fatal(err)
			}
			err := twice(context.Background(), releaser, project, "all", "", filepath.Join(dir, "work-"+filepath.Base(t.Name())))
			switch {
			case c.differs && !errors.Is(err, errDiffers):
				t.Errorf("got %v, want that it differs", err)
			case !c.differs && err != nil:
				t.Error(err)
			}
		})
	}
}

// TestReleased: a release that was built elsewhere is compared cell by cell, and one that
// lacks a cell differs.
func TestReleased(t *testing.T) {
	digest := func(c string) release.Digest {
		d, err := release.ParseDigest("sha256:" + strings.Repeat(c, 64))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	cell := release.RecordCell{Lineage: "a", Platform: release.Platform{OS: "linux", Arch: "arm64"}, ManifestDigest: digest("1")}
	cell.TarSHA256.Digest, cell.FileSHA256.Digest = digest("2"), digest("3")
	other := cell
	other.FileSHA256.Digest = digest("4")
	for name, c := range map[string]struct {
		released []release.RecordCell
		want     int
	}{"the same": {[]release.RecordCell{cell}, 0}, "another tarball": {[]release.RecordCell{other}, 1}, "no such cell": {nil, 1}} {
		differ := 0
		for _, r := range asReleased(release.Record{Cells: []release.RecordCell{cell}}, release.Record{Cells: c.released}, cell.String()) {
			if r.first != r.second {
				differ++
			}
		}
		if differ != c.want {
			t.Errorf("%s: %d rows differ, expected %d", name, differ, c.want)
		}
	}
}

func TestProgram(t *testing.T) {
	if line := program("env", "A=1"); len(line) != 2 {
		t.Errorf("got %q", line)
	}
	for _, args := range [][]string{{"no-such-program"}, {"false"}, {"sh", "-ec", `echo x >/proc/version; exec "$0" "$@"`}} {
		if line := program(args...); line != nil {
			t.Errorf("%q: got %q", args, line)
		}
	}
}
