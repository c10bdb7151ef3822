package main

import (
	"bufio"
	"context"
	"errors"
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
		Use:   "calibrate [FILE | DIRECTORY | PATTERN]...",
		Short: "Suggest a threshold for the people in persons/",
		Long: `Calibrate measures how well the photos in persons/ tell people apart. It leaves out
one photo at a time and asks the rest who it shows, then one person at a time and asks
the rest whether they know the stranger. It prints how often each goes wrong at
thresholds from 0.30 to 0.90, and suggests the threshold with the fewest errors. The
fewer people and photos there are, the less these figures say; their number is printed.
Thresholds are Euclidean distances; go-face's are squared.

Then it groups the same photos, as facerec group does when nobody is enrolled. It
prints the precision (the share of joined pairs that show one person) and the recall
(the share of one person's pairs that were joined): for everybody, and for each person
at the threshold that suits the others best.

It needs at least two people, one of them with two photos.

Faces in one picture are different people, whoever they are: a second measure, of more
people. Calibrate takes them from the photos in persons/ that show several faces, and
from the pictures that are named.`,
		Example: `  facerec calibrate
  facerec calibrate photos/ --plot distances.png`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
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
			o.persons = env.locate(o.persons, "persons")
			var batch *job
			if len(args) > 0 || o.filesFrom != "" {
				if batch, err = newJob(env, o, args); err != nil {
					return err
				}
			}
			e, err := openEngine(ctx, env, o)
			if err != nil {
				return err
			}
			defer func() { err = e.shut(ctx, err) }()
			res, err := enroll(ctx, env, o, e, !o.quiet || o.strict)
			if err != nil {
				return err
			}
			c, err := app.Calibrate(ctx, res.Gallery)
			if err != nil {
				return fmt.Errorf("%s: %w", o.persons, err)
			}
			inside := &app.Insides{}
			inside.Photos(res.Photos)
			var unread error
			if batch != nil {
				if unread, err = batch.pairs(ctx, env, e, inside); err != nil {
					return err
				}
			}
			c.Add(inside)
			write := c.WriteText
			if format == "json" {
				write = c.WriteJSON
			}
			if err := write(env.stdout); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
			if plot == "" {
				return unread
			}
			img, err := pen.Plot(c)
			if err != nil {
				return err
			}
			return errors.Join(unread, env.write(plot, func(f io.Writer) error { return app.Encode(f, plot, img) }))
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.gallery(fs)
	o.engine(fs)
	o.answer(fs, "text", "json")
	o.selection.flags(fs)
	fs.StringVar(&plot, "plot", "", "draw the distances into this PNG `file`")
	fs.StringVar(&o.font, "font", "", "TrueType or OpenType `file` to write text with (default: the Go font: Latin, Greek, Cyrillic)")
	return cmd
}

// pairs has the faces of each picture of a batch compared. The first error says
// that some of them could not be read.
func (j *job) pairs(ctx context.Context, env *environment, e *engine, inside *app.Insides) (unread, err error) {
	j.use(env, e, nil, app.Rule{})
	sum, _, err := j.batch(ctx, bufio.NewWriter(io.Discard), []app.Reporter{inside})
	if err == nil && (sum.Failed > 0 || j.unread > 0) {
		unread = j.verdict(sum)
	}
	return unread, err
}
