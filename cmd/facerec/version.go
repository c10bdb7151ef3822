package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// version is the release's, set with -ldflags "-X main.version=1.2.3".
var version = "devel"

func versionCommand(env *environment, g *globals) *cobra.Command {
	o := &options{globals: g}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of facerec, dlib and Go",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			format, err := o.form("text", "json")
			if err != nil {
				return err
			}
			dlib := env.dlib()
			if format == "json" {
				return env.printJSON(struct {
					Schema   string `json:"schema"`
					Version  string `json:"version"`
					Dlib     string `json:"dlib"`
					Go       string `json:"go"`
					Platform string `json:"platform"`
					// Lineage is empty in a program that was not built as releases are.
					Lineage string `json:"lineage"`
					Build   string `json:"build"`
				}{"facerec.version/v1", version, dlib, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, env.lineage(), env.build()})
			}
			if dlib == "" {
				dlib = "none (built without dlib)"
			}
			_, err = fmt.Fprintf(env.stdout, "facerec %s\ndlib    %s\ngo      %s %s/%s\nbuild   %s\n", version, dlib, runtime.Version(), runtime.GOOS, runtime.GOARCH, env.build())
			return err
		},
	}
	o.answer(cmd.Flags(), "text", "json")
	return cmd
}

// build says how the program was built, in a line.
func (env *environment) build() string {
	switch {
	case env.built() != nil:
		return "without dlib: faces cannot be found"
	case env.lineage() == "":
		return "against an installed dlib: not the released, bit-for-bit build; embeddings can differ in their last digits, and faces have no scores"
	}
	return "as releases are, lineage " + env.lineage()
}
