package loopback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"facerec/internal/inputs"
)

// rebuilderdSuite is the Debian that has rebuilderd. Its programs need that suite's
// C library, so they are unpacked together with it.
const rebuilderdSuite = "trixie"

// rebuilderd is the tool's name, and its package's.
const rebuilderd = "rebuilderd"

// rebuilderdPackages are the programs, and what they are linked with.
var rebuilderdPackages = []string{
	rebuilderd, "rebuilderd-worker", "rebuildctl",
	"libc6", "libgcc-s1", "libsqlite3-0", "liblzma5", "libbz2-1.0", "libzstd1", "zlib1g",
}

// unpackRebuilderd unpacks the packages below dir/root and returns a program there
// that runs the others: run PROGRAM ARGS….
func unpackRebuilderd(ctx context.Context, version, tmp, dir string) (string, error) {
	cache, err := inputs.DefaultDir()
	if err != nil {
		return "", err
	}
	packages := append([]string{rebuilderdPackages[0] + "=" + version}, rebuilderdPackages[1:]...)
	root := filepath.Join(tmp, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	if err := (&inputs.Store{Dir: cache}).Unpack(ctx, rebuilderdSuite, packages, root); err != nil {
		return "", err
	}
	loaders, err := filepath.Glob(filepath.Join(root, "usr/lib/*/ld-linux-*.so.*"))
	if err != nil {
		return "", err
	}
	if len(loaders) != 1 {
		return "", fmt.Errorf("libc6 of %s: expected one dynamic loader, got %d", rebuilderdSuite, len(loaders))
	}
	inside, err := filepath.Rel(root, loaders[0])
	if err != nil {
		return "", err
	}
	final := filepath.Join(dir, "root")
	if err := os.RemoveAll(final); err != nil {
		return "", err
	}
	if err := os.Rename(root, final); err != nil {
		return "", err
	}
	script := fmt.Sprintf("#!/bin/sh\nroot=%q\nprogram=$1\nshift\nexec \"$root/%s\" --library-path \"$root/%s\" \"$root/usr/bin/$program\" \"$@\"\n",
		final, inside, filepath.Dir(inside))
	run := filepath.Join(tmp, "run")
	return run, os.WriteFile(run, []byte(script), 0o755)
}

// Rebuilderd is a running rebuilderd, the server that hands rebuilds to workers.
type Rebuilderd struct {
	URL string
	Bin string // directory with a rebuildctl that calls this server as its administrator

	run   string // runs the unpacked programs
	dir   string
	child *child
}

// The secrets of a server on loopback: of its administrator and of its workers.
const (
	rebuilderdCookie = "administrator"
	rebuilderdSignup = "worker"
)

// NewRebuilderd starts rebuilderd with its database in dir, which must exist, and
// with these variables. It goes on with the database that an earlier one left there.
func NewRebuilderd(ctx context.Context, dir string, environment ...string) (*Rebuilderd, error) {
	run, err := Tool(ctx, "rebuilderd")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	r := &Rebuilderd{Bin: filepath.Join(dir, "bin"), run: run, dir: dir}
	r.child, _, err = startOnPorts(ctx, 1, func(ports []int) (*child, error) {
		r.URL = loopbackURL(ports[0])
		config := fmt.Sprintf("[http]\nbind_addr = %q\nendpoint = %q\n[auth]\ncookie = %q\n[worker]\nsignup_secret = %q\n",
			strings.TrimPrefix(r.URL, "http://"), r.URL, rebuilderdCookie, rebuilderdSignup)
		client := fmt.Sprintf("#!/bin/sh\nHOME=%q exec %q rebuildctl -c %q \"$@\"\n", dir, run, r.config())
		for path, content := range map[string]string{
			r.config(): config,
			filepath.Join(dir, ".config", "rebuilderd.conf"): config, // where rebuildctl looks for the cookie
			filepath.Join(r.Bin, "rebuildctl"):               client,
		} {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
				return nil, err
			}
		}
		args := append([]string{"HOME=" + dir}, environment...)
		return start(ctx, dir, rebuilderd, answers(r.URL+"/api/v0/pkgs/list"), "env", append(args, run, rebuilderd, "-v", "-c", r.config())...)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Rebuilderd) config() string { return filepath.Join(r.dir, "rebuilderd.conf") }

// Close stops the server. Its workers are closed before.
func (r *Rebuilderd) Close() { r.child.Close() }

// Ctl calls rebuildctl as the administrator and returns what it prints.
func (r *Rebuilderd) Ctl(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(r.Bin, "rebuildctl"), args...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("rebuildctl %s: %w: %s", strings.Join(args, " "), err, tail(complaint.String(), 3))
	}
	return out.Bytes(), nil
}

// Package is one artifact, as the server knows it.
type Package struct {
	Name   string `json:"name"`
	Status string `json:"status"` // GOOD, BAD or UNKWN
}

// Packages are all artifacts that the server knows, by name.
func (r *Rebuilderd) Packages(ctx context.Context) (list []Package, err error) {
	out, err := r.Ctl(ctx, nil, "pkgs", "ls", "--json")
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(out, &list)
	slices.SortFunc(list, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// Worker is one of rebuilderd's workers, a process group of its own.
type Worker struct {
	child *child
	tmp   string
}

// Worker starts a worker that calls the program backend for the distribution
// "releaser", with these variables. Its key and its log are in dir, which must
// exist. It asks for work at once, and then every three minutes while there is none.
func (r *Rebuilderd) Worker(ctx context.Context, dir, backend string, environment ...string) (*Worker, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	config, tmp := filepath.Join(dir, "worker.conf"), filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("endpoint = %q\nsignup_secret = %q\n[build]\nsilent = true\n[backend.\"releaser\"]\npath = %q\n", r.URL, rebuilderdSignup, backend)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	args := append([]string{"HOME=" + dir, "TMPDIR=" + tmp}, environment...)
	args = append(args, r.run, "rebuilderd-worker", "-c", config, "connect")
	w := &Worker{tmp: tmp}
	ready := func(context.Context) error {
		_, err := os.Stat(filepath.Join(dir, "rebuilder.v2.key")) // made before the first request
		return err
	}
	if w.child, err = start(ctx, dir, "rebuilderd-worker", ready, "env", args...); err != nil {
		return nil, err
	}
	return w, nil
}

// Kill kills the worker and what it runs at once, as a machine that loses power
// does. Nothing is reported to the server.
func (w *Worker) Kill() error {
	err := killGroup(w.child.process)
	<-w.child.done
	return err
}

// Close ends the worker, and what it runs.
func (w *Worker) Close() error {
	err := w.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(w.tmp))
}
