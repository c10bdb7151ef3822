package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/text"
)

// newRoot builds the command tree over a world.
func newRoot(env *environment) *cobra.Command {
	g := &globals{}
	o := &options{globals: g}
	root := &cobra.Command{
		Use:   "facerec [PICTURE | DIRECTORY]...",
		Short: "Name the people in photos",
		Long: `Facerec names the people in photos.

Without a verb it enrols everybody in persons/NAME/, looks at images/unknown.jpg,
prints who is in it, one "Person:" line per face, and draws images/result.jpg.

Pictures and directories without a verb are given to recognize. As long as nobody but
the samples is in persons/, the faces of directories are grouped instead, as by group,
and pictures without any persons/ are given to detect.

Every flag can also be set by the environment (FACEREC_MAX_PIXELS is --max-pixels)
or in facerec.json ({"max-pixels": 5000000}); flags win over the environment, the
environment over the file. The defaults below are the effective values.`,
		Version:                    version,
		Args:                       verbArgs,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return o.withoutVerb(cmd, env, args)
			}
			picture := env.locate(defaultPicture, defaultPicture)
			if !cmd.Flags().Changed("out") {
				o.out = filepath.Join(filepath.Dir(picture), "result.jpg")
			}
			return recognizeBatch(cmd.Context(), env, o, []string{picture}, true)
		},
	}
	g.flags(root.PersistentFlags())
	root.PersistentFlags().SortFlags = false
	root.Flags().SortFlags = false
	o.recognizeFlags(root.Flags(), filepath.Join("images", "result.jpg"))

	root.AddCommand(
		recognizeCommand(env, g), detectCommand(env, g), compareCommand(env, g), enrollCommand(env, g), groupCommand(env, g), calibrateCommand(env, g), doctorCommand(env, g),
		modelsCommand(env, g), cacheCommand(env, g), entrypointCommand(env), versionCommand(env, g),
	)
	root.InitDefaultCompletionCmd("completion")
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultHelpCmd()
	root.SetFlagErrorFunc(badFlag)
	root.SetUsageTemplate(root.UsageTemplate() + "\n" + exitCodes)
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		showEffective(env, cmd)
		help(cmd, args)
	})
	root.SetVersionTemplate("facerec {{.Version}}\n")
	wrapArgs(root)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if !g.quiet {
			warnOfVariables(env, root)
		}
		_, err := settle(env, cmd)
		return err
	}
	return root
}

// verbArgs refuses arguments that are neither a verb nor a file, with a guess at what was meant.
func verbArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := os.Stat(args[0]); err == nil {
		return nil
	}
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		return text.WithHint(fmt.Errorf("%s is not a verb", text.Quote(args[0])), "did you mean %s?", strings.Join(s, " or "))
	}
	return text.WithHint(fmt.Errorf("%s is not a verb", text.Quote(args[0])), "to look at a picture, run facerec recognize %s", text.Show(args[0]))
}

// wrapArgs makes wrong numbers of arguments usage errors, everywhere.
func wrapArgs(cmd *cobra.Command) {
	if !cmd.Runnable() { // or it would print its help, whatever the arguments are
		cmd.Args, cmd.RunE = noArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		wrapArgs(c)
	}
}
