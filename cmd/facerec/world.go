package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"facerec/internal/app"
	"facerec/internal/app/picture"
	"facerec/internal/models"
)

// world is everything outside that the verbs touch, so that tests can hand in
// another one.
type world struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	// terminals says whether standard output and standard error are ones.
	outTerminal, errTerminal bool
	executable               func() (string, error)

	// exec replaces this process by the program, with other arguments.
	exec func(args, env []string) error

	// built says why there is no engine in this program, or nil.
	built func() error
	// open loads an engine and its models.
	open func(app.EngineOptions) (app.Engine, error)
	// decoder reads pictures, with what the program was built with.
	decoder picture.Decoder
	// dlib is the version of dlib that the engine is made of.
	dlib func() string
	// engineOf tells what else the engine is made of.
	engineOf string
	// cpuLacks lists what the processor has not but the engine needs.
	cpuLacks func() []string
	// pins are the models that are expected.
	pins models.Lock
}

func newWorld() *world {
	return &world{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		pins:     models.Pinned(),
		cpuLacks: cpuLacks, getenv: os.Getenv, exec: execSelf, now: time.Now, executable: os.Executable,
		outTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
}

// complain writes one line to standard error.
func (w *world) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(w.stderr, "facerec: %s\n", strings.TrimRight(text, "\n"))
}

// color reports whether a stream that may be a terminal gets colours
// (no-color.org: NO_COLOR, whatever its value unless empty, turns them off).
func (w *world) color(terminal bool) bool {
	return terminal && w.getenv("NO_COLOR") == "" && w.getenv("TERM") != "dumb"
}

// warn writes a line to standard error, marked as a warning.
func (w *world) warn(text string) {
	mark := "warning"
	if w.color(w.errTerminal) {
		mark = "\x1b[33mwarning\x1b[0m"
	}
	w.complain("%s: %s", mark, text)
}
