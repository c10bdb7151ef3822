package main

import (
	"bufio"
	"context"

	"github.com/spf13/cobra"

	"facerec/internal/app"
)

func detectCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g}
	cmd := &cobra.Command{
		Use:   "detect [FILE | DIRECTORY | PATTERN | -]...",
		Short: "Find the faces in pictures, without naming anybody",
		Long: `Detect reports where the faces of every picture are. It needs no persons/. With
--json --descriptors it also writes the 128 numbers that describe each face.`,
		Example: `  facerec detect photos/ --format csv
  facerec detect party.jpg --out boxes.jpg --json --descriptors`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && o.filesFrom == "" {
				return usagef("expected at least 1 picture, got 0: %s", cmd.UseLine())
			}
			return detectBatch(cmd.Context(), env, o, args)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.engine(fs)
	o.answer(fs, app.Formats...)
	fs.BoolVar(&o.descriptors, "descriptors", false, "add the 128 numbers of every face to JSON")
	o.selection.flags(fs)
	o.outputs(fs, "")
	return cmd
}

// detectBatch finds the faces of a batch of pictures.
func detectBatch(ctx context.Context, env *environment, o *options, args []string) (err error) {
	format, err := o.form(app.Formats...)
	if err != nil {
		return err
	}
	job, err := newJob(env, o, args)
	if err != nil {
		return err
	}
	e, err := openEngine(ctx, env, o)
	if err != nil {
		return err
	}
	defer func() { err = e.shut(ctx, err) }()
	job.use(env, e, nil, app.Rule{})
	out := bufio.NewWriter(env.stdout)
	h := o.header(env, e.opts, app.Rule{}, nil)
	if job.answer, err = app.NewReporter(format, out, h); err != nil {
		return usageError{err}
	}
	job.answersErrors = format == "text"
	return job.run(ctx, out, h)
}
