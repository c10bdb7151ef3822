package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"facerec/internal/atomicfile"
	"github.com/spf13/cobra/doc"
)

func (a *app) manVerb() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "man",
		Short:   "Write manual pages, one per verb",
		Example: `  releaser man --out man`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return &atomicfile.WriteError{Path: dir, Err: err}
			}
			epoch := time.Unix(0, 0).UTC() // the same pages whenever they are made
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "RELEASER", Section: "1", Source: "releaser " + version, Date: &epoch}, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "out", "build/man", "write the pages to `DIR`")
	return cmd
}
