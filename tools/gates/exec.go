package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"facerec/internal/loopback"
	"facerec/internal/text"
)

// call is one run of a program.
type call struct {
	dir  string
	env  []string // added to this process's
	args []string
}

// result is what a program answered. A code other than 0 is not an error: many
// scanners report findings with it.
type result struct {
	stdout, stderr []byte
	code           int
}

// last is the end of what a program said, on one line.
func (r result) last() string {
	all := strings.TrimSpace(string(r.stderr))
	if all == "" {
		all = strings.TrimSpace(string(r.stdout))
	}
	lines := strings.Split(all, "\n")
	return text.Line(strings.Join(lines[max(0, len(lines)-3):], " | "), 600)
}

// lines are the lines of a program's standard output that are not empty.
func (r result) lines() []string {
	var out []string
	for l := range strings.Lines(string(r.stdout)) {
		if l = strings.TrimRight(l, "\r\n"); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func (c call) run(ctx context.Context) (result, error) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	// All of it ends in time, also what the program has started and left.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	r := result{out.Bytes(), complaint.Bytes(), cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if errors.As(err, &exit) && r.code >= 0 {
		err = nil
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", filepath.Base(c.args[0]), err)
	}
	return r, nil
}

// want runs a program that must end with code 0.
func (c call) want(ctx context.Context) (result, error) {
	r, err := c.run(ctx)
	if err == nil && r.code != 0 {
		err = fmt.Errorf("%s: exit code %d: %s", filepath.Base(c.args[0]), r.code, r.last())
	}
	return r, err
}

// scanner returns the path of a pinned tool; without it the gate is not checked.
func (w *world) scanner(ctx context.Context, name string) (string, error) {
	path, err := w.tool(ctx, name)
	if err != nil {
		return "", unchecked("%w", err)
	}
	return path, nil
}

// installed returns the path of a program of the machine.
func installed(name, pkg string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", unchecked("%s is not installed (Debian package %s)", name, pkg)
	}
	return path, nil
}

// tool returns the path of a pinned program, built if the cache lacks it. The
// linter of Dockerfiles is of this repository, so that it is built anew; Go's
// cache makes that quick.
func tool(ctx context.Context, name string) (string, error) {
	if name != "dockerlint" {
		return loopback.Tool(ctx, name)
	}
	r, err := call{args: []string{"go", "list", "-m", "-f", "{{.Dir}}", "facerec"}}.want(ctx)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(cache, "facerec", "tools", name, name)
	source := filepath.Join(strings.TrimSpace(string(r.stdout)), "tools", name)
	_, err = call{dir: source, env: []string{"CGO_ENABLED=0", "GOOS=", "GOARCH="}, args: []string{"go", "build", "-trimpath", "-o", program, "."}}.want(ctx)
	return program, err
}
