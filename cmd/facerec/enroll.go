package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func enrollCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g}
	cmd := &cobra.Command{
		Use:   "enroll",
		Short: "Report on every photo in persons/: used, skipped and why, doubtful",
		Long: `Enroll reads persons/NAME/ as recognize does, and reports on every photo: the face
that was used; no face, or several; broken files and files that are not pictures;
duplicates; photos that are unlike the person's others (outlier) or nearer to
somebody else's (suspect). It changes nothing. With --strict it exits with 1 when
anything was skipped.`,
		Example: `  facerec enroll
  facerec enroll --persons family --strict`,
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
			e, err := openEngine(ctx, env, o)
			if err != nil {
				return err
			}
			defer func() { err = e.shut(ctx, err) }()
			res, err := enroll(ctx, env, o, e, false)
			if res == nil || res.Gallery == nil {
				return err
			}
			write := res.WriteText
			if format == "json" {
				write = res.WriteJSON
			}
			if werr := write(env.stdout); werr != nil {
				return errors.Join(err, fmt.Errorf("standard output: %w", werr))
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.gallery(fs)
	o.engine(fs)
	o.answer(fs, "text", "json")
	return cmd
}
