package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/text"
)

// noArgs refuses any argument.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q: %s takes flags only", args[0], cmd.CommandPath())
	}
	return nil
}

// pictures refuses fewer than least arguments, or more than most if that is not 0.
func pictures(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		n := len(args)
		if n >= least && (most == 0 || n <= most) {
			return nil
		}
		want := text.Count(least, "picture")
		if most == 0 {
			want = "at least " + want
		}
		return fmt.Errorf("expected %s, got %d: %s", want, n, cmd.UseLine())
	}
}

// badValue says what is wrong with a flag's value; name is how it was given,
// "--jobs" or "FACEREC_JOBS". Other errors are left as they are.
func badValue(name string, err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	var want string
	switch bad.GetFlag().Value.Type() {
	case "int", "int64", "uint", "uint64":
		want = "a whole number"
	case "float64":
		want = "a number"
	case "bool":
		want = "true or false"
	default:
		return fmt.Errorf("%s %q: %w", name, bad.GetValue(), errors.Unwrap(bad))
	}
	if errors.Is(err, strconv.ErrRange) {
		want += ", in range"
	}
	return fmt.Errorf("%s %q: expected %s", name, bad.GetValue(), want)
}

// badFlag is badValue for what was typed.
func badFlag(_ *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		err = badValue("--"+bad.GetFlag().Name, err)
	}
	return usageError{err}
}
