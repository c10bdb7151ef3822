// Package steps makes a release, from the checks before it to the rolling tags
// after it, as one ordered list of steps.
//
// No state is kept between runs. Each step asks the world what is done already:
// the commit that a layout names, the digest of a tag in the registry, the
// signatures that verify, the bytes in a directory, the state of the release page.
// So a run can be killed anywhere, and the next one comes to the same end. What
// cannot be made again with the same bytes, a keyless signature, is kept from
// where the killed run left it.
//
// [Of] is the list; [Run] runs it.
package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"facerec/internal/publish"
	"facerec/internal/text"
)

// Step is one step of a release.
type Step struct {
	Name string
	Doc  string // one line, for help and for what a dry run would do
	Next string // how to go on after it failed

	// Done reports whether the step is done already, and changes nothing. It is nil
	// for a step that can only find out by running.
	Done func(context.Context) (Answer, error)

	// Run runs the step, as far as it is not done.
	Run func(context.Context) (Answer, error)

	// ReadsOnly says that Run changes nothing, so that a dry run runs it too.
	ReadsOnly bool
}

// Answer is what a step says of itself.
type Answer struct {
	Kept   bool   // all was done already
	Detail string // one line, for people
}

// The states of a step in an [Outcome].
const (
	Done  = "done"  // it ran
	Kept  = "kept"  // it was done already
	Would = "would" // a dry run did not run it
)

// Outcome is what came of a step.
type Outcome struct {
	Step   string `json:"step"`
	State  string `json:"state"` // one of the constants
	Detail string `json:"detail,omitempty"`
}

// NameError is a name that no step has.
type NameError struct {
	Name  string
	Known []string
	Near  string // the nearest of Known, "" if none is near
}

func (e *NameError) Error() string {
	if e.Near != "" {
		return fmt.Sprintf("unknown step %s, did you mean %s?", text.Quote(e.Name), e.Near)
	}
	return fmt.Sprintf("unknown step %s: expected one of %s", text.Quote(e.Name), strings.Join(e.Known, ", "))
}

// Names returns the names of the steps, in their order.
func Names(list []Step) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out
}

// Through returns the steps up to the named one, or all for "". The error is a
// [*NameError].
func Through(list []Step, name string) ([]Step, error) {
	if name == "" {
		return list, nil
	}
	e := &NameError{Name: name, Known: Names(list)}
	if i := slices.Index(e.Known, name); i >= 0 {
		return list[:i+1], nil
	}
	e.Near, _ = text.Nearest(name, e.Known)
	return nil, e
}

// Help lists the steps, one per line.
func Help(list []Step) string {
	width := 0
	for _, s := range list {
		width = max(width, len(s.Name))
	}
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "  %-*s  %s\n", width, s.Name, s.Doc)
	}
	return b.String()
}

// Run runs the steps in order and stops at the first that fails, with an error that
// names it and says how to go on. tell, if not nil, is called after each step.
//
// With dryRun it changes nothing: after the first step that would be run, those
// that follow would be run too.
func Run(ctx context.Context, list []Step, dryRun bool, tell func(Outcome)) ([]Outcome, error) {
	var all []Outcome
	pending := false
	for _, s := range list {
		outcome := Outcome{Step: s.Name, State: Would, Detail: s.Doc}
		if !pending {
			answer, ran, err := s.try(ctx, dryRun)
			if err != nil {
				return all, s.failed(ctx, err)
			}
			switch {
			case answer.Kept:
				outcome = Outcome{s.Name, Kept, answer.Detail}
			case ran:
				outcome = Outcome{s.Name, Done, answer.Detail}
			default:
				pending = true
			}
		}
		all = append(all, outcome)
		if tell != nil {
			tell(outcome)
		}
	}
	return all, nil
}

// try asks whether the step is done and, if not, runs it unless the run is dry.
func (s Step) try(ctx context.Context, dryRun bool) (answer Answer, ran bool, err error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, false, err
	}
	if s.Done != nil {
		if answer, err = s.Done(ctx); err != nil || answer.Kept {
			return answer, false, err
		}
	}
	if dryRun && !s.ReadsOnly {
		return Answer{}, false, nil
	}
	answer, err = s.Run(ctx)
	return answer, true, err
}

// failed says which step failed, and how to go on: the advice of the error, if it
// has some, and the step's own, unless the error is a refusal that another run only
// repeats.
func (s Step) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	next := s.Next
	if hint := text.Hint(err); hint != "" {
		next = hint + "; " + next
		if refusal := (*publish.Refusal)(nil); errors.As(err, &refusal) {
			next = hint
		}
	}
	return text.WithHint(fmt.Errorf("step %s: %w", s.Name, err), "%s", next)
}
