package main

import "github.com/spf13/cobra"

// matrixAnswer has the shape that a CI's "strategy.matrix" takes.
type matrixAnswer struct {
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
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Print the cells as JSON for a CI matrix",
		RunE: func(*cobra.Command, []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			cells, err := c.config.Select(f.cells)
			if err != nil {
				return usageError(err)
			}
			named := c
			if f.version != "" || c.config.Version != "" {
				if named, err = a.choose(f); err != nil {
					return err
				}
			}
			answer := matrixAnswer{Include: []matrixCell{}}
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
			return a.answer(answer)
		},
	}
	f.add(cmd)
	return cmd
}
