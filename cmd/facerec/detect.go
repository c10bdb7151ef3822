package main

import (
	"bufio"

	"github.com/spf13/cobra"

	"facerec/internal/app"
)

func detectCommand(w *world) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "detect FILE | FOLDER | PATTERN | -...",
		Short: "Find the faces in pictures, without naming anybody",
		Long: `Detect reports where the faces of every picture are. It needs no persons/. With
--json --descriptors it also writes the 128 numbers that describe each face.`,
		Args: pictures(1, 0),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.inherit(cmd)
			ctx := cmd.Context()
			format, err := o.form(app.Formats...)
			if err != nil {
				return err
			}
			job, err := newJob(w, o, args)
			if err != nil {
				return err
			}
			e, err := openEngine(ctx, w, o)
			if err != nil {
				return err
			}
			defer func() { err = e.shut(ctx, err) }()
			job.recognizer = &app.Recognizer{Engine: e, Decoder: o.decoder(w), Sizing: job.sizing}
			out := bufio.NewWriter(w.stdout)
			h := o.header(w, e.opts, app.Rule{}, nil)
			if job.report, err = app.NewReporter(format, out, h); err != nil {
				return usageError{err}
			}
			return job.finish(ctx, out, h)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.engine(fs)
	o.answer(fs, app.Formats...)
	fs.BoolVar(&o.descriptors, "descriptors", false, "add the 128 numbers of every face to JSON")
	o.outputs(fs, "")
	return cmd
}
