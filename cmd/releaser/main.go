// Releaser turns images into releases that nobody has to trust.
//
//	releaser build     run build_cmd and assemble an image index per lineage
//	releaser push      move images by digest into a registry
//	releaser pack      take /app out of each platform image into tarballs
//	releaser sign      sign checksums.txt
//	releaser verify    check a release from the signature down to every byte
//	releaser release   all of these and the release page, for a git tag
//
// Each verb's --help has the rest. The exit codes are the same everywhere:
//
//	0    done, and everything requested holds
//	1    could not do it: I/O, network, build
//	2    usage or configuration
//	3    checked, and the bytes differ
//	4    checked, and not trusted: signature, identity, trusted root
//	5    incomplete: nothing failed, but something requested could not be checked
//	130  interrupted
//
// Where several apply, 4 wins over 3, both win over 1, 2 and 5, and 5 is the least. A
// skip is never a pass.
//
// The answer goes to standard output, as text or with --json as one document
// whose first field is a versioned "schema". Progress and complaints go to
// standard error. A verb that fails leaves no half-written file behind.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/attest"
	"facerec/internal/kit"
	"facerec/internal/oci"
	"facerec/internal/publish"
	"facerec/internal/release"
	"facerec/internal/steps"
	"facerec/internal/text"
	"facerec/internal/trust"
	"facerec/internal/verify"
)

// Exit codes, see the package comment.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitDiffers    = 3
	exitUntrusted  = 4
	exitIncomplete = 5
	exitInterrupt  = 130
)

const exitCodesHelp = `
Exit codes:
  0    done, and everything requested holds
  1    could not do it: I/O, network, build
  2    usage or configuration
  3    checked, and the bytes differ
  4    checked, and not trusted: signature, identity, trusted root
  5    incomplete: nothing failed, but something requested could not be checked
  130  interrupted
`

// How much garbage is kept: gcPercent of what is in use, a quarter of Go's default, so
// that hostile inputs and large releases need less memory. The heap may always have
// gcHeap bytes, though: to collect a few each time costs more than they are worth.
// Before there are gcFrom bytes in all, nothing is collected: most runs end there.
// When that begins, and at every fourth collection, pages of the program's own file
// are given up too: its start and what is over by then, such as the check of a
// signature, used 22 MB of them, and 10 MB come back.
const (
	gcPercent = 25
	gcHeap    = 16 << 20
	gcFrom    = 24 << 20
)

// collectLater sets when garbage is collected.
func collectLater() {
	debug.SetGCPercent(-1)
	before := debug.SetMemoryLimit(gcFrom)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	now, times := 0, 0
	// Each collection finds this, and what it comes to decides about the next one.
	found := new([2]*int) // with pointers: a tiny object may never be found
	var collected func(*[2]*int)
	collected = func(found *[2]*int) {
		metrics.Read(live)
		inUse := max(live[0].Value.Uint64(), 1)
		if percent := max(gcPercent, int(gcHeap*100/inUse)-100); percent != now {
			debug.SetGCPercent(percent)
			if now == 0 {
				debug.SetMemoryLimit(before)
			}
			now = percent
		}
		if times++; times%4 == 1 {
			leaveProgram()
		}
		runtime.SetFinalizer(found, collected)
	}
	runtime.SetFinalizer(found, collected)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	if os.Getenv("GOGC")+os.Getenv("GOMEMLIMIT") == "" {
		collectLater()
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{in: in, out: out, errs: &console{w: errs}}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetErr(a.errs)
	err := root.ExecuteContext(ctx)
	a.registries.blobs.Prune()
	code := exitCode(ctx, err)
	var coded *codedError
	if errors.As(err, &coded) && coded.err == nil {
		return code // the answer on standard output has said it all
	}
	if code == exitInterrupt {
		fmt.Fprintln(a.errs, "releaser: interrupted; nothing half-written was left behind")
		return code
	}
	if err != nil {
		a.complain(err)
		if code == exitUsage && !isProblems(err) && text.Hint(err) == "" {
			fmt.Fprintf(a.errs, "hint: see '%s --help'\n", commandPath(root, args))
		}
	}
	return code
}

// codedError carries an exit code. Without an error of its own it means that
// the report already said what is wrong.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codedError) Unwrap() error { return e.err }

func isProblems(err error) bool {
	var p *release.Problems
	return errors.As(err, &p)
}

// exitCode is the one place that turns an error into a number.
func exitCode(ctx context.Context, err error) int {
	var coded *codedError
	var mismatch *oci.MismatchError
	var damaged *kit.DamagedError
	var refusal *publish.Refusal
	var refused *trust.RefusedError
	var invalid *trust.InvalidError
	var foreign *atomicfile.ForeignFileError
	var noSums *attest.NoSumsError
	var changed *attest.ChangedError
	var notReady *steps.NotReadyError
	var noStep *steps.NameError
	var rule *steps.RuleError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		return exitInterrupt
	case errors.As(err, &coded):
		return coded.code
	case isProblems(err), errors.As(err, &invalid), errors.As(err, &foreign), errors.As(err, &noSums), errors.As(err, &notReady), errors.As(err, &noStep), errors.Is(err, fs.ErrExist):
		return exitUsage
	case errors.As(err, &rule) && rule.Skipped:
		return exitIncomplete
	case errors.As(err, &refusal), errors.As(err, &mismatch), errors.As(err, &damaged), errors.As(err, &changed), errors.As(err, &rule):
		return exitDiffers
	case errors.As(err, &refused):
		return exitUntrusted
	}
	return exitFailed
}

