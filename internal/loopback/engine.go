package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Engine is a container engine of its own: Debian's docker.io with a private
// socket, data and state, no bridge and no packet filter, so that it changes
// nothing on the machine.
type Engine struct {
	client string
	socket string
	child  *child
}

// Debian's docker.io puts these here; another client earlier on the PATH may be
// of a version that does not speak with this daemon.
const (
	engineDaemon = "/usr/sbin/dockerd"
	engineClient = "/usr/bin/docker"
)

// ErrNoEngine says why no engine can be started here. It is a reason to skip.
var ErrNoEngine = errors.New("no container engine")

// NewEngine starts dockerd with its state in dir, which must exist. The error
// is ErrNoEngine where it is not installed or where there is no root for it.
func NewEngine(ctx context.Context, dir string) (*Engine, error) {
	if _, err := os.Stat(engineDaemon); err != nil {
		return nil, fmt.Errorf("%w: %s is missing (Debian package docker.io)", ErrNoEngine, engineDaemon)
	}
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("%w: dockerd needs root", ErrNoEngine)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// A socket's path is at most 108 bytes long, test directories are longer.
	run, err := os.MkdirTemp("", "engine")
	if err != nil {
		return nil, err
	}
	e := &Engine{client: engineClient, socket: filepath.Join(run, "docker.sock")}
	ready := func(ctx context.Context) error {
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", e.socket)
		if err != nil {
			return err
		}
		_ = c.Close()
		_, err = e.Command(ctx, "info").Output()
		return err
	}
	e.child, err = start(ctx, dir, "dockerd", ready, engineDaemon,
		"--host", "unix://"+e.socket, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(run, "exec"),
		"--pidfile", filepath.Join(run, "docker.pid"), "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
		"--storage-driver=vfs")
	if err != nil {
		_ = os.RemoveAll(run)
		return nil, fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	return e, nil
}

// Command is a call of the engine's client.
func (e *Engine) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, e.client, append([]string{"--host", "unix://" + e.socket}, args...)...)
	cmd.Env = e.Environment()
	return cmd
}

// Environment is this process's, with what clients need to find the engine.
func (e *Engine) Environment() []string {
	return append(os.Environ(), "DOCKER_HOST=unix://"+e.socket, "DOCKER_CONFIG="+filepath.Dir(e.socket))
}

// Hardened are the flags of docker run under which a release must work: no
// root, no capabilities, nothing to write to, no network.
func Hardened() []string {
	return []string{"run", "--rm", "--read-only", "--user", "10001:10001", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none"}
}

// Close stops the engine.
func (e *Engine) Close() {
	e.child.Close()
	_ = os.RemoveAll(strings.TrimSuffix(e.socket, "/docker.sock"))
}
