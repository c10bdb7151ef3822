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

// shardsAnswer is what matrix prints of a list.
type shardsAnswer struct {
	Schema  string        `json:"schema,omitempty"`
	Include []matrixShard `json:"include"`
}

type matrixShard struct {
	Shard    string   `json:"shard"` // as verify --shard takes it
	Releases []string `json:"releases"`
}

// listFlag is --list, with which the names of the cells are printed, or --list FILE,
// a list of releases. Its type keeps the help from showing what stands for no file.
type listFlag struct {
	cells bool
	file  string
}

const noFile = "true"

func (f *listFlag) Set(s string) error {
	if f.cells = s == noFile; !f.cells {
		f.file = s
	}
	return nil
}

func (*listFlag) Type() string   { return "bool" }
func (*listFlag) String() string { return "" }

type matrixCell struct {
	Cell     string `json:"cell"`
	Lineage  string `json:"lineage"`
	Suffix   string `json:"suffix"`
	Platform string `json:"platform"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Variant  string `json:"variant"`
	Runner   string `json:"runner,omitempty"`
	Asset    string `json:"asset,omitempty"`
}

func (a *app) matrixVerb() *cobra.Command {
	var f cellFlags
	var github, line bool
	var list listFlag
	var shards int
	cmd := &cobra.Command{
		Use:   "matrix [--list FILE --shards N]",
		Short: "Print the cells, or the parts of a list of releases, as JSON for a CI matrix",
		Long: `Print the chosen cells as one JSON document. A cell is one lineage on one
platform: one image, one tarball.

With --github, write matrix={"include":[…]} in one line to the file that
GITHUB_OUTPUT names, so that a job can use it as its strategy's matrix:

  matrix: ${{ fromJSON(needs.cells.outputs.matrix) }}

Where config.json has "runners", each cell has the label of the machines that build
it, for runs-on: ${{ matrix.runner }}.

With --list, print the names of the cells, one per line, for make -j, a job array
or a list in another CI's configuration.

With --list FILE --shards N, print a list of releases, as 'releaser verify --list'
reads it, in N parts instead. Their lengths differ by one at most; releases of one
page, or in one directory, are neighbours, as they are likely to share layers. Each
job runs 'releaser verify --list FILE --shard I/N'.`,
		Example: `  releaser matrix
  releaser matrix --cells linux/amd64 --list
  releaser matrix --list releases.txt --shards 8`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if list.cells && len(args) == 1 { // --list FILE: only --list=FILE has its value with it
				list, args = listFlag{file: args[0]}, nil
			}
			if len(args) > 0 {
				return usage("unexpected argument %s", text.Show(args[0]))
			}
			if files := list.file != ""; files || cmd.Flags().Changed("shards") {
				switch {
				case !files:
					return usage("--shards needs --list FILE")
				case shards < 1 || shards > maxShards:
					return usage("--shards %d: expected 1 to %d", shards, maxShards)
				}
				return a.matrixOfList(list.file, shards, github, line)
			}
			c, err := a.load()
			if err != nil {
				return err
			}
			cells, err := c.config.Select(f.cells)
			if err != nil {
				return usageError(err)
			}
			if list.cells {
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
					Runner: c.config.Runner(cell.Platform),
				}
				if named.version != "" {
					m.Asset = c.config.AssetName(named.version, cell)
				}
				answer.Include = append(answer.Include, m)
			}
			return a.matrix(&answer, &answer.Schema, github, line)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&github, "github", false, "write matrix=… to the file that GITHUB_OUTPUT names")
	cmd.Flags().BoolVar(&line, "oneline", false, "print the document on one line")
	cmd.Flags().Var(&list, "list", "print the names of the cells, one per line; or, with --shards, the parts of the list of releases `FILE`")
	cmd.Flags().Lookup("list").NoOptDefVal = noFile
	cmd.Flags().IntVar(&shards, "shards", 0, "cut the list into `N` parts")
	cmd.MarkFlagsMutuallyExclusive("github", "oneline")
	return cmd
}

// matrix prints an answer in the form that the flags choose; without its schema it
// is what GitHub Actions takes.
func (a *app) matrix(answer any, schema *string, github, line bool) error {
	switch {
	case github:
		*schema = ""
		return writeGitHubOutput("matrix", answer)
	case line:
		raw, err := text.JSONLine(answer)
		if err == nil {
			_, err = a.out.Write(raw)
		}
		return err
	}
	return a.answer(answer)
}

// matrixOfList prints the parts of a list.
func (a *app) matrixOfList(file string, n int, github, line bool) error {
	parts, err := a.shards(file, n)
	if err != nil {
		return err
	}
	answer := shardsAnswer{Schema: "releaser.matrix-shards/v1", Include: []matrixShard{}}
	for i, part := range parts {
		shard := matrixShard{Shard: fmt.Sprintf("%d/%d", i+1, n), Releases: []string{}}
		for _, item := range part {
			shard.Releases = append(shard.Releases, item.Name)
		}
		answer.Include = append(answer.Include, shard)
	}
	return a.matrix(&answer, &answer.Schema, github, line)
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
