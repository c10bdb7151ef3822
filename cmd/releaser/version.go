package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"facerec/internal/tarball"
)

// version is this program's own. A build may set it with
// -ldflags "-X main.version=1.2.3".
var version = "0.1.0-dev"

type versionAnswer struct {
	Schema   string           `json:"schema"`
	Version  string           `json:"version"`
	Go       string           `json:"go"`
	Platform string           `json:"platform"`
	Recipes  []tarball.Recipe `json:"recipes"`
	Modules  []module         `json:"modules"`
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

func (a *app) versionVerb() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the compression recipes it has and the modules it was built from",
		Example: `  releaser version --json`,
		RunE: func(*cobra.Command, []string) error {
			answer := versionAnswer{
				Schema: "releaser.version/v1", Version: version, Go: runtime.Version(),
				Platform: runtime.GOOS + "/" + runtime.GOARCH, Recipes: tarball.Recipes(),
			}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, d := range info.Deps {
					answer.Modules = append(answer.Modules, module{d.Path, d.Version})
				}
			}
			if a.json {
				return a.answer(answer)
			}
			a.say("releaser %s (%s, %s)", answer.Version, answer.Go, answer.Platform)
			for _, r := range answer.Recipes {
				a.say("recipe %s", r)
			}
			return nil
		},
	}
}
