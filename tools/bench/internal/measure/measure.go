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
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
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

func starter() int {
	_ = os.Unsetenv(marker)
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
}

// Run runs a command once. A command that fails is an error that ends in what
// it printed.
func Run(ctx context.Context, c Command) (Figures, error) {
	self, err := os.Executable()
	if err != nil {
		return Figures{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return Figures{}, err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, self, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(append(os.Environ(), c.Env...), marker+"=1")
	cmd.Stdin = bytes.NewReader(c.Stdin)
	cmd.ExtraFiles = []*os.File{w}
	out, err := cmd.CombinedOutput()
	_ = w.Close()
	if err != nil {
		return Figures{}, fmt.Errorf("%s: %w: %s", strings.Join(c.Args[:min(2, len(c.Args))], " "), err, out)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return Figures{}, err
	}
	var f Figures
	return f, json.Unmarshal(raw, &f)
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
