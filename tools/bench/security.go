package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"facerec/internal/loopback"
	"facerec/internal/text"
	"facerec/tools/bench/internal/hostile"
	"facerec/tools/bench/internal/measure"
)

// The aim: what one call may need for an input below [hostile.MaxSize].
const (
	aimPeak = 256.0 // MiB of memory
	aimCPU  = 10.0  // seconds
)

// The caps keep this machine usable while a fault is found.
const (
	capMemory = 12 << 30 // bytes of address space
	capCPU    = 60       // seconds
	capWall   = 2 * time.Minute
)

// seen is one measured call.
type seen struct {
	verb string
	line string
	measure.Ended
	err error // it could not be measured
}

// cost is above 1 if the call misses the aim, which is that of one input.
func (c seen) cost() float64 {
	return max(c.Peak/aimPeak, c.CPU/aimCPU) / float64(max(1, strings.Count(" "+c.line, " x.")))
}

type security struct {
	ctx      context.Context
	releaser string
	facerec  string // "" if it was not built
	models   string
	own      string
	verbose  bool
}

// benchSecurity measures what hostile inputs make the programs need.
func benchSecurity(ctx context.Context, flags *flag.FlagSet, args []string) error {
	program := flags.String("releaser", "bin/releaser", "the program")
	other := flags.String("facerec", "bin/facerec", "the other program; left out if it was not built")
	models := flags.String("models", "models", "its models")
	where := flags.String("dir", "", "where to work, best in a tmpfs: on a disk, its file system is measured too where a verb writes 100,000 files")
	only := flags.String("only", "", "only inputs whose name contains this")
	verbose := flags.Bool("v", false, "print every call to standard error, with the end of what it said")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s := security{ctx: ctx, verbose: *verbose}
	var err error
	if s.releaser, err = filepath.Abs(*program); err != nil {
		return err
	}
	inputs := hostile.All()
	if _, err := os.Stat(*other); err == nil {
		if s.facerec, err = filepath.Abs(*other); err != nil {
			return err
		}
		if s.models, err = filepath.Abs(*models); err != nil {
			return err
		}
		inputs = append(inputs, hostile.Pictures()...)
	} else {
		fmt.Fprintf(os.Stderr, "bench: %v: facerec is not measured; build it with make facerec models\n", err)
	}
	work, err := os.MkdirTemp(*where, "bench-security-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	s.own = filepath.Join(work, "own")
	if err := s.prepare(); err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, %d CPUs\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Println("| input | kB | verbs | the costliest ends with | exit | MiB | CPU s |")
	fmt.Println("|---|---:|---|---|---:|---:|---:|")
	var missed []string
	for _, in := range inputs {
		if !strings.Contains(in.Name, *only) {
			continue
		}
		dir := filepath.Join(work, "input")
		calls, size, err := s.measure(in, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", in.Name, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		missed = append(missed, report(in, size, calls)...)
	}
	if len(missed) > 0 {
		return fmt.Errorf("%s:\n  %s", text.CountForms(len(missed), "miss", "misses"), strings.Join(missed, "\n  "))
	}
	return nil
}

// prepare makes the caller's own files: a project, its image, its signed release.
func (s *security) prepare() error {
	for name, data := range map[string]string{
		"config.json":  `{"project_name": "tool", "version": "1.0.0", "build_cmd": "true", "artifacts": [{"src": "tool", "dest": "/app/tool", "binary": "any"}], "platforms": ["linux/amd64"], "image": {"repository": "127.0.0.1:1/x/y"}}`,
		"tool":         "a tool\n",
		"CHANGELOG.md": "# Changelog\n\n## 1.0.0\n\nThe first one.\n",
	} {
		if err := os.MkdirAll(s.own, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.own, name), []byte(data), 0o755); err != nil {
			return err
		}
	}
	for _, line := range []string{"build --no-run --out oci", "pack --image oci-layout:oci --out dist", "keygen k", "sign dist --key k.key",
		"publish dist --page dir:page --key k.pub --unsafe-no-transparency-log --image oci-layout:oci"} {
		if _, err := measure.Run(s.ctx, measure.Command{Args: append([]string{s.releaser, "-q"}, strings.Fields(line)...), Dir: s.own, Env: s.env(s.own)}); err != nil {
			return err
		}
	}
	from, err := filepath.Glob(filepath.Join(s.own, "dist", "*.tar.gz"))
	if err != nil || len(from) != 1 {
		return fmt.Errorf("expected 1 tarball, got %d (%w)", len(from), err)
	}
	data, err := os.ReadFile(from[0])
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.own, "small.tar.gz"), data, 0o644)
}

