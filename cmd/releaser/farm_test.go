package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"facerec/internal/loopback"
	"facerec/internal/loopback/farm"
)

// contrib is the directory of the scripts that farms call.
const contrib = "../../contrib"

// newProject makes a project with a good release and one that was built from other
// sources than those of its tag. The program, the scripts and git are on the PATH.
func newProject(t *testing.T) *farm.Project {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	program := filepath.Join(bin, "releaser") // by this name the test is the program; see TestMain
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Abs(contrib)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", strings.Join([]string{bin, scripts, os.Getenv("PATH")}, string(filepath.ListSeparator)))
	p, err := farm.NewProject(t.Context(), t.TempDir(), program, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	for _, r := range []struct {
		version string
		planted bool
	}{{"1.0.0", false}, {"1.1.0", true}} {
		if err := p.Release(t.Context(), r.version, r.planted); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// await polls until done is true.
func await(t *testing.T, what string, done func() (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// held wants a build to have stopped in its middle.
func held(p *farm.Project) func() (bool, error) {
	return func() (bool, error) {
		_, err := os.Stat(p.Hold + ".held")
		return err == nil, nil
	}
}

// inContrib runs a script of contrib and returns what it prints.
func inContrib(script string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(contrib, script), args...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s", script, err, exit.Stderr)
	}
	return string(out), err
}

// TestRebuilderd has a real server and two real workers rebuild a good release and
// one that is not what its sources make. A worker dies in the middle of a build.
func TestRebuilderd(t *testing.T) {
	if !loopback.Built("rebuilderd") && os.Getenv("BUILD_TOOLS") == "" {
		t.Skip("rebuilderd is not unpacked yet; BUILD_TOOLS=1 fetches it")
	}
	clocks, err := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
	if err != nil || len(clocks) == 0 {
		t.Skip("faketime is not installed (Debian package faketime)")
	}
	p := newProject(t)
	backend, err := filepath.Abs(filepath.Join(contrib, "rebuilderd", "backend"))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := inContrib("rebuilderd/packages", p.List)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	server, err := loopback.NewRebuilderd(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	if _, err := server.Ctl(t.Context(), []byte(packages), "pkgs", "sync-stdin", "releaser", "main"); err != nil {
		t.Fatal(err)
	}
	worker := func(dir string) *loopback.Worker {
		w, err := server.Worker(t.Context(), dir, backend, "RELEASER_UNITS="+p.List)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		return w
	}
	open := func(wanted int) func() (bool, error) {
		return func() (bool, error) {
			list, err := server.Packages(t.Context())
			n := 0
			for _, one := range list {
				if one.Status == "UNKWN" {
					n++
				}
			}
			return n == wanted, err
		}
	}

	// The first worker stops in the middle of a build; the second does the others.
	if err := os.WriteFile(p.Hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one, two := t.TempDir(), t.TempDir()
	first := worker(one)
	await(t, "a build in its middle", held(p))
	second := worker(two)
	await(t, "all others", open(1))
	status, err := server.Ctl(t.Context(), nil, "status")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(status), "\n"); n != 2 || !strings.Contains(string(status), "working hard") {
		t.Errorf("expected two workers, one of them working, got %s", status)
	}

	// It dies. The server gives its work away again after ten minutes without a word
	// of it: its clock is moved on.
	if err := errors.Join(first.Kill(), second.Close(), os.Remove(p.Hold+".held")); err != nil {
		t.Fatal(err)
	}
	if ok, err := open(1)(); !ok {
		t.Fatalf("what was being built is no longer open, %v", err)
	}
	server.Close()
	if server, err = loopback.NewRebuilderd(t.Context(), home, "LD_PRELOAD="+clocks[0], "FAKETIME=+1h"); err != nil {
		t.Fatal(err)
	}
	worker(one)
	await(t, "the one that was being built", open(0))

	list, err := server.Packages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []loopback.Package{
		{Name: "app_1.0.0_linux_amd64.tar.gz", Status: "GOOD"}, {Name: "app_1.0.0_linux_arm64.tar.gz", Status: "GOOD"},
		{Name: "app_1.1.0_linux_amd64.tar.gz", Status: "BAD"}, {Name: "app_1.1.0_linux_arm64.tar.gz", Status: "BAD"},
	}
	if !slices.Equal(list, want) {
		t.Errorf("got %v, expected %v", list, want)
	}
	left, err := server.Ctl(t.Context(), nil, "queue", "ls", "--json")
	var queue struct{ Queue []any }
	if err := errors.Join(err, json.Unmarshal(left, &queue)); err != nil || len(queue.Queue) > 0 {
		t.Errorf("left in the queue: %s, %v", left, err)
	}
	log, err := server.Ctl(t.Context(), nil, "pkgs", "log", "--name", farm.Tarball("1.1.0", "linux/amd64"))
	if err != nil || !strings.Contains(string(log), "the sources give other contents") {
		t.Errorf("the log of what differs: %s, %v", log, err)
	}

	t.Setenv("PATH", server.Bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	links, err := inContrib("rebuilderd/links", p.List, p.Page+"@1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := inContrib("rebuilderd/links", p.List, p.Page+"@1.1.0"); err == nil || out != "" || !strings.Contains(err.Error(), "is not GOOD") {
		t.Errorf("links of the release that differs: %q, %v", out, err)
	}
	if out, err := inContrib("rebuilderd/links", p.List, p.Page+"@2.0.0"); err == nil {
		t.Errorf("links of a release that is not in the list: %q", out)
	}
	checkLinks(t, p, links, string(status))
}

// checkLinks verifies the good release with what the workers signed next to it.
func checkLinks(t *testing.T, p *farm.Project, links, status string) {
	t.Helper()
	var keys []string // as rebuildctl names them
	for line := range strings.Lines(status) {
		keys = append(keys, strings.Fields(line)[0])
	}
	dist := t.TempDir()
	if err := os.CopyFS(dist, os.DirFS(p.Published("1.0.0"))); err != nil {
		t.Fatal(err)
	}
	registry, _, _ := strings.Cut(p.Image("1.0.0"), "/")
	file := filepath.Join(dist, "farm.rebuild.link")
	rebuilders := filepath.Join(t.TempDir(), "rebuilders.json")
	verified := func(keys []string, links string) (int, string) {
		t.Helper()
		list, err := json.Marshal(map[string]any{"rebuilders": []any{map[string]any{"name": "farm", "rebuilderd": map[string]any{"keys": keys}}}})
		if err := errors.Join(err, os.WriteFile(rebuilders, list, 0o600), os.WriteFile(file, []byte(links), 0o600)); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		code := run(t.Context(), append([]string{"-q", "verify", dist, "--insecure-registry", registry, "--rebuilders", rebuilders}, p.Flags()...), strings.NewReader(""), &out, &errs)
		return code, out.String() + errs.String()
	}
	if code, out := verified(keys, links); code != 0 || strings.Count(out, "1 of 1 required: farm") != len(farm.Platforms) {
		t.Errorf("exit code %d: %s", code, out)
	}
	first, _, _ := strings.Cut(links, "\n")
	if code, out := verified(keys, first); code != 5 {
		t.Errorf("with the link of one tarball: exit code %d: %s", code, out)
	}
	if code, out := verified(keys, strings.ReplaceAll(links, `"sig":"`, `"sig":"00`)); code != 4 {
		t.Errorf("with broken signatures: exit code %d: %s", code, out)
	}
	// A tarball alone, under another name.
	alone := filepath.Join(t.TempDir(), "renamed.tar.gz")
	if err := os.Link(filepath.Join(dist, farm.Tarball("1.0.0", "linux/amd64")), alone); err != nil {
		t.Fatal(err)
	}
	for want, links := range map[string]string{"1 of 1 required: farm": links, "expected one of the tarballs": links[len(first)+1:]} {
		if err := os.WriteFile(file, []byte(links), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs strings.Builder
		code := run(t.Context(), []string{"-q", "verify", alone, "--image", p.Image("1.0.0"), "--platform", "linux/amd64", "--rebuilders", rebuilders, "--rebuild-statement", file}, strings.NewReader(""), &out, &errs)
		expected := 4 // a link of another tarball
		if strings.HasPrefix(want, "1 of 1") {
			expected = 5 // nobody signed the file
		}
		if code != expected || !strings.Contains(out.String(), want) {
			t.Errorf("a tarball alone: exit code %d, expected %d and %q: %s%s", code, expected, want, out.String(), errs.String())
		}
	}
	other := base64.StdEncoding.EncodeToString(make([]byte, 32))
	if code, out := verified([]string{other}, links); code != 4 {
		t.Errorf("with another key: exit code %d: %s", code, out)
	}
}

// TestSlurm has a real cluster of two nodes run the same units as a job array. A node
// dies in the middle of a build.
func TestSlurm(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster (-short)")
	}
	cluster, err := loopback.NewSlurm(t.Context(), 2)
	if errors.Is(err, loopback.ErrNoSlurm) {
		t.Skipf("no job array is run: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	p := newProject(t)
	script, err := filepath.Abs(filepath.Join(contrib, "slurm", "array.sh"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	job, err := cluster.Run(t.Context(), work, "sbatch", "--parsable", "--array=1-4", script, p.List, filepath.Join(work, "out"))
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSpace(string(job))
	var tasks []loopback.Task
	ended := func(wanted int) func() (bool, error) {
		return func() (ok bool, err error) {
			tasks, err = cluster.Tasks(t.Context(), id)
			n := 0
			for _, task := range tasks {
				if task.State == "COMPLETED" || task.State == "FAILED" {
					n++
				}
			}
			return n == wanted, err
		}
	}
	await(t, "a build in its middle", held(p))
	await(t, "all others", ended(3))
	i := slices.IndexFunc(tasks, func(task loopback.Task) bool { return task.State == "RUNNING" })
	if i < 0 {
		t.Fatalf("no task runs: %v", tasks)
	}
	stopped := tasks[i]
	if err := errors.Join(cluster.Kill(t.Context(), stopped.Node), os.Remove(p.Hold+".held")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(work, "out", stopped.Number, farm.Tarball("1.0.0", farm.Platforms[0]))); err == nil {
		t.Error("the task that was killed has its tarball")
	}
	// Slurm waits for two minutes before it starts a task anew.
	if _, err := cluster.Run(t.Context(), "", "scontrol", "update", "jobid="+id+"_"+stopped.Number, "starttime=now"); err != nil {
		t.Fatal(err)
	}
	await(t, "the task that was stopped", ended(4))
	if now := tasks[i]; now.Node == stopped.Node {
		t.Errorf("the task was started anew on the node that died: %v", now)
	}
	for i, task := range tasks {
		version, platform := []string{"1.0.0", "1.1.0"}[i/2], farm.Platforms[i%2]
		want := []string{"COMPLETED", "FAILED"}[i/2]
		if task.State != want {
			log, _ := os.ReadFile(filepath.Join(work, "rebuild-"+id+"_"+task.Number+".log"))
			t.Errorf("task %s is %s, expected %s: %s", task.Number, task.State, want, log)
		}
		got, err := os.ReadFile(filepath.Join(work, "out", task.Number, farm.Tarball(version, platform)))
		if err != nil {
			t.Error(err)
		}
		released, err := os.ReadFile(filepath.Join(p.Published(version), farm.Tarball(version, platform)))
		if err != nil {
			t.Error(err)
		}
		if same := string(got) == string(released); same != (version == "1.0.0") {
			t.Errorf("%s: rebuilt the same: %v", farm.Tarball(version, platform), same)
		}
	}
}

// TestRebuildUnit calls the script with what it must refuse.
func TestRebuildUnit(t *testing.T) {
	p := newProject(t)
	list, err := os.ReadFile(p.List)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(list), "\n")
	other := filepath.Join(t.TempDir(), "other")
	call(t, "-q", "keygen", other)
	tarball := farm.Tarball("1.0.0", "linux/amd64")
	for _, c := range []struct {
		name, list, unit string
		code             int
		made             []string // in OUT
	}{
		{"by number", "# comment\n\n \t# another\n" + string(list), "1", 0, []string{tarball, tarball + ".rebuild.json"}},
		{"by name", string(list), tarball, 0, []string{tarball, tarball + ".rebuild.json"}},
		{"differs", string(list), "3", 3, []string{farm.Tarball("1.1.0", "linux/amd64"), farm.Tarball("1.1.0", "linux/amd64") + ".rebuild.json"}},
		{"no such number", string(list), "5", 2, nil},
		{"number 0", string(list), "0", 2, nil},
		{"another spelling", string(list), "01", 2, nil},
		{"no such name", string(list), "*.tar.gz", 2, nil},
		{"name of two units", lines[0] + lines[0], tarball, 2, nil},
		{"line cut", "http://127.0.0.1/a one\n", "1", 2, nil},
		{"another signer", strings.ReplaceAll(lines[0], p.Key, other+".pub"), "1", 4, nil},
		{"no such cell", strings.ReplaceAll(lines[0], "one/linux/amd64", "two"), "1", 2, nil},
		{"no such flag", strings.ReplaceAll(lines[0], "--key", "--keys"), "1", 2, nil},
		{"sources of another version", strings.ReplaceAll(lines[0], "@1.0.0", "@1.0"), "1", 128, nil}, // git has no such tag
	} {
		t.Run(c.name, func(t *testing.T) {
			file, out, tmp := filepath.Join(t.TempDir(), "units"), t.TempDir(), t.TempDir()
			if err := os.WriteFile(file, []byte(c.list), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TMPDIR", tmp)
			said, err := inContrib("rebuild-unit", file, c.unit, out)
			code := 0
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				code = exit.ExitCode()
			}
			if code != c.code {
				t.Errorf("exit code %d, expected %d: %v %s", code, c.code, err, said)
			}
			if made := namesIn(t, out); !slices.Equal(made, c.made) {
				t.Errorf("made %q, expected %q", made, c.made)
			}
			if left := namesIn(t, tmp); left != nil {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// namesIn lists a directory.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// uploads is what TestRebuildMatrix puts in the place of actions/upload-artifact.
const uploads = `name: upload
inputs:
  name: {required: true}
  path: {required: true}
runs:
  using: composite
  steps:
    - shell: bash
      run: cp -r '${{ inputs.path }}' "$UPLOADS/${{ inputs.name }}"
`

// TestRebuildMatrix runs the workflow of contrib/ci as it is, in act: one job for each
// unit.
func TestRebuildMatrix(t *testing.T) {
	if !loopback.Built("act") && os.Getenv("BUILD_TOOLS") == "" {
		t.Skip("act is not built yet; BUILD_TOOLS=1 builds it, in minutes")
	}
	act, err := loopback.Tool(t.Context(), "act")
	if err != nil {
		t.Fatal(err)
	}
	p := newProject(t)
	top, kept := t.TempDir(), t.TempDir()
	repository, upload := filepath.Join(top, "repository"), filepath.Join(top, "upload")
	workflow, err := os.ReadFile(filepath.Join(contrib, "ci", "rebuild.yml"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(p.List)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{
		filepath.Join(repository, ".github", "workflows", "rebuild.yml"): string(workflow),
		filepath.Join(repository, "units"):                               "# all\n\n" + string(list),
		filepath.Join(upload, "action.yml"):                              uploads,
		filepath.Join(top, "event.json"):                                 "{}",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{repository, upload} {
		for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "one"}} {
			git := exec.Command("git", args...)
			git.Dir = dir
			if out, err := git.CombinedOutput(); err != nil {
				t.Fatalf("git %v: %v: %s", args, err, out)
			}
		}
	}
	action := regexp.MustCompile(`actions/upload-artifact@[0-9a-f]+`).FindString(string(workflow))
	cmd := exec.Command(act, "workflow_dispatch", "-P", "ubuntu-24.04=-self-hosted", "-W", ".github/workflows/rebuild.yml",
		"--eventpath", "../event.json", "--no-cache-server", "--env", "UPLOADS="+kept, "--local-repository", action+"="+upload)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "HOME="+top, "XDG_CACHE_HOME="+filepath.Join(top, "cache"))
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Job 'unit' failed") {
		t.Errorf("expected a failure of the jobs that differ, got %v: %s", err, out)
	}
	for i, want := range []string{"Success", "Success", "Failure", "Failure"} {
		// act gives all jobs of a matrix one verdict; their steps have their own.
		if step := fmt.Sprintf("%s - Main rebuild-unit units %d out", want, i+1); !strings.Contains(string(out), step) {
			t.Errorf("unit %d: expected %q in %s", i+1, step, out)
		}
		tarball := farm.Tarball([]string{"1.0.0", "1.1.0"}[i/2], farm.Platforms[i%2])
		if made := namesIn(t, filepath.Join(kept, fmt.Sprintf("unit-%d", i+1))); !slices.Equal(made, []string{tarball, tarball + ".rebuild.json"}) {
			t.Errorf("unit %d kept %q", i+1, made)
		}
	}
}

// TestRebuildUnitHandsOver calls the script with a releaser that has built the tarball,
// whatever its exit code: only what was checked in full is handed over.
func TestRebuildUnitHandsOver(t *testing.T) {
	p := newProject(t)
	bin := t.TempDir()
	const stand = `#!/bin/sh
while [ "$1" != --out ]; do shift; done
mkdir "$2"
echo built >"$2/app_1.0.0_linux_amd64.tar.gz"
exit "$CODE"
`
	if err := os.WriteFile(filepath.Join(bin, "releaser"), []byte(stand), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	for code, handed := range map[int]bool{0: true, 1: false, 2: false, 3: true, 4: false, 5: false, 130: false} {
		t.Setenv("CODE", strconv.Itoa(code))
		out := t.TempDir()
		_, err := inContrib("rebuild-unit", p.List, "1", out)
		var exit *exec.ExitError
		got := 0
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		}
		if got != code {
			t.Errorf("exit code %d, expected %d: %v", got, code, err)
		}
		if made := namesIn(t, out); (len(made) == 1) != handed || len(made) > 1 {
			t.Errorf("exit code %d: handed over %q", code, made)
		}
	}
}
