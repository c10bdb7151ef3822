package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/app"
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
		want := app.Plural(least, "picture")
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
		want += ", and not so large a one"
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

// nearest gives the name that is spelled most like word, if one is: two letters
// may be wrong, missing or too many. Of equals it is the first.
func nearest(word string, names []string) (string, bool) {
	best, found := 3, ""
	for _, name := range names {
		row := make([]int, len(name)+1)
		for j := range row {
			row[j] = j
		}
		for i := range len(word) {
			diagonal := row[0]
			row[0] = i + 1
			for j := range len(name) {
				change := diagonal
				if word[i] != name[j] {
					change++
				}
				diagonal = row[j+1]
				row[j+1] = min(change, row[j]+1, row[j+1]+1)
			}
		}
		if d := row[len(name)]; d < best {
			best, found = d, name
		}
	}
	return found, found != ""
}