// env keeps the programs from the caches and credentials of whoever runs this.
func (s *security) env(dir string) []string {
	return []string{"HOME=" + dir, "XDG_CACHE_HOME=" + filepath.Join(dir, ".cache"), "TMPDIR=" + dir, "DOCKER_CONFIG=" + dir, "GITHUB_ACTIONS=", "GOMEMLIMIT="}
}

// measure builds an input and measures every call.
func (s *security) measure(in hostile.Input, dir string) ([]seen, int64, error) {
	d := &hostile.Dir{Path: dir, Own: s.own}
	in.Build(d)
	size, err := d.Size()
	if err = errors.Join(d.Err, err); err != nil {
		return nil, 0, err
	}
	var out []seen
	for _, line := range in.Calls {
		host, stop, err := s.registry(in, d, line)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, s.call(dir, line, host))
		stop()
	}
	return out, size, nil
}

// registry serves what a call needs of one.
func (s *security) registry(in hostile.Input, d *hostile.Dir, line string) (string, func(), error) {
	switch {
	case !strings.Contains(line, "REGISTRY"):
		return "", func() {}, nil
	case in.Serve == nil:
		r, err := loopback.NewInProcess(filepath.Join(s.own, "registry"), "")
		if err != nil {
			return "", nil, err
		}
		return r.Addr, r.Close, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: in.Serve(d), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	return l.Addr().String(), func() { _ = server.Close() }, nil
}

func (s *security) call(dir, line, host string) seen {
	ctx, cancel := context.WithTimeout(s.ctx, capWall)
	defer cancel()
	line = strings.NewReplacer("REGISTRY", host, "OURS", s.own).Replace(line)
	c := seen{line: line}
	fields := strings.Fields(line)
	c.verb = fields[0]
	if fields[0] == "--config" {
		c.verb = fields[2]
	}
	args := append([]string{s.releaser, "-q"}, fields...)
	if c.verb == "detect" {
		args = append([]string{s.facerec, "--models", s.models}, fields...)
	}
	c.Ended, c.err = measure.Observe(ctx, measure.Command{
		Args: args, Dir: dir, Env: s.env(dir), MemoryCap: capMemory, CPUCap: capCPU,
	})
	if s.verbose {
		fmt.Fprintf(os.Stderr, "%6.0f MiB %6.2f s  exit %d  %s: %s\n", c.Peak, c.CPU, c.Exit, line, c.said())
		if c.err != nil {
			fmt.Fprintf(os.Stderr, "  %s\n", text.Line(c.err.Error(), 300))
		}
	}
	return c
}

// said is the line that tells why a call ended as it did, "" for none.
func (c seen) said() string {
	for _, start := range []string{"releaser: ", "facerec: ", "FAIL", "skip"} {
		for line := range strings.Lines(c.Output) {
			if strings.HasPrefix(line, start) {
				return text.Line(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(line), "releaser: "), "facerec: "), 160)
			}
		}
	}
	return ""
}

// report prints the costliest call of an input and names what misses the aim.
func report(in hostile.Input, size int64, calls []seen) (missed []string) {
	worst := slices.MaxFunc(calls, func(a, b seen) int {
		if a.cost() < b.cost() {
			return -1
		}
		return 1
	})
	if size >= hostile.MaxSize {
		missed = append(missed, fmt.Sprintf("%s: %d bytes, expected less than %d", in.Name, size, hostile.MaxSize))
	}
	var verbs []string
	for _, c := range calls {
		if c.verb != worst.verb && !slices.Contains(verbs, c.verb) {
			verbs = append(verbs, c.verb)
		}
		switch {
		case c.err != nil:
			missed = append(missed, fmt.Sprintf("%s: %s: %s", in.Name, c.line, text.Line(c.err.Error(), 200)))
		case c.cost() > 1:
			missed = append(missed, fmt.Sprintf("%s: %s: %.0f MiB, %.1f s", in.Name, c.line, c.Peak, c.CPU))
		case strings.Contains(c.Output, "goroutine ") || strings.Contains(c.Output, "panic:"):
			missed = append(missed, fmt.Sprintf("%s: %s: it panics", in.Name, c.line))
		}
	}
	if in.Says != "" && !slices.ContainsFunc(calls, func(c seen) bool { return strings.Contains(c.Output, in.Says) }) {
		missed = append(missed, fmt.Sprintf("%s: no call says %q (%s)", in.Name, in.Says, in.Limit))
	}
	list := "**" + worst.verb + "**"
	if len(verbs) > 0 {
		list += ", " + strings.Join(verbs, ", ")
	}
	ends := worst.said()
	if in.Limit != "" {
		ends = "`" + in.Limit + "`"
	}
	fmt.Printf("| %s | %d | %s | %s | %d | %.0f | %.1f |\n", in.Name, size/1000, list, strings.ReplaceAll(ends, "|", `\|`), worst.Exit, worst.Peak, worst.CPU)
	return missed
}
