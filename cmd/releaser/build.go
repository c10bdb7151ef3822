package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"facerec/internal/oci"
	"facerec/internal/release"
	"facerec/internal/tarball"
)

func (a *app) buildVerb() *cobra.Command {
	var f cellFlags
	var out string
	var noRun bool
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Run build_cmd for the chosen cells and assemble one image index per lineage",
		Long: `Run build_cmd once for each chosen cell, in the folder of config.json, with

  RELEASER_LINEAGE   dlib19
  RELEASER_PLATFORM  linux/arm/v7
  RELEASER_OS, RELEASER_ARCH, RELEASER_VARIANT
  RELEASER_VERSION   1.4.0
  SOURCE_DATE_EPOCH  epoch of config.json

in its environment, then assemble one reproducible image index per lineage
into an OCI layout, tagged VERSION and the lineage's suffix. No container
engine is needed. The same inputs give the same digests on any machine: only
names, contents and the owner's execute bit of files count, not their times,
owners or the umask.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.choose(f)
			if err != nil {
				return err
			}
			if !noRun {
				if err := a.runBuilds(cmd, c); err != nil {
					return err
				}
			}
			return a.buildLayout(cmd, c, out)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "build/oci", "OCI layout `DIR` to write; an older layout there is replaced")
	cmd.Flags().BoolVar(&noRun, "no-run", false, "do not run build_cmd: assemble what is there")
	return cmd
}

// runBuilds is the only place of the program that runs a command.
func (a *app) runBuilds(cmd *cobra.Command, c *chosen) error {
	for _, cell := range c.cells {
		a.note("build: %s: %s", cell, c.config.BuildCmd)
		sh := exec.CommandContext(cmd.Context(), "/bin/sh", "-c", c.config.BuildCmd)
		sh.Dir = c.root
		sh.Env = append(os.Environ(), buildEnvironment(c, cell)...)
		sh.Stdout, sh.Stderr = a.errs, a.errs
		if err := sh.Run(); err != nil {
			return fmt.Errorf("build_cmd of cell %s failed (%w): %s", cell, err, c.config.BuildCmd)
		}
	}
	return nil
}

func buildEnvironment(c *chosen, cell release.Cell) []string {
	return []string{
		"RELEASER_LINEAGE=" + cell.Lineage.Name,
		"RELEASER_PLATFORM=" + cell.Platform.String(),
		"RELEASER_OS=" + cell.Platform.OS,
		"RELEASER_ARCH=" + cell.Platform.Arch,
		"RELEASER_VARIANT=" + cell.Platform.Variant,
		"RELEASER_VERSION=" + string(c.version),
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(c.config.Epoch, 10),
	}
}

// buildAnswer is what build --json prints.
type buildAnswer struct {
	Schema string      `json:"schema"`
	Layout string      `json:"layout"`
	Cells  []builtCell `json:"cells"`
}

type builtCell struct {
	Cell     string           `json:"cell"`
	Tag      string           `json:"tag"`
	Index    release.Digest   `json:"index_digest"`
	Manifest release.Digest   `json:"manifest_digest"`
	Layers   []release.Digest `json:"layer_digests"`
}

func (a *app) buildLayout(cmd *cobra.Command, c *chosen, out string) error {
	spool, err := tarball.NewSpool("")
	if err != nil {
		return err
	}
	defer spool.Close()
	b := oci.Build{Config: c.config, Version: c.version, Cells: c.cells, Root: c.root, Spool: spool}
	var built []oci.BuiltCell
	err = replaceDir(out, oci.IsLayoutFile, func(tmp string) (err error) {
		built, err = b.Layout(cmd.Context(), tmp)
		return err
	})
	if err != nil {
		return err
	}
	answer := buildAnswer{Schema: "releaser.build/v1", Layout: out}
	for _, b := range built {
		one := builtCell{Cell: b.Cell.String(), Tag: b.Tag, Index: b.Index, Manifest: b.Manifest}
		for _, l := range b.Layers {
			one.Layers = append(one.Layers, l.Digest)
		}
		answer.Cells = append(answer.Cells, one)
	}
	if a.json {
		return a.answer(answer)
	}
	for _, one := range answer.Cells {
		a.say("%s  oci-layout:%s:%s  index %s  manifest %s", one.Cell, out, one.Tag, one.Index, one.Manifest)
	}
	return nil
}
