package loopback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startTimeout is how long a server may take to answer. They take well under a
// second on an idle machine, and much longer on a busy one.
const startTimeout = 2 * time.Minute

// stopTimeout is how long a server may take to end when asked, before it is
// killed.
const stopTimeout = 3 * time.Second

// child is a server in a process of its own.
type child struct {
	name    string
	log     string // path of its output
	process *os.Process
	done    chan struct{} // closed when it has ended
	err     error         // how it ended; read after done

	stop    sync.Once
	onClose func() // after it has ended; may be nil
}

// start runs a program and waits until ready answers without an error. All that
// the program prints goes to NAME.log in dir.
func start(ctx context.Context, dir, name string, ready func(context.Context) error, program string, args ...string) (*child, error) {
	c := &child{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(c.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() {
		// The kernel takes the thread that started a child for its parent. This one
		// is kept until the child has ended, or the child would be killed whenever
		// the Go runtime retires a thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
			close(c.done)
		}
		_ = out.Close()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.process = cmd.Process
	if err := c.await(ctx, ready); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// await polls until the server answers.
func (c *child) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		last := ready(ctx)
		select {
		case <-c.done: // whoever answered was another server, on a port that it took first
		default:
			if last == nil {
				return nil
			}
		}
		select {
		case <-c.done:
			return fmt.Errorf("%s ended before it answered (%w); it said: %s", c.name, c.err, c.said())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer (%w); it said: %s", c.name, last, c.said())
		case <-time.After(pause):
		}
	}
}

// said is the end of the server's log.
func (c *child) said() string {
	b, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return "nothing"
	}
	return tail(withoutTraces(string(b)), 4)
}

// withoutTraces takes out the stack traces that some servers print behind their
// last words: pairs of a function's name and an indented place.
func withoutTraces(log string) string {
	lines := strings.Split(log, "\n")
	var kept []string
	for i, line := range lines {
		below := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\t")
		if !strings.HasPrefix(line, "\t") && !below {
			kept = append(kept, line)
		}
	}
	if len(strings.TrimSpace(strings.Join(kept, ""))) == 0 {
		return log
	}
	return strings.Join(kept, "\n")
}

// Close ends the server: it is asked first, and killed if it takes too long.
func (c *child) Close() {
	c.stop.Do(func() {
		_ = c.process.Signal(syscall.SIGTERM) // it may have ended already
		select {
		case <-c.done:
		case <-time.After(stopTimeout):
			_ = c.process.Kill()
			<-c.done
		}
		if c.onClose != nil {
			c.onClose()
		}
	})
}

// answers asks a URL and wants a status under 500.
func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= 500 {
			return fmt.Errorf("%s: %s", url, resp.Status)
		}
		return nil
	}
}

// freePorts finds n TCP ports on 127.0.0.1 that nobody has at the moment, all
// different.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, lerr := net.Listen("tcp", "127.0.0.1:0")
		if lerr != nil {
			return nil, lerr
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func loopbackURL(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

// attempts is how often a server is started anew on other ports: between finding
// a free port and using it, somebody else may take it.
const attempts = 3

// startOnPorts starts a server on n free ports, again if it does not come up.
func startOnPorts(ctx context.Context, n int, run func(ports []int) (*child, error)) (*child, []int, error) {
	var last error
	for range attempts {
		ports, err := freePorts(n)
		if err != nil {
			return nil, nil, err
		}
		c, err := run(ports)
		if err == nil {
			return c, ports, nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return nil, nil, last
}
