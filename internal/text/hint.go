package text

import (
	"errors"
	"fmt"
)

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }
func (e *hinted) Hint() string  { return e.hint }

// WithHint adds advice to an error: what a person can do next. The advice is
// not part of the error's text; a command prints it on a line of its own.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// Hint returns the advice of the outermost error that has some, or "".
// An error type can bring its own with a method Hint() string.
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Error is err with its text as [Line] shows it; errors.Is and As see through it.
func Error(err error, limit int) error {
	if err == nil {
		return nil
	}
	return &oneLine{Line(err.Error(), limit), err}
}

type oneLine struct {
	text string
	err  error
}

func (e *oneLine) Error() string { return e.text }
func (e *oneLine) Unwrap() error { return e.err }
