package verify

import (
	"fmt"
	"slices"
	"strings"

	"facerec/internal/text"
)

// Class says what kind of failure a check ended in. The zero value is Failed:
// an error of which nothing more is known.
type Class uint8

// The classes, each with the exit code it stands for.
const (
	Failed     Class = iota // 1: could not be done (I/O, network, a limit)
	Differs                 // 3: checked, and the bytes differ
	Untrusted               // 4: checked, and not trusted
	Incomplete              // 5: nothing failed, but not everything could be checked
)

var classes = [...]struct {
	name string
	exit int
}{
	Failed:     {"error", 1},
	Differs:    {"differs", 3},
	Untrusted:  {"untrusted", 4},
	Incomplete: {"incomplete", 5},
}

// String is "error", "differs", "untrusted" or "incomplete".
func (c Class) String() string { return classes[c].name }

// ExitCode is the one of the contract: 1, 3, 4 or 5.
func (c Class) ExitCode() int { return classes[c].exit }

// MarshalText writes String.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// The steps at which a signature can fail, in the order in which they are
// taken.
const (
	CheckTrustRoot   = "trust root"
	CheckBundle      = "bundle"
	CheckLog         = "transparency log"
	CheckTimestamp   = "timestamp"
	CheckCertificate = "certificate"
	CheckSCT         = "certificate transparency"
	CheckSignature   = "signature"
	CheckIdentity    = "identity"
)

// Error is a check that did not hold. It names the predicate, and what was
// expected and found where both are known.
type Error struct {
	About    string // which of several bundles, "" if there is one
	Class    Class
	Check    string // one of the Check constants
	Field    string // what was compared, "" if nothing was
	Expected string
	Got      string
	Err      error // what the check itself said, may be nil

	Refused []string // the refusals that it is made of, if there are several
}

// Error is one line.
func (e *Error) Error() string {
	if e.Expected != "" || e.Got != "" {
		return e.text(fmt.Sprintf("expected %s, got %s", text.Line(e.Expected, maxErrorText), text.Line(e.Got, maxErrorText)))
	}
	return e.text("")
}

// text is the error with seen in the place of what was expected and found.
func (e *Error) text(seen string) string {
	parts := []string{e.About, e.Check, e.Field, seen}
	if e.Err != nil {
		parts = append(parts, text.Line(e.Err.Error(), maxErrorText))
	}
	if e.Refused != nil {
		parts = append(parts, strings.Join(e.Refused, "; "))
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ": ")
}

func (e *Error) Unwrap() error { return e.Err }

// untrusted is an Error of class Untrusted that has a message only.
func untrusted(step, format string, args ...any) *Error {
	return &Error{Class: Untrusted, Check: step, Err: fmt.Errorf(format, args...)}
}

// maxErrorText is how much of a library's error text is shown, in bytes.
const maxErrorText = 800
