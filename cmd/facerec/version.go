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
				}{"facerec.version/v1", version, dlib, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
			}
			if dlib == "" {
				dlib = "none (built without dlib)"
			}
			_, err = fmt.Fprintf(env.stdout, "facerec %s\ndlib    %s\ngo      %s %s/%s\n", version, dlib, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	o.answer(cmd.Flags(), "text", "json")
	return cmd
}
