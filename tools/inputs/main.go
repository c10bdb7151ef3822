// Inputs fetches and checks what a build of facerec needs, and builds it.
//
//	go run ./tools/inputs VERB [flags] [args]
//
//	models    put the pinned models into --dir (--from debian or dlib.net)
//	samples   put sample photos into persons/ and compose images/unknown.jpg
//	dlib      fetch dlib and libjpeg, assemble one cell's toolchain; prints its directory
//	facerec   build facerec for one cell into --out (build is the same)
//	test      go test with one cell's toolchain: test --lineage L [--] PACKAGES AND FLAGS
//	run       run a command with one cell's toolchain: run --lineage L -- COMMAND
//	packages  install what packages.txt names and the machine lacks: packages [SECTION…]
//	check     compare inputs.lock.json with this machine; fetches nothing
//	relock    renew the pins that a suite has moved past; prints the difference
//	vendor    fill a directory for builds without network: vendor DIR
//
// It is run from the root of the repository. Exit codes: 0 done · 1 could not
// do it · 2 usage · 3 checked, and something is not as pinned · 127 a compiler is not
// installed · 130 interrupted. 127 is what a shell says of a missing command, and what
// `releaser rebuild` takes for a cell that this machine cannot build.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"facerec/internal/inputs"
	"facerec/internal/text"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	interrupted := ctx.Err() != nil
	stop()
	os.Exit(code(err, interrupted, os.Stderr))
}

// usageError is a wrong call.
type usageError struct{ error }

// differs says that a check was made and something is not as pinned.
var errDiffers = errors.New("not everything is as pinned")

func code(err error, interrupted bool, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	_, _ = fmt.Fprintf(stderr, "inputs: %v\n", err)
	if hint := text.Hint(err); hint != "" {
		_, _ = fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	var usage usageError
	var wrong *inputs.WrongHash
	var missing *inputs.NotInstalled
	switch {
	case interrupted:
		return 130
	case errors.As(err, &usage):
		return 2
	case errors.Is(err, errDiffers), errors.As(err, &wrong):
		return 3
	case errors.As(err, &missing):
		return 127
	}
	return 1
}

// call is what every verb gets.
type call struct {
	ctx            context.Context
	stdout, stderr io.Writer
	store          *inputs.Store
	flags          *flag.FlagSet
	lockPath       string
	quiet          bool
}

func (c *call) say(format string, args ...any) {
	if !c.quiet {
		_, _ = fmt.Fprintf(c.stderr, format+"\n", args...)
	}
}

func (c *call) lock() (*inputs.Lock, error) { return inputs.ReadLock(c.lockPath) }

var verbs = []struct {
	name string
	does string
	run  func(c *call, args []string) error
}{
	{"models", "fetch the pinned models into a directory", fetchModels},
	{"samples", "put sample photos into persons/ and images/", samples},
	{"dlib", "assemble one cell's toolchain", dlib},
	{"facerec", "build facerec for one cell", facerec},
	{"build", "the same as facerec", facerec},
	{"test", "go test with one cell's toolchain", test},
	{"run", "run a command with one cell's toolchain", runWith},
	{"packages", "install what packages.txt names", packages},
	{"check", "compare the lock with this machine", check},
	{"relock", "renew pins that a suite has moved past", relock},
	{"vendor", "fill a directory for builds without network", vendor},
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		_, _ = fmt.Fprintln(stderr, "usage: go run ./tools/inputs VERB [flags] [args]; VERB --help lists its flags")
		for _, v := range verbs {
			_, _ = fmt.Fprintf(stderr, "  %-9s %s\n", v.name, v.does)
		}
		if len(args) == 0 {
			return usageError{errors.New("no verb")}
		}
		return nil
	}
	for _, v := range verbs {
		if v.name != args[0] {
			continue
		}
		c := &call{ctx: ctx, stdout: stdout, stderr: stderr, flags: flag.NewFlagSet("inputs "+v.name, flag.ContinueOnError)}
		c.flags.SetOutput(stderr)
		c.store = &inputs.Store{Say: c.say}
		c.flags.StringVar(&c.store.Dir, "cache", "", "directory for fetched files (default $XDG_CACHE_HOME/facerec/inputs)")
		c.flags.StringVar(&c.store.Offline, "offline", "", "take files from this directory, fetch nothing")
		c.flags.StringVar(&c.store.Mirror, "mirror", "", "base address of Debian's archive (default: the machine's own)")
		c.flags.StringVar(&c.lockPath, "lock", "inputs.lock.json", "the lock file")
		c.flags.BoolVar(&c.quiet, "quiet", false, "no progress")
		return v.run(c, args[1:])
	}
	return usageError{fmt.Errorf("verb %q unknown: see --help", args[0])}
}

// parse reads the flags and sets what has a default of its own.
func (c *call) parse(args []string) error {
	if err := c.flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return usageError{err}
	}
	if c.store.Dir == "" {
		dir, err := inputs.DefaultDir()
		if err != nil {
			return err
		}
		c.store.Dir = dir
	}
	return nil
}

// noArgs refuses what is left after the flags.
func (c *call) noArgs() error {
	if c.flags.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected %q", strings.Join(c.flags.Args(), " "))}
	}
	return nil
}
