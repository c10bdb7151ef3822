package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"facerec/internal/loopback"
)

// stage is a clone of the repository, and the servers that it is published on.
type stage struct {
	ctx       context.Context
	top       string // the repository
	dir       string // of everything that is made here
	project   string // the clone
	artifacts string // what jobs hand on
	logs      string
	verbose   bool

	registry *loopback.Registry
	sigstore *loopback.Sigstore
	forge    *loopback.Gitea
	actor    string // act
	goEnv    string // the user's settings of the go command

	page, selfPage string            // of the two projects
	identity       string            // who signs the first
	configs        map[string][]byte // as they are in the clone
	ends           []func()
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

func newStage(ctx context.Context, top, dir, logs string, verbose bool) (*stage, error) {
	s := &stage{ctx: ctx, top: top, dir: dir, logs: logs, verbose: verbose, project: filepath.Join(dir, "project"), configs: map[string][]byte{}}
	if err := errors.Join(adopt(), s.start()); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	for _, end := range slices.Backward(s.ends) {
		end()
	}
	s.ends = nil
	reap()
}

func (s *stage) start() (err error) {
	for _, name := range []string{"registry", "sigstore", "docker", "action-cache", "advisories"} {
		if err := os.Mkdir(s.path(name), 0o755); err != nil {
			return err
		}
	}
	fmt.Println("starting a registry, a Sigstore and a Gitea on loopback (the first time, building them and act takes long)")
	settings, err := exec.CommandContext(s.ctx, "go", "env", "GOENV").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	s.goEnv = strings.TrimSpace(string(settings))
	if s.actor, err = loopback.Tool(s.ctx, "act"); err != nil {
		return err
	}
	if s.registry, err = loopback.NewRegistry(s.ctx, s.path("registry")); err != nil {
		return err
	}
	s.ends = append(s.ends, s.registry.Close)
	if s.sigstore, err = loopback.NewSigstore(s.ctx, s.path("sigstore")); err != nil {
		return err
	}
	s.ends = append(s.ends, s.sigstore.Close)
	if s.forge, err = loopback.NewGitea(s.ctx); err != nil {
		return err
	}
	s.ends = append(s.ends, s.forge.Close)
	if err := errors.Join(s.plant(false), s.clone()); err != nil {
		return err
	}
	return s.make("", nil, "releaser")
}

// call runs a program in the clone and logs it; the error has its last words.
func (s *stage) call(stdin string, env []string, name string, args ...string) error {
	if !filepath.IsAbs(name) && strings.Contains(name, "/") {
		name = filepath.Join(s.project, name)
	}
	return s.logging(filepath.Base(name), s.project, stdin, env, name, args...)
}

func (s *stage) git(args ...string) error {
	return s.call("", s.environment(), "git", args...)
}

func (s *stage) make(stdin string, env []string, args ...string) error {
	if env == nil {
		env = s.environment()
	}
	return s.call(stdin, env, "make", args...)
}

// logging runs a program in a process group of its own, so that an interrupt ends
// all of it.
func (s *stage) logging(log, dir, stdin string, env []string, name string, args ...string) error {
	file, err := os.OpenFile(filepath.Join(s.logs, log+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintf(file, "$ %s %s\n", name, strings.Join(args, " "))
	var said bytes.Buffer
	out := io.MultiWriter(file, &said)
	if s.verbose {
		out = io.MultiWriter(out, os.Stdout)
	}
	cmd := exec.CommandContext(s.ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, out, out
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Run(); err != nil {
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("%s: %w (%s)\n%s", filepath.Base(name), err, file.Name(), strings.Join(lines[max(0, len(lines)-30):], "\n"))
	}
	return nil
}

// act runs a workflow for an event and wants an exit code.
func (s *stage) act(code int, workflow, event string, privileges []string, more ...string) error {
	if err := errors.Join(os.RemoveAll(s.path("artifacts")), os.Mkdir(s.path("artifacts"), 0o755)); err != nil {
		return err
	}
	s.artifacts = s.path("artifacts")
	_ = os.Remove(filepath.Join(s.logs, workflow+".log"))
	return s.actOn(code, workflow, filepath.Join(s.project, ".github", "workflows", workflow+".yml"), event, privileges, more...)
}

func (s *stage) actOn(code int, log, file, event string, privileges []string, more ...string) error {
	payload, err := json.Marshal(events[event])
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("event.json"), payload, 0o644); err != nil {
		return err
	}
	replaced, err := s.standIns(file)
	if err != nil {
		return err
	}
	args := append([]string{
		event, "--workflows", file, "--eventpath", s.path("event.json"),
		"--no-skip-checkout", "--no-cache-server", "--pull=false",
		"--action-cache-path", s.path("action-cache"), "--concurrent-jobs", "2",
	}, append(replaced, more...)...)
	for _, label := range runners {
		args = append(args, "--platform", label+"=-self-hosted")
	}
	env := s.environment()
	for _, p := range privileges {
		if secret, ok := strings.CutPrefix(p, "secret:"); ok {
			args = append(args, "--secret", secret)
			continue
		}
		env = append(env, p)
	}
	if err := exits(code, s.logging(log, s.project, "", env, s.actor, args...)); err != nil {
		return fmt.Errorf("workflow %s: %w", log, err)
	}
	return nil
}

// exits makes another exit code than the expected one a verdict.
func exits(code int, err error) error {
	var exit *exec.ExitError
	switch {
	case code == 0:
		return failing(err)
	case err == nil:
		return fmt.Errorf("%w: expected exit code %d, got 0", errUnexpected, code)
	case errors.As(err, &exit) && exit.ExitCode() == code:
		return nil
	}
	return failing(err)
}

// failing makes an exit code a verdict.
func failing(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return fmt.Errorf("%w: %w", errUnexpected, err)
	}
	return err
}

// logged wants a text in the log of a workflow.
func (s *stage) logged(workflow, want string) error {
	raw, err := os.ReadFile(filepath.Join(s.logs, workflow+".log"))
	if err != nil {
		return err
	}
	if !strings.Contains(string(raw), want) {
		return fmt.Errorf("%w: expected %q in %s/%s.log", errUnexpected, want, s.logs, workflow)
	}
	return nil
}

// untouched checks that nothing was pushed, signed or published: no repository in
// the registry, no certificate in the log, no release on the page, not even a draft.
func (s *stage) untouched() error {
	raw, err := s.get("http://" + s.registry.Addr + "/v2/_catalog")
	if err != nil {
		return err
	}
	var catalog struct{ Repositories []string }
	if err := json.Unmarshal(raw, &catalog); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	checkpoint, err := os.ReadFile(filepath.Join(s.sigstore.Certificates.Dir, "checkpoint"))
	if err != nil {
		return err
	}
	// ORIGIN, SIZE, ROOT HASH, a line each.
	_, size, _ := strings.Cut(string(checkpoint), "\n")
	size, _, _ = strings.Cut(size, "\n")
	raw, err = s.forge.Do(s.ctx, http.MethodGet, "repos/"+s.forge.User+"/"+repository+"/releases", nil)
	if err != nil {
		return err
	}
	var releases []json.RawMessage
	if err := json.Unmarshal(raw, &releases); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if len(catalog.Repositories) > 0 || size != "0" || len(releases) > 0 {
		return fmt.Errorf("%w: expected nothing pushed, signed or published, got images %v, certificates %q, %d releases", errUnexpected, catalog.Repositories, size, len(releases))
	}
	return nil
}

func (s *stage) get(url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// fetch downloads and verifies a release, as its users do.
func (s *stage) fetch(page, identity string) error {
	dir := s.path("fetched")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return failing(s.call("", s.environment(), "bin/releaser", "fetch", page, dir, "--all",
		"--certificate-identity", identity, "--certificate-oidc-issuer", s.sigstore.URL(identity)))
}

// asset is a tarball's SHA-256 in the checksums.txt that was fetched last.
func (s *stage) asset(name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(s.path("fetched"), "checksums.txt"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == name {
			return f[0], nil
		}
	}
	return "", fmt.Errorf("checksums.txt: no %s", name)
}

// platform is the one that this machine runs.
func platform() string { return "linux/" + runtime.GOARCH }
