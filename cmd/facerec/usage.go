package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/text"
)

// noArgs refuses any argument.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		if cmd.HasSubCommands() {
			return unknownVerb(cmd, args[0])
		}
		return fmt.Errorf("%q: %s takes flags only", args[0], cmd.CommandPath())
	}
	return nil
}

// unknownVerb is for a word that is not a verb of a command that has verbs.
func unknownVerb(cmd *cobra.Command, word string) error {
	err := fmt.Errorf("%s is not a verb of %s", text.Quote(word), cmd.CommandPath())
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if near, ok := text.Nearest(word, names); ok {
		return text.WithHint(err, "did you mean %s?", near)
	}
	return text.WithHint(err, "expected one of %s", strings.Join(names, ", "))
}

// helpCommand is "help VERB", which is "VERB --help".
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB]",
		Short:   "Print the help of a verb",
		Example: "  facerec help recognize\n  facerec help models heal",
		Args:    cobra.ArbitraryArgs,
		// What is wrong with the settings does not matter here.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(_ *cobra.Command, args []string) error {
			verb, rest, err := root.Find(args)
			if err != nil {
				return usageError{err}
			}
			if len(rest) > 0 {
				return usageError{unknownVerb(verb, rest[0])}
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
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

// badFlag is badValue for what was typed, with a hint for names of files that
// look like flags and for flags that are misspelt.
func badFlag(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &bad):
		f := bad.GetFlag()
		err = badValue("--"+f.Name, err)
		if name := "-" + f.Shorthand + bad.GetValue(); f.Shorthand != "" && isFileName(name) {
			return fileNotFlag(err, name)
		}
	case errors.As(err, &unknown):
		if s := unknown.GetSpecifiedShortnames(); s != "" {
			if isFileName("-" + s) {
				return fileNotFlag(err, "-"+s)
			}
			break
		}
		name := unknown.GetSpecifiedName()
		if isFileName("--" + name) {
			return fileNotFlag(err, "--"+name)
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near, ok := text.Nearest(name, names); ok {
			return text.WithHint(usageError{err}, "did you mean --%s?", near)
		}
	}
	return usageError{err}
}

// isFileName reports whether an argument that begins with a dash is the name of
// a file, or ends like a picture's.
func isFileName(arg string) bool {
	if _, err := os.Lstat(arg); err == nil {
		return true
	}
	return slices.Contains(pictureEndings, strings.ToLower(filepath.Ext(arg)))
}

func fileNotFlag(err error, name string) error {
	return text.WithHint(usageError{err}, "a file of this name is written %s", text.Show("./"+name))
}
