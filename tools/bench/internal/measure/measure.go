// Package measure runs a command as a whole process and tells what it cost:
// wall and CPU seconds, peak memory, bytes written.
//
// The kernel's peak of a process begins with the size of the process that
// started it. So the command is started by a second, small copy of the
// measuring program itself: [Init] must be the first call in its main. What is
// below some 10 MB cannot be determined.
package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Figures are what one run came to. CPU is that of all processes the command
// waited for, Peak that of the largest single one.
type Figures struct {
	Wall  float64 `json:"wall"`  // seconds
	CPU   float64 `json:"cpu"`   // seconds
	Peak  float64 `json:"peak"`  // MiB
	Wrote float64 `json:"wrote"` // MB handed to block devices
}

// marker turns a copy of the program into the starter.
const marker = "MEASURE_COMMAND"

// Init takes over the process if it was started to measure a command.
func Init() {
	if os.Getenv(marker) == "" {
		return
	}
	os.Exit(starter())
}

// caps are the variables by which the starter is told what the kernel is to cap.
var caps = map[string]int{
	"MEASURE_MEMORY": syscall.RLIMIT_AS,
	"MEASURE_CPU":    syscall.RLIMIT_CPU,
}

func starter() int {
	_ = os.Unsetenv(marker)
	for name, resource := range caps {
		value := os.Getenv(name)
		_ = os.Unsetenv(name)
		n, err := strconv.ParseUint(value, 10, 64)
		if err == nil && n > 0 {
			err = syscall.Setrlimit(resource, &syscall.Rlimit{Cur: n, Max: n})
		}
		if value != "" && err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			return 125
		}
	}
	signal.Ignore(os.Interrupt) // the command ends itself, and then this ends
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	begin := time.Now()
	err := cmd.Run()
	f := Figures{Wall: time.Since(begin).Seconds()}
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	f.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.Peak = float64(ru.Maxrss) / 1024        // Linux counts in KiB
		f.Wrote = float64(ru.Oublock) * 512 / 1e6 // and in blocks of 512 bytes
	}
	if json.NewEncoder(os.NewFile(3, "figures")).Encode(f) != nil {
		return 126
	}
	return cmd.ProcessState.ExitCode()
}

// Command is what to measure.
type Command struct {
	Args  []string
	Dir   string
	Env   []string // added to this process's
	Stdin []byte

	// Caps, by the kernel, on each process: bytes of address space and seconds of
	// CPU. 0 for none.
	MemoryCap, CPUCap uint64
}

// Ended is how a command ended.
type Ended struct {
	Figures
	Exit   int    // its exit code; 255 if a signal ended it
	Output string // what it printed, stdout and stderr, cut after 1 MiB
}

// maxOutput is how much of a command's output is kept, in bytes.
const maxOutput = 1 << 20

// kept keeps the beginning of what is written to it.
type kept struct{ bytes.Buffer }

func (k *kept) Write(p []byte) (int, error) {
	k.Buffer.Write(p[:min(len(p), maxOutput-k.Len())])
	return len(p), nil
}

// Run runs a command once. A command that fails is an error that ends in what
// it printed.
func Run(ctx context.Context, c Command) (Figures, error) {
	e, err := Observe(ctx, c)
	if err == nil && e.Exit != 0 {
		err = fmt.Errorf("%s: exit status %d: %s", strings.Join(c.Args[:min(2, len(c.Args))], " "), e.Exit, e.Output)
	}
	return e.Figures, err
}

// Observe runs a command once, whatever its exit code.
func Observe(ctx context.Context, c Command) (Ended, error) {
	self, err := os.Executable()
	if err != nil {
		return Ended{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return Ended{}, err
	}
	defer r.Close()
	var out kept
	cmd := exec.CommandContext(ctx, self, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(append(os.Environ(), c.Env...), marker+"=1")
	if c.MemoryCap > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("MEASURE_MEMORY=%d", c.MemoryCap))
	}
	if c.CPUCap > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("MEASURE_CPU=%d", c.CPUCap))
	}
	cmd.Stdin = bytes.NewReader(c.Stdin)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Run()
	_ = w.Close()
	e := Ended{Output: out.String()}
	var failed *exec.ExitError
	if errors.As(err, &failed) && ctx.Err() == nil {
		e.Exit, err = failed.ExitCode(), nil
	}
	if err != nil {
		return e, fmt.Errorf("%s: %w: %s", strings.Join(c.Args[:min(2, len(c.Args))], " "), err, e.Output)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(raw, &e.Figures); err != nil {
		return e, fmt.Errorf("%s: no figures (%w): %s", c.Args[0], err, e.Output)
	}
	return e, nil
}

// Median takes each figure's median by itself.
func Median(all []Figures) Figures {
	mid := func(of func(Figures) float64) float64 {
		list := make([]float64, len(all))
		for i, f := range all {
			list[i] = of(f)
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	return Figures{
		Wall: mid(func(f Figures) float64 { return f.Wall }), CPU: mid(func(f Figures) float64 { return f.CPU }),
		Peak: mid(func(f Figures) float64 { return f.Peak }), Wrote: mid(func(f Figures) float64 { return f.Wrote }),
	}
}
