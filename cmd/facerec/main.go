// Facerec names the people in photos.
//
// Run without arguments in the unpacked directory, it enrols everybody in
// persons/NAME/, looks at images/unknown.jpg, prints who is in it, and draws
// images/result.jpg:
//
//	Found 3 faces
//	Person: John_Salley
//	Person: John_Shimkus
//	Person: unknown
//	Total time: 812ms
//
// Everything else is flags and verbs: facerec --help lists them.
//
// The answer goes to standard output, as text or with --json as one document
// whose first field is its schema; progress, warnings and errors go to standard error.
//
// A flag beats the environment (FACEREC_THRESHOLD is --threshold), which beats
// the configuration file (facerec.json: {"threshold": 0.55}), which beats the default.
//
// Exit codes, for every verb:
//
//	0    every face known, or the request is done
//	1    failed: files, pictures, the engine
//	2    usage or configuration
//	3    an unknown or ambiguous face was seen (with --fail-on-unknown)
//	4    no face found
//	5    models missing or different from the pinned ones
//	130  interrupted
//
// If several apply, the first of 130, 5, 2, 1, 3, 4 is returned.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"facerec/internal/app"
	"facerec/internal/text"
)

// exitCodes is repeated in every help text.
const exitCodes = `Exit codes:
  0    every face known, or the request is done
  1    failed: files, pictures, the engine
  2    usage or configuration
  3    an unknown or ambiguous face was seen (with --fail-on-unknown)
  4    no face found
  5    models missing or different from the pinned ones
  130  interrupted
`

// Verdicts that have an exit code of their own.
var (
	errUnknownSeen = errors.New("somebody unknown was seen")
	errNoFace      = errors.New("no face found")
)

// usageError is a fault of whoever typed the command or wrote the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// modelsError says that models are missing or not as pinned.
type modelsError struct{ error }

func (e modelsError) Unwrap() error { return e.error }

// exitCode is the one place where an error becomes a number.
func exitCode(err error) int {
	var usage usageError
	var models modelsError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return 130
	case errors.As(err, &models):
		return 5
	case errors.As(err, &usage):
		return 2
	case errors.Is(err, errUnknownSeen):
		return 3
	case errors.Is(err, errNoFace):
		return 4
	}
	return 1
}

func main() { os.Exit(run(os.Args[1:], hostEnvironment())) }

// run is main without the process: arguments in, exit code out.
//
// The first signal ends the context: verbs clean up and return. From then on
// signals have their default effect, so a second one ends the process at once,
// wherever it is, the engine's C++ included.
func run(args []string, env *environment) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	root := newRoot(env)
	root.SetArgs(args)
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	code := exitCode(err)
	switch {
	case code == 130:
		env.errorf("interrupted")
	case err != nil:
		env.complain(err)
		env.hint(err)
	}
	if code == 2 && text.Hint(err) == "" {
		fmt.Fprintln(env.stderr, "hint: see facerec --help")
	}
	return code
}

// engineError tells an engine's failure from a picture's.
func engineError(err error) bool {
	var e *app.EngineError
	return errors.As(err, &e)
}
