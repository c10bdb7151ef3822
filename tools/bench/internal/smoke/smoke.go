// Package smoke counts what ten fixed pieces of work cost: allocations, bytes
// allocated and, under valgrind, instructions. Counts are nearly the same from run
// to run and from machine to machine, however busy, so that they can be compared
// with those in baseline.json; times cannot.
//
// Each input runs in a process of its own with one core, no garbage collection and
// no preemption. What the process does before the input is counted as well and
// taken off: it is what an input without work costs.
package smoke

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// Counts are what an input costs.
type Counts struct {
	Allocations  int64 `json:"allocations"`
	Bytes        int64 `json:"bytes"`
	Instructions int64 `json:"instructions"` // 0: not counted
}

// marker turns a copy of the program into one that does the work of an input.
const marker = "SMOKE_INPUT"

// Init takes over the process if it was started for an input.
func Init() {
	name, ok := os.LookupEnv(marker)
	if !ok {
		return
	}
	c, err := work(name)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(c)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// work does the work of an input and counts allocations. A name with an
// exclamation mark stands for all but the work.
func work(name string) (Counts, error) {
	name, only := strings.CutSuffix(name, "!")
	for _, in := range inputs {
		if in.name != name {
			continue
		}
		run, err := in.prepare()
		if err != nil || only {
			return Counts{}, err
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = run()
		runtime.ReadMemStats(&after)
		return Counts{Allocations: int64(after.Mallocs - before.Mallocs), Bytes: int64(after.TotalAlloc - before.TotalAlloc)}, err
	}
	return Counts{}, fmt.Errorf("no such input")
}

// environment makes counts repeatable.
var environment = []string{"GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1"}

func start(ctx context.Context, name string, under ...string) (out, errs string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", "", err
	}
	args := append(under, self)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(append(os.Environ(), environment...), marker+"="+name)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, e.String())
	}
	return o.String(), e.String(), err
}

var collected = regexp.MustCompile(`Collected : (\d+)`)

// instructions counts those of an input.
func instructions(ctx context.Context, name string) (int64, error) {
	var n [2]int64
	for i, mark := range []string{"", "!"} {
		_, errs, err := start(ctx, name+mark, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
		if err != nil {
			return 0, err
		}
		m := collected.FindStringSubmatch(errs)
		if m == nil {
			return 0, fmt.Errorf("%s: expected a count from valgrind, got %s", name, errs)
		}
		if n[i], err = strconv.ParseInt(m[1], 10, 64); err != nil {
			return 0, err
		}
	}
	return n[0] - n[1], nil
}

// Baseline is what the inputs cost when somebody last looked.
type Baseline struct {
	Go     string            `json:"go"` // the version of Go, which has a part in it
	Inputs map[string]Counts `json:"inputs"`
}

//go:embed baseline.json
var committed []byte

// Committed is the baseline in the repository.
func Committed() (b Baseline, err error) {
	err = json.Unmarshal(committed, &b)
	return b, err
}

// Result is an input next to its baseline.
type Result struct {
	Name      string
	Was, Now  Counts
	Complaint string // "" if no count grew beyond its margin
}

// How much more than the baseline is tolerated, in percent.
const (
	marginAllocations  = 5
	marginBytes        = 10
	marginInstructions = 5
	few                = 50 // allocations more do not matter
)

// ErrNoValgrind says that instructions are not counted.
var ErrNoValgrind = errors.New("valgrind not found: instructions are not counted")

// Run counts every input. Without valgrind the error is [ErrNoValgrind], and the
// results have no instructions.
func Run(ctx context.Context, was Baseline) ([]Result, error) {
	_, missing := exec.LookPath("valgrind")
	var all []Result
	for _, in := range inputs {
		out, _, err := start(ctx, in.name)
		if err != nil {
			return nil, err
		}
		r := Result{Name: in.name, Was: was.Inputs[in.name]}
		if err := json.Unmarshal([]byte(out), &r.Now); err != nil {
			return nil, fmt.Errorf("%s: %w", in.name, err)
		}
		if missing == nil {
			if r.Now.Instructions, err = instructions(ctx, in.name); err != nil {
				return nil, err
			}
		}
		r.Complaint = compare(r.Was, r.Now)
		all = append(all, r)
	}
	if missing != nil {
		return all, ErrNoValgrind
	}
	return all, nil
}

func compare(was, now Counts) string {
	var out []string
	grew := func(what string, was, now, margin, free int64) {
		if now > was+was*margin/100+free {
			out = append(out, fmt.Sprintf("%s: expected at most %d, got %d", what, was+was*margin/100+free, now))
		}
	}
	grew("allocations", was.Allocations, now.Allocations, marginAllocations, few)
	grew("bytes", was.Bytes, now.Bytes, marginBytes, 64<<10)
	grew("instructions", was.Instructions, now.Instructions, marginInstructions, 0)
	return strings.Join(out, "; ")
}
