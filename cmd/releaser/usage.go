package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facerec/internal/text"
)

func usage(format string, args ...any) error {
	return &codedError{exitUsage, fmt.Errorf(format, args...)}
}

func usageError(err error) error { return &codedError{exitUsage, err} }

// wrapArgs makes a wrong number of arguments, and a verb that does not exist, usage
// errors.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	if check == nil || !c.Runnable() {
		check = cobra.NoArgs
	}
	if !c.Runnable() { // or it would print its help, whatever the arguments are
		c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case check(cmd, args) == nil:
			return nil
		case cmd.HasSubCommands():
			return unknownVerb(cmd, args[0])
		}
		got := text.Count(len(args), "argument")
		if len(args) == 0 {
			got = "no arguments"
		}
		return usage("got %s, expected '%s'", got, strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	}
}

// unknownVerb is for a word that is not a verb of a command that has verbs.
func unknownVerb(cmd *cobra.Command, word string) error {
	err := usage("%s is not a verb of %s", text.Quote(word), cmd.CommandPath())
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if near, ok := text.Nearest(word, names); ok {
		return text.WithHint(err, "did you mean '%s %s'?", cmd.CommandPath(), near)
	}
	return text.WithHint(err, "expected one of %s", strings.Join(names, ", "))
}

// helpVerb is "help VERB", which is "VERB --help".
func helpVerb(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB]",
		Short:   "Print the help of a verb",
		Example: "  releaser help verify\n  releaser help kit create",
		Args:    cobra.ArbitraryArgs,
		// What is wrong with the environment does not matter here.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(_ *cobra.Command, args []string) error {
			verb, rest, err := root.Find(args)
			if err != nil {
				return usageError(err)
			}
			if len(rest) > 0 {
				return unknownVerb(verb, rest[0])
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
}

// badFlag makes a flag that does not exist, or has a value that it cannot have, a
// usage error.
func badFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return usageError(err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near, ok := text.Nearest(unknown.GetSpecifiedName(), names); ok {
		return text.WithHint(usageError(err), "did you mean --%s?", near)
	}
	return usageError(err)
}
