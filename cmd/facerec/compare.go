package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"facerec/internal/app"
	"facerec/internal/app/picture"
	"facerec/internal/text"
)

func compareCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g, margin: app.DefaultMargin}
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "Compare the faces of two pictures",
		Long: `Compare prints the distance from each face of A to each face of B, and whether it is
below the threshold. Faces are matched one to one, the nearest pair first: one face
cannot be two people of the other picture. With --fail-on-unknown it exits with 3 if
no face of A matches one of B.`,
		Example: `  facerec compare passport.jpg selfie.jpg
  facerec compare a.jpg b.jpg --fail-on-unknown --json`,
		Args: pictures(2, 2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ctx := cmd.Context()
			format, err := o.form("text", "json")
			if err != nil {
				return err
			}
			if _, err := o.matching(); err != nil {
				return err
			}
			sizing, err := o.sizing()
			if err != nil {
				return err
			}
			e, err := openEngine(ctx, env, o)
			if err != nil {
				return err
			}
			defer func() { err = e.shut(ctx, err) }()
			r := app.Recognizer{Engine: e, Decoder: o.decoder(env), Sizing: sizing, Salt: e.salt(env), NoImage: true}
			if e.cache != nil {
				r.Cache = e.cache
			}
			var seen [2]app.Result
			for i, name := range args {
				in := fileInput(name, nil)
				if name == "-" {
					in.read = func() ([]byte, error) { return picture.Read(env.stdin) }
				}
				data, err := in.read()
				if err != nil {
					return fmt.Errorf("%s: %w", text.Show(name), err)
				}
				if seen[i], err = r.Recognize(ctx, name, data, nil); err != nil {
					return err
				}
				if seen[i].Err != nil {
					return fmt.Errorf("%s: %w", text.Show(name), seen[i].Err)
				}
			}
			c := app.Compare(seen[0], seen[1], o.threshold)
			write := c.WriteText
			if format == "json" {
				write = c.WriteJSON
			}
			if err := write(env.stdout); err != nil {
				return fmt.Errorf("standard output: %w", err)
			}
			for i := range seen {
				if len(seen[i].Faces) == 0 {
					return noFace(1, seen[i].Name, o.upsample)
				}
			}
			if o.failOnUnknown && !c.Same() {
				return fmt.Errorf("%w: nobody of %s is in %s", errUnknownSeen, text.Show(args[0]), text.Show(args[1]))
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.rule(fs)
	o.engine(fs)
	o.answer(fs, "text", "json")
	fs.BoolVar(&o.failOnUnknown, "fail-on-unknown", false, "exit with code 3 if no two faces are the same person's")
	return cmd
}
