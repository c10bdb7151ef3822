package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"facerec/internal/app"
	"facerec/internal/app/picture"
	"facerec/internal/models"
	"facerec/internal/text"
)

// environment is everything outside that the verbs touch. Tests hand in another
// one.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	// environ lists the variables that are set, as NAME=VALUE.
	environ func() []string
	now     func() time.Time
	// outTerminal and errTerminal report whether standard output and standard
	// error are terminals.
	outTerminal, errTerminal bool
	executable               func() (string, error)
	// umask is taken off the modes of files that are written.
	umask os.FileMode

	// exec replaces this process by the program, with other arguments.
	exec func(args, env []string) error
	// drop gives up root's rights for good.
	drop func() error

	// built says why there is no engine in this program, or nil.
	built func() error
	// open loads an engine and its models.
	open func(app.EngineOptions) (app.Engine, error)
	// decoder reads pictures.
	decoder picture.Decoder
	// dlib is the version of dlib that the engine is made of.
	dlib func() string
	// lineage is the release's variant that the program was built as, or empty for
	// one that was built without the release's toolchain.
	lineage func() string
	// scores reports whether the engine gives detection scores.
	scores func() bool
	// engineOf describes what else the engine is made of.
	engineOf string
	// cpuLacks lists the instruction sets that the engine needs and the
	// processor does not have.
	cpuLacks func() []string
	// pins are the models that are expected.
	pins models.Lock
}

func newEnvironment() *environment {
	umask := syscall.Umask(0o077) // there is no other way to read it
	syscall.Umask(umask)
	return &environment{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		pins:     models.Pinned(),
		cpuLacks: cpuLacks, getenv: os.Getenv, environ: os.Environ, exec: execSelf, drop: dropPrivileges, now: time.Now, executable: os.Executable,
		outTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		umask:       os.FileMode(umask),
	}
}

// printf writes to standard output.
func (env *environment) printf(format string, args ...any) error {
	if _, err := fmt.Fprintf(env.stdout, format, args...); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// printJSON writes a document to standard output.
func (env *environment) printJSON(v any) error {
	doc, err := text.JSON(v)
	if err != nil {
		return err
	}
	return env.printf("%s", doc)
}

// errorf writes one line to standard error, whatever is in the arguments.
func (env *environment) errorf(format string, args ...any) {
	fmt.Fprintf(env.stderr, "facerec: %s\n", text.Line(fmt.Sprintf(format, args...), 0))
}

// complain writes an error, and each of several that were joined, on a line of its
// own.
func (env *environment) complain(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var lines []string
		for _, e := range joined.Unwrap() {
			lines = append(lines, e.Error())
		}
		if strings.Join(lines, "\n") == err.Error() {
			for _, e := range joined.Unwrap() {
				env.complain(e)
			}
			return
		}
	}
	env.errorf("%v", err)
}

// color reports whether a stream that may be a terminal gets colours
// (no-color.org: NO_COLOR turns them off, whatever its value unless empty).
func (env *environment) color(terminal bool) bool {
	return terminal && env.getenv("NO_COLOR") == "" && env.getenv("TERM") != "dumb"
}

// warnf writes one line to standard error, marked as a warning.
func (env *environment) warnf(format string, args ...any) {
	mark := "warning"
	if env.color(env.errTerminal) {
		mark = "\x1b[33mwarning\x1b[0m"
	}
	fmt.Fprintf(env.stderr, "facerec: %s: %s\n", mark, text.Line(fmt.Sprintf(format, args...), 0))
}

// hint writes the advice of an error, if it has some, on a line of its own.
func (env *environment) hint(err error) {
	if advice := text.Hint(err); advice != "" {
		fmt.Fprintf(env.stderr, "hint: %s\n", text.Line(advice, 0))
	}
}