func commandPath(root *cobra.Command, args []string) string {
	if cmd, _, err := root.Find(args); err == nil {
		return cmd.CommandPath()
	}
	return root.CommandPath()
}

// app is what every verb shares.
type app struct {
	in   io.Reader
	out  io.Writer
	errs *console

	configFile string
	json       bool
	quiet      bool

	registries accessFlags
	foreign    bool      // config.json lies in one of several releases that are verified
	unused     sync.Once // that it is not used is said
	inside     []oci.Ref // hosts inside this network that addresses on the command line name

	rootsMu sync.Mutex
	roots   map[string]*verify.TrustedRoot // that were read, by the flag that names them
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "releaser",
		Short: "Releases nobody has to trust: reproducible images, exact tarballs, verification down to every byte",
		Long: `Releaser builds reproducible images from config.json, takes /app out of each
platform image by digest into tarballs that are byte for byte what
'tar | gzip -n' writes, signs their checksums, and verifies all of it again.
` + exitCodesHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		if !talksToNobody(cmd) {
			useFallbackRoots()
		}
		if err := applyEnvironment(cmd); err != nil {
			return err
		}
		a.warnOfTypos(os.Environ())
		a.heed(cmd, args)
		return a.registries.check()
	}
	root.SetFlagErrorFunc(badFlag)
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", "config.json", "configuration `FILE`")
	flags.BoolVar(&a.json, "json", false, "print one JSON document")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "do not print progress")
	root.AddCommand(a.verbs()...)
	root.SetOut(a.out) // completion keeps it
	root.InitDefaultCompletionCmd("completion")
	root.SetHelpCommand(helpVerb(root))
	wrapArgs(root)
	tellExitCodes(root)
	return root
}

// tellExitCodes ends the help of every verb, and of every verb below it, in the
// exit codes.
func tellExitCodes(parent *cobra.Command) {
	for _, c := range parent.Commands() {
		c.Long = strings.ReplaceAll(c.Long, "\t", "    ") // of completion, which is cobra's
		if !strings.Contains(c.Long, "Exit codes:") {
			if c.Long == "" {
				c.Long = c.Short + "."
			}
			c.Long = strings.TrimRight(c.Long, "\n") + "\n" + exitCodesHelp
		}
		wrapArgs(c)
		tellExitCodes(c)
	}
}

// complain prints an error and, on a line of its own, what to do about it. What is
// wrong in one file are several errors.
func (a *app) complain(err error) {
	var p *release.Problems
	if errors.As(err, &p) && p.Error() == err.Error() {
		for _, one := range p.List {
			fmt.Fprintf(a.errs, "releaser: %s\n", text.Line(p.File+":"+one.Error(), 0))
		}
	} else {
		fmt.Fprintf(a.errs, "releaser: %s\n", text.Error(err, 0))
	}
	if hint := text.Hint(err); hint != "" {
		fmt.Fprintf(a.errs, "hint: %s\n", text.Line(hint, 0))
	}
}

// note prints a line of progress. Like warn it may be called by several at a time.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintln(a.errs, text.Line(fmt.Sprintf(format, args...), 0))
	}
}

// warn prints a complaint that does not stop the run; --quiet keeps it.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintln(a.errs, text.Line(fmt.Sprintf("releaser: warning: "+format, args...), 0))
}
