package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"facerec/internal/app"
)

func calibrateCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g}
	var plot string
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Suggest a threshold for the people in persons/",
		Long: `Calibrate leaves out one photo of persons/ at a time and asks the rest who it shows,
and one person at a time and asks the rest whether they know the stranger. It prints
how often either goes wrong at thresholds from 0.30 to 0.90, and suggests the one
that goes wrong least. Thresholds are Euclidean distances; go-face's are squared.
Then it groups the same photos, as facerec group would if nobody were enrolled, and
prints the share of joined pairs that show one person (precision) and of one person's
pairs that were joined (recall); and both for each person in turn, at the threshold
that suits the others best.
It needs at least two people, one of them with two photos.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			format, err := o.form("text", "json")
			if err != nil {
				return err
			}
			if _, err := o.matching(); err != nil {
				return err
			}
			if plot != "" && !strings.HasSuffix(strings.ToLower(plot), ".png") {
				return usagef("--plot %s: expected a name that ends in .png", plot)
			}
			pen, err := o.pen()
			if err != nil {
				return err
			}
			e, err := openEngine(ctx, env, o)
			if err != nil {
				return err
			}
			defer func() { err = e.shut(ctx, err) }()
			res, err := enroll(ctx, env, o, e, !o.quiet)
			if err != nil {
				return err
			}
			c, err := app.Calibrate(ctx, res.Gallery)
			if err != nil {
				return fmt.Errorf("%s: %w", o.persons, err)
			}
			write := c.WriteText
			if format == "json" {
				write = c.WriteJSON
			}
			if err := write(env.stdout); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
			if plot == "" {
				return nil
			}
			img, err := pen.Plot(c)
			if err != nil {
				return err
			}
			return env.write(plot, func(f io.Writer) error { return app.Encode(f, plot, img) })
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.gallery(fs)
	o.engine(fs)
	o.answer(fs, "text", "json")
	fs.StringVar(&plot, "plot", "", "draw the distances into this PNG `file`")
	fs.StringVar(&o.font, "font", "", "TrueType or OpenType `file` to write with")
	return cmd
}
