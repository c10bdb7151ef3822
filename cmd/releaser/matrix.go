package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"facerec/internal/text"
)

// matrixAnswer is what matrix prints. Without its schema it is the "matrix" of a
// job's strategy in GitHub Actions.
type matrixAnswer struct {
	Schema  string       `json:"schema,omitempty"`
	Include []matrixCell `json:"include"`
}

type matrixCell struct {
	Cell     string `json:"cell"`
	Lineage  string `json:"lineage"`
	Suffix   string `json:"suffix"`
	Platform string `json:"platform"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Variant  string `json:"variant"`
	Asset    string `json:"asset,omitempty"`
}

func (a *app) matrixVerb() *cobra.Command {
	var f cellFlags
	var github, line, list bool
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Print the cells as JSON for a CI matrix",
		Long: `Print the chosen cells as one JSON document. A cell is one lineage on one
platform: one image, one tarball.

With --github, write matrix={"include":[…]} in one line to the file that
GITHUB_OUTPUT names, so that a job can use it as its strategy's matrix:

  matrix: ${{ fromJSON(needs.cells.outputs.matrix) }}

With --list, print the names of the cells, one per line, for make -j, a job array
or a list in another CI's configuration.`,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			cells, err := c.config.Select(f.cells)
			if err != nil {
				return usageError(err)
			}
			if list {
				for _, cell := range cells {
					a.say("%s", cell)
				}
				return nil
			}
			named := c
			if f.version != "" || c.config.Version != "" {
				if named, err = a.choose(f); err != nil {
					return err
				}
			}
			answer := matrixAnswer{Schema: "releaser.matrix/v1", Include: []matrixCell{}}
			for _, cell := range cells {
				m := matrixCell{
					Cell: cell.String(), Lineage: cell.Lineage.Name, Suffix: cell.Lineage.Suffix,
					Platform: cell.Platform.String(), OS: cell.Platform.OS, Arch: cell.Platform.Arch, Variant: cell.Platform.Variant,
				}
				if named.version != "" {
					m.Asset = c.config.AssetName(named.version, cell)
				}
				answer.Include = append(answer.Include, m)
			}
			switch {
			case github:
				answer.Schema = ""
				return writeGitHubOutput("matrix", answer)
			case line:
				raw, err := text.JSONLine(answer)
				if err == nil {
					_, err = a.out.Write(raw)
				}
				return err
			}
			return a.answer(answer)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&github, "github", false, "write matrix=… to the file that GITHUB_OUTPUT names")
	cmd.Flags().BoolVar(&line, "oneline", false, "print the document on one line")
	cmd.Flags().BoolVar(&list, "list", false, "print the names of the cells, one per line")
	cmd.MarkFlagsMutuallyExclusive("github", "oneline", "list")
	return cmd
}

// writeGitHubOutput sets an output of a step of GitHub Actions.
func writeGitHubOutput(name string, value any) error {
	path := os.Getenv("GITHUB_OUTPUT")
	if path == "" {
		return usage("GITHUB_OUTPUT is not set: --github is for a job of GitHub Actions")
	}
	raw, err := text.JSONLine(value)
	if err != nil {
		return err
	}
	if err := atomicfile.Append(path, []byte(name+"="+string(raw))); err != nil {
		return fmt.Errorf("GITHUB_OUTPUT: %w", err)
	}
	return nil
}
